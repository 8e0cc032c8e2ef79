/** `arte cancel RUN`: stop a run in good order; what is finished stays in the store. */
import { WorkflowFailedError } from '@temporalio/client';
import type { Command } from 'commander';
import { isDamage } from '../../activities/damaged';
import { recordAction } from '../../activities/run-actions';
import { runKeys } from '../../activities/run-records';
import { statusOf } from '../../activities/start-run';
import type { RunStatus } from '../../schemas/messages';
import { orderFor } from '../actor';
import { exitCodes, printLine, printNote, progress } from '../output';
import { viewRun } from '../run/run-progress';
import { openSession, type Session } from '../session';
import type { alignWorkflow } from '../../workflows';
import { requireWorker, unlessLeftWaiting } from '../run/steer-run';

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
        const status = await ended().catch((error: unknown) => {
          line.fail();
          throw error;
        });
        if (status === 'CANCELLED') {
          line.done(`run ${runId} is cancelled`);
          printLine(`Nothing that was paid for is lost: arte retry ${runId} starts it again`);
          process.exitCode = exitCodes.done;
        } else {
          line.fail(`run ${runId} is ${status}: it ended in another way than by being cancelled`);
          printLine(
            status === 'DONE' ? `arte report ${runId} shows what it came to` : `arte status ${runId} says more`,
          );
          process.exitCode = exitCodes.failed;
        }
      } finally {
        await session.close();
      }
    });
}

/**
 * Order it; the answer waits for the run's end, and says how it stands then. Errors: RunNotFound, RunStateConflict, PlatformDown; the answer's:
 * PlatformDown when nobody works on the run any more.
 */
export async function cancelRun(
  session: Session,
  runId: string,
  { reason }: { readonly reason?: string | undefined },
): Promise<() => Promise<RunStatus>> {
  const { client, store } = session;
  const looked = store.getDocument(runKeys.progress(runId)).catch((error: unknown) => {
    if (isDamage(error))
      printNote(
        `note    ${error.data.what} ${error.data.why} The run is cancelled all the same; its last word replaces it.`,
      );
  });
  await requireWorker(session, runId, 'cancel');
  // Before the run writes its report, which tells what people did to it.
  const action = { runId, action: 'cancel', at: new Date().toISOString(), ...orderFor({ reason }) } as const;
  await recordAction(store, action).catch((error: unknown) => {
    // A store that takes nothing is a reason more to end a run.
    printNote(
      `note    who cancelled it could not be recorded: ${error instanceof Error ? error.message : String(error)}`,
    );
  });
  const handle = client.workflow.getHandle<typeof alignWorkflow>(runId);
  await handle.cancel();
  await looked;
  return async () => {
    await unlessLeftWaiting(session, runId, 'cancel', async () => {
      try {
        await handle.result();
      } catch (error) {
        // It ended so; anything else is the engine's silence.
        if (!(error instanceof WorkflowFailedError)) throw error;
      }
    });
    // Its last word may be missing in a store that takes none.
    if ((await statusOf(handle)) === 'CANCELLED') return 'CANCELLED';
    return (await viewRun(client, store, runId)).progress.status;
  };
}
