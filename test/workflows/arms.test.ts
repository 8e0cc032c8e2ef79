/**
 * Goal: every arm of a run is trained at equal budget: as many examples, as many steps, one seed; what arms share is made once; the report has
 * each as a row of its own.
 * Method: the workflow and the activities as workers run them, on a real Temporal server and a real S3 store. Models answer by script; the
 * trainer is a stand-in that notes its jobs and leaves a layer that follows from what it was given.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { createInferActivities, createIoActivities, createTrainActivities } from '../../activities';
import { createNotifier } from '../../drivers/notify/open';
import type { InferDependencies, TrainDependencies } from '../../activities/dependencies';
import { readRows } from '../../activities/read-rows';
import { runKeys } from '../../activities/run-records';
import { alignInput } from '../../cli/start-run';
import type { ModelEndpoint } from '../../drivers/model/model';
import { createScriptedEndpoint } from '../../drivers/model/scripted';
import type { ArtifactStore } from '../../drivers/store/store';
import type { TrainingJob } from '../../drivers/trainer/trainer';
import { canonicalJson, sha256Hex } from '../../method/keys';
import { planRun } from '../../method/plan';
import { armNames, type ArmName } from '../../schemas/arms';
import type { ArtifactRef } from '../../schemas/artifact-ref';
import type { JsonValue } from '../../schemas/json';
import { payloadBytesMax } from '../../schemas/limits';
import { taskQueues } from '../../schemas/messages';
import type { ModelRef } from '../../schemas/model-ref';
import type { RunReport } from '../../schemas/report';
import { questionRowSchema, tailoredRowSchema } from '../../schemas/rows';
import { runConfigSchema, type RunConfig } from '../../schemas/run-config';
import { startTestS3, type TestS3 } from '../support/s3';
import { quietRuntime, startTemporal, workflowBundle } from '../support/temporal';

jest.setTimeout(5 * 60_000);

const perTask = 8;
const tasks = ['one', 'other'];
const examples = tasks.length * perTask;

function configOf(change: Record<string, unknown> = {}): RunConfig {
  const scripted = (script: string): unknown => ({
    source: 'hosted:scripts/' + script,
    prompt_style: 'completion',
    endpoint: { kind: 'scripted', script },
  });
  return runConfigSchema.parse({
    version: 1,
    name: 'arms',
    seed: 11,
    tasks: tasks.map((name, split_seed) => ({
      source: 'builtin',
      family: 'larger-number',
      name,
      category: `category ${name}`,
      split: { seeds: 3, validation: 8, test: 10 },
      split_seed,
    })),
    models: { teacher: scripted('teacher'), student: scripted('prefers-short') },
    probe: { method: 'random', size: 6 },
    questions: { per_task: 10, per_call: 1, format: 'json', max_tokens: 100 },
    pairs: { question: { per_task: 3 }, minimum: 2 },
    tailor: { per_task: perTask },
    sft: { batch_size: 4 },
    align: { batch_size: 4 },
    evaluate: { shots: [0] },
    arms: [...armNames],
    ...change,
  });
}

describe('all arms', () => {
  let env: TestWorkflowEnvironment;
  let s3: TestS3;
  let store: ArtifactStore;
  let folder: string;
  const jobs: (TrainingJob & { rows: number })[] = [];

  beforeAll(async () => {
    quietRuntime();
    folder = mkdtempSync(join(tmpdir(), 'arte-arms-'));
    [env, s3] = await Promise.all([startTemporal(), startTestS3()]);
    store = s3.fresh();
  });
  afterAll(async () => {
    store.close();
    await Promise.all([env.teardown(), s3.stop()]);
    rmSync(folder, { recursive: true, force: true });
  });

  const dependencies = (): InferDependencies & TrainDependencies => ({
    store,
    journalDir: join(folder, 'journals'),
    environment: {},
    resolveModel: (name) => Promise.resolve(modelRef(name)),
    pool: {
      lease: (model, settings) => {
        if (settings.kind !== 'scripted') throw new Error('only scripts answer here');
        const endpoint = createScriptedEndpoint(settings.script, settings.options);
        return Promise.resolve({ endpoint: inOwnWords(model, endpoint), release: () => Promise.resolve() });
      },
      reserve: () => Promise.resolve(() => undefined),
    },
    trainingDir: join(folder, 'trainings'),
    reserveDevice: () => Promise.resolve(() => undefined),
    trainer: {
      async train(job) {
        const data = await readFile(job.dataPath, 'utf8');
        const rows = data.trim().split('\n').length;
        jobs.push({ ...job, rows });
        const outputDir = join(job.workDir, 'output');
        await mkdir(outputDir, { recursive: true });
        await writeFile(
          join(outputDir, 'adapter_model.safetensors'),
          sha256Hex(data + canonicalJson({ ...job.settings })),
        );
        const facts = { seconds: 1, metrics: {}, tokens: 1, device: 'none', dtype: 'float32', resumedFromSteps: [] };
        return { outputDir, rows, steps: job.settings.maxSteps, ...facts };
      },
    },
  });

  async function run(runId: string, config: RunConfig): Promise<RunReport> {
    const bundle = await store.putBlob(
      canonicalJson({ schemaVersion: 1, config: config as unknown as JsonValue, files: {} }),
      { mediaType: 'application/json', rows: 1 },
    );
    const given = dependencies();
    const activities = {
      ...createIoActivities({ ...given, notifier: createNotifier({ commands: false }) }),
      ...createInferActivities(given),
      ...createTrainActivities(given),
    };
    const { nativeConnection: connection } = env;
    const workers = await Promise.all([
      Worker.create({ connection, taskQueue: taskQueues.workflows, workflowBundle: await workflowBundle() }),
      ...[taskQueues.io, taskQueues.infer, taskQueues.train].map((taskQueue) =>
        Worker.create({ connection, taskQueue, activities }),
      ),
    ]);
    const running = Promise.all(workers.map((worker) => worker.run()));
    try {
      await env.client.workflow.execute('alignWorkflow', {
        workflowId: runId,
        taskQueue: taskQueues.workflows,
        args: [alignInput(runId, bundle, config)],
      });
    } finally {
      for (const worker of workers) worker.shutdown();
      await running;
    }
    return (await store.getDocument(runKeys.report(runId))) as unknown as RunReport;
  }

  describe('of one run', () => {
    const config = configOf();
    let report: RunReport;
    let students: typeof jobs;

    beforeAll(async () => {
      report = await run('all', config);
      students = jobs.filter(({ kind }) => kind === 'sft');
    });

    it('stand in the report, each trained on as many examples in as many steps from one student and seed', () => {
      expect(report.status).toBe('DONE');
      expect(report.arms.map(({ name }) => name)).toEqual(armNames);
      expect(students).toHaveLength(armNames.length - 2);
      const steps = Math.ceil(examples / 4);
      for (const { rows, settings, model } of students) {
        expect({ rows, steps: settings.maxSteps, seed: settings.seed, base: model.contentSha256 }).toEqual({
          ...{ rows: examples, steps, seed: config.seed },
          base: modelRef('student').contentSha256,
        });
      }
      for (const { name, training } of report.arms) {
        const asked = name === 'teacher' || name === 'untuned';
        expect([name, training]).toEqual([name, asked ? undefined : { examples, steps }]);
      }
    });

    it('are made of the stages that the plan has, and what they share is made once', () => {
      const label = ({ name, arm }: { name: string; arm: string }): string => `${name} ${arm}`;
      const facts = { tasks: tasks.map((name) => ({ name, validation: 8, test: 10 })) };
      const planned = planRun(config, facts).stages.filter(({ name }) => name !== 'report');
      expect(report.stages.map(label).sort()).toEqual(planned.map(label).sort());
      const pairs = (arm: string): number =>
        Number(report.stages.find(({ name, arm: of }) => name === 'train-dpo' && of === arm)?.facts['rows']);
      expect(pairs('question_only') + pairs('rationale_only')).toBe(pairs(''));
    });

    it('are weighed by item, by task and by category', () => {
      // Both tasks are as large, and a category each: the three averages agree.
      for (const { accuracy, macro, byCategory } of report.arms) {
        expect(Object.keys(byCategory)).toEqual(['category one', 'category other']);
        for (const average of [macro.overTasks, macro.overCategories])
          expect(average).toMatchObject({ groups: 2, accuracy: expect.closeTo(accuracy, 12) as number });
      }
    });

    it('choose drafts by what the student prefers: short rationales, where that was planted', async () => {
      const setOf = (arm: ArmName) => readRows(store, artifactOf(`select-drafts/${arm}/tailored`), tailoredRowSchema);
      const words = (rows: readonly { rationale: string }[]): number =>
        rows.reduce((total, { rationale }) => total + rationale.split(/\s+/).length, 0) / rows.length;
      const [random, preferred] = [await setOf('random_rationale'), await setOf('most_preferred')];
      expect(preferred.map(({ id }) => id)).toEqual(random.map(({ id }) => id));
      expect(words(preferred)).toBeLessThan(words(random));
    });

    it('bootstrap the questions of self_instruct from a first quarter that follows from the seeds alone', async () => {
      const questionsOf = async (arm: ArmName) =>
        readRows(store, artifactOf(`tailor-questions/${arm}/questions`), questionRowSchema);
      const [own, original] = [await questionsOf('self_instruct'), await questionsOf('original_teacher')];
      for (const task of tasks) {
        const of = (rows: typeof own) => rows.filter((row) => row.task === task).map(({ question }) => question);
        expect(of(own)).toHaveLength(perTask);
        expect(of(own).slice(0, perTask / 4)).toEqual(of(original).slice(0, perTask / 4));
        expect(of(own)).not.toEqual(of(original));
      }
    });

    function artifactOf(name: string): ArtifactRef {
      const ref = report.rounds[0]?.artifacts[name];
      if (!ref) throw new Error(`the run made no ${name}`);
      return ref;
    }
  });

  it('have as many students as the config asks for, from the same seeds in every arm', async () => {
    const config = configOf({ arms: [], sft: { batch_size: 4, seeds: 3 } });
    const before = jobs.length;
    const report = await run('seeds', config);
    // The first of each is the student of the run before.
    const [second, third] = [...new Set(jobs.slice(before).map(({ settings }) => settings.seed))];
    expect(new Set([config.seed, second, third]).size).toBe(3);
    expect(
      jobs
        .slice(before)
        .map(({ kind, settings }) => `${kind} ${settings.seed}`)
        .sort(),
    ).toEqual([second, second, third, third].map((seed) => `sft ${String(seed)}`).sort());
    expect(report.arms.map(({ name, n, students }) => [name, n, students.accuracies.length])).toEqual([
      ['untuned', 20, 1],
      ['original_teacher', 60, 3],
      ['arte', 60, 3],
    ]);
    // The scripted student answers alike whatever it was trained from: three say no more than one.
    const [untuned, original] = report.arms;
    expect(original?.low).toBeCloseTo(untuned?.low ?? NaN, 12);
    expect(original?.high).toBeCloseTo(untuned?.high ?? NaN, 12);
    expect(original?.students.standardDeviation).toBe(0);
    expect(report.stages.map(({ arm }) => arm)).toEqual(expect.arrayContaining(['arte-seed3', 'arte-seed3-0shot']));
    expect(report.rounds[0]?.decision['against']).toHaveLength(2);
  });

  it('of three students each, in two rounds: nothing that the engine carries grows with them', async () => {
    const config = configOf({ sft: { batch_size: 4, seeds: 3 }, rounds: { count: 2 }, evaluate: { shots: [0, 3] } });
    const report = await run('many', config);
    expect(report.status).toBe('DONE');
    const students = 3 * (armNames.length - 2);
    const evaluations = report.stages.filter(({ name, round }) => name === 'evaluate' && round === 1);
    expect(evaluations).toHaveLength(2 * (students + 2));
    expect(report.rounds.map(({ decision }) => decision['round'])).toEqual([1, 2]);
    const messages = await messagesOf(env, 'many');
    const largest = messages.reduce((most, message) => (message.bytes > most.bytes ? message : most));
    expect(largest.bytes).toBeGreaterThan(1_000);
    expect({ ...largest, isSmall: largest.bytes < payloadBytesMax }).toMatchObject({ isSmall: true });
    // What goes from one round into the next, and what the run hands on with its rounds, has refs and counters only.
    const own = messages.filter(({ workflow }) => workflow === 'many');
    const named = (event: string): number[] =>
      own.filter((message) => message.event === event).map(({ bytes }) => bytes);
    const [next] = named('workflowExecutionContinuedAsNewEventAttributes');
    expect(next).toBeLessThan(payloadBytesMax / 2);
    expect(Math.max(...named('activityTaskScheduledEventAttributes'))).toBeLessThan(payloadBytesMax / 2);
    // All stages' records together are what must not travel.
    const records = JSON.stringify(await store.getDocument(runKeys.stages('many', 1)));
    expect(records.length).toBeGreaterThan(payloadBytesMax);
  });

  it('go without DPO where the teacher cannot be trained, and the report says what that leaves out', async () => {
    const before = jobs.length;
    const report = await run('hosted', configOf({ arms: ['task_consistent'], align: { method: 'none' } }));
    // The other arms' students are those of the run before; no teacher is trained.
    expect(jobs.slice(before).map(({ kind }) => kind)).toEqual(['sft']);
    expect(report.arms.map(({ name }) => name)).toEqual(['untuned', 'original_teacher', 'task_consistent', 'arte']);
    expect(report.notes.join('\n')).toContain('The teacher was not trained (align.method: none)');
    expect(report.rounds[0]?.teacher.layers).toEqual([]);
  });
});

/** A message between workers and engine, with the event of the history that it stands in. */
interface Message {
  readonly workflow: string;
  readonly event: string;
  readonly bytes: number;
}

