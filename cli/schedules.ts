/**
 * Schedules in the engine and their documents in the store. Owns that the two agree: the document is written first, so that a schedule whose engine
 * has lost it can be made again from what the store holds; it goes last. And that whoever does something to a schedule is in its actions, which stay.
 * Leaves what a firing does to workflows/realign.ts, the look to commands/schedule.ts.
 */
import {
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
  type Client,
  type ScheduleDescription,
  type ScheduleHandle,
} from '@temporalio/client';
import { msToNumber, type StringValue } from '@temporalio/common/lib/time';
import { recordRegistryAction } from '../activities/registry-actions';
import { readPlan, readSchedule, scheduleKeys } from '../activities/schedules';
import { listStudents } from '../activities/students';
import type { ArtifactStore } from '../drivers/store/store';
import { ArteError } from '../schemas/errors';
import type { JsonValue } from '../schemas/json';
import { scheduleIntervalMinMs } from '../schemas/limits';
import { taskQueues, type WorkerRole } from '../schemas/messages';
import type { RegistryAction } from '../schemas/registry-action';
import type { Order } from '../schemas/run-action';
import type { FiringOutcome, FiringPlan, RealignInput, ScheduleRecord, ScheduleTiming } from '../schemas/schedule';
import type { realignWorkflow } from '../workflows';
import { isAskedFor, unlessGivenUp, untilActivityLeftWaiting, untilLeftWaiting } from './run/run-pollers';
import type { Session } from './session';

type Platform = Pick<Session, 'client' | 'store'>;

const overlaps = { skip: ScheduleOverlapPolicy.SKIP, 'buffer-one': ScheduleOverlapPolicy.BUFFER_ONE } as const;

/** Schedules of others may be in the same namespace. */
function engineId(name: string): string {
  return `arte-schedule-${name}`;
}

/**
 * Create a schedule, or with `replace` change the one there is; its students' history stays.
 * Errors: RunStateConflict when there is one of that name, InvalidInput when the engine does not take the times.
 */
export async function createSchedule(
  { client, store }: Platform,
  record: ScheduleRecord,
  { replace = false, reason }: { readonly replace?: boolean; readonly reason?: string | undefined } = {},
): Promise<'created' | 'replaced'> {
  const standing = await readSchedule(store, record.name);
  const engine = await describeSchedule(client, record.name);
  if (!replace && (standing ?? engine)) throw thereAlready(record.name, standing);
  const document = record as unknown as JsonValue;
  if (replace) await store.putDocument(scheduleKeys.record(record.name), document);
  else {
    // Of two that create one of that name at the same time the other must not take back the first one's document when the engine refuses it.
    const first = await store.putOnce(scheduleKeys.record(record.name), document);
    if (!first.won) throw thereAlready(record.name, first.document as unknown as ScheduleRecord);
  }
  try {
    await putIntoEngine(client, record, engine !== undefined);
  } catch (error) {
    if (standing) await store.putDocument(scheduleKeys.record(record.name), standing as unknown as JsonValue);
    else await store.remove(scheduleKeys.record(record.name));
    throw asTimingError(error, record.timing);
  }
  const { name, at, by } = record;
  const order = { by, ...(reason === undefined ? {} : { reason }) };
  await recordDone(store, name, standing ? 'replace' : 'create', order, { at });
  return standing ? 'replaced' : 'created';
}

function thereAlready(name: string, standing: ScheduleRecord | undefined): ArteError {
  return new ArteError('RunStateConflict', {
    what: `There is a schedule ${name} already.`,
    why: standing ? `${standing.by} created it from ${standing.config} on ${standing.at}.` : 'The engine knows it.',
    next: 'Give this one another --name, or say --replace: its students keep what they have, and what has changed is made anew.',
  });
}

async function recordDone(
  store: ArtifactStore,
  name: string,
  action: RegistryAction['action'],
  order: Order,
  more: Partial<Pick<RegistryAction, 'at' | 'set'>> = {},
): Promise<void> {
  await recordRegistryAction(store, { kind: 'schedule', name }, { action, ...order, ...more });
}

