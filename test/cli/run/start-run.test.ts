/**
 * Goal: of several commands that start one run at once one has started it, and says so in the run's actions; the others attach. A done run is no answer to
 * a config whose models have other bytes now. What killed work had reserved is free when a run begins anew, and only then.
 * Method: a store in memory, and an engine of the test that keeps Temporal's promise: one of the starts of an id wins.
 */
import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
  WorkflowNotFoundError,
  type Client,
  type WorkflowStartOptions,
} from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { startAlignment } from '../../../activities/alignments';
import { releaseReservations } from '../../../activities/budget';
import { readActions } from '../../../activities/run-actions';
import { runKeys } from '../../../activities/run-records';
import { manifestKey, noCounts } from '../../../activities/stage';
import { recordRun } from '../../../activities/start-run';
import type { LoadedConfig } from '../../../cli/config/load-config';
import { startAndWatch } from '../../../cli/commands/run';
import { orderRetry, refusedRestart, register } from '../../../cli/commands/retry';
import type { ModelFinder } from '../../../cli/plan/look-into-store';
import { requireSameModels } from '../../../cli/run/models-of-run';
import { startRun, storeBundle } from '../../../cli/run/start-run';
import type { ArtifactRef } from '../../../schemas/artifact-ref';
import type { JsonValue } from '../../../schemas/json';
import type { Ledger } from '../../../schemas/ledger';
import { noUsage } from '../../../schemas/manifest';
import type { ModelRef } from '../../../schemas/model-ref';
import type { RunStatus } from '../../../schemas/messages';
import { runConfigSchema } from '../../../schemas/run-config';
import { MemoryStore } from '../../activities/row-engine/memory-store';
import { runCommand } from '../../support/command';

const config = runConfigSchema.parse({
  version: 1,
  name: 'racing',
  models: {
    teacher: { source: 'hf:scripts/teacher', endpoint: { kind: 'scripted', script: 'teacher' } },
    student: { source: 'hf:scripts/student', endpoint: { kind: 'scripted', script: 'student' } },
  },
  tasks: [{ source: 'builtin', family: 'larger-number' }],
});

function engine() {
  const state = { status: undefined as string | undefined, starts: 0, progress: undefined as object | undefined };
  const pollers = [{ lastAccessTime: { seconds: Date.now() / 1000 } }];
  const client = {
    options: { namespace: 'default' },
    workflowService: { describeTaskQueue: () => Promise.resolve({ pollers }) },
    // The client of an activity.
    withAbortSignal: (_: unknown, work: () => unknown) => work(),
    withDeadline: (_: unknown, ask: () => unknown) => ask(),
    workflow: {
      getHandle: (id: string) => ({
        describe: () =>
          state.status === undefined
            ? Promise.reject(new WorkflowNotFoundError('none', id, undefined))
            : Promise.resolve({ status: { name: state.status }, raw: {} }),
        query: () => Promise.resolve(state.progress),
      }),
      start: async (type: string, options: WorkflowStartOptions) => {
        const { workflowId, workflowIdConflictPolicy, workflowIdReusePolicy } = options;
        await new Promise((resolve) => setImmediate(resolve));
        const isDone = state.status === 'COMPLETED' && workflowIdReusePolicy !== WorkflowIdReusePolicy.ALLOW_DUPLICATE;
        if (isDone || state.status === 'RUNNING') {
          if (state.status === 'RUNNING' && workflowIdConflictPolicy === WorkflowIdConflictPolicy.USE_EXISTING) return;
          throw new WorkflowExecutionAlreadyStartedError('already started', workflowId, type);
        }
        state.status = 'RUNNING';
        state.starts += 1;
      },
    },
  } as unknown as Client;
  return { client, state };
}

/** A run's word in the store. */
async function said(store: MemoryStore, status: RunStatus, startedAt = new Date().toISOString()): Promise<void> {
  const word = { runId: 'racing', status, round: 1, rounds: 1, current: [], startedAt };
  await store.putDocument(runKeys.progress('racing'), word);
}

