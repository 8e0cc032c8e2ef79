/** `arte retry RUN`: a run that waits for a person goes on; finished stages and rows come from the store. */
import { WorkflowUpdateFailedError } from '@temporalio/client';
import type { Command } from 'commander';
import { ArteError } from '../../schemas/errors';
import { retryUpdate } from '../../workflows/messages';
import { exitCodes, printLine, printNote, type ExitCode } from '../output';
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
  try {
    await session.client.workflow.getHandle(runId).executeUpdate(retryUpdate);
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError) throw nothingToRetry(runId, progress.status);
    throw error;
  }
  (quiet ? printNote : printLine)(`run ${runId} goes on`);
  return detach ? exitCodes.done : watchRun(session, runId, { quiet });
}

function nothingToRetry(runId: string, status: string): ArteError {
  return new ArteError('RunStateConflict', {
    what: `The run ${runId} is ${status}: there is nothing to retry.`,
    why: 'retry is for a run that is parked as NEEDS_ATTENTION.',
    next:
      status === 'RUNNING'
        ? `arte watch ${runId} shows what it does.`
        : `arte run CONFIG --id ${runId} starts it again; what is finished comes from the store.`,
  });
}
