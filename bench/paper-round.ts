/**
 * bench:paper: the paper's round up to its preference pairs, at its full size: 23 tasks, five respondents with four shot counts on 100 validation
 * items each, 250 questions and four rationales of each a task, 40 probe items for every draft (920,000 student calls). The real workflow, worker,
 * engine and store; a mock server answers for all models (scripted-server.ts). The time and the worker's memory by stage, the store's disk.
 *
 * The config is examples/paper-bbh.yaml. Replaced are the tasks' items (which number is larger: a question the scripted models can answer; names,
 * categories and numbers of items are the paper's) and the models' endpoints. Ends when the pairs are there: what follows is training.
 *
 * npm run bench:paper [-- PER_TASK IN_FLIGHT]   (250 64)
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { readManifest } from '../activities/lineage';
import { readStages } from '../activities/run-records';
import { beginRun, recordRun } from '../activities/start-run';
import { judgeInput } from '../cli/config/load-config';
import { alignInput, storeBundle } from '../cli/run/start-run';
import { packageRoot } from '../drivers/package-root';
import { seededRandom } from '../method/keys';
import type { RunProgress } from '../schemas/messages';
import type { RunConfig } from '../schemas/run-config';
import { stageLabel } from '../schemas/stage-names';
import type { alignWorkflow } from '../workflows';
import { progressQuery } from '../workflows/messages';
import {
  arteWorker,
  log,
  lookWhile,
  processFigures,
  runBench,
  startFile,
  type BenchPlatform,
  type StartedFile,
} from './platform';
import type { ScriptedServerCounts, ScriptedServerSettings } from './scripted-server';
import { tinyModel } from './tiny-model';

const runId = 'paper';

/** Numbers in the questions are drawn from so many: as good as no two items are the same. */
const numbersUpTo = 999_999;

/** Five small models of different skill, as the paper's are. */
const respondentSkills = [0.35, 0.5, 0.6, 0.7, 0.8];

function mockSettings(): ScriptedServerSettings {
  const student = (p: number): ScriptedServerSettings['models'][string] => ({
    script: 'prefers-short',
    options: { p_with: Math.min(0.95, p + 0.15), p_without: p - 0.15 },
  });
  const respondents = respondentSkills.map((skill, at) => [`respondent-${at}`, student(skill)] as const);
  return {
    models: {
      teacher: { script: 'teacher', options: { numbers_up_to: numbersUpTo, varied: true } },
      student: student(0.6),
      ...Object.fromEntries(respondents),
    },
  };
}

interface Declared {
  readonly name: string;
  readonly category: string;
  readonly test_items: number;
}

/** A task's items as a file of lines: 3 seeds, 100 validation items, and the test items that the paper's task has. */
function writeItems(folder: string, { name, test_items }: Declared, at: number): string {
  const random = seededRandom(at + 1);
  const number = (): number => 1 + Math.floor(random() * numbersUpTo);
  const line = (): string => {
    const [first, second] = [number(), number()];
    const question = `Which number is larger, ${first} or ${second}?`;
    return JSON.stringify({ question, target: String(Math.max(first, second)) });
  };
  const path = join(folder, `${name}.jsonl`);
  writeFileSync(path, Array.from({ length: 103 + test_items }, () => `${line()}\n`).join(''));
  return path;
}

async function paperConfig(folder: string, port: number, perTask: number, inFlight: number): Promise<RunConfig> {
  const paper = parse(readFileSync(join(packageRoot(), 'examples', 'paper-bbh.yaml'), 'utf8')) as {
    readonly tasks: readonly Declared[];
    readonly models: { readonly teacher: object; readonly student: object };
    readonly probe: object;
    readonly questions: object;
    readonly pairs: { readonly question: object; readonly rationale: object };
  };
  mkdirSync(folder, { recursive: true });
  const source = await tinyModel(join(folder, 'model'));
  const asked = (model: string): object => ({
    endpoint: {
      kind: 'static',
      base_url: `http://127.0.0.1:${port}/v1`,
      ...{ model, dialect: 'llama.cpp', max_in_flight: inFlight },
      capabilities: { completion: true, seed: true, extended_sampling: true, structured: true },
    },
  });
  const { config, problems } = await judgeInput(
    {
      ...paper,
      tasks: paper.tasks.map((task, at) => ({
        source: 'jsonl',
        path: writeItems(folder, task, at),
        ...{ name: task.name, category: task.category },
        description: 'Say which of two numbers is larger.',
        answer: { type: 'number' },
        split: { seeds: 3, validation: 100, test: task.test_items },
      })),
      models: {
        teacher: { ...paper.models.teacher, source, ...asked('teacher') },
        student: { ...paper.models.student, source, ...asked('student') },
      },
      probe: {
        ...paper.probe,
        respondents: respondentSkills.map((_, at) => ({
          ...{ source: `hosted:mock/respondent-${at}`, revision: '1', prompt_style: 'completion' },
          ...asked(`respondent-${at}`),
        })),
      },
      questions: { ...paper.questions, per_task: perTask },
      pairs: {
        ...paper.pairs,
        question: { ...paper.pairs.question, per_task: Math.floor(perTask / 5) },
        rationale: { ...paper.pairs.rationale, per_task: perTask },
      },
    },
    folder,
    { env: process.env, purpose: 'run' },
  );
  if (!config || problems.length > 0) throw new Error(JSON.stringify(problems));
  return config;
}