it('of three at once one has started the run, and the start is recorded once', async () => {
  const store = new MemoryStore();
  const { client, state } = engine();
  const session = { client, store, embedded: false, close: () => Promise.resolve() };
  const start = () => startRun(session, { config, configDir: '.' }, 'racing');
  const how = (await Promise.all([start(), start(), start()])).map((started) => started.how);
  expect(how.sort()).toEqual(['attached', 'attached', 'started']);
  expect(state.starts).toBe(1);
  expect((await readActions(store, 'racing')).map(({ action }) => action)).toEqual(['start']);

  state.status = 'FAILED';
  const again = (await Promise.all([start(), start()])).map((started) => started.how);
  expect(again.sort()).toEqual(['attached', 'resumed']);
  expect((await readActions(store, 'racing')).map(({ action }) => action)).toEqual(['start', 'restart']);

  await said(store, 'DONE');
  state.status = 'COMPLETED';
  // Which bytes a branch of the hub means is not known here.
  expect(await start()).toMatchObject({ how: 'done', modelsUnseen: ['models.teacher', 'models.student'] });
});

it('a run whose config an earlier version of arte stored is attached to by the same file', async () => {
  const store = new MemoryStore();
  const { client } = engine();
  const session = { client, store, embedded: false, close: () => Promise.resolve() };
  // A version that did not know a setting stored its config without it.
  const { balance: _, ...probe } = config.probe;
  const earlier = { ...config, probe } as unknown as typeof config;
  const bundle = await storeBundle(store, { config: earlier, configDir: '.' });
  expect(bundle.sha256).not.toBe((await storeBundle(store, { config, configDir: '.' })).sha256);
  await recordRun(store, { runId: 'racing', name: 'racing', bundle });
  expect(await startRun(session, { config, configDir: '.' }, 'racing')).toMatchObject({ how: 'started' });
  expect(await store.getDocument(runKeys.record('racing'))).toMatchObject({ bundle });
  const unbalanced = { ...config, probe: { ...config.probe, balance: false } };
  await expect(startRun(session, { config: unbalanced, configDir: '.' }, 'racing')).rejects.toMatchObject({
    data: { code: 'RunStateConflict' },
  });
});

it('a run that is done stays so when the engine has forgotten it', async () => {
  const store = new MemoryStore();
  const { client, state } = engine();
  const session = { client, store, embedded: false, close: () => Promise.resolve() };
  const start = () => startRun(session, { config, configDir: '.' }, 'racing');
  await start();
  await said(store, 'DONE');
  // What is over is kept by the engine for a day, if nobody has said otherwise.
  state.status = undefined;
  expect(await start()).toMatchObject({ how: 'done' });
  expect(state.starts).toBe(1);
  expect((await readActions(store, 'racing')).map(({ action }) => action)).toEqual(['start']);

  await said(store, 'RUNNING');
  expect(await start()).toMatchObject({ how: 'resumed' });
});

it.each([
  ['the engine still knows', 'COMPLETED', false],
  ['the engine has forgotten, and whose last word a broken-off clean-up has left', undefined, true],
])('a run of the id of one that was given up, which %s, begins', async (_, status, isLeft) => {
  const store = new MemoryStore();
  const { client, state } = engine();
  const session = { client, store, embedded: false, close: () => Promise.resolve() };
  state.status = status;
  if (isLeft) await said(store, 'DONE', '2026-01-01T00:00:00Z');
  expect(await startRun(session, { config, configDir: '.' }, 'racing')).toMatchObject({ how: 'started' });
  expect(state).toMatchObject({ starts: 1, status: 'RUNNING' });
});

it('an alignment that was given up is made anew by a firing, and one that is done is not', async () => {
  const store = new MemoryStore();
  const { client, state } = engine();
  const bundle = await storeBundle(store, { config, configDir: '.' });
  const firing = new MockActivityEnvironment(undefined, { client });
  const fire = () => firing.run(() => startAlignment({ store }, { student: 'edge', runId: 'racing', bundle }));
  state.status = 'COMPLETED';
  await fire();
  expect(state).toMatchObject({ starts: 1, status: 'RUNNING' });
  await said(store, 'DONE');
  state.status = 'COMPLETED';
  await fire();
  expect(state).toMatchObject({ starts: 1, status: 'COMPLETED' });
});

