/** `arte cancel RUN`: stop a run in good order; what is finished stays in the store. */
import type { Command } from 'commander';
import { recordAction } from '../../activities/run-actions';
import { orderFor } from '../actor';
import { exitCodes, printLine, progress } from '../output';
import { viewRun } from '../run-progress';
import { openSession } from '../session';
import { notUnderWay } from '../steer-run';

export function register(program: Command): void {
  program
    .command('cancel')
    .argument('<run>', 'id of the run')
    .description('stop a run: its children end, its rows are kept, its report is written')
    .option('--reason <why>', 'kept with the action, for whoever asks later')
    .action(async (runId: string, options: { reason?: string }) => {
      const session = await openSession({ start: false });
      try {
        const { engine, progress: state } = await viewRun(session.client, session.store, runId);
        if (engine !== 'RUNNING') throw notUnderWay(runId, state.status, 'cancel');
        const line = progress(`cancelling ${runId}`);
        const handle = session.client.workflow.getHandle(runId);
        await handle.cancel();
        await recordAction(session.store, {
          ...{ runId, action: 'cancel', at: new Date().toISOString() },
          ...orderFor(options),
        });
        line.update('waiting until servers and trainers are gone');
        await handle.result().catch(() => undefined);
        line.done(`run ${runId} is cancelled`);
        printLine(`Nothing that was paid for is lost: arte retry ${runId} starts it again`);
        process.exitCode = exitCodes.done;
      } finally {
        await session.close();
      }
    });
}
