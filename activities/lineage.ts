/**
 * Lineage: from what a run left behind back to what was asked, of whom, and what it said (design promise 5).
 *
 * Owns finding a run's stages with their manifests, the models that its trainings stacked up, and a stage's rows: their requests are listed
 * again by the stage's own `rows`, and their answers come from its shards. Leaves what a person sees to cli/.
 *
 * Invariants
 * 1. Nothing is told from memory: a request that is listed again counts as the one that was sent only when its row key, made with the
 *    version and serving that the manifest recorded, is the key of the answer.
 * 2. Reads only. What is gone is reported as gone, never guessed.
 */
import { createHash } from 'node:crypto';
import { contentSha256 } from '../drivers/model/layers';
import type { ArtifactStore } from '../drivers/store/store';
import type { ArtifactRef } from '../schemas/artifact-ref';
import { ArteError } from '../schemas/errors';
import type { JsonValue } from '../schemas/json';
import { shardRowsMax, wavesMax } from '../schemas/limits';
import { stageManifestSchema, type StageManifest } from '../schemas/manifest';
import type { RoundRecord, RunRecord, ShardOutput, StageInput, StageRecord } from '../schemas/messages';
import type { ModelLayer, ModelSource } from '../schemas/model-ref';
import { rowResultSchema, type RowResult } from '../schemas/rows';
import type { RowStageName } from '../schemas/stage-names';
import { openBundle, type OpenBundle } from './bundle';
import { rowStages } from './index';
import { streamRows } from './read-rows';
import { shardKeyOf, shardRecordKey } from './row-engine/shard-record';
import { collectResults, keyOfRow, type AnyRowStage, type PlannedRow, type PlannedRows } from './row-stage';
import { noSuchRunIn, readRounds, readStages, runKeys } from './run-records';
import { manifestKey, type StageContext } from './stage';

/** A stage of a run: its line in the run's history, and its manifest where the store still has it. */
export interface LineageStage {
  readonly record: StageRecord;
  readonly manifest?: StageManifest;
}

/** All that a run left behind, opened for following. */
export interface RunLineage {
  readonly runId: string;
  readonly record: RunRecord;
  readonly bundle: OpenBundle;
  readonly rounds: readonly RoundRecord[];
  /** In the order of the rounds; a stage that two rounds share stands in both. */
  readonly stages: readonly LineageStage[];
}

/** Open a run, as far as it is finished. Errors: RunNotFound. */
export async function openLineage(store: ArtifactStore, runId: string): Promise<RunLineage> {
  const record = (await store.getDocument(runKeys.record(runId))) as unknown as RunRecord | undefined;
  if (record === undefined) throw await noSuchRunIn(store, runId);
  const bundle = await openBundle(store, record.bundle);
  const { count } = bundle.config.rounds;
  const rounds = await readRounds(store, runId, count);
  // Of a round that is made again: what is finished of it so far is in no whole round's record.
  const again: StageRecord[] = [];
  for (let round = 1; round <= count; round += 1) again.push(...(await readStages(store, runId, round)));
  const records = new Map<string, StageRecord>();
  for (const each of [...rounds.flatMap(({ stages }) => stages), ...again]) {
    const identity = JSON.stringify([each.round, each.stage, each.arm, each.key]);
    if (!records.has(identity)) records.set(identity, each);
  }
  const manifests = new Map<string, StageManifest | undefined>();
  const stages: LineageStage[] = [];
  for (const each of records.values()) {
    if (!manifests.has(each.key)) manifests.set(each.key, await readManifest(store, each.key));
    const manifest = manifests.get(each.key);
    stages.push({ record: each, ...(manifest ? { manifest } : {}) });
  }
  stages.sort((one, other) => one.record.round - other.record.round);
  return { runId, record, bundle, rounds, stages };
}

/** A stage's manifest, whether or not its outputs are still there. */
export async function readManifest(store: ArtifactStore, key: string): Promise<StageManifest | undefined> {
  const document = await store.getDocument(manifestKey(key));
  return document === undefined ? undefined : stageManifestSchema.parse(document);
}

// ---- models ------------------------------------------------------------------------------------------------------

/** A layer of a model, with the training of this run that made it. */
export interface TracedLayer extends ModelLayer {
  readonly madeBy: { readonly stage: string; readonly key: string; readonly round: number; readonly arm: string };
}

export interface TracedModel {
  readonly contentSha256: string;
  readonly baseSha256: string;
  /** Where the base came from; known from the first recorded round on. */
  readonly source?: ModelSource;
  readonly layers: readonly TracedLayer[];
}

