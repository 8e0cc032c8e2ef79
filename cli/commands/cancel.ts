/** `arte cancel RUN`: stop a run in good order; what is finished stays in the store. */
import type { Command } from 'commander';
import { ArteError } from '../../schemas/errors';
import { exitCodes, printLine, progress } from '../output';
import { viewRun } from '../run-progress';
import { openSession } from '../session';

export function register(program: Command): void {
  program
    .command('cancel')
    .argument('<run>', 'id of the run')
    .description('stop a run: its children end, its rows are kept, its report is written')
    .action(async (runId: string) => {
      const session = await openSession({ start: false });
      try {
        const { engine, progress: state } = await viewRun(session.client, session.store, runId);
        if (engine !== 'RUNNING') {
          throw new ArteError('RunStateConflict', {
            what: `The run ${runId} is ${state.status}: there is nothing to cancel.`,
            why: 'Only a run that works or waits can be cancelled.',
            next: `arte status ${runId} shows it.`,
          });
        }
        const line = progress(`cancelling ${runId}`);
        const handle = session.client.workflow.getHandle(runId);
        await handle.cancel();
        line.update('waiting until servers and trainers are gone');
        await handle.result().catch(() => undefined);
        line.done(`run ${runId} is cancelled`);
        printLine(`Nothing that was paid for is lost: start it again with arte run CONFIG --id ${runId}`);
        process.exitCode = exitCodes.done;
      } finally {
        await session.close();
      }
    });
}