/** Who, and why, as the engine keeps it with a pause. */
function noteOf({ by, reason }: Order): string {
  return reason === undefined ? by : `${by}: ${reason}`;
}

async function putIntoEngine(client: Client, record: ScheduleRecord, exists: boolean): Promise<void> {
  const { name, timing, bundle, parallel, at: recordedAt } = record;
  const args: [RealignInput] = [{ schedule: name, bundle, parallel, failOnTrouble: timing.pauseOnFailure, recordedAt }];
  const options = {
    spec: {
      ...(timing.every === undefined ? {} : { intervals: [{ every: durationMs('--every', timing.every) }] }),
      ...(timing.cron === undefined ? {} : { cronExpressions: [timing.cron] }),
      ...(timing.jitter === undefined ? {} : { jitter: durationMs('--jitter', timing.jitter) }),
    },
    action: {
      type: 'startWorkflow' as const,
      workflowType: 'realignWorkflow',
      workflowId: firingId(name),
      taskQueue: taskQueues.workflows,
      args,
    },
    policies: {
      overlap: overlaps[timing.overlap],
      catchupWindow: durationMs('--catch-up', timing.catchUp),
      pauseOnFailure: timing.pauseOnFailure,
    },
  };
  const scheduleId = engineId(name);
  if (exists)
    await client.schedule.getHandle(scheduleId).update<typeof realignWorkflow>(({ state }) => ({ ...options, state }));
  else await client.schedule.create<typeof realignWorkflow>({ scheduleId, ...options });
}

/** The engine adds the time to it. */
function firingId(name: string): string {
  return `arte-firing-${name}`;
}

/** Undefined when the engine has no such schedule. */
export async function describeSchedule(client: Client, name: string): Promise<ScheduleDescription | undefined> {
  try {
    return await client.schedule.getHandle(engineId(name)).describe();
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return undefined;
    throw error;
  }
}

/**
 * Whether the engine fires by the record, its times included. A change that was broken off between the two leaves them apart: firings come by the old
 * times, and where the config is another one each finds that its schedule goes by that, and does nothing.
 */
export function firesByRecord(
  { action }: Pick<ScheduleDescription, 'action'>,
  { bundle, at }: Pick<ScheduleRecord, 'bundle' | 'at'>,
): boolean {
  const [input] = (action.args ?? []) as readonly RealignInput[];
  return input === undefined || (input.bundle.sha256 === bundle.sha256 && (input.recordedAt ?? at) === at);
}

/** Errors: InvalidInput when there is no such schedule. */
export async function requireSchedule(store: ArtifactStore, name: string): Promise<ScheduleRecord> {
  const record = await readSchedule(store, name);
  if (record) return record;
  throw new ArteError('InvalidInput', {
    what: `There is no schedule ${name}.`,
    why: 'The store holds no record of it.',
    next: 'arte schedule list shows those there are.',
  });
}

/** A handle of one that the engine has. Errors: InvalidInput; RunStateConflict when the engine has lost it. */
async function engineHandle({ client, store }: Platform, name: string): Promise<ScheduleHandle> {
  await requireSchedule(store, name);
  if (await describeSchedule(client, name)) return client.schedule.getHandle(engineId(name));
  throw new ArteError('RunStateConflict', {
    what: `The engine has lost the schedule ${name}.`,
    why: 'The store holds what it was made from; the engine knows none of that name.',
    next: `arte schedule resume ${name} makes it again.`,
  });
}

function changedInPart(name: string): ArteError {
  return new ArteError('RunStateConflict', {
    what: `The last change of the schedule ${name} was broken off.`,
    why: 'The store holds what it was changed to, and the engine fires by what it was before.',
    next: `arte schedule resume ${name} brings the engine to what the store holds.`,
  });
}

