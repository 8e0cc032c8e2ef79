/**
 * Whether anybody works on a run: a worker that is gone answers nothing, and a person who waits for it is told so within seconds.
 * Owns how that is seen from the engine; what is said of it is its callers'.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { leftWaitingMs, pollerSilenceMs } from '../../schemas/limits';
import { taskQueues } from '../../schemas/messages';

/** Temporal's TaskQueueType and PendingWorkflowTaskState. */
const workflowTasks = 1;
const scheduled = 1;

/** How often it is looked at. */
const lookMs = 500;

/** Who asks for a run's work: a worker that may do it; nobody; or only workers of versions of the code to which the run is not pinned. */
export type Attendance = 'attended' | 'nobody' | 'other versions';

/**
 * Whether a worker asks for the run's work. A run is pinned to a version of the workflow code: workers of other versions leave it alone.
 * Still attended by a worker that has only just gone: its last question to the engine is younger than pollerSilenceMs.
 */
export async function attendanceOf(client: Client, runId: string): Promise<Attendance> {
  const { raw } = await client.workflow.getHandle(runId).describe();
  const pinned = raw.workflowExecutionInfo?.versioningInfo?.deploymentVersion?.buildId ?? '';
  const { pollers } = await client.workflowService.describeTaskQueue({
    namespace: client.options.namespace,
    taskQueue: { name: taskQueues.workflows },
    // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- the enum's package is no dependency of ours
    taskQueueType: workflowTasks,
  });
  const versions = pollers
    .filter(({ lastAccessTime }) => Date.now() - Number(lastAccessTime?.seconds ?? 0) * 1000 < pollerSilenceMs)
    .map(({ deploymentOptions }) => deploymentOptions?.buildId ?? '');
  if (versions.some((version) => pinned === '' || version === '' || version === pinned)) return 'attended';
  return versions.length > 0 ? 'other versions' : 'nobody';
}

/** Resolves when something of the run has waited for so long, and no worker has taken it up; never when the signal aborts first. */
export async function untilLeftWaiting(client: Client, runId: string, signal: AbortSignal): Promise<void> {
  const handle = client.workflow.getHandle(runId);
  let since: number | undefined;
  while (!signal.aborted) {
    const { raw } = await handle.describe();
    if (Number(raw.pendingWorkflowTask?.state) !== scheduled) since = undefined;
    else if (Date.now() - (since ??= Date.now()) >= leftWaitingMs) return;
    await sleep(lookMs, undefined, { signal }).catch(() => undefined);
  }
  await new Promise(() => undefined);
}
