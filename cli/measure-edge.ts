/**
 * `arte edge`: the models of a run measured as a device would use them, one question after another, through llama.cpp on this machine.
 *
 * Owns the order (the teacher first, then the student in every form) and the clock. Figures are method/edge.ts, forms of weights
 * drivers/model/materialize.ts. Invariants: one server at a time, under the device lock that workers take turns by; every form is asked the same
 * items; the first answer of a server is not timed, for it pays for the start.
 */
import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { cpus, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readRows } from '../activities/read-rows';
import { readStudentAnswer } from '../activities/reading';
import { greedy, samplingOf } from '../activities/sampling';
import { cacheDirectory, dataDirectory } from '../drivers/local/directories';
import { ensurePythonEnv } from '../drivers/local/python-env';
import { startLlamaServer, type ManagedSettings } from '../drivers/model/llama-cpp';
import { createMaterializer } from '../drivers/model/materialize';
import { parametersOf } from '../drivers/model/model-files';
import { packageRoot } from '../drivers/package-root';
import type { ArtifactStore } from '../drivers/store/store';
import { edgeFigures, edgeItems, type TimedAnswer } from '../method/edge';
import { demonstrationOf, studentPrompt } from '../method/prompts';
import type { EdgeCard, EdgeForm } from '../schemas/edge';
import { ArteError } from '../schemas/errors';
import type { ModelRef, Quantization } from '../schemas/model-ref';
import type { ReportRound, RunReport } from '../schemas/report';
import type { ModelRequest } from '../schemas/rows';
import type { RunConfig } from '../schemas/run-config';
import { taskRecordSchema, type TaskItem, type TaskRecord } from '../schemas/task';
import { roundOf } from './report/report-round';

export interface EdgeRequest {
  /** Left out: the best round, as `arte export` takes it. */
  readonly round?: number;
  readonly forms: readonly Quantization[];
  /** Items asked of each form, in all. */
  readonly items: number;
  readonly shots: number;
  /** 0 = as many as the machine has cores. */
  readonly threads: number;
  readonly hourPrice: number | null;
  readonly onProgress: (text: string) => void;
  readonly signal: AbortSignal;
}

interface Subject {
  readonly role: 'teacher' | 'student';
  readonly model: ModelRef;
  readonly form: Quantization;
}

/** Errors: RoundNotFound, InvalidInput (a hosted student, more shots than seeds), and those of the drivers. */
export async function measureEdge(
  store: ArtifactStore,
  config: RunConfig,
  report: RunReport,
  request: EdgeRequest,
): Promise<EdgeCard> {
  const round = roundOf(report, request.round);
  const ref = report.rounds
    .map(({ artifacts }) => artifacts['prepare-tasks/tasks'])
    .find((found) => found !== undefined);
  const tasks = ref ? await readRows(store, ref, taskRecordSchema) : [];
  refuseMissingShots(tasks, request.shots);
  const items = edgeItems(tasks, request.items);
  const forms: EdgeForm[] = [];
  for (const subject of subjectsOf(config, round, request.forms))
    forms.push(await measure(store, config, subject, items, request));
  const teacher = forms.find(({ role }) => role === 'teacher');
  const share = ({ role, accuracy }: EdgeForm): number | null =>
    role === 'student' && teacher !== undefined && teacher.correct > 0 ? accuracy / teacher.accuracy : null;
  const asked = new Map<string, number>();
  for (const { task } of items) asked.set(task.name, (asked.get(task.name) ?? 0) + 1);
  const [processor] = cpus();
  return {
    schemaVersion: 1,
    runId: report.runId,
    round: round.round,
    measuredAt: new Date().toISOString(),
    machine: {
      processor: processor?.model.trim() ?? 'unknown',
      cores: cpus().length,
      memoryBytes: totalmem(),
      system: `${type()} ${release()}`,
    },
    threads: request.threads === 0 ? cpus().length : request.threads,
    shots: request.shots,
    items: Object.fromEntries(asked),
    hourPrice: request.hourPrice,
    currency: config.platform.currency,
    forms: forms.map((form) => ({ ...form, ofTeacher: share(form) })),
  };
}

/** With fewer seeds than shots the card would be called by a count that no prompt had. */
function refuseMissingShots(tasks: readonly TaskRecord[], shots: number): void {
  const [fewest] = [...tasks].sort((one, other) => one.seeds.length - other.seeds.length);
  if (fewest === undefined || fewest.seeds.length >= shots) return;
  throw new ArteError('InvalidInput', {
    what: `The task "${fewest.name}" has ${fewest.seeds.length} seed questions, but --shots asks for ${shots} shots.`,
    why: 'The demonstrations of a k-shot prompt are the seed questions. Nothing was measured.',
    next: `Give --shots ${fewest.seeds.length} at most.`,
  });
}

