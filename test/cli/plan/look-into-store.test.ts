/**
 * Goal: a plan says of every stage whether the store holds it, under the very keys of a run: true, false, or null with what it waits for.
 * Method: a round "made" by a runner that commits a manifest for every stage of the walk under its real key, into a store in memory; then
 * the look, with nothing changed, a setting changed, a stage gone, a model that is not here. And the command with no store at all.
 */
import { MockActivityEnvironment } from '@temporalio/testing';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findStage, keyOfAnyStage } from '../../../activities/find-stage';
import { evaluationsText } from '../../../activities/run-records';
import { commitStage, manifestKey, stageResult } from '../../../activities/stage';
import { register as registerPlan } from '../../../cli/commands/plan';
import { lookForStages, taskFiles, type ModelFinder } from '../../../cli/plan/look-into-store';
import { alignInput } from '../../../cli/run/start-run';
import { plannedTasks } from '../../../cli/plan/plan-facts';
import { reuseLines } from '../../../cli/plan/plan-reuse';
import { planRun } from '../../../method/plan';
import { preparedTasks } from '../../../method/prepared-tasks';
import { packageRoot } from '../../../drivers/package-root';
import { mediaTypes, type ArtifactRef } from '../../../schemas/artifact-ref';
import type { StageManifest } from '../../../schemas/manifest';
import type { EvaluationRecord } from '../../../schemas/messages';
import type { ModelRef } from '../../../schemas/model-ref';
import type { Plan } from '../../../schemas/plan';
import { runConfigSchema, type RunConfig } from '../../../schemas/run-config';
import { carryOn, firstCarry, runRound } from '../../../workflows/round';
import { runTransfer } from '../../../workflows/transfer';
import type { StageRunner } from '../../../workflows/run-state';
import { MemoryStore } from '../../activities/row-engine/memory-store';
import { runCommand } from '../../support/command';
import { startTestS3 } from '../../support/s3';

const configDir = '/nowhere';

function configOf(
  change: (config: { [section: string]: Record<string, unknown> }) => void = () => undefined,
): RunConfig {
  const model = (source: string) => ({ source, endpoint: { kind: 'scripted', script: 'teacher' } });
  const config = {
    version: 1,
    name: 'looked',
    tasks: [{ source: 'builtin', family: 'larger-number', split: { seeds: 3, validation: 8, test: 10 } }],
    models: { teacher: model('/models/teacher'), student: model('/models/student') },
    probe: { method: 'irt', size: 6, respondent_shots: [0] },
    evaluate: { shots: [0, 3] },
    rounds: { count: 2 },
  };
  change(config as unknown as { [section: string]: Record<string, unknown> });
  return runConfigSchema.parse(config);
}

function modelRef(name: string): ModelRef {
  const sha256 = Buffer.from(name.padEnd(32, '.')).toString('hex');
  const source = { kind: 'folder' as const, path: `/models/${name}` };
  return { name, source, baseSha256: sha256, layers: [], contentSha256: sha256 };
}
const here: ModelFinder = (name) => Promise.resolve(modelRef(name));