export async function pauseSchedule(platform: Platform, name: string, order: Order): Promise<void> {
  await (await engineHandle(platform, name)).pause(noteOf(order));
  await recordDone(platform.store, name, 'pause', order);
}

/** Go on with a schedule that is paused, or make one again that the engine has lost, or has as it was before a change that was broken off. */
export async function resumeSchedule(
  platform: Platform,
  name: string,
  order: Order,
): Promise<'resumed' | 'made again'> {
  const { client, store } = platform;
  const record = await requireSchedule(store, name);
  const engine = await describeSchedule(client, name);
  const isWhole = engine !== undefined && firesByRecord(engine, record);
  if (!isWhole) await putIntoEngine(client, record, engine !== undefined);
  if (engine) await (await engineHandle(platform, name)).unpause(noteOf(order));
  await recordDone(store, name, 'resume', order);
  return isWhole ? 'resumed' : 'made again';
}

/** Fire now, by the schedule's own overlap policy. Errors: InvalidInput; RunStateConflict where nothing would come of it, because a change was broken off. */
export async function triggerSchedule(
  platform: Platform,
  name: string,
  order: Order,
): Promise<'fired' | 'left out' | 'comes after'> {
  const handle = await engineHandle(platform, name);
  const record = await requireSchedule(platform.store, name);
  const { overlap } = record.timing;
  const engine = await handle.describe();
  if (!firesByRecord(engine, record)) throw changedInPart(name);
  const { info } = engine;
  await handle.trigger(overlaps[overlap]);
  const isFiring = info.runningActions.length > 0;
  // Nothing comes of it.
  if (isFiring && overlap === 'skip') return 'left out';
  await recordDone(platform.store, name, 'trigger', order);
  return isFiring ? 'comes after' : 'fired';
}

/** Fire now, beside the schedule, and go on with cancelled alignments of these students. Errors: InvalidInput when one is not registered. */
export async function triggerAgain(
  { client, store }: Platform,
  name: string,
  again: readonly string[],
  order: Order,
): Promise<void> {
  const { bundle, parallel } = await requireSchedule(store, name);
  const registered = (await listStudents(store)).map((student) => student.name);
  const unknown = again.filter((student) => !registered.includes(student));
  if (unknown.length > 0) {
    throw new ArteError('InvalidInput', {
      what: `There is no student ${unknown.join(', ')} on the registry.`,
      why: '--again names students whose cancelled alignment is to go on; nothing was fired.',
      next: 'arte students list shows those there are.',
    });
  }
  await client.workflow.start<typeof realignWorkflow>('realignWorkflow', {
    workflowId: `${firingId(name)}-again-${new Date().toISOString()}`,
    taskQueue: taskQueues.workflows,
    args: [{ schedule: name, bundle, parallel, failOnTrouble: false, again }],
  });
  await recordDone(store, name, 'trigger', order, { set: again.map((student) => `again=${student}`) });
}

/**
 * What a firing would do now: planned by a worker, as a firing is. Nothing is started. Errors: InvalidInput when there is no such schedule; PlatformDown when
 * no worker takes it up.
 */
export async function previewFiring(
  { client, store, embedded }: Platform & Pick<Session, 'embedded'>,
  name: string,
): Promise<FiringPlan> {
  const { bundle, parallel } = await requireSchedule(store, name);
  const nobody = (role: WorkerRole): ArteError => nobodyToPreview(name, role, embedded);
  if (!(await isAskedFor(client, taskQueues.workflows, 'workflows'))) throw nobody('orchestrator');
  const workflowId = `arte-preview-${name}-${new Date().toISOString()}`;
  const handle = await client.workflow.start<typeof realignWorkflow>('realignWorkflow', {
    workflowId,
    taskQueue: taskQueues.workflows,
    args: [{ schedule: name, bundle, parallel, failOnTrouble: false, preview: true }],
  });
  try {
    const outcome: FiringOutcome = await unlessGivenUp(
      client,
      () => handle.result(),
      async (signal) => {
        await untilLeftWaiting(client, workflowId, signal);
        throw nobody('orchestrator');
      },
      async (signal) => {
        await untilActivityLeftWaiting(client, workflowId, taskQueues.models, signal);
        throw nobody('infer');
      },
    );
    return await readPlan(store, outcome.plan);
  } catch (error) {
    // A worker that comes later need not look for nobody.
    if (error instanceof ArteError) await handle.terminate('nobody waits for it any more').catch(() => undefined);
    throw error;
  }
}

