/**
 * Goal: a schedule that does not fire is not said to; what a firing would do is not waited for where no worker is there to say it; who did what to a schedule,
 * and why, is kept, also of one that is gone.
 * Method: the words for descriptions as the engine gives them; engines of the test in which a task waits, or that have one schedule.
 */
import { ScheduleNotFoundError, type Client, type ScheduleDescription } from '@temporalio/client';
import { readRegistryActions } from '../../activities/registry-actions';
import { scheduleKeys } from '../../activities/schedules';
import { firesWords } from '../../cli/commands/schedule';
import {
  createSchedule,
  deleteSchedule,
  pauseSchedule,
  previewFiring,
  resumeSchedule,
  triggerAgain,
  triggerSchedule,
} from '../../cli/schedules';
import type { JsonValue } from '../../schemas/json';
import { leftWaitingMs } from '../../schemas/limits';
import { taskQueues } from '../../schemas/messages';
import type { ScheduleRecord } from '../../schemas/schedule';
import { MemoryStore } from '../activities/row-engine/memory-store';

/** The engine has times for a paused schedule, too. */
const described = (state: object): ScheduleDescription =>
  ({ state, info: { nextActionTimes: [new Date('2026-03-01T03:00:00Z')] } }) as unknown as ScheduleDescription;

it('one that was replaced while it is paused says how it fires again, and no time', () => {
  expect(firesWords('nightly', described({ paused: false }))).toBe('it fires next at 2026-03-01T03:00:00Z');
  const paused = firesWords('nightly', described({ paused: true, note: 'me: too dear' }));
  expect(paused).toBe('it is paused (me: too dear), and fires again after arte schedule resume nightly');
});

describe('a preview', () => {
  const waiting = 1;
  let clockMs = Date.now();
  beforeEach(() => {
    jest.spyOn(Date, 'now').mockImplementation(() => clockMs);
  });
  afterEach(() => jest.restoreAllMocks());

  /** Whose workers ask for these queues, and what waits of the preview; every look finds half of the patience gone. */
  async function engine(
    asked: readonly string[],
    raw: object,
    result: Promise<unknown> = new Promise(() => undefined),
  ) {
    const store = new MemoryStore();
    await store.putDocument(scheduleKeys.record('nightly'), { name: 'nightly', bundle: {}, parallel: 1 });
    const plan = await store.putBlob('{"entries":[]}', { mediaType: 'application/json', rows: 1 });
    const seen = { started: 0, terminated: 0 };
    const handle = {
      describe: () => {
        clockMs += leftWaitingMs / 2;
        return Promise.resolve({ raw });
      },
      result: () => result.then(() => ({ plan })),
      terminate: () => Promise.resolve((seen.terminated += 1)),
    };
    const client = {
      options: { namespace: 'default' },
      withAbortSignal: (_: unknown, ask: () => unknown) => ask(),
      workflowService: {
        describeTaskQueue: ({ taskQueue }: { taskQueue: { name: string } }) =>
          Promise.resolve({
            pollers: asked.includes(taskQueue.name) ? [{ lastAccessTime: { seconds: clockMs / 1000 } }] : [],
          }),
      },
      workflow: { getHandle: () => handle, start: () => Promise.resolve((seen.started += 1)).then(() => handle) },
    } as unknown as Client;
    return { seen, preview: previewFiring({ client, store, embedded: true }, 'nightly') };
  }
  const both = [taskQueues.workflows, taskQueues.models];
  const taken = { pendingActivities: [{ state: waiting }] };

  it.each([
    ['nobody is there', [], {}, 'orchestrator', 0],
    ['nobody takes it up', both, { pendingWorkflowTask: { state: waiting } }, 'orchestrator', 1],
    ['nobody looks at models', [taskQueues.workflows], taken, 'infer', 1],
  ] as const)('is given up where %s', async (_, asked, raw, role, starts) => {
    const { seen, preview } = await engine(asked, raw);
    await expect(preview).rejects.toMatchObject({
      data: { code: 'PlatformDown', what: expect.stringContaining(`no worker of the role ${role}`) as string },
    });
    // It is not left for a worker that comes later.
    expect(seen).toEqual({ started: starts, terminated: starts });
  });

  it('is waited for while a worker looks, or is there to', async () => {
    const made = new Promise((resolve) => setTimeout(resolve, 1_500));
    const { seen, preview } = await engine(both, taken, made);
    expect((await preview).entries).toEqual([]);
    expect(seen).toEqual({ started: 1, terminated: 0 });
  });
});