/** Every stage of all rounds committed under its key, with outputs of its own; returns the labels and keys made. */
async function makeAll(store: MemoryStore, config: RunConfig, folder = configDir): Promise<Map<string, string>> {
  const bundle = { config, files: await taskFiles(config, folder) };
  const made = new Map<string, string>();
  const models = {
    ...{ teacher: modelRef('teacher'), student: modelRef('student'), respondents: [] },
    others: config.transfer.students.map((_, index) => modelRef(`other-${index}`)),
  };
  const bundleRef: ArtifactRef = await store.putBlob('{}', { mediaType: mediaTypes.json, rows: 1 });
  const input = alignInput('run', bundleRef, config);
  const evaluations: EvaluationRecord[] = [];
  const asActivity = new MockActivityEnvironment({ workflowExecution: { workflowId: 'run', runId: 'run' } });
  const runner = (round: number): StageRunner => ({
    evaluations: () => store.putBlob(evaluationsText(evaluations), { mediaType: mediaTypes.json, rows: 1 }),
    async stage(name, inputs, { arm = '', evaluates, ...parts } = {}) {
      const stageInput = { stage: name, bundle: bundleRef, inputs, ...parts };
      const keyed = keyOfAnyStage(bundle, stageInput);
      made.set(`${round} ${name} ${arm}`, keyed.key);
      if (evaluates) evaluations.push({ ...evaluates, round, key: keyed.key });
      const found = await findStage(store, bundle, stageInput);
      if (found) return found;
      const names = [
        'tasks',
        'predictions',
        'probes',
        'questions',
        'drafts',
        'scores',
        'pairs',
        'dpo',
        'tailored',
        'sft',
        'layer',
      ];
      const outputs: Record<string, ArtifactRef> = {};
      for (const output of names)
        outputs[output] = await store.putBlob(`${keyed.key} ${output}`, { mediaType: mediaTypes.bytes, rows: 1 });
      if (!name.startsWith('train-')) delete outputs['layer'];
      if (name === 'prepare-tasks') {
        const paths = Object.keys(bundle.files);
        const texts = new Map(paths.map((path) => [path, readFileSync(join(folder, path), 'utf8')]));
        outputs['tasks'] = await store.putLines(preparedTasks(keyed.bundle.config, texts).tasks);
      }
      const shape = { name, version: 1, settings: () => null };
      // As an activity of the run: a manifest says who paid.
      const manifest = await asActivity.run(() => commitStage(store, shape, keyed, { outputs }, 1));
      return stageResult(manifest as StageManifest, stageInput, false);
    },
    together: async (one, other) => [await one(), await other()],
  });
  let carry = firstCarry(models, 'then');
  for (let round = 1; round <= config.rounds.count; round += 1) {
    const outcome = await runRound(runner(round), input, carry);
    carry = carryOn(carry, outcome, input);
    if (round === config.rounds.count) await runTransfer(runner(round), input, carry, outcome.tasks);
  }
  return made;
}

async function planned(store: MemoryStore, config: RunConfig, find: ModelFinder = here): Promise<Plan> {
  const none = { ...config, tasks: [], transfer: { students: [], tasks: [] } };
  const facts = plannedTasks({ config: none, tasks: [], unseen: [], gold: new Map() });
  return planRun(config, { ...facts, reuseOf: await lookForStages(store, { config, configDir }, find) });
}

/** `round name arm` of the stages with this answer. */
function withReuse({ stages }: Plan, wanted: boolean | null): string[] {
  return stages.filter(({ reused }) => reused === wanted).map(({ name, round, arm }) => `${round} ${name} ${arm}`);
}

let store: MemoryStore;
beforeEach(() => {
  store = new MemoryStore();
});

it('an empty store holds nothing: what needs the tasks alone is to be made, the rest follows from it', async () => {
  const plan = await planned(store, configOf());
  expect(withReuse(plan, true)).toEqual([]);
  expect(withReuse(plan, false)).toEqual(
    expect.arrayContaining(['1 prepare-tasks ', '1 sample-questions ', '1 evaluate untuned-0shot', '2 report ']),
  );
  expect(plan.stages.find(({ name }) => name === 'sample-rationales')?.dependsOn).toBe('sample-questions of round 1');
  expect(plan.left.calls).toBe(plan.totals.calls);
});

it('what was made is all there, in every round, and nothing is left to pay', async () => {
  const made = await makeAll(store, configOf());
  const plan = await planned(store, configOf());
  const all = plan.stages.map(({ name, round, arm }) => `${round} ${name} ${arm}`);
  expect([...withReuse(plan, true), '2 report ']).toEqual(all);
  expect([...made.keys()]).toEqual(expect.arrayContaining(withReuse(plan, true)));
  expect(withReuse(plan, false)).toEqual(['2 report ']);
  expect(withReuse(plan, null)).toEqual([]);
  expect(plan.left).toMatchObject({ calls: 0, inputTokens: 0, outputTokens: 0, trainingSteps: 0 });
});

it('a setting that changed costs the stages that it matters to, and those that follow', async () => {
  await makeAll(store, configOf());
  const plan = await planned(
    store,
    configOf((config) => {
      config['sft'] = { learning_rate: 1e-3 };
    }),
  );
  expect(withReuse(plan, false)).toEqual([
    '1 train-sft arte',
    '1 train-sft original_teacher',
    '2 train-sft arte',
    '2 report ',
  ]);
  expect(withReuse(plan, null)).toEqual([
    '1 evaluate arte-0shot',
    '1 evaluate arte-3shot',
    '1 evaluate original_teacher-0shot',
    '1 evaluate original_teacher-3shot',
    '1 decide ',
    '2 evaluate arte-0shot',
    '2 evaluate arte-3shot',
    '2 decide ',
  ]);
  expect(plan.stages.find(({ arm }) => arm === 'arte-3shot')?.dependsOn).toBe('train-sft/arte of round 1');
});