async function countsOf(port: number): Promise<Record<string, ScriptedServerCounts>> {
  const answer = await fetch(`http://127.0.0.1:${port}/counts`);
  return (await answer.json()) as Record<string, ScriptedServerCounts>;
}

/** Seconds between two looks at the run. */
const lookEverySeconds = 2;
/** Seconds between two lines of progress. */
const sayEverySeconds = 20;

/** The worker's most memory, in megabytes, by the stage that was under way; resolves when the pairs are there. */
async function untilPairs(platform: BenchPlatform, port: number): Promise<Record<string, number>> {
  const handle = platform.client.workflow.getHandle<typeof alignWorkflow>(runId);
  const { pid } = await platform.part('worker');
  const most: Record<string, number> = {};
  let said = 0;
  let made = (): void => undefined;
  const pairs = new Promise<void>((resolve) => (made = resolve));
  await lookWhile(pairs, lookEverySeconds * 1000, async () => {
    const progress: RunProgress = await handle.query(progressQuery);
    if (progress.status !== 'RUNNING') throw new Error(JSON.stringify(progress));
    const { rssMegabytes } = processFigures(pid);
    for (const { stage } of progress.current) most[stage] = Math.max(most[stage] ?? 0, rssMegabytes);
    if (Date.now() - said > sayEverySeconds * 1000) {
      said = Date.now();
      const calls = Object.values(await countsOf(port)).reduce((sum, { answered }) => sum + answered, 0);
      const under = progress.current.map(({ stage, arm }) => stageLabel(stage, arm)).join(', ');
      log(`${under}: ${calls} calls, ${rssMegabytes.toFixed(0)} MB`);
    }
    const stages = await readStages(platform.store, runId, 1);
    if (stages.some(({ stage }) => stage === 'build-pairs')) made();
  });
  return most;
}

function megabytesIn(folder: string): number {
  return Number(execFileSync('du', ['-sm', folder], { encoding: 'utf8' }).split('\t')[0]);
}

async function measure(
  platform: BenchPlatform,
  { child, line }: StartedFile,
  perTask: number,
  inFlight: number,
): Promise<Record<string, unknown>> {
  const { port } = line as { port: number };
  const { client, store, dataDir } = platform;
  const folder = join(dataDir, 'paper');
  const config = await paperConfig(folder, port, perTask, inFlight);
  const bundle = await storeBundle(store, { config, configDir: folder });
  const { createdAt } = await recordRun(store, { runId, name: config.name, bundle });
  const beganAtMs = Date.now();
  await beginRun(client, { ...alignInput(runId, bundle, config), startedAt: createdAt });
  const mostMegabytes = await untilPairs(platform, port);
  const seconds = (Date.now() - beganAtMs) / 1000;
  const handle = client.workflow.getHandle<typeof alignWorkflow>(runId);
  const { historyLength, historySize = 0 } = await handle.describe();
  await handle.cancel();
  await handle.result().catch(() => undefined);

  const stages = (await readStages(store, runId, 1)).filter(({ evaluates }) => evaluates === undefined);
  const manifests = new Map(
    await Promise.all(stages.map(async ({ stage, key }) => [stage, await readManifest(store, key)] as const)),
  );
  const rowsOf = (stage: (typeof stages)[number]['stage'], output: string): number | undefined =>
    manifests.get(stage)?.outputs[output]?.rows;
  const secondsOf: Record<string, number> = {};
  for (const { stage, seconds: took } of stages) secondsOf[stage] = (secondsOf[stage] ?? 0) + took;
  const calls = await countsOf(port);
  child.stdin?.end();
  return {
    ...{ perTask, inFlight, seconds },
    rationales: rowsOf('sample-rationales', 'drafts'),
    studentCalls: manifests.get('score-drafts')?.usage.calls,
    pairs: manifests.get('build-pairs')?.facts,
    dpoRows: rowsOf('build-pairs', 'dpo'),
    secondsOf,
    mostMegabytes,
    history: { events: historyLength, kilobytes: historySize / 1024 },
    storeMegabytes: megabytesIn(join(dataDir, 's3')),
    calls,
  };
}

async function main(): Promise<void> {
  const [perTask = 250, inFlight = 64] = process.argv.slice(2).map(Number);
  await runBench(
    'paper-round',
    async (platform) => measure(platform, await startFile('scripted-server', mockSettings()), perTask, inFlight),
    arteWorker,
  );
}

void main();