function nobodyToPreview(name: string, role: WorkerRole, embedded: boolean): ArteError {
  const busy = role === 'infer' ? ', or is busy with the bytes of other models' : '';
  return new ArteError('PlatformDown', {
    what: `Nobody is there to say what a firing of ${name} would do: no worker of the role ${role} takes it up.`,
    why: `The worker has ended, hangs, or cannot reach the engine${busy}. Until there is one the schedule's firings wait, too.`,
    next: embedded
      ? 'arte doctor looks at each part; arte down, then arte up start them anew. Then the same command again.'
      : `Start the worker (arte worker --role ${role}), or look at its log; then the same command again.`,
  });
}

/** Take a schedule away. Runs that it started go on; students keep what they have; what people did to it stays. */
export async function deleteSchedule({ client, store }: Platform, name: string, order: Order): Promise<void> {
  await requireSchedule(store, name);
  if (await describeSchedule(client, name)) await client.schedule.getHandle(engineId(name)).delete();
  await store.remove(scheduleKeys.lastFiring(name));
  await store.remove(scheduleKeys.record(name));
  await recordDone(store, name, 'delete', order);
}

// ---- times -------------------------------------------------------------------------------------------------------

/** `1h` in milliseconds. Errors: InvalidInput. */
export function durationMs(option: string, text: string): number {
  if (/^\d+(\.\d+)? ?[a-z]+$/i.test(text)) {
    try {
      return msToNumber(text as StringValue);
    } catch {
      // No unit that the engine's client knows: said below.
    }
  }
  throw new ArteError('InvalidInput', {
    what: `${option} ${text} is no length of time.`,
    why: 'A length of time is a number and a unit.',
    next: 'Write 30s, 10m, 1h, 7d or the like.',
  });
}

/** Errors: InvalidInput when it does not say when to fire, or says it twice, or too often. */
export function checkTiming({ every, cron, catchUp, jitter }: ScheduleTiming): void {
  const refuse = (what: string, why: string, next: string): never => {
    throw new ArteError('InvalidInput', { what, why, next });
  };
  if ((every === undefined) === (cron === undefined)) {
    refuse(
      'When the schedule fires is not clear.',
      every === undefined ? 'Neither --every nor --cron was given.' : '--every and --cron were both given.',
      'Give one: --every 1h, or --cron "0 3 * * *" (every night at three, UTC).',
    );
  }
  if (every !== undefined && durationMs('--every', every) < scheduleIntervalMinMs) {
    refuse(
      `--every ${every} is too often.`,
      'Each firing looks at the bytes of every model.',
      `Write ${scheduleIntervalMinMs / 1000}s or more.`,
    );
  }
  durationMs('--catch-up', catchUp);
  if (jitter !== undefined) durationMs('--jitter', jitter);
}

/** What the engine says of times that it does not take, as bad input. */
function asTimingError(error: unknown, { cron, every }: ScheduleTiming): unknown {
  // The client makes a TypeError of gRPC's INVALID_ARGUMENT.
  if (!(error instanceof TypeError)) return error;
  return new ArteError(
    'InvalidInput',
    {
      what: `The engine does not take ${cron === undefined ? `--every ${every ?? ''}` : `--cron "${cron}"`}.`,
      why: `It says: ${error.message}.`,
      next: 'Five fields: minute, hour, day of the month, month, day of the week: "0 3 * * *" is every night at three, UTC.',
    },
    { cause: error },
  );
}