it('whoever creates, pauses, resumes, fires, replaces or deletes one is kept with the reason', async () => {
  const store = new MemoryStore();
  const notes: string[] = [];
  let isThere = false;
  let firing: readonly object[] = [];
  const handle = {
    describe: () =>
      isThere
        ? Promise.resolve({ state: {}, action: {}, info: { runningActions: firing } })
        : Promise.reject(new ScheduleNotFoundError('none', 'nightly')),
    pause: (note: string) => Promise.resolve(notes.push(note)),
    unpause: (note: string) => Promise.resolve(notes.push(note)),
    trigger: () => Promise.resolve(),
    update: () => Promise.resolve(),
    delete: () => Promise.resolve((isThere = false)),
  };
  const client = {
    schedule: { getHandle: () => handle, create: () => Promise.resolve((isThere = true)) },
    workflow: { start: () => Promise.resolve() },
  } as unknown as Client;
  const platform = { client, store };
  const record = {
    ...{ schemaVersion: 1, name: 'nightly', bundle: {}, config: 'nightly.yaml', parallel: 1 },
    timing: { every: '1h', overlap: 'skip', catchUp: '1d', pauseOnFailure: false },
    ...{ at: '2026-01-01T00:00:00Z', by: 'ana' },
  } as unknown as ScheduleRecord;
  const by = { by: 'bob', reason: 'the key was renewed' };
  await createSchedule(platform, record, { reason: 'asked for' });
  await pauseSchedule(platform, 'nightly', by);
  await resumeSchedule(platform, 'nightly', { by: 'bob' });
  await triggerSchedule(platform, 'nightly', by);
  firing = [{}];
  // Left out: nothing comes of it.
  await triggerSchedule(platform, 'nightly', by);
  await triggerAgain(platform, 'nightly', [], by);
  await createSchedule(platform, { ...record, at: new Date().toISOString() }, { replace: true });
  await deleteSchedule(platform, 'nightly', by);
  expect(notes).toEqual(['bob: the key was renewed', 'bob']);
  const actions = await readRegistryActions(store, { kind: 'schedule', name: 'nightly' });
  // Those of one millisecond may stand in any order.
  expect(actions.map(({ action, by: who, reason = '' }) => `${action} ${who} ${reason}`.trim()).sort()).toEqual([
    'create ana asked for',
    'delete bob the key was renewed',
    'pause bob the key was renewed',
    'replace ana',
    'resume bob',
    'trigger bob the key was renewed',
    'trigger bob the key was renewed',
  ]);
});

it('of two that create one of that name at the same time the second leaves the first one as it is', async () => {
  const store = new MemoryStore();
  const record = {
    ...{ schemaVersion: 1, name: 'nightly', bundle: {}, config: 'nightly.yaml', parallel: 1 },
    timing: { every: '1h', overlap: 'skip', catchUp: '1d', pauseOnFailure: false },
    ...{ at: '2026-01-01T00:00:00Z', by: 'ana' },
  } as unknown as ScheduleRecord;
  let created = 0;
  const handle = {
    // The other one writes its document after this one has looked for it.
    describe: async () => {
      await store.putDocument(scheduleKeys.record('nightly'), record as unknown as JsonValue);
      throw new ScheduleNotFoundError('none', 'nightly');
    },
  };
  const client = {
    schedule: { getHandle: () => handle, create: () => Promise.resolve((created += 1)) },
  } as unknown as Client;
  await expect(createSchedule({ client, store }, { ...record, by: 'bob' })).rejects.toMatchObject({
    data: { code: 'RunStateConflict', why: expect.stringContaining('ana created it') as string },
  });
  expect(created).toBe(0);
  expect(await store.getDocument(scheduleKeys.record('nightly'))).toEqual(record);
});

it.each([
  ['config', { bundle: { sha256: 'old' }, recordedAt: 'new' }],
  ['times', { bundle: { sha256: 'new' }, recordedAt: 'old' }],
  ['config, made by an earlier version', { bundle: { sha256: 'old' } }],
])(
  'a change that was broken off between the store and the engine is noticed, and resume ends it: %s',
  async (_, old) => {
    const store = new MemoryStore();
    const record = {
      name: 'nightly',
      at: 'new',
      bundle: { sha256: 'new' },
      parallel: 1,
      timing: { every: '1h', overlap: 'skip', catchUp: '1d' },
    };
    await store.putDocument(scheduleKeys.record('nightly'), record);
    let args: readonly unknown[] = [old];
    const done: string[] = [];
    const handle = {
      describe: () => Promise.resolve({ state: {}, action: { args }, info: { runningActions: [] } }),
      update: (change: (previous: object) => { action: { args: readonly unknown[] } }) => {
        ({ args } = change({ state: {} }).action);
        return Promise.resolve(done.push('update'));
      },
      unpause: () => Promise.resolve(done.push('unpause')),
      trigger: () => Promise.resolve(done.push('trigger')),
    };
    const platform = { client: { schedule: { getHandle: () => handle } } as unknown as Client, store };
    const by = { by: 'ana' };
    await expect(triggerSchedule(platform, 'nightly', by)).rejects.toMatchObject({
      data: { code: 'RunStateConflict', next: expect.stringContaining('arte schedule resume nightly') as string },
    });
    expect(await resumeSchedule(platform, 'nightly', by)).toBe('made again');
    expect(await triggerSchedule(platform, 'nightly', by)).toBe('fired');
    expect(await resumeSchedule(platform, 'nightly', by)).toBe('resumed');
    expect(done).toEqual(['update', 'unpause', 'trigger', 'unpause']);
  },
);
