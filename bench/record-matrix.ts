/**
 * Records a whole draft x probe matrix from a real student, for bench/racing.ts to race over: bench/data/<family>-<questions>.jsonl.
 * Questions and probe items are a family's own; the drafts are what the embedded model writes about them under the family's techniques, and the
 * answers are what it says with each draft as its one demonstration, through llama.cpp. Prompts, sampling and reading are those of the
 * stages, settings those of examples/quickstart.yaml.
 *
 * A line that says where it is from, then a line a draft. Texts stay out: `rationale` tells equal ones apart.
 * Run: npm run build && node dist/bench/record-matrix.js FAMILY [questions] [probe items]
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { endpointSettings } from '../activities/endpoint-settings';
import { noStudentAnswer, type StudentAnswer } from '../activities/reading';
import type { PlannedRows, RowStage } from '../activities/row-stage';
import { sampleRationales } from '../activities/sample-rationales';
import { scoreDrafts } from '../activities/score-drafts';
import { ensurePythonEnv } from '../drivers/local/python-env';
import { createMaterializer } from '../drivers/model/materialize';
import type { ModelEndpoint } from '../drivers/model/model';
import { createModelPool } from '../drivers/model/pool';
import { resolveModel } from '../drivers/model/resolve';
import { packageRoot } from '../drivers/package-root';
import { createS3Store } from '../drivers/store/s3';
import { families } from '../method/families';
import { signals } from '../method/signals';
import { isCorrect } from '../method/answers';
import { runConfigSchema } from '../schemas/run-config';
import type { DraftRow, ProbeRow, QuestionRow, RowReading } from '../schemas/rows';
import type { TaskRecord } from '../schemas/task';

const [familyName = 'larger-number', questionCount = 40, probeCount = 40] = process.argv
  .slice(2)
  .map((argument, at) => (at === 0 ? argument : Number(argument))) as [string?, number?, number?];

const config = runConfigSchema.parse(
  parse(readFileSync(join(packageRoot(), 'examples', 'quickstart.yaml'), 'utf8')) as unknown,
);

/** Every row's reading, in row order; rows whose prompts begin alike are asked one after another by the same asker. */
async function askAll<Loaded>(
  stage: RowStage<Loaded>,
  loaded: Loaded,
  rows: PlannedRows,
  endpoint: ModelEndpoint,
): Promise<RowReading[]> {
  const readings: RowReading[] = [];
  let next = 0;
  let done = 0;
  const asker = async (): Promise<void> => {
    while (next < rows.length) {
      const start = next;
      next = rows.runEnd?.(start) ?? start + 1;
      for (let index = start, end = next; index < end; index += 1) {
        const { request, meta } = rows.row(index);
        const answer = await endpoint.complete(request, new AbortController().signal);
        readings[index] = stage.read(loaded, { key: String(index), request, meta }, answer);
        done += 1;
        if (done % 200 === 0) process.stderr.write(`${stage.name}: ${done} of ${rows.length}\n`);
      }
    }
  };
  await Promise.all(Array.from({ length: endpoint.concurrency.max }, asker));
  return readings;
}

async function draftsOf(
  task: TaskRecord,
  questions: readonly QuestionRow[],
  endpoint: ModelEndpoint,
): Promise<DraftRow[]> {
  const asked = questions.flatMap((question) =>
    task.techniques.map((technique) => ({ id: `${question.id}/${technique.name}`, task, technique, question })),
  );
  const loaded = { config, drafts: asked, byId: new Map(asked.map((draft) => [draft.id, draft])) };
  const readings = await askAll(sampleRationales, loaded, sampleRationales.rows(loaded, []), endpoint);
  return asked.flatMap(({ id, technique, question: { id: questionId, question, target } }, index) => {
    const { outcome, value } = readings[index] as RowReading;
    if (outcome !== 'ok') return [];
    const { rationale, answer } = value as { rationale: string; answer: string | null };
    const agrees = answer !== null && isCorrect(answer, target, task.answer, question);
    const row = { id, task: task.name, questionId, question, target, technique: technique.name, rationale, answer };
    return [{ ...row, agrees, from: id }];
  });
}