/** The teacher in the form it taught in, where it is ours to serve; the student in every form. */
function subjectsOf(config: RunConfig, round: ReportRound, forms: readonly Quantization[]): Subject[] {
  const { teacher, student } = round;
  if (student.source.kind === 'hosted') {
    throw new ArteError('InvalidInput', {
      what: 'The student is hosted: there are no weights to measure.',
      why: 'An edge card is of a model that runs on this machine.',
      next: 'Name weights of your own as models.student.source.',
    });
  }
  const { endpoint } = config.models.teacher;
  const taught = endpoint.kind === 'managed' ? endpoint.quantization : 'q8_0';
  return [
    ...(teacher.source.kind === 'hosted' ? [] : [{ role: 'teacher' as const, model: teacher, form: taught }]),
    ...forms.map((form) => ({ role: 'student' as const, model: student, form })),
  ];
}

async function measure(
  store: ArtifactStore,
  config: RunConfig,
  { role, model, form }: Subject,
  items: readonly { readonly task: TaskRecord; readonly item: TaskItem }[],
  { shots, threads, hourPrice, onProgress, signal }: EdgeRequest,
): Promise<EdgeForm> {
  const say = (text: string): void => onProgress(`${role} as ${form}: ${text}`);
  say('preparing the weights');
  const { python } = await ensurePythonEnv({ onProgress: ({ what }) => say(`setting up Python: ${what}`) });
  const scriptDir = join(packageRoot(), 'python');
  const logDir = join(dataDirectory(), 'logs');
  const materializer = createMaterializer({ cacheDir: cacheDirectory(), python, scriptDir, store, logDir });
  const ggufPath = await materializer.gguf(model, form, signal);
  const parameters = await parametersOf(await materializer.folder(model, signal));
  say('waiting for the device, and starting the server');
  const server = await startLlamaServer({
    id: `edge/${model.contentSha256.slice(0, 12)}/${form}`,
    python,
    scriptDir,
    logDir,
    ggufPath,
    settings: settingsOf(config, role, form, threads),
    deviceLockPath: join(dataDirectory(), 'device-0.lock'),
    signal,
  });
  try {
    const answers: TimedAnswer[] = [];
    const [first] = items;
    if (first) await server.endpoint.complete(requestOf(config, role, first, shots), signal);
    for (const asked of items) {
      say(`${answers.length} of ${items.length} items`);
      const started = performance.now();
      const answer = await server.endpoint.complete(requestOf(config, role, asked, shots), signal);
      const milliseconds = performance.now() - started;
      const reading = readStudentAnswer(answer, asked.task, asked.item, config);
      const correct =
        reading.outcome === 'ok' && (reading.value as { correct?: boolean } | undefined)?.correct === true;
      answers.push({ milliseconds, outputTokens: answer.usage.outputTokens, correct });
    }
    return {
      role,
      model: model.name,
      contentSha256: model.contentSha256,
      form,
      parameters,
      bytes: (await stat(ggufPath)).size,
      ...edgeFigures(answers, hourPrice),
      ofTeacher: null,
      peakMemoryBytes: await peakMemory(server.pid),
    };
  } finally {
    await server.stop();
  }
}

/** One slot: a device answers one person. */
function settingsOf(config: RunConfig, role: Subject['role'], form: Quantization, threads: number): ManagedSettings {
  const { endpoint } = config.models[role];
  const contextTokens = endpoint.kind === 'managed' ? endpoint.context_tokens : contextTokensAssumed;
  return { kind: 'managed', server: 'llama.cpp', quantization: form, slots: 1, contextTokens, threads };
}

/** Where the config serves the model elsewhere and does not say. */
const contextTokensAssumed = 2_048;

function requestOf(
  config: RunConfig,
  role: Subject['role'],
  { task, item }: { readonly task: TaskRecord; readonly item: TaskItem },
  shots: number,
): ModelRequest {
  const demonstrations = task.seeds.slice(0, shots).map((seed) => demonstrationOf(seed, task, config));
  const built = studentPrompt(task, demonstrations, item.question, config, config.models[role].prompt_style);
  return { prompt: built.prompt, sampling: samplingOf(greedy(config.evaluate), built.stop, 0) };
}

/** Linux keeps the peak; elsewhere what the process holds at the end of its work stands for it. */
async function peakMemory(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  if (peak !== undefined) return Number(peak) * 1024;
  const said = await promisify(execFile)('ps', ['-o', 'rss=', '-p', String(pid)]).catch(() => undefined);
  const resident = Number(said?.stdout.trim());
  return Number.isFinite(resident) && resident > 0 ? resident * 1024 : null;
}
