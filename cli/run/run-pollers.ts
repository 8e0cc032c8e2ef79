/**
 * Whether anybody works on a run, or on what a command asks of a worker: one that is gone answers nothing, and a person who waits for it is told so within seconds.
 * Owns how that is seen from the engine; what is said of it is its callers'.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { leftWaitingMs, pollerSilenceMs } from '../../schemas/limits';
import { taskQueues } from '../../schemas/messages';

/** Temporal's TaskQueueType, and the state of a task that waits for a worker: PendingWorkflowTaskState and PendingActivityState have it alike. */
const taskTypes = { workflows: 1, activities: 2 } as const;
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
  const versions = await versionsAsking(client, taskQueues.workflows, 'workflows');
  if (versions.some((version) => pinned === '' || version === '' || version === pinned)) return 'attended';
  return versions.length > 0 ? 'other versions' : 'nobody';
}

/** Whether a worker asks for work of a queue, whatever its version. */
export async function isAskedFor(client: Client, queue: string, of: keyof typeof taskTypes): Promise<boolean> {
  return (await versionsAsking(client, queue, of)).length > 0;
}

/** Versions of the workers that ask for work of a queue; '' of one that has none. */
async function versionsAsking(client: Client, queue: string, of: keyof typeof taskTypes): Promise<readonly string[]> {
  const { pollers } = await client.workflowService.describeTaskQueue({
    namespace: client.options.namespace,
    taskQueue: { name: queue },
    // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- the enum's package is no dependency of ours
    taskQueueType: taskTypes[of],
  });
  return pollers
    .filter(({ lastAccessTime }) => Date.now() - Number(lastAccessTime?.seconds ?? 0) * 1000 < pollerSilenceMs)
    .map(({ deploymentOptions }) => deploymentOptions?.buildId ?? '');
}

/** What is asked for, unless somebody who watches over it gives it up first: by throwing. */
export async function unlessGivenUp<Answer>(
  client: Client,
  ask: () => Promise<Answer>,
  ...watchers: readonly ((signal: AbortSignal) => Promise<never>)[]
): Promise<Answer> {
  const done = new AbortController();
  const all = [client.withAbortSignal(done.signal, ask), ...watchers.map((watch) => watch(done.signal))];
  // Whatever comes later is of no interest any more.
  for (const each of all) each.catch(() => undefined);
  try {
    return await Promise.race(all);
  } finally {
    done.abort();
  }
}

/** Resolves when something of the run has waited for so long, and no worker has taken it up; never when the signal aborts first. */
export async function untilLeftWaiting(client: Client, runId: string, signal: AbortSignal): Promise<void> {
  const handle = client.workflow.getHandle(runId);
  await untilLasting(signal, async () => {
    const { raw } = await handle.describe();
    return Number(raw.pendingWorkflowTask?.state) === scheduled;
  });
}

/**
 * The same of an activity: it has waited for so long, and no worker asks for work of its queue. A worker that is busy with all that it takes at a time does
 * not ask either, and counts as gone after pollerSilenceMs.
 */
export async function untilActivityLeftWaiting(
  client: Client,
  workflowId: string,
  queue: string,
  signal: AbortSignal,
): Promise<void> {
  const handle = client.workflow.getHandle(workflowId);
  await untilLasting(signal, async () => {
    const { raw } = await handle.describe();
    const waits = (raw.pendingActivities ?? []).some(({ state }) => Number(state) === scheduled);
    return waits && !(await isAskedFor(client, queue, 'activities'));
  });
}

/** Resolves when it has been so at every look for leftWaitingMs; never when the signal aborts first. */
async function untilLasting(signal: AbortSignal, isSo: () => Promise<boolean>): Promise<void> {
  let since: number | undefined;
  while (!signal.aborted) {
    if (!(await isSo())) since = undefined;
    else if (Date.now() - (since ??= Date.now()) >= leftWaitingMs) return;
    await sleep(lookMs, undefined, { signal }).catch(() => undefined);
  }
  await new Promise(() => undefined);
}