async function answersOf(
  task: TaskRecord,
  drafts: readonly DraftRow[],
  probes: readonly ProbeRow[],
  endpoint: ModelEndpoint,
): Promise<string[]> {
  const loaded = {
    config,
    signal: signals.icl_accuracy,
    tasks: new Map([[task.name, task]]),
    drafts,
    probes: new Map([[task.name, probes]]),
    probeById: new Map(probes.map((probe) => [`${task.name}/${probe.id}`, probe])),
  };
  const readings = await askAll(scoreDrafts, loaded, scoreDrafts.rows(loaded, []), endpoint);
  const digits = readings.map(({ value }) => (((value ?? noStudentAnswer) as StudentAnswer).correct ? '1' : '0'));
  return drafts.map((_, row) => digits.slice(row * probes.length, (row + 1) * probes.length).join(''));
}

async function main(): Promise<void> {
  const family = families.get(familyName);
  if (!family) throw new Error(`no family is called ${familyName}`);
  const { name, category, description, answer } = family;
  const techniques = [...(family.techniques ?? [])];
  const task: TaskRecord = { name, category, description, answer, seeds: [], validation: [], test: [], techniques };
  const items = family.generate(questionCount + probeCount, config.seed);
  const questions = items
    .slice(0, questionCount)
    .map(({ id, question, target }): QuestionRow => ({ id, task: name, question, target, from: id }));
  const probes = items
    .slice(questionCount)
    .map(({ id, question, target }): ProbeRow => ({ id, task: name, question, target, discrimination: null }));

  const env = await ensurePythonEnv();
  const folder = mkdtempSync(join(tmpdir(), 'arte-record-'));
  const at = {
    cacheDir: join(folder, 'cache'),
    python: env.python,
    scriptDir: join(packageRoot(), 'python'),
    logDir: folder,
  };
  // A base without layers is not in the store, which nobody asks.
  const store = createS3Store({
    endpoint: 'http://127.0.0.1:9',
    bucket: 'none',
    region: 'none',
    forcePathStyle: true,
    spoolDir: folder,
  });
  const pool = createModelPool({
    ...at,
    materializer: createMaterializer({ ...at, store }),
    deviceLockPath: join(folder, 'device.lock'),
    scripted: () => {
      throw new Error('no scripted model is recorded');
    },
  });
  try {
    const { student } = config.models;
    const model = await resolveModel('student', student, { configDir: folder, env, cacheDir: at.cacheDir });
    const lease = await pool.lease(model, endpointSettings(student, process.env), new AbortController().signal);
    const drafts = await draftsOf(task, questions, lease.endpoint);
    const answers = await answersOf(task, drafts, probes, lease.endpoint);
    await lease.release();
    const texts = drafts.map(({ rationale }) => rationale.trim());
    const about =
      `SmolLM2-135M-Instruct (q8_0, llama.cpp) as teacher and student, family ${name}, seed ${config.seed}, by bench/record-matrix.ts: ` +
      'a line a draft, its answers to the probe items as digits, 1 right. rationale tells equal texts apart, it does not say what they say.';
    const lines = drafts.map(({ questionId, technique, rationale, agrees }, row) => {
      const question = `q${String(questions.findIndex(({ id }) => id === questionId)).padStart(2, '0')}`;
      const draft = task.techniques.findIndex(({ name: of }) => of === technique);
      const id = `d${question.slice(1)}-${draft}`;
      const text = rationale.trim() === '' ? '' : String(texts.indexOf(rationale.trim()));
      return JSON.stringify({ id, questionId: question, rationale: text, agrees, answers: answers[row] });
    });
    const file = join(packageRoot(), 'bench', 'data', `${name}-${questionCount}.jsonl`);
    writeFileSync(file, `${[JSON.stringify({ about }), ...lines].join('\n')}\n`);
    process.stdout.write(
      `${JSON.stringify({ bench: 'record-matrix', file, drafts: drafts.length, probes: probeCount })}\n`,
    );
  } finally {
    await pool.shutdown();
    store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

void main();