it('a manifest that is gone is to be made, though what follows may be there when it is', async () => {
  const made = await makeAll(store, configOf());
  store.objects.delete(manifestKey(made.get('1 train-dpo ') ?? ''));
  const plan = await planned(store, configOf());
  expect(withReuse(plan, false)).toEqual(['1 train-dpo ', '2 report ']);
  expect(withReuse(plan, true)).toContain('1 evaluate original_teacher-0shot');
  expect(plan.stages.find(({ name, round }) => name === 'sample-questions' && round === 2)).toMatchObject({
    reused: null,
    dependsOn: 'train-dpo of round 1',
  });
});

it('a transfer is looked for as the run makes it, with what it was made of', async () => {
  const unseen = { source: 'builtin', family: 'navigate', split: { validation: 8, test: 10 } };
  const student = { source: 'embedded:SmolLM2-135M-Instruct', prompt_style: 'completion' };
  const transferred = (learning_rate = 2e-5): RunConfig =>
    configOf((config) => {
      config['transfer'] = { students: [student], tasks: [unseen] };
      config['sft'] = { learning_rate };
    });
  await makeAll(store, configOf());
  // Added to a run that is there: only the transfer is left, and of it what follows from nothing that is to be made is known to be.
  const before = await planned(store, transferred());
  const left = before.stages.filter(({ reused }) => reused !== true).map(({ name, arm }) => `${name} ${arm}`);
  expect(left.filter((stage) => !stage.includes('transfer-'))).toEqual(['report ']);
  expect(withReuse(before, false)).toEqual([
    ...['2 evaluate transfer-student-1-untuned-0shot', '2 evaluate transfer-student-1-untuned-3shot'],
    ...['2 reword-set transfer-student-1-original_teacher', '2 reword-set transfer-student-1-arte'],
    ...['2 prepare-tasks transfer-tasks', '2 check-unseen transfer-tasks'],
    ...['2 evaluate transfer-tasks-untuned-0shot', '2 evaluate transfer-tasks-untuned-3shot'],
    ...['2 tailor-questions transfer-tasks-original_teacher', '2 tailor-questions transfer-tasks-arte'],
    '2 report ',
  ]);
  await makeAll(store, transferred());
  expect(withReuse(await planned(store, transferred()), true)).toHaveLength(before.stages.length - 1);
  const changed = await planned(store, transferred(1e-3));
  expect(withReuse(changed, false)).toEqual(
    expect.arrayContaining(['2 train-sft transfer-student-1-arte', '2 train-sft transfer-tasks-arte']),
  );
  expect(withReuse(changed, true)).toContain('2 tailor-rationales transfer-tasks-arte');
});

it('a change tells what it makes again from what was not made yet', async () => {
  await makeAll(store, configOf());
  const [longer, third] = [configOf(), configOf()].map((config) => structuredClone(config));
  longer!.tailor.rationales.max_tokens -= 1;
  // Made on: a round that the run has not come to, and the tailored sets of all.
  third!.rounds.count = longer!.rounds.count = 3;
  const before = await lookForStages(store, { config: third!, configDir }, here);
  const said = reuseLines(await planned(store, longer!), false, before).join('\n');
  expect(said).toMatch(/made again because of the change: \d+: tailor-rationales\/arte of round 1/);
  expect(said).toMatch(/not made yet: \d+: [^\n]*of round 3/);
  expect(/not made yet: (.*)/.exec(said)?.[1]).not.toMatch(/of round [12]/);
});

