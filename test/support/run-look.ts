/**
 * Looks at a run as `arte status` does, from within the test. A process for each look starts for longer than it looks: a test that waits for the
 * middle of a stage took half a core for it, beside the run that it waits for.
 */
import { viewRun, type RunView } from '../../cli/run/run-progress';
import { openSession, type Session } from '../../cli/session';
import { ArteError } from '../../schemas/errors';
import type { Workspace } from './cli';

export interface RunLook {
  /** The run as it stands; undefined while it is not there yet, or while a part of the platform that was asked is away. */
  view(): Promise<RunView | undefined>;
  close(): Promise<void>;
}

/** The platform need not be up yet. Until it is closed, this process has the environment of the workspace's commands. */
export function openRunLook(workspace: Workspace, runId: string): RunLook {
  const own = process.env;
  // Replaced and not handed on: the store's client reads its keys at its first request.
  process.env = { ...workspace.env };
  let session: Session | undefined;
  return {
    async view() {
      try {
        session ??= await openSession({ start: false });
        return await viewRun(session.client, session.store, runId);
      } catch (error) {
        if (error instanceof ArteError && !error.data.retryable && error.data.code !== 'RunNotFound') throw error;
        return undefined;
      }
    },
    async close() {
      process.env = own;
      await session?.close();
    },
  };
}