it('a run that is followed with --json and parks is one document on stdout', async () => {
  const store = new MemoryStore();
  const { client, state } = engine();
  const session = { client, store, embedded: false, close: () => Promise.resolve() };
  const attention = { stage: 'evaluate', since: '', error: { code: 'BudgetExhausted', what: '', why: '', next: '' } };
  state.progress = { runId: 'racing', status: 'NEEDS_ATTENTION', round: 1, rounds: 1, current: [], attention };
  const loaded = { config, configDir: '.', files: {} } as unknown as LoadedConfig;
  await startRun(session, loaded, 'racing');
  const [out, notes] = [process.stdout, process.stderr].map((stream) =>
    jest.spyOn(stream, 'write').mockReturnValue(true),
  );
  const code = await startAndWatch(session, loaded, 'racing', { json: true });
  const printed = out!.mock.calls.flat().join('');
  for (const spy of [out!, notes!]) spy.mockRestore();
  expect(code).toBe(3);
  expect(JSON.parse(printed)).toMatchObject({ status: 'NEEDS_ATTENTION', attention: { stage: 'evaluate' } });
});

describe('a run that has ended without being done', () => {
  it('is retried with the reason in its actions', async () => {
    const store = new MemoryStore();
    const { client, state } = engine();
    const session = { client, store, embedded: false, close: () => Promise.resolve() };
    await startRun(session, { config, configDir: '.' }, 'racing');
    state.status = 'CANCELLED';
    const progress = { runId: 'racing', status: 'CANCELLED', round: 1, rounds: 1, current: [], startedAt: '' };
    await store.putDocument(runKeys.progress('racing'), progress);
    await orderRetry(session, 'racing', { reason: 'the endpoint is back' });
    expect(await readActions(store, 'racing')).toContainEqual(
      expect.objectContaining({ action: 'restart', reason: 'the endpoint is back' }),
    );
  });

  it('and only such a run, or one that waits, is worth ending the services for', () => {
    const refused = (status: RunStatus, isChanged = false): string | undefined =>
      refusedRestart('racing', status, isChanged)?.data.next;
    for (const status of ['NEEDS_ATTENTION', 'FAILED', 'CANCELLED'] as const) expect(refused(status)).toBeUndefined();
    expect(refused('PAUSED', true)).toBeUndefined();
    expect(refused('PAUSED')).toContain('arte resume racing goes on');
    expect(refused('RUNNING', true)).toContain('arte down, then arte up');
    expect(refusedRestart('racing', 'RUNNING', false)?.data.why).not.toContain('not under way');
    expect(refused('DONE')).toContain('arte report racing');
  });

  it('is tried dry only with a setting to try', async () => {
    await expect(runCommand(register, ['retry', 'racing', '--dry-run'])).rejects.toMatchObject({
      data: { code: 'InvalidInput', next: expect.stringContaining('--set SETTING=VALUE --dry-run') as string },
    });
  });
});