/** The model of that content as this run made it; one that no training of the run made is its own base. */
export function traceModel(lineage: RunLineage, sha256: string): TracedModel {
  const base = (content: string): TracedModel => ({
    ...sourceOf(lineage, content),
    contentSha256: content,
    baseSha256: content,
    layers: [],
  });
  const made = new Map<string, TracedModel>();
  // Rounds are in order, and so is what each put on top of the one before.
  for (const { record, manifest } of lineage.stages) {
    const files = manifest?.outputs['layer'];
    if (!manifest || !files) continue;
    const below = manifest.inputs['model'] ?? '';
    const model = made.get(below) ?? base(below);
    const kind: ModelLayer['kind'] = manifest.facts['adapter'] === 'full' ? 'full' : 'adapter';
    const { stage, key, round, arm } = record;
    const layers = [...model.layers, { kind, files, madeBy: { stage, key, round, arm } }];
    const content = contentSha256(model.baseSha256, layers);
    if (!made.has(content)) made.set(content, { ...model, contentSha256: content, layers });
  }
  return made.get(sha256) ?? base(sha256);
}

function sourceOf({ rounds }: RunLineage, baseSha256: string): { source?: ModelSource } {
  const known = rounds.flatMap(({ models }) => Object.values(models)).find((model) => model.baseSha256 === baseSha256);
  return known ? { source: known.source } : {};
}

// ---- rows --------------------------------------------------------------------------------------------------------

/** A shard of a stage that asked a model. */
export interface StageShard {
  /** Of its record in the store. */
  readonly recordKey: string;
  /** Undefined when the record has gone. */
  readonly output?: ShardOutput;
  /** Index of its first row among all rows of the stage. */
  readonly first: number;
  readonly length: number;
  /** The rows of its wave, and where the shard begins in them. */
  readonly planned: PlannedRows;
  readonly offset: number;
  /** Times a malformed answer may have been asked again, under seeds that follow from the first one. */
  readonly repairsMax: number;
}

/** Whether a stage asks a model row by row. */
export function isRowStage(manifest: StageManifest): manifest is StageManifest & { stage: RowStageName } {
  return Object.hasOwn(rowStages, manifest.stage);
}

/**
 * The shards of a finished row stage, in row order, wave after wave. Ends early where a wave that has a successor has lost a shard,
 * because the rows after it follow from its answers. Errors: BlobMissing when an input of the stage has gone.
 */
export async function* shardsOf(
  store: ArtifactStore,
  lineage: RunLineage,
  manifest: StageManifest,
): AsyncGenerator<StageShard> {
  if (!isRowStage(manifest)) return;
  const stage = rowStages[manifest.stage];
  const input = stageInputOf(lineage, manifest);
  const { config } = lineage.bundle;
  const context = { store, bundle: lineage.bundle, config, input, key: manifest.key };
  const loaded: unknown = await stage.load(context);
  const repairsMax = stage.repairs(loaded);
  const rowsInAll = Object.values(manifest.counts).reduce((sum, count) => sum + count, 0);
  const waves: ArtifactRef[] = [];
  const before: ArtifactRef[] = [];
  const wavesOfStage = stage.wavesMax ?? wavesMax;
  let planned = stage.rows(loaded, []);
  let soFar: ArtifactRef | undefined;
  for (let wave = 0, first = 0; wave < wavesOfStage && first < rowsInAll; wave += 1) {
    const results: ArtifactRef[] = [];
    const waveEnd = first + planned.length;
    for (let offset = 0; offset < planned.length; offset += shardRowsMax) {
      const length = Math.min(shardRowsMax, planned.length - offset);
      const recordKey = shardRecordKey(shardKeyOf({ key: manifest.key, waves }, offset, length));
      const output = (await store.getDocument(recordKey)) as unknown as ShardOutput | undefined;
      if (output) results.push(output.results);
      yield { recordKey, ...(output ? { output } : {}), first: first + offset, length, planned, offset, repairsMax };
    }
    first = waveEnd;
    if (first >= rowsInAll || results.length < Math.ceil(planned.length / shardRowsMax)) return;
    waves.push(await mergedWave(store, results));
    const last = wave + 1 >= wavesOfStage;
    const next = await nextWave(stage, context, loaded, { waves: before, own: results, last, ...(soFar && { soFar }) });
    if (!next) return;
    before.push(...results);
    ({ planned, soFar } = next);
  }
}

