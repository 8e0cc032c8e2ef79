/** `arte watch RUN`: follow a run live; plain lines when the output is no terminal. */
import type { Command } from 'commander';
import { openSession } from '../session';
import { watchRun } from '../watch-run';

export function register(program: Command): void {
  program
    .command('watch')
    .argument('<run>', 'id of the run')
    .description('follow a run until it ends; Ctrl-C leaves it running')
    .action(async (runId: string) => {
      const session = await openSession({ start: false });
      try {
        process.exitCode = await watchRun(session, runId);
      } finally {
        await session.close();
      }
    });
}
