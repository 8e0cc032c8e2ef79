/**
 * Goal: students that are registered after a finished run are aligned by a schedule without a hand; the teacher is not asked again; one that
 * fails, or waits for a person, does not hold up the others; what is finished becomes current only by its test.
 * Method: real Temporal schedules, a real S3 store, the workflows and activities as workers run them. Models answer by script and count who asks
 * them; the trainer is a stand-in that leaves a layer that follows from what it was given.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import pino from 'pino';
import { createInferActivities, createIoActivities, createTrainActivities } from '../../activities';
import { createNotifier } from '../../drivers/notify/open';
import type { InferDependencies, TrainDependencies } from '../../activities/dependencies';
import { runKeys } from '../../activities/run-records';
import { readLastFiring, readPlan, saveFiring, scheduleKeys } from '../../activities/schedules';
import { beginRun, recordRun } from '../../activities/start-run';
import { addStudent, readStanding } from '../../activities/students';
import {
  createSchedule,
  deleteSchedule,
  describeSchedule,
  pauseSchedule,
  previewFiring,
  resumeSchedule,
  triggerAgain,
  triggerSchedule,
} from '../../cli/schedules';
import { viewRun } from '../../cli/run/run-progress';
import { createScriptedEndpoint } from '../../drivers/model/scripted';
import type { ArtifactStore } from '../../drivers/store/store';
import { alignInput } from '../../method/align-input';
import { canonicalJson, sha256Hex } from '../../method/keys';
import type { ArtifactRef } from '../../schemas/artifact-ref';
import { ArteError } from '../../schemas/errors';
import type { JsonValue } from '../../schemas/json';
import { activityQueues, deploymentName, taskQueues } from '../../schemas/messages';
import type { ModelRef } from '../../schemas/model-ref';
import type { RunReport } from '../../schemas/report';
import { modelConfigSchema, type ModelConfig } from '../../schemas/config/models';
import { runConfigSchema, type RunConfig } from '../../schemas/run-config';
import type { FiringOutcome, FiringPlan, ScheduleRecord } from '../../schemas/schedule';
import { announceDeployment } from '../../workers/deployment';
import { rejectUpdate, retryUpdate } from '../../workflows/messages';
import { waitFor } from '../support/cli';
import { startTestS3, type TestS3 } from '../support/s3';
import { quietRuntime, startTemporal, workflowBundle } from '../support/temporal';

jest.setTimeout(5 * 60_000);

const by = { by: 'test' };

const scripted = (source: string, script: string): unknown => ({
  source: `hf:scripts/${source}`,
  prompt_style: 'completion',
  endpoint: { kind: 'scripted', script },
});

function configOf(change: Record<string, unknown> = {}): RunConfig {
  return runConfigSchema.parse({
    version: 1,
    name: 'nightly',
    seed: 11,
    tasks: [{ source: 'builtin', family: 'larger-number', split: { seeds: 3, validation: 8, test: 20 } }],
    models: { teacher: scripted('teacher', 'teacher'), student: scripted('first', 'prefers-short') },
    probe: { method: 'random', size: 6 },
    questions: { per_task: 10, per_call: 1, format: 'json', max_tokens: 100 },
    pairs: { question: { per_task: 3 }, minimum: 2 },
    tailor: { per_task: 8 },
    evaluate: { shots: [0] },
    // Twenty items can show no more.
    promotion: { margin: 0.2 },
    ...change,
  });
}

const studentOf = (source: string): ModelConfig => modelConfigSchema.parse(scripted(source, 'prefers-short'));

describe('a schedule', () => {
  let env: TestWorkflowEnvironment;
  let s3: TestS3;
  let store: ArtifactStore;
  let folder: string;
  let workers: Worker[];
  let working: Promise<unknown>;
  /** Calls by the source of the model that was asked. */
  const asked = new Map<string, number>();
  /** Students whose endpoint refuses its key. */
  const locked = new Set(['b-locked']);
  let config: RunConfig;

  beforeAll(async () => {
    quietRuntime();
    folder = mkdtempSync(join(tmpdir(), 'arte-realign-'));
    [env, s3] = await Promise.all([startTemporal(), startTestS3()]);
    store = s3.fresh();
    const given = dependencies();
    const activities = {
      ...createIoActivities({ ...given, notifier: createNotifier({ commands: false }) }),
      ...createInferActivities(given),
      ...createTrainActivities(given),
    };
    const { nativeConnection: connection } = env;
    workers = await Promise.all([
      Worker.create({
        ...{ connection, taskQueue: taskQueues.workflows, workflowBundle: await workflowBundle() },
        workerDeploymentOptions: {
          version: { deploymentName, buildId: 'test' },
          useWorkerVersioning: true,
          defaultVersioningBehavior: 'PINNED',
        },
      }),
      ...activityQueues.map((taskQueue) => Worker.create({ connection, taskQueue, activities })),
    ]);
    working = Promise.all(workers.map((worker) => worker.run()));
    await announceDeployment(env.client, 'default', deploymentName, 'test', pino({ level: 'silent' }));
    config = configOf();
    const bundle = await bundleOf(config);
    await recordRun(store, { runId: 'by-hand', name: 'nightly', bundle });
    await beginRun(env.client, alignInput('by-hand', bundle, config));
    await env.client.workflow.getHandle('by-hand').result();
  });
  afterAll(async () => {
    for (const worker of workers) worker.shutdown();
    await working;
    store.close();
    await Promise.all([env.teardown(), s3.stop()]);
    rmSync(folder, { recursive: true, force: true });
  });

  const dependencies = (): InferDependencies & TrainDependencies => ({
    store,
    journalDir: join(folder, 'journals'),
    stallDumps: { dir: join(folder, 'stalls'), secrets: [] },
    environment: {},
    resolveModel: (name, { source }) => {
      if (source.endsWith('/missing')) {
        const text = { what: `There is no model at ${source}.`, why: 'Nobody put it there.', next: 'Put it there.' };
        return Promise.reject(new ArteError('ModelNotFound', text));
      }
      return Promise.resolve(modelRef(name, source.split('/').at(-1) ?? ''));
    },
    pool: {
      lease: ({ source, layers }, settings) => {
        if (settings.kind !== 'scripted' || source.kind !== 'embedded') throw new Error('only scripts answer here');
        if (locked.has(source.name)) {
          const text = { what: 'The endpoint refused its key.', why: 'It was revoked.', next: 'Give another one.' };
          return Promise.reject(new ArteError('EndpointUnauthorized', text));
        }
        const endpoint = createScriptedEndpoint(settings.script, settings.options);
        const counted: typeof endpoint = {
          ...endpoint,
          complete(request, signal) {
            const who = layers.length === 0 ? source.name : `${source.name}, trained`;
            asked.set(who, (asked.get(who) ?? 0) + 1);
            return endpoint.complete(request, signal);
          },
        };
        return Promise.resolve({ endpoint: counted, release: () => Promise.resolve() });
      },
      reserve: () => Promise.resolve(() => undefined),
    },
    trainingDir: join(folder, 'trainings'),
    reserveDevice: () => Promise.resolve(() => undefined),
    trainer: {
      async train(job) {
        const data = await readFile(job.dataPath, 'utf8');
        const outputDir = join(job.workDir, 'output');
        await mkdir(outputDir, { recursive: true });
        const learnt = sha256Hex(`${job.model.contentSha256} ${data}`);
        await writeFile(join(outputDir, 'adapter_model.safetensors'), learnt);
        const record = { resumedFromSteps: [], curve: { steps: [], metrics: {} } };
        const facts = { seconds: 1, metrics: {}, tokens: 1, device: 'none', dtype: 'float32', ...record };
        return { outputDir, rows: 1, steps: job.settings.maxSteps, ...facts };
      },
    },
  });

  function bundleOf(of: RunConfig): Promise<ArtifactRef> {
    const document = { schemaVersion: 1, config: of as unknown as JsonValue, files: {} };
    return store.putBlob(canonicalJson(document), { mediaType: 'application/json', rows: 1 });
  }

  async function scheduleOf(of: RunConfig): Promise<ScheduleRecord> {
    const timing = { every: '10s', overlap: 'skip', catchUp: '1m', pauseOnFailure: false } as const;
    const at = new Date().toISOString();
    const bundle = await bundleOf(of);
    return { schemaVersion: 1, name: 'nightly', bundle, config: 'nightly.yaml', timing, parallel: 1, at, by: 'test' };
  }

  /** Fire, and wait until what came of it is written down. */
  async function fire(): Promise<void> {
    const before = (await readLastFiring(store, 'nightly'))?.at;
    await triggerSchedule(platform(), 'nightly', by);
    await waitFor('a firing', 60_000, async () =>
      (await readLastFiring(store, 'nightly'))?.at === before ? undefined : true,
    );
  }

  const register = (name: string): Promise<unknown> =>
    addStudent(store, { schemaVersion: 1, name, model: studentOf(name), at: '', by: 'test', why: '' });
  const platform = () => ({ client: env.client, store, embedded: false });
  const actions = ({ entries }: FiringPlan): Record<string, string> =>
    Object.fromEntries(entries.map(({ student, action }) => [student, action]));
  const entryOf = (plan: FiringPlan, name: string) => plan.entries.find(({ student }) => student === name)!;

  it('aligns every registered student without a hand; those that cannot be do not hold up the others', async () => {
    const drafts = asked.get('teacher');
    expect(drafts).toBeGreaterThan(0);
    for (const name of ['a-new', 'b-locked', 'missing', 'z-other']) await register(name);
    await createSchedule(platform(), await scheduleOf(config));
    const last = await waitFor('the first firing', 240_000, async () => {
      const plan = await readLastFiring(store, 'nightly');
      return plan && plan.entries.length > 0 ? plan : undefined;
    });
    expect(actions(last)).toEqual({ 'a-new': 'nothing', 'b-locked': 'waits', missing: 'cannot', 'z-other': 'nothing' });
    expect(entryOf(last, 'b-locked').why).toContain('The endpoint refused its key.');
    expect(entryOf(last, 'missing').error).toMatchObject({ code: 'ModelNotFound' });
    // Each student was asked; the teacher, as it came, not once more.
    for (const name of ['a-new', 'z-other']) expect(asked.get(name)).toBeGreaterThan(0);
    expect(asked.get('teacher')).toBe(drafts);
    const runId = entryOf(last, 'a-new').runId ?? '';
    const report = (await store.getDocument(runKeys.report(runId))) as unknown as RunReport;
    const reused = (name: string) => report.stages.filter((stage) => stage.name === name).map((stage) => stage.reused);
    for (const name of ['prepare-tasks', 'sample-questions', 'sample-rationales']) expect(reused(name)).toEqual([true]);
    expect(reused('score-drafts')).toEqual([false]);
    const unaligned = report.stages.filter(({ arm }) => arm === 'original_teacher').slice(0, 2);
    expect(unaligned.map((stage) => stage.reused)).toEqual([true, true]);
    // A run like any other.
    expect(report).toMatchObject({ runId, name: runId, status: 'DONE' });
    expect((await viewRun(env.client, store, runId)).progress.status).toBe('DONE');
  });

  it('makes what is finished current after its test against the untuned student', async () => {
    for (const name of ['a-new', 'z-other']) {
      const { current, alignments, history } = await readStanding(store, name);
      expect(history).toHaveLength(1);
      expect(history[0]).toMatchObject({ action: 'promoted', before: null, by: 'schedule nightly', runId: current });
      expect(history[0]?.checks).toMatchObject([{ shots: 0, n: 20, passed: true }]);
      expect(alignments[current ?? '']?.model.layers).toHaveLength(1);
    }
  });

  it('asks nobody again at the next firing', async () => {
    const before = new Map(asked);
    await fire();
    expect(asked).toEqual(before);
    expect((await readStanding(store, 'a-new')).history).toHaveLength(1);
  });

  it('judges a parked one at the next firing once a person has seen to it', async () => {
    const runId = entryOf((await readLastFiring(store, 'nightly'))!, 'b-locked').runId ?? '';
    locked.clear();
    await env.client.workflow.getHandle(runId).executeUpdate(retryUpdate, { args: [{ by: 'test' }] });
    await waitFor('its verdict', 120_000, async () => (await readStanding(store, 'b-locked')).current ?? undefined);
    expect((await readStanding(store, 'b-locked')).current).toBe(runId);
  });

  it('gives the place of a run that asks for a word to the next student; one that is rejected is kept back, once', async () => {
    const asks = { ...config, rounds: { ...config.rounds, approval: 'every' as const } };
    await createSchedule(platform(), { ...(await scheduleOf(asks)), name: 'asking' }, { replace: true });
    const fired = async (so: (plan: FiringPlan) => boolean): Promise<FiringPlan> =>
      waitFor('a firing of it', 120_000, async () => {
        const plan = await readLastFiring(store, 'asking');
        return plan && so(plan) ? plan : undefined;
      });
    const plan = await fired(({ entries }) => entries.length > 0);
    expect(actions(plan)).toMatchObject({ 'a-new': 'waits', 'z-other': 'waits' });
    const runId = entryOf(plan, 'a-new').runId ?? '';
    expect(entryOf(plan, 'a-new').why).toContain(`Round 1 waits for a word. arte approve ${runId} --round 1 goes on`);
    await env.client.workflow.getHandle(runId).executeUpdate(rejectUpdate, { args: [{ by: 'ana', reason: 'no' }] });
    await fired((next) => entryOf(next, 'a-new').action === 'nothing');
    const [verdict] = (await readStanding(store, 'a-new')).history.filter((event) => event.runId === runId);
    expect(verdict).toMatchObject({ action: 'kept-back', why: 'No round of it was accepted: ana rejected it (no).' });
    await deleteSchedule(platform(), 'asking', by);
  });

  it('whose firing is under way starts nothing more once it is deleted or replaced, and leaves nothing behind', async () => {
    const asks = { ...config, seed: 13, rounds: { ...config.rounds, approval: 'every' as const } };
    const firing = async (name: string, bundle: ArtifactRef) => {
      const input = { schedule: name, bundle, parallel: 9, failOnTrouble: false };
      const options = { workflowId: `firing-${name}-${Date.now()}`, taskQueue: taskQueues.workflows, args: [input] };
      const outcome = (await env.client.workflow.execute('realignWorkflow', options)) as FiringOutcome;
      return (await readPlan(store, outcome.plan)).entries;
    };
    const record = { ...(await scheduleOf(asks)), name: 'short-lived' };
    expect(await firing('short-lived', record.bundle)).toEqual([]);
    expect(await readLastFiring(store, 'short-lived')).toBeUndefined();
    await saveFiring(store, { schedule: 'short-lived', plan: record.bundle, trouble: 0 });
    expect(await readLastFiring(store, 'short-lived')).toBeUndefined();
    await store.putDocument(scheduleKeys.record('short-lived'), record as unknown as JsonValue);
    expect(await firing('short-lived', await bundleOf(config))).toEqual([]);
    expect(await readLastFiring(store, 'short-lived')).toBeUndefined();
    await store.remove(scheduleKeys.record('short-lived'));
  });

  it('takes a changed config or teacher for new work, and prices and names for none', async () => {
    await pauseSchedule(platform(), 'nightly', { ...by, reason: 'for the test' });
    const { models } = config;
    const as = async (of: RunConfig): Promise<Record<string, string>> => {
      await createSchedule(platform(), await scheduleOf(of), { replace: true });
      return actions(await previewFiring(platform(), 'nightly'));
    };
    const priced = { ...models.teacher, price: { ...models.teacher.price, output: 3 } };
    expect(await as({ ...config, name: 'renamed', models: { ...models, teacher: priced } })).toMatchObject({
      'a-new': 'nothing',
      'z-other': 'nothing',
    });
    expect(
      await as({ ...config, models: { ...models, teacher: { ...models.teacher, source: 'hf:scripts/wiser' } } }),
    ).toMatchObject({
      'a-new': 'align',
      'z-other': 'align',
      missing: 'cannot',
    });
    expect(await as({ ...config, seed: 12 })).toMatchObject({ 'a-new': 'align', 'z-other': 'align' });
    // Changing a paused schedule does not set it going.
    expect((await describeSchedule(env.client, 'nightly'))?.state).toMatchObject({ paused: true });
  });

  it('pauses itself where it was asked to, when a student cannot be aligned', async () => {
    const record = await scheduleOf(config);
    const strict = { ...record, timing: { ...record.timing, pauseOnFailure: true } };
    await createSchedule(platform(), strict, { replace: true });
    await resumeSchedule(platform(), 'nightly', by);
    await fire();
    await waitFor(
      'the pause',
      30_000,
      async () => (await describeSchedule(env.client, 'nightly'))?.state.paused || undefined,
    );
  });

  it('is made again from the store when the engine has lost it, fires when it is told to, and can be deleted', async () => {
    await createSchedule(platform(), await scheduleOf(config), { replace: true });
    await env.client.schedule.getHandle('arte-schedule-nightly').delete();
    await expect(triggerSchedule(platform(), 'nightly', by)).rejects.toThrow(
      'The engine has lost the schedule nightly.',
    );
    expect(await resumeSchedule(platform(), 'nightly', by)).toBe('made again');
    const record = await scheduleOf(config);
    const odd = { ...record, name: 'odd', timing: { ...record.timing, every: undefined, cron: 'every day' } };
    await expect(createSchedule(platform(), odd as unknown as ScheduleRecord)).rejects.toThrow(
      'The engine does not take --cron "every day".',
    );
    await expect(previewFiring(platform(), 'odd')).rejects.toThrow('There is no schedule odd.');
    await fire();
    await expect(triggerAgain(platform(), 'nightly', ['a-new', 'nobody'], by)).rejects.toThrow(
      'There is no student nobody on the registry.',
    );
    await deleteSchedule(platform(), 'nightly', by);
    expect(await describeSchedule(env.client, 'nightly')).toBeUndefined();
    await expect(previewFiring(platform(), 'nightly')).rejects.toThrow('There is no schedule nightly.');
    expect((await readStanding(store, 'a-new')).current).not.toBeNull();
  });
});

/** Content follows from the source. */
function modelRef(name: string, source: string): ModelRef {
  const sha = sha256Hex(source);
  return { name, source: { kind: 'embedded', name: source }, baseSha256: sha, layers: [], contentSha256: sha };
}
