/** `arte cancel RUN`: stop a run in good order; what is finished stays in the store. */
import type { Command } from 'commander';
import { recordAction } from '../../activities/run-actions';
import { orderFor } from '../actor';
import { exitCodes, printLine, progress } from '../output';
import { viewRun } from '../run-progress';
import { openSession, type Session } from '../session';
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
        const ended = await cancelRun(session, runId, options);
        const line = progress('waiting until servers and trainers are gone');
        await ended();
        line.done(`run ${runId} is cancelled`);
        printLine(`Nothing that was paid for is lost: arte retry ${runId} starts it again`);
        process.exitCode = exitCodes.done;
      } finally {
        await session.close();
      }
    });
}

/** Order it; the answer waits for the run's end. Errors: RunNotFound, RunStateConflict. */
export async function cancelRun(
  { client, store }: Session,
  runId: string,
  { reason }: { readonly reason?: string | undefined },
): Promise<() => Promise<void>> {
  const { engine, progress: state } = await viewRun(client, store, runId);
  if (engine !== 'RUNNING') throw notUnderWay(runId, state.status, 'cancel');
  const handle = client.workflow.getHandle(runId);
  await handle.cancel();
  await recordAction(store, { runId, action: 'cancel', at: new Date().toISOString(), ...orderFor({ reason }) });
  return async () => {
    await handle.result().catch(() => undefined);
  };
}