/** The rows of the next wave as they followed from the results before; undefined where there was none. */
async function nextWave(
  stage: AnyRowStage,
  context: StageContext,
  loaded: unknown,
  before: Parameters<typeof collectResults>[3],
): Promise<{ readonly planned: PlannedRows; readonly soFar?: ArtifactRef } | undefined> {
  if (stage.plannedRows) {
    // What is written down is on its way from wave to wave only; the same results make the same plan.
    const collected = await collectResults(stage, context, loaded, before);
    if (!collected.more || !collected.plan) return undefined;
    const { plan, soFar } = collected;
    return { planned: await stage.plannedRows(context, loaded, plan), ...(soFar && { soFar }) };
  }
  const rows: RowResult[] = [];
  for (const ref of [...before.waves, ...before.own])
    for await (const row of streamRows(context.store, ref, rowResultSchema)) rows.push(row);
  return { planned: stage.rows(loaded, rows) };
}

/** A wave's name is the content of its shards one after another (row-stage-wave.ts, mergeShards). */
async function mergedWave(store: ArtifactStore, results: readonly ArtifactRef[]): Promise<ArtifactRef> {
  const [only] = results;
  if (only && results.length === 1) return only;
  const hash = createHash('sha256');
  for (const ref of results) for await (const line of store.getLines(ref)) hash.update(`${line}\n`);
  const sha256 = hash.digest('hex');
  return { ...(only as ArtifactRef), uri: `blobs/sha256/${sha256.slice(0, 2)}/${sha256}`, sha256 };
}

/** One call as it was made: the request, and what came back. */
export interface TracedCall {
  readonly rowKey: string;
  /** Index among all rows of the stage. */
  readonly index: number;
  readonly result: RowResult;
  /** Undefined when this version of arte does not list the request that was sent (invariant 1). */
  readonly request?: PlannedRow['request'];
  readonly sample?: number;
  readonly repairsMax: number;
  readonly served: JsonValue;
  readonly model: TracedModel;
}

/** The call behind a row of a stage, by its key or its index. Undefined when its answer is no longer in the store. */
export async function findCall(
  store: ArtifactStore,
  lineage: RunLineage,
  manifest: StageManifest,
  wanted: { readonly rowKey: string } | { readonly index: number },
): Promise<TracedCall | undefined> {
  if (!isRowStage(manifest)) return undefined;
  for await (const shard of shardsOf(store, lineage, manifest)) {
    const here = (at: number): boolean => 'index' in wanted && wanted.index === shard.first + at;
    if (!shard.output || ('index' in wanted && !inside(shard, wanted.index))) continue;
    let at = 0;
    for await (const result of streamRows(store, shard.output.results, rowResultSchema)) {
      if ('rowKey' in wanted ? result.key === wanted.rowKey : here(at))
        return tracedCall(lineage, manifest, shard, at, result);
      at += 1;
    }
  }
  return undefined;
}

function inside({ first, length }: StageShard, index: number): boolean {
  return index >= first && index < first + length;
}

function tracedCall(
  lineage: RunLineage,
  manifest: StageManifest & { stage: RowStageName },
  shard: StageShard,
  at: number,
  result: RowResult,
): TracedCall {
  const row = shard.planned.row(shard.offset + at);
  const { served } = settingsOf(manifest);
  const model = manifest.inputs['model'] ?? '';
  const { stage, version } = manifest;
  const isTheOneSent = keyOfRow(row, { stage, version, model, served }) === result.key;
  return {
    rowKey: result.key,
    index: shard.first + at,
    result,
    ...(isTheOneSent ? { request: row.request, sample: row.sample } : {}),
    repairsMax: shard.repairsMax,
    served,
    model: traceModel(lineage, model),
  };
}

/** What a row stage's key was made of besides its inputs: `served`, and the settings that matter. */
function settingsOf(manifest: StageManifest): { served: JsonValue } {
  const { settings } = manifest.settings as { settings: { served: JsonValue } };
  return { served: settings.served };
}

/** The input that a manifest was made from: refs by their content among what the run's stages put out. */
function stageInputOf(lineage: RunLineage, manifest: StageManifest): StageInput {
  const outputs = new Map(
    lineage.stages.flatMap((stage) => Object.values(stage.manifest?.outputs ?? {}).map((ref) => [ref.sha256, ref])),
  );
  // Which model it was is in the rows' keys; listing them asks for none.
  const { model: _, reference: __, ...named } = manifest.inputs;
  const inputs: Record<string, ArtifactRef> = {};
  for (const [name, content] of Object.entries(named)) {
    const ref = outputs.get(content);
    if (!ref) {
      throw new ArteError('BlobMissing', {
        what: `The rows of ${manifest.stage} cannot be listed: its input ${name} has gone from the store.`,
        why: `No stage of ${lineage.runId} that is still in the store put out ${content.slice(0, 12)}.`,
        next: 'A run with the same config under another id makes it again.',
      });
    }
    inputs[name] = ref;
  }
  const { settings: ___, ...extra } = manifest.settings as Record<string, JsonValue>;
  return { stage: manifest.stage, bundle: lineage.record.bundle, inputs, extra };
}