/** All that the engine carried for a run: of its own workflow in every round, and of its stages'. */
async function messagesOf({ client }: TestWorkflowEnvironment, runId: string): Promise<Message[]> {
  const messages: Message[] = [];
  const query = `WorkflowId = "${runId}" OR WorkflowId STARTS_WITH "${runId}/"`;
  for await (const { workflowId, runId: id } of client.workflow.list({ query })) {
    const { events } = await client.workflow.getHandle(workflowId, id).fetchHistory();
    for (const event of events ?? [])
      for (const [name, attributes] of Object.entries(event))
        for (const bytes of payloadBytes(attributes)) messages.push({ workflow: workflowId, event: name, bytes });
  }
  return messages;
}

/** Sizes of the lists of payloads in an event, wherever they stand. */
function payloadBytes(value: unknown): number[] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return [];
  const { payloads } = value as { payloads?: readonly { data?: Uint8Array | null }[] };
  if (payloads) return [payloads.reduce((sum, { data }) => sum + (data?.length ?? 0), 0)];
  return Object.values(value).flatMap(payloadBytes);
}

function modelRef(name: string): ModelRef {
  const sha = sha256Hex(name);
  return { name, source: { kind: 'embedded', name }, baseSha256: sha, layers: [], contentSha256: sha };
}

/** A teacher that was trained words its rationales in its own way, so that every arm has a set of its own. */
function inOwnWords({ layers, contentSha256 }: ModelRef, endpoint: ModelEndpoint): ModelEndpoint {
  if (layers.length === 0) return endpoint;
  return {
    ...endpoint,
    async complete(request, signal) {
      const answer = await endpoint.complete(request, signal);
      return request.jsonSchema === undefined
        ? { ...answer, text: ` ${contentSha256.slice(0, 6)}:${answer.text}` }
        : answer;
    },
  };
}
