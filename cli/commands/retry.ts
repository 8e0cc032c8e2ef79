/** `arte retry RUN`: a run that waits for a person goes on; finished stages and rows come from the store. */
import { WorkflowUpdateFailedError } from '@temporalio/client';
import type { Command } from 'commander';
import { formatMoney, readLedger } from '../../activities/budget';
import { ArteError } from '../../schemas/errors';
import type { Ledger } from '../../schemas/ledger';
import { retryUpdate } from '../../workflows/messages';
import { exitCodes, printLine, printNote, type ExitCode } from '../output';
import { openBundleOf } from '../run-config-of';
import { viewRun } from '../run-progress';
import { openSession, type Session } from '../session';
import { watchRun } from '../watch-run';

export function register(program: Command): void {
  program
    .command('retry')
    .argument('<run>', 'id of the run')
    .option('--detach', 'come back at once')
    .description('go on with a run that waits for you')
    .action(async (runId: string, options: { detach?: boolean }) => {
      const session = await openSession({ start: false });
      try {
        process.exitCode = await retryRun(session, runId, { detach: options.detach === true });
      } finally {
        await session.close();
      }
    });
}

/** The command's body, also of `arte budget set --retry`; quiet: stdout belongs to somebody else. */
export async function retryRun(
  session: Session,
  runId: string,
  { detach = false, quiet = false } = {},
): Promise<ExitCode> {
  const { engine, progress } = await viewRun(session.client, session.store, runId);
  if (engine !== 'RUNNING') throw nothingToRetry(runId, progress.status);
  if (progress.attention?.error.code === 'BudgetExhausted') await refuseWithoutMoney(session, runId);
  try {
    await session.client.workflow.getHandle(runId).executeUpdate(retryUpdate);
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError) throw nothingToRetry(runId, progress.status);
    throw error;
  }
  (quiet ? printNote : printLine)(`run ${runId} goes on`);
  return detach ? exitCodes.done : watchRun(session, runId, { quiet });
}

/** The work that the run is parked for would be refused again, and the run parked again: that is said instead. Errors: BudgetExhausted. */
async function refuseWithoutMoney({ store }: Session, runId: string): Promise<void> {
  const config = await openBundleOf(store, runId);
  const missing = config && shortfall(await readLedger(store, runId, config));
  if (missing === undefined) return;
  throw new ArteError('BudgetExhausted', {
    what: `${runId} cannot go on under its cap.`,
    why: missing,
    next: `arte budget set ${runId} AMOUNT --retry raises the cap and goes on.`,
  });
}

/** A sentence where the cap is below what the work needs that was last refused; undefined where it is not. */
export function shortfall({ cap, needs }: Ledger): string | undefined {
  if (cap === null || needs === undefined || needs <= cap) return undefined;
  return `The work that it waits with needs a cap of ${formatMoney(Math.ceil(needs * 1e4) / 1e4)}, and it is ${formatMoney(cap)}.`;
}

export function nothingToRetry(runId: string, status: string): ArteError {
  return new ArteError('RunStateConflict', {
    what: `The run ${runId} is ${status}: there is nothing to retry.`,
    why: 'retry is for a run that is parked as NEEDS_ATTENTION.',
    next:
      status === 'RUNNING'
        ? `arte watch ${runId} shows what it does.`
        : `arte run CONFIG --id ${runId} starts it again; what is finished comes from the store.`,
  });
}
