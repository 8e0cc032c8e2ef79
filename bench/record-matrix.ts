/**
 * Records whole draft x probe matrices from a real student, for bench/racing.ts to race over: OUT/<task>-<questions>.jsonl (matrix-file.ts), a
 * file a task. Prompts, sampling and reading are those of the stages. Killed, it goes on where it was when it is called again.
 *
 * Drafts are those of a run in the store (--run, whatever teacher it had), those of a file (--drafts, lines as in a run's drafts), or what a
 * model (--teacher, the config's otherwise) writes about the families' own questions. Probe items: matrix-probes.ts.
 *
 * Run: npm run build && node dist/bench/record-matrix.js TASK... [--questions 40] [--items 80] [--validation 0] [--run RUN] [--round 1]
 *   [--drafts FILE] [--teacher MODEL] [--config examples/quickstart.yaml] [--out bench/data]
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { endpointSettings } from '../activities/endpoint-settings';
import { noStudentAnswer, type StudentAnswer } from '../activities/reading';
import { scoreDrafts } from '../activities/score-drafts';
import { ensurePythonEnv } from '../drivers/local/python-env';
import { createMaterializer } from '../drivers/model/materialize';
import type { ModelEndpoint } from '../drivers/model/model';
import { createModelPool } from '../drivers/model/pool';
import { resolveModel } from '../drivers/model/resolve';
import { packageRoot } from '../drivers/package-root';
import { createS3Store } from '../drivers/store/s3';
import { sha256Hex } from '../method/keys';
import { signals } from '../method/signals';
import { runConfigSchema, type RunConfig } from '../schemas/run-config';
import type { DraftRow, ProbeRow } from '../schemas/rows';
import type { TaskRecord } from '../schemas/task';
import { askRows } from './ask-rows';
import { draftsOfFile, draftsOfRun, familyTask, writtenDrafts } from './matrix-drafts';
import { besideFile, openRecording } from './matrix-file';
import { chosenProbes } from './matrix-probes';

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    questions: { type: 'string', default: '40' },
    items: { type: 'string', default: '80' },
    /** Items that the probe items are chosen from, by the config's probe.method; the first --items where there are no more. */
    validation: { type: 'string', default: '0' },
    run: { type: 'string' },
    round: { type: 'string', default: '1' },
    drafts: { type: 'string' },
    teacher: { type: 'string' },
    config: { type: 'string', default: join(packageRoot(), 'examples', 'quickstart.yaml') },
    out: { type: 'string', default: join(packageRoot(), 'bench', 'data') },
  },
});
const questionCount = Number(options.questions);
const itemCounts = { items: Number(options.items), validation: Number(options.validation) };

const log = (line: string): void => void process.stderr.write(`${line}\n`);

async function recordAnswers(
  file: string,
  about: string,
  config: RunConfig,
  student: string,
  task: TaskRecord,
  drafts: readonly DraftRow[],
  probes: readonly ProbeRow[],
  endpoint: ModelEndpoint,
): Promise<void> {
  const recording = openRecording(
    file,
    sha256Hex(JSON.stringify({ student, score: config.score, prompts: config.prompts, task, drafts, probes })),
  );
  const left = drafts.filter((_, at) => !recording.finished.has(at));
  log(`${task.name}: ${drafts.length} drafts x ${probes.length} items, ${recording.finished.size} drafts are there`);
  const exhaustive: RunConfig = { ...config, score: { ...config.score, mode: 'exhaustive' } };
  const loaded = {
    config: exhaustive,
    signal: signals.icl_accuracy,
    tasks: new Map([[task.name, task]]),
    drafts: left,
    probes: new Map([[task.name, probes]]),
    probeById: new Map(probes.map((probe) => [`${task.name}/${probe.id}`, probe])),
  };
  const indexOf = new Map(drafts.map(({ id }, at) => [id, at]));
  // A run of rows is a draft with all its probe items.
  await askRows(scoreDrafts, loaded, endpoint, (run) => {
    const digits = run.map(({ reading: { value } }) =>
      ((value ?? noStudentAnswer) as StudentAnswer).correct ? '1' : '0',
    );
    const { d } = run[0]?.meta as { readonly d: string };
    recording.add(indexOf.get(d) as number, digits.join(''));
  });
  const texts = drafts.map(({ rationale }) => rationale.trim());
  const questions = [...new Set(drafts.map(({ questionId }) => questionId))];
  const seen = new Map<string, number>();
  recording.finish(
    about,
    drafts.map(({ questionId, technique, agrees }, at) => {
      const question = String(questions.indexOf(questionId)).padStart(2, '0');
      const ofQuestion = seen.get(question) ?? 0;
      seen.set(question, ofQuestion + 1);
      const text = texts[at] as string;
      const rationale = text === '' ? '' : String(texts.indexOf(text));
      return { id: `d${question}-${ofQuestion}`, questionId: `q${question}`, technique, rationale, agrees };
    }),
  );
}

