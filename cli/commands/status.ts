/** `arte status [RUN]`: one run as it stands, or all runs in a table. Loads what the one or the other needs. */
import type { Command } from 'commander';
import { openSession } from '../session';

export function register(program: Command): void {
  program
    .command('status')
    .argument('[run]', 'id of a run; all runs when left out')
    .description('where a run is, what it waits for, and what to type next')
    .option('--stalls', 'what work of the run that stood still waited for, each time that it did')
    .option('--json', 'as JSON')
    .action(
      async (runId: string | undefined, { stalls = false, json = false }: { stalls?: boolean; json?: boolean }) => {
        const session = await openSession({ start: false });
        try {
          if (stalls) process.exitCode = await (await import('../run/show-stalls.js')).showStalls(session, runId, json);
          else
            process.exitCode =
              runId === undefined
                ? await (await import('../run/show-runs.js')).showRuns(session, json)
                : await (await import('../run/show-run.js')).showRun(session, runId, json);
        } finally {
          await session.close();
        }
      },
    );
}