describe('what killed work had reserved', () => {
  const entry = { stage: 'score-drafts', attempt: '1', found: 0, spent: 2, reserved: 60 };
  const ledgerWith = (open: object): JsonValue =>
    ({ schemaVersion: 1, cap: 100, settled: {}, open }) as unknown as JsonValue;
  const reserved = async (store: MemoryStore): Promise<unknown> => {
    const { open } = (await store.getDocument(runKeys.ledger('racing'))) as unknown as Ledger;
    return Object.fromEntries(Object.entries(open).map(([key, { spent, reserved: amount }]) => [key, [spent, amount]]));
  };

  it.each(['a command', 'a firing'])('is free when %s begins the run anew, and what was paid stays', async (who) => {
    const store = new MemoryStore();
    const { client, state } = engine();
    const session = { client, store, embedded: false, close: () => Promise.resolve() };
    const due = { student: 'small', runId: 'racing', bundle: await storeBundle(store, { config, configDir: '.' }) };
    const firing = new MockActivityEnvironment({}, { client });
    const begin = () =>
      who === 'a command'
        ? startRun(session, { config, configDir: '.' }, 'racing')
        : firing.run(() => startAlignment({ store }, due));
    await begin();
    await store.putDocument(runKeys.ledger('racing'), ledgerWith({ shard: entry }));
    // It is under way: the shard may be, too.
    await begin();
    expect(await reserved(store)).toEqual({ shard: [2, 60] });
    state.status = 'TERMINATED';
    const later = new Date(Date.now() + 60_000);
    store.objects.now = () => later;
    await begin();
    expect(state).toMatchObject({ status: 'RUNNING', starts: 2 });
    expect(await reserved(store)).toEqual({ shard: [2, 0] });
    // A clean-up that is to drop the run sees that it is in use.
    expect((await store.lookAt(runKeys.record('racing')))?.modifiedAt).toEqual(later);
  });

  it('stays where another has begun the run since the ledger was read', async () => {
    const store = new MemoryStore();
    await store.putDocument(runKeys.ledger('racing'), ledgerWith({ shard: entry }));
    let asked = 0;
    await releaseReservations(store, 'racing', async () => {
      asked += 1;
      if (asked === 1) await store.putDocument(runKeys.ledger('racing'), ledgerWith({ shard: entry, next: entry }));
      return asked === 1;
    });
    expect(asked).toBe(2);
    expect(await reserved(store)).toEqual({ shard: [2, 60], next: [2, 60] });
  });
});

describe('a done run of the same config', () => {
  const record = { runId: 'racing', createdAt: '2026-01-01T00:00:00Z' };
  const model = (name: string, content: string): ModelRef => ({
    ...{
      name,
      source: { kind: 'folder', path: `/models/${name}` },
      baseSha256: content,
      layers: [],
      contentSha256: content,
    },
  });
  /** As a run leaves it that had these bytes of each model. */
  async function doneRun(): Promise<{ store: MemoryStore; bundle: ArtifactRef }> {
    const store = new MemoryStore();
    const respondents = [config.models.student];
    const asked = { ...config, probe: { ...config.probe, method: 'irt' as const, respondents } };
    const bundle = await storeBundle(store, { config: asked, configDir: '.' });
    await store.putDocument(manifestKey('e'.repeat(64)), {
      ...{ schemaVersion: 1, stage: 'evaluate', version: 1, key: 'e'.repeat(64), settings: {}, outputs: {}, facts: {} },
      ...{ inputs: { model: 'respondent then' }, counts: noCounts, usage: noUsage, seconds: 1, finishedAt: 'then' },
    });
    await store.putDocument(runKeys.round('racing', 1), {
      ...{ schemaVersion: 1, runId: 'racing', round: 1, evaluations: [], decision: {} },
      models: { teacher: model('teacher', 'teacher then'), student: model('student', 'student then') },
      stages: [{ round: 1, stage: 'evaluate', arm: 'respondent-0-0shot', key: 'e'.repeat(64) }],
    });
    return { store, bundle };
  }

  it('is the same while its models are, as far as they are here', async () => {
    const { store, bundle } = await doneRun();
    const find: ModelFinder = (name) =>
      Promise.resolve(name === 'student' ? undefined : model(name, `${name.replace(/-0$/, '')} then`));
    expect(await requireSameModels(store, { ...record, bundle }, find)).toEqual(['models.student']);
  });

  it.each(['teacher', 'student', 'respondent-0'])('is refused when the bytes of %s are others', async (changed) => {
    const { store, bundle } = await doneRun();
    const find: ModelFinder = (name) =>
      Promise.resolve(model(name, `${name.replace(/-0$/, '')} ${name === changed ? 'now' : 'then'}`));
    await expect(requireSameModels(store, { ...record, bundle }, find)).rejects.toMatchObject({
      data: {
        code: 'ModelChanged',
        why: expect.stringContaining(
          changed === 'respondent-0' ? 'probe.respondents[0]' : `models.${changed}`,
        ) as string,
      },
    });
  });
});
