/**
 * Takes what a run made out of the store, in the forms others read: data sets in conversations, a PEFT adapter or a Hugging Face folder, a GGUF,
 * each with its card. Owns which artifact is asked for and the forms of models; rows are export-rows.ts, cards method/cards.ts, where it may go
 * export-target.ts. Where a run's artifacts are comes from its report.
 */
import { readFileSync } from 'node:fs';
import { copyFile, cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDirectory, dataDirectory } from '../../drivers/local/directories';
import { ensurePythonEnv } from '../../drivers/local/python-env';
import { createMaterializer, type Materializer } from '../../drivers/model/materialize';
import type { ArtifactStore } from '../../drivers/store/store';
import { packageRoot } from '../../drivers/package-root';
import { readRows } from '../../activities/read-rows';
import { dataCard, llamaFactoryInfo, modelCard, type CardSource } from '../../method/cards';
import type { ArmName } from '../../schemas/arms';
import type { ArtifactRef } from '../../schemas/artifact-ref';
import { ArteError } from '../../schemas/errors';
import type { JsonObject } from '../../schemas/json';
import { hubIdOfEmbedded, type ModelRef } from '../../schemas/model-ref';
import type { ReportRound, RunReport } from '../../schemas/report';
import { taskRecordSchema, type TaskRecord } from '../../schemas/task';
import { exportFolder, exportJsonl, exportParquet, exportPlain } from './export-rows';
import { cardBeside, claimTarget } from './export-target';
import { madeWhole } from './made-whole';
import { roundOf } from '../report/report-round';
import { openBundleOf } from '../run/run-config-of';

export const exportForms = ['dataset', 'pairs', 'dropped', 'student', 'teacher'] as const;
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

/** Write one export; resolves with the path. Errors: InvalidInput, RoundNotFound, ArtifactNotFound, DiskFull. */
export async function exportRun(store: ArtifactStore, report: RunReport, request: ExportRequest): Promise<string> {
  const target = claimTarget(request.target, request.what, request.format);
  switch (request.what) {
    case 'dataset':
    case 'pairs':
      return exportRows(store, report, request.what, { ...request, target });
    case 'dropped':
      await exportPlain(store, droppedOf(report, request.round, request.arm ?? 'arte'), target);
      return target;
    case 'student':
      return exportModel(store, report, 'student', 'safetensors', { ...request, target });
    case 'teacher':
      return exportModel(store, report, 'teacher', 'adapter', { ...request, target });
  }
}

/** A model in one of its forms, with its card: in the folder, or beside the file. */
async function exportModel(
  store: ArtifactStore,
  report: RunReport,
  role: 'student' | 'teacher',
  usual: ModelFormat,
  { round: wanted, format = usual, target, onProgress }: ExportRequest,
): Promise<string> {
  const round = roundOf(report, wanted);
  const made = round[role];
  if (made.source.kind === 'hosted') throw notHere(made.source.provider, made.source.id);
  // Only a student's card has prompts.
  const tasks = role === 'student' ? await tasksOf(store, round) : undefined;
  const card = modelCard({ ...(await cardSource(store, report, round)), ...(tasks && { tasks }), role, format });
  await madeWhole(target, async (part) => {
    if (format === 'adapter') {
      onProgress('fetching the adapter');
      await exportAdapter(store, made, baseOf(report, role, made), part);
    } else {
      await exportWhole(store, made, format, part, onProgress);
    }
    if (format !== 'gguf') await writeFile(join(part, 'README.md'), card);
  });
  if (format === 'gguf') await writeFile(cardBeside(target), card, { flag: 'wx' });
  return target;
}

/** A training set or pairs: by the ending of the target as one file, else as a folder with a card. */
async function exportRows(
  store: ArtifactStore,
  report: RunReport,
  kind: 'dataset' | 'pairs',
  { round: wanted, arm = 'arte', target }: ExportRequest,
): Promise<string> {
  const stage = kind === 'pairs' ? 'build-pairs' : trainingSetOf(report, arm);
  const { ref: rows, round } = artifact(report, wanted, `${stage}/${kind === 'pairs' ? 'dpo' : 'sft'}`);
  const tailored = kind === 'pairs' ? undefined : round.artifacts[`${stage}/tailored`];
  const from = { rows, ...(tailored && { beside: { rows: tailored, columns: ['id', 'task'] } }) };
  if (target.endsWith('.jsonl')) await exportJsonl(store, from, target);
  else if (target.endsWith('.parquet')) await exportParquet(store, from, target);
  else {
    const { rows: count, sha256 } = rows;
    const card = dataCard({ ...(await cardSource(store, report, round)), kind, arm, rows: count, sha256 });
    const files = kind === 'pairs' ? {} : { 'dataset_info.json': llamaFactoryInfo(`${report.name}-${arm}`) };
    await exportFolder(store, from, { card, files }, target);
  }
  return target;
}

async function cardSource(store: ArtifactStore, report: RunReport, round: ReportRound): Promise<CardSource> {
  const config = await openBundleOf(store, report.runId);
  const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string };
  return { report, round, version, ...(config && { config }) };
}

