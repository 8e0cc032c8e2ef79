/** `arte watch RUN`: follow a run live; plain lines when the output is no terminal. */
import type { Command } from 'commander';
import { colorsFor, printLine } from '../output';
import { viewRun } from '../run-progress';
import { endLines } from '../run-view';
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
        const view = await viewRun(session.client, session.store, runId);
        for (const line of endLines(view, colorsFor(process.stdout))) printLine(line);
      } finally {
        await session.close();
      }
    });
}