/** A task and its drafts, where these are there already. */
interface Recorded {
  readonly task: TaskRecord;
  readonly drafts?: readonly DraftRow[];
}

/** What to record, and the config whose prompts and settings are asked by. */
async function sources(): Promise<{
  readonly config: RunConfig;
  readonly recorded: readonly Recorded[];
  readonly from: string;
}> {
  const { run, round, drafts, config: file } = options;
  const ofFile = (): RunConfig => runConfigSchema.parse(parse(readFileSync(file, 'utf8')) as unknown);
  if (run === undefined && drafts === undefined)
    return { config: ofFile(), recorded: names.map((name) => ({ task: familyTask(name) })), from: '' };
  const { tasks, from, config } =
    run === undefined ? { ...draftsOfFile(drafts ?? ''), config: ofFile() } : await draftsOfRun(run, Number(round));
  return { config, from, recorded: tasks.filter(({ task }) => names.length === 0 || names.includes(task.name)) };
}

async function main(): Promise<void> {
  const { config, recorded, from: known } = await sources();
  if (recorded.length === 0) throw new Error('name a task to record');
  const { student } = config.models;
  const teacher = { ...config.models.teacher, ...(options.teacher !== undefined && { source: options.teacher }) };
  mkdirSync(options.out, { recursive: true });
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
  const leased = async (role: 'teacher' | 'student', of: RunConfig['models']['student']) => {
    const model = await resolveModel(role, of, { configDir: process.cwd(), env, cacheDir: at.cacheDir });
    const lease = () => pool.lease(model, endpointSettings(of, process.env), new AbortController().signal);
    return { model, lease };
  };
  const files: string[] = [];
  try {
    const asked = await leased('student', student);
    for (const { task, drafts: there } of recorded) {
      const file = join(options.out, `${task.name}-${questionCount}.jsonl`);
      const by = sha256Hex(JSON.stringify({ teacher, seed: config.seed, rationales: config.rationales })).slice(0, 8);
      const kept = besideFile(file, `drafts-${by}`);
      const lease = async () => (await leased('teacher', teacher)).lease();
      const all = there ?? (await writtenDrafts(kept, config, task, questionCount, lease));
      const questions = new Set([...new Set(all.map(({ questionId }) => questionId))].slice(0, questionCount));
      const drafts = all.filter(({ questionId }) => questions.has(questionId));
      if (drafts.length === 0) throw new Error(`${task.name} has no drafts`);
      const from = there ? known : `drafts of ${teacher.source} about the family's own questions`;
      const about =
        `${student.source} as student, task ${task.name}, seed ${config.seed}, ${from}, by bench/record-matrix.ts: a line a draft, ` +
        'its answers to the probe items as digits, 1 right. rationale tells equal texts apart, it does not say what they say.';
      const held = await asked.lease();
      const { seed, probe, evaluate, prompts } = config;
      const chosenBy = { student: asked.model.contentSha256, seed, probe, evaluate, prompts, task, drafts, itemCounts };
      const chosen = besideFile(file, `probes-${sha256Hex(JSON.stringify(chosenBy)).slice(0, 8)}`);
      const probes = await chosenProbes(chosen, config, task, drafts, itemCounts, held.endpoint);
      await recordAnswers(file, about, config, asked.model.contentSha256, task, drafts, probes, held.endpoint);
      await held.release();
      for (const beside of [kept, chosen]) rmSync(beside, { force: true });
      files.push(relative(process.cwd(), file));
    }
    process.stdout.write(`${JSON.stringify({ bench: 'record-matrix', files })}\n`);
  } finally {
    await pool.shutdown();
    store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

void main();