/** The run's tasks, for the prompts of a card; undefined where the store no longer has them. */
async function tasksOf(store: ArtifactStore, { artifacts }: ReportRound): Promise<TaskRecord[] | undefined> {
  const ref = artifacts['prepare-tasks/tasks'];
  try {
    return ref && (await readRows(store, ref, taskRecordSchema));
  } catch (error) {
    if (error instanceof ArteError && error.data.code === 'BlobMissing') return undefined;
    throw error;
  }
}

/** An artifact by its name, of the round asked for or the last that made it. */
function artifact(
  report: RunReport,
  wanted: number | undefined,
  name: string,
): { readonly ref: ArtifactRef; readonly round: ReportRound } {
  const made = wanted === undefined ? report.rounds.filter(({ artifacts }) => name in artifacts) : [];
  const best = made.find(({ round: of }) => of === report.bestRound);
  const round = best ?? made.at(-1) ?? roundOf(report, wanted);
  const ref = round.artifacts[name];
  if (ref) return { ref, round };
  throw new ArteError('ArtifactNotFound', {
    what: `Round ${round.round} made no ${name}.`,
    why: `It made ${Object.keys(round.artifacts).join(', ')}.`,
    next: 'Name a round and an arm that are in the report.',
  });
}

/** The stage that made an arm's training set: written by a teacher, or chosen from drafts. */
function trainingSetOf({ stages }: RunReport, arm: ArmName): string {
  const chosen = stages.some((stage) => stage.name === 'select-drafts' && stage.arm === arm);
  return `${chosen ? 'select-drafts' : 'tailor-rationales'}/${arm}`;
}

/** What was left out of an arm's set: questions first, then examples. */
function droppedOf(report: RunReport, wanted: number | undefined, arm: ArmName): ArtifactRef[] {
  const stage = trainingSetOf(report, arm);
  const { round } = artifact(report, wanted, `${stage}/sft`);
  const refs = [`tailor-questions/${arm}`, stage].flatMap((name) => round.artifacts[`${name}/dropped`] ?? []);
  if (refs.length > 0) return refs;
  throw new ArteError('ArtifactNotFound', {
    what: `Nothing was left out of the set of ${arm} in round ${round.round}.`,
    why: 'Every question and example that could be read was used.',
    next: `arte report ${report.runId} shows each set, and what was left out of it.`,
  });
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
      return { base_model_name_or_path: hubIdOfEmbedded[source.name] ?? `embedded:${source.name}` };
    case 'hosted':
      throw notHere(source.provider, source.id);
  }
}

/** What a person should know who loads an exported adapter; undefined where the named base is the one it was trained on. */
export function adapterNote(
  report: RunReport,
  of: 'student' | 'teacher',
  wanted: number | undefined,
): string | undefined {
  // Of the round whose adapter was written.
  const model = roundOf(report, wanted)[of];
  if (model.layers.length !== 1) return undefined;
  const round = wanted === undefined ? '' : ` --round ${wanted}`;
  const whole = `arte export ${of} ${report.runId}${round} --format safetensors writes the model as it was evaluated.`;
  switch (model.source.kind) {
    case 'embedded':
      return `The adapter names ${hubIdOfEmbedded[model.source.name] ?? model.source.name} of the hub as its base. It was trained on the 4-bit weights that come with arte, so answers on that base differ a little; ${whole}`;
    case 'gguf':
    case 's3':
      return `The adapter names its base by where the config has it, which PEFT cannot load from; ${whole}`;
    default:
      return undefined;
  }
}

/** The last layer as it is in the store, but with its base named: the stored one knows no machine's paths, so that its hash is its content's. */
async function exportAdapter(
  store: ArtifactStore,
  { name, layers }: ModelRef,
  base: AdapterBase,
  target: string,
): Promise<void> {
  const layer = layers.at(-1);
  if (!layer) {
    throw new ArteError('InvalidInput', {
      what: `${name} has no adapter.`,
      why: 'The run did not train it (align.method: none): it is what the config names as its source.',
      next: 'arte export dataset RUN takes what it wrote.',
    });
  }
  await store.getDirectory(layer.files, target);
  if (layer.kind !== 'adapter') return;
  const path = join(target, 'adapter_config.json');
  const config = JSON.parse(await readFile(path, 'utf8')) as JsonObject;
  await writeFile(path, `${JSON.stringify({ ...config, ...base }, null, 2)}\n`);
}

async function exportWhole(
  store: ArtifactStore,
  model: ModelRef,
  format: Exclude<ModelFormat, 'adapter'>,
  target: string,
  onProgress: (text: string) => void,
): Promise<void> {
  const materializer = await openMaterializer(store);
  const never = new AbortController().signal;
  if (format === 'safetensors') {
    onProgress('merging the weights');
    // What is linked is copied: a model that nothing trained may be a cache's folder of links, and a card would be written through one.
    await cp(await materializer.folder(model, never), target, { recursive: true, dereference: true });
    return;
  }
  onProgress('converting to GGUF');
  await copyFile(await materializer.gguf(model, 'q8_0', never), target);
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
