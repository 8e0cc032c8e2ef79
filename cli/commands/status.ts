/** `arte status [RUN]`: one run as it stands, or all runs in a table. Loads what the one or the other needs. */
import type { Command } from 'commander';
import { openSession } from '../session';

export function register(program: Command): void {
  program
    .command('status')
    .argument('[run]', 'id of a run; all runs when left out')
    .description('where a run is, what it waits for, and what to type next')
    .option('--json', 'as JSON')
    .action(async (runId: string | undefined, options: { json?: boolean }) => {
      const session = await openSession({ start: false });
      try {
        process.exitCode =
          runId === undefined
            ? await (await import('../list-runs.js')).listRuns(session, options.json === true)
            : await (await import('../show-run.js')).showRun(session, runId, options.json === true);
      } finally {
        await session.close();
      }
    });
}