describe('task files', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'arte-look-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const questions = Array.from({ length: 21 }, (_, at) => ({
    question: `How many sheep are ${at} sheep?`,
    target: `${at}`,
  }));
  const linesOf = (rows: readonly object[], end = '\n'): string =>
    rows.map((row) => JSON.stringify(row) + end).join('');
  /** Made from `sheep.jsonl`, then looked for with other bytes or under another name. */
  async function left(name: string, text: string): Promise<string[]> {
    const config = (path: string): RunConfig =>
      configOf((config) => {
        const task = { source: 'jsonl', name: 'sheep', path, description: 'Count sheep.' };
        Object.assign(config, { tasks: [{ ...task, split: { seeds: 3, validation: 8, test: 10 } }] });
      });
    writeFileSync(join(folder, 'sheep.jsonl'), linesOf(questions));
    await makeAll(store, config('sheep.jsonl'), folder);
    writeFileSync(join(folder, name), text);
    const looked: string[] = [];
    await lookForStages(store, { config: config(name), configDir: folder }, here, ({ name, round, reused }) => {
      if (reused !== true) looked.push(`${round} ${name}`);
    });
    return [...new Set(looked)];
  }

  it('of the same bytes are the same under another name', async () => {
    expect(await left('flock.jsonl', linesOf(questions))).toEqual([]);
  });

  it('of other bytes and the same items cost no more than to be read', async () => {
    expect(await left('sheep.jsonl', linesOf(questions, '\r\n'))).toEqual(['1 prepare-tasks', '2 prepare-tasks']);
    const numbers = questions.map(({ question, target }) => ({ question, target: Number(target) }));
    expect(await left('sheep.jsonl', linesOf(numbers))).toEqual(['1 prepare-tasks', '2 prepare-tasks']);
  });

  it('of other items are other tasks', async () => {
    const other = questions.map(({ question, target }) => ({ question, target: `${target}0` }));
    expect(await left('sheep.jsonl', linesOf(other))).toContain('1 sample-questions');
  });
});

it('a model that is not here is named', async () => {
  await makeAll(store, configOf());
  const plan = await planned(store, configOf(), async (name) =>
    name === 'teacher' ? undefined : here(name, {} as never),
  );
  expect(withReuse(plan, true)).toEqual(
    expect.arrayContaining(['1 prepare-tasks ', '1 select-probes ', '1 evaluate untuned-0shot']),
  );
  expect(plan.stages.find(({ name }) => name === 'sample-questions')).toMatchObject({
    reused: null,
    dependsOn: 'models.teacher',
  });
});

describe('the command', () => {
  const paper = join(packageRoot(), 'examples', 'paper-bbh.yaml');
  const before = { ...process.env };
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'arte-plan-'));
    process.env.ARTE_DATA_DIR = folder;
  });
  afterEach(() => {
    for (const name of Object.keys(process.env)) if (!(name in before)) Reflect.deleteProperty(process.env, name);
    Object.assign(process.env, before);
    rmSync(folder, { recursive: true, force: true });
  });

  it('without any platform knows nothing of reuse, and starts none', async () => {
    const plan = JSON.parse((await runCommand(registerPlan, ['plan', paper, '--json'])).stdout) as Plan;
    expect(plan.stages.every(({ reused }) => reused === null)).toBe(true);
    expect(plan.left.calls).toBe(plan.totals.calls);
    expect(JSON.stringify(plan.notes)).not.toContain('was not asked');
  });

  it('asks the store that is given, and shows what is there and what is left', async () => {
    const s3 = await startTestS3();
    try {
      const { endpoint, credentials, bucket } = s3.options;
      Object.assign(process.env, {
        ARTE_S3_BUCKET: bucket,
        AWS_ENDPOINT_URL_S3: endpoint,
        AWS_ACCESS_KEY_ID: credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      });
      const { stdout } = await runCommand(registerPlan, ['plan', paper]);
      expect(stdout).toMatch(/store {3}0 of \d+ stages are there/);
      expect(stdout).toContain('to be made: prepare-tasks of round 1');
      expect(stdout).toMatch(/not known yet: \d+, which follow from prepare-tasks of round 1\n/);
      const total = /in all {2}([\d,]+) calls/.exec(stdout)?.[1] ?? 'none';
      expect(stdout).toContain(`left    at most ${total} calls`);
    } finally {
      await s3.stop();
    }
  }, 600_000);

  it('says so when the store that is given does not answer, and plans all the same', async () => {
    Object.assign(process.env, {
      TEMPORAL_ADDRESS: '127.0.0.1:1',
      ARTE_S3_BUCKET: 'arte',
      AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1',
      AWS_ACCESS_KEY_ID: 'key',
      AWS_SECRET_ACCESS_KEY: 'secret',
    });
    const { stdout, exitCode } = await runCommand(registerPlan, ['plan', paper]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('The store was not asked what it holds');
    expect(stdout).toContain('counted as if the store were empty');
  });
});
