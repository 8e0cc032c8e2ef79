/**
 * Takes what a run made out of the store, in the forms others read: conversational JSONL, a PEFT adapter or a Hugging Face folder, a GGUF.
 * Owns the forms; where a run's artifacts are comes from its report. A target that exists is refused, never overwritten.
 */
import { once } from 'node:events';
import { createWriteStream, existsSync } from 'node:fs';
import { copyFile, cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { cacheDirectory, dataDirectory } from '../drivers/local/directories';
import { ensurePythonEnv } from '../drivers/local/python-env';
import { createMaterializer, type Materializer } from '../drivers/model/materialize';
import type { ArtifactStore } from '../drivers/store/store';
import { packageRoot } from '../drivers/package-root';
import { conversation, type ConversationSource } from '../method/training-rows';
import type { ArmName } from '../schemas/arms';
import type { ArtifactRef } from '../schemas/artifact-ref';
import { ArteError } from '../schemas/errors';
import type { JsonObject } from '../schemas/json';
import type { ModelRef } from '../schemas/model-ref';
import type { ReportRound, RunReport } from '../schemas/report';

export const exportForms = ['dataset', 'pairs', 'student', 'teacher'] as const;
export type ExportForm = (typeof exportForms)[number];
export const modelFormats = ['adapter', 'safetensors', 'gguf'] as const;
export type ModelFormat = (typeof modelFormats)[number];

export interface ExportRequest {
  readonly what: ExportForm;
  readonly target: string;
  /** Left out: the best round, or the last that made what is asked for (baselines are made in the first one only). */
  readonly round?: number;
  readonly format?: ModelFormat;
  /** Whose training set; those of the arms beside `arte` were made in the first round. */
  readonly arm?: ArmName;
  readonly onProgress: (text: string) => void;
}

/** Write one export; resolves with the path. Errors: InvalidInput, RunNotFound (no such round), DiskFull. */
export async function exportRun(store: ArtifactStore, report: RunReport, request: ExportRequest): Promise<string> {
  const target = resolve(request.target);
  if (existsSync(target)) {
    throw new ArteError('InvalidInput', {
      what: `${target} is there already.`,
      why: 'An export never overwrites.',
      next: 'Give another path with --to, or move the old one away.',
    });
  }
  await mkdir(dirname(target), { recursive: true });
  const model = async (of: 'student' | 'teacher', form: ModelFormat): Promise<string> => {
    const made = roundOf(report, request.round)[of];
    if (made.source.kind === 'hosted') throw notHere(made.source.provider, made.source.id);
    const format = request.format ?? form;
    if (format !== 'adapter') return exportWhole(store, made, format, target, request.onProgress);
    request.onProgress('fetching the adapter');
    return exportAdapter(store, made, baseOf(report, of, made), target);
  };
  switch (request.what) {
    case 'dataset':
      return exportRows(store, artifact(report, request.round, trainingSetOf(report, request.arm ?? 'arte')), target);
    case 'pairs':
      return exportRows(store, artifact(report, request.round, 'build-pairs/dpo'), target);
    case 'student':
      return model('student', 'safetensors');
    case 'teacher':
      return model('teacher', 'adapter');
  }
}

function roundOf(report: RunReport, wanted: number | undefined): ReportRound {
  const best = report.bestRound ?? report.rounds.at(-1)?.round;
  const round = report.rounds.find((candidate) => candidate.round === (wanted ?? best));
  if (round) return round;
  if (wanted === undefined && best === 0) {
    throw new ArteError('RunNotFound', {
      what: `No round of ${report.runId} was accepted.`,
      why: 'A gate failed in each of them (rounds.gates): there is no best teacher and no best student.',
      next: `arte report ${report.runId} says which gates; --round takes one all the same.`,
    });
  }
  throw new ArteError('RunNotFound', {
    what:
      wanted === undefined
        ? `The run ${report.runId} finished no round.`
        : `The run ${report.runId} has no round ${wanted}.`,
    why: `Its report holds ${report.rounds.length} rounds.`,
    next: `arte report ${report.runId}`,
  });
}

function artifact(report: RunReport, wanted: number | undefined, name: string): ArtifactRef {
  const made = wanted === undefined ? report.rounds.filter(({ artifacts }) => name in artifacts) : [];
  const best = made.find(({ round: of }) => of === report.bestRound);
  const round = best ?? made.at(-1) ?? roundOf(report, wanted);
  const ref = round.artifacts[name];
  if (ref) return ref;
  throw new ArteError('RunNotFound', {
    what: `Round ${round.round} made no ${name}.`,
    why: `It made ${Object.keys(round.artifacts).join(', ')}.`,
    next: 'Name a round and an arm that are in the report.',
  });
}

/** An arm's training set was written by a teacher, or chosen from drafts. */
function trainingSetOf({ stages }: RunReport, arm: ArmName): string {
  const chosen = stages.some((stage) => stage.name === 'select-drafts' && stage.arm === arm);
  return `${chosen ? 'select-drafts' : 'tailor-rationales'}/${arm}/sft`;
}

/** Training rows as conversations, one JSON object a line. */
async function exportRows(store: ArtifactStore, ref: ArtifactRef, target: string): Promise<string> {
  const partial = `${target}.partial`;
  const stream = createWriteStream(partial, { flags: 'w' });
  for await (const line of store.getLines(ref)) {
    if (!stream.write(`${JSON.stringify(conversation(JSON.parse(line) as ConversationSource))}\n`))
      await once(stream, 'drain');
  }
  stream.end();
  await once(stream, 'finish');
  await rename(partial, target);
  return target;
}

function notHere(provider: string, id: string): ArteError {
  return new ArteError('InvalidInput', {
    what: `${provider}/${id} is hosted: there is nothing to export.`,
    why: 'Its weights are with its provider, and the run did not train it (align.method: none).',
    next: 'arte export dataset RUN takes what it wrote.',
  });
}

/** What an adapter is loaded onto, in PEFT's words. */
interface AdapterBase {
  readonly base_model_name_or_path: string;
  /** Of a model of the hub: the commit that the adapter was trained on. */
  readonly revision?: string;
}

/**
 * Where PEFT finds the base: the hub's id, or the source as the config names it. An adapter of a later round was trained on the model of the
 * round before, which is nowhere but in the store: the name then says how to take it out, and fails to load, because on the first base the
 * adapter would silently be another model.
 */
function baseOf(report: RunReport, of: 'student' | 'teacher', { source, layers }: ModelRef): AdapterBase {
  if (layers.length > 1) {
    const below = report.rounds.find((round) => round[of].layers.length === layers.length - 1);
    const round = below === undefined ? '' : ` --round ${below.round}`;
    return {
      base_model_name_or_path: `what this writes: arte export ${of} ${report.runId}${round} --format safetensors`,
    };
  }
  switch (source.kind) {
    case 'huggingface':
      return { base_model_name_or_path: source.id, revision: source.revision };
    case 'folder':
    case 'gguf':
      return { base_model_name_or_path: source.path };
    case 's3':
      return { base_model_name_or_path: `s3://${source.bucket}/${source.prefix}` };
    case 'embedded':
      return { base_model_name_or_path: `embedded:${source.name}` };
    case 'hosted':
      throw notHere(source.provider, source.id);
  }
}

/** The last layer as it is in the store, but with its base named: the stored one knows no machine's paths, so that its hash is its content's. */
async function exportAdapter(
  store: ArtifactStore,
  { name, layers }: ModelRef,
  base: AdapterBase,
  target: string,
): Promise<string> {
  const layer = layers.at(-1);
  if (!layer) {
    throw new ArteError('InvalidInput', {
      what: `${name} has no adapter.`,
      why: 'The run did not train it (align.method: none): it is what the config names as its source.',
      next: 'arte export dataset RUN takes what it wrote.',
    });
  }
  const partial = `${target}.partial`;
  await rm(partial, { recursive: true, force: true });
  await store.getDirectory(layer.files, partial);
  if (layer.kind === 'adapter') {
    const path = join(partial, 'adapter_config.json');
    const config = JSON.parse(await readFile(path, 'utf8')) as JsonObject;
    await writeFile(path, `${JSON.stringify({ ...config, ...base }, null, 2)}\n`);
  }
  await rename(partial, target);
  return target;
}

async function exportWhole(
  store: ArtifactStore,
  model: ModelRef,
  format: Exclude<ModelFormat, 'adapter'>,
  target: string,
  onProgress: (text: string) => void,
): Promise<string> {
  const materializer = await openMaterializer(store);
  const never = new AbortController().signal;
  if (format === 'safetensors') {
    onProgress('merging the weights');
    await cp(await materializer.folder(model, never), target, { recursive: true });
    return target;
  }
  onProgress('converting to GGUF');
  await copyFile(await materializer.gguf(model, 'q8_0', never), target);
  return target;
}

async function openMaterializer(store: ArtifactStore): Promise<Materializer> {
  const env = await ensurePythonEnv({});
  const logDir = join(dataDirectory(), 'logs');
  return createMaterializer({
    cacheDir: cacheDirectory(),
    python: env.python,
    scriptDir: join(packageRoot(), 'python'),
    store,
    logDir,
  });
}
