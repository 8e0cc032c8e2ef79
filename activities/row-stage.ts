/**
 * The shape of a stage that asks a model row by row. Owns what such a stage is made of, its key and its rows' keys, and how its rows follow from the
 * waves before. Opening and committing are row-stage-wave.ts, asking row-stage-shard.ts and row-engine/, the order of shards workflows/shards.ts.
 *
 * A wave is all rows that can be listed now. Most stages have one; sampling questions has more, because what comes back decides how
 * many are still missing. A wave's rows follow from the inputs and the results of the waves before, so any worker can list them again.
 */
import {
  type ModelAnswer,
  type ModelRequest,
  type RowReading,
  type RowRequest,
  type RowResult,
  rowResultSchema,
} from '../schemas/rows';
import type { ArtifactRef } from '../schemas/artifact-ref';
import type { JsonValue } from '../schemas/json';
import type { StageInput, WaveInput } from '../schemas/messages';
import type { RowStageName } from '../schemas/stage-names';
import { rowKey } from '../method/keys';
import { servedIdentity, type AskedModel } from '../method/served';
import type { RowThresholds } from './row-engine/types';
import type { StoreDependencies } from './dependencies';
import { streamRows } from './read-rows';
import { keyOf, type StageContext, type StageOutcome, type StageShape } from './stage';
import type { OpenBundle } from './bundle';

/** A row before it has its key: what to ask, which sample of it, and what to remember. */
export interface PlannedRow {
  readonly request: ModelRequest;
  /** 0 for the only sample of a request, else which one. */
  readonly sample: number;
  readonly meta: JsonValue;
}

export interface PlannedRows {
  readonly length: number;
  /** Row i, the same every time; cheap, because it is called once per run and once more after a crash. */
  row(index: number): PlannedRow;
  /** End (exclusive) of the rows from `index` on whose prompts begin alike, where the stage has such runs. */
  readonly runEnd?: (index: number) => number;
}

/** What collect says: outputs are whole, or the stage needs another wave. */
export type Collected =
  | { readonly more: false; readonly outcome: Omit<StageOutcome, 'counts' | 'usage'> }
  /**
   * `plan`: the next wave's rows written down, for a stage that has `plannedRows`. `soFar`: what the stage needs to know of all results up to
   * here, for the next collect.
   */
  | { readonly more: true; readonly plan?: ArtifactRef; readonly soFar?: ArtifactRef };

/** The results that no earlier collect has written down: those of the last wave, and without `soFar` all. In row order. */
export interface UnreadResults {
  readonly soFar?: ArtifactRef;
  readonly results: () => AsyncIterable<RowResult>;
}

export interface RowStage<Loaded> extends StageShape {
  readonly name: RowStageName;
  /** Whose endpoint answers. */
  model(bundle: OpenBundle, input: StageInput): AskedModel;
  /** Reads the inputs; everything the other functions need. */
  load(context: StageContext): Promise<Loaded>;
  /** The rows of a wave; `before` holds the results of the earlier ones. */
  rows(loaded: Loaded, before: readonly RowResult[]): PlannedRows;
  /**
   * The rows of a wave that `collect` wrote a plan of: for waves so large that no worker should hold the earlier ones' results, nor every
   * shard read them again.
   */
  plannedRows?(context: StageContext, loaded: Loaded, plan: ArtifactRef): Promise<PlannedRows>;
  /** Where a stage of its own kind needs other than `wavesMax`. */
  readonly wavesMax?: number;
  read(loaded: Loaded, row: RowRequest, answer: ModelAnswer): RowReading;
  /** Re-asks of a malformed answer: 0 where greedy sampling would say the same again. */
  repairs(loaded: Loaded): number;
  thresholds(bundle: OpenBundle): RowThresholds;
  /**
   * Turns all results, in row order over all waves, into outputs. `last` means: no further wave is allowed. A stage of many waves reads
   * `unread` until it is whole, so that a row is read twice and not once a wave.
   */
  collect(
    context: StageContext,
    loaded: Loaded,
    results: () => AsyncIterable<RowResult>,
    last: boolean,
    unread: UnreadResults,
  ): Promise<Collected>;
}

/** What the registry holds: a stage whose private type is its own business. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- existential: each stage's Loaded flows only through its own functions
export type AnyRowStage = RowStage<any>;

/** What a row stage's key is made of: also how the model is served, because quantization changes answers. */
export function servedShape(stage: AnyRowStage): StageShape {
  return {
    name: stage.name,
    version: stage.version,
    settings: (bundle, of) => ({
      served: servedIdentity(stage.model(bundle, of).endpoint),
      stage: stage.settings(bundle, of),
    }),
  };
}

/** The key of a stage with these inputs, and the bundle that it was read from. */
export async function keyOfRowStage(
  store: StoreDependencies['store'],
  stage: AnyRowStage,
  input: StageInput,
): ReturnType<typeof keyOf> {
  return keyOf(store, servedShape(stage), input);
}

/** A row's key, by the stage it belongs to, the content of the model that is asked, and how that is served. */
export function keyOfRow(
  { request, sample }: PlannedRow,
  asked: { readonly stage: RowStageName; readonly version: number; readonly model: string; readonly served: JsonValue },
): string {
  const { stage, version, model, served } = asked;
  return rowKey({ stage, version, modelSha256: model, served, request, sample });
}

/** What the functions of a stage are given. */
export function contextOf(
  store: StoreDependencies['store'],
  input: StageInput,
  { bundle, key }: Awaited<ReturnType<typeof keyOf>>,
): StageContext {
  return { store, bundle, config: bundle.config, input, key };
}

/** What a stage makes of its results when the shards of a wave (`own`) are whole; `waves` are those before, with what was written of them. */
export async function collectResults(
  stage: AnyRowStage,
  context: StageContext,
  loaded: unknown,
  {
    waves,
    own,
    soFar,
    last,
  }: Pick<WaveInput, 'waves' | 'soFar'> & { readonly own: readonly ArtifactRef[]; readonly last: boolean },
): Promise<Collected> {
  const resultsOf = (refs: readonly ArtifactRef[]) =>
    async function* (): AsyncGenerator<RowResult> {
      for (const ref of refs) yield* streamRows(context.store, ref, rowResultSchema);
    };
  const results = resultsOf([...waves, ...own]);
  return stage.collect(context, loaded, results, last, soFar ? { soFar, results: resultsOf(own) } : { results });
}

/** The rows of the wave after `waves`: as they were written down, or listed again. */
export async function rowsOfWave(
  stage: AnyRowStage,
  context: StageContext,
  loaded: unknown,
  { waves, plan }: Pick<WaveInput, 'waves' | 'plan'>,
): Promise<PlannedRows> {
  if (plan && stage.plannedRows) return stage.plannedRows(context, loaded, plan);
  return stage.rows(loaded, await readWaves(context.store, waves));
}

async function readWaves(store: StoreDependencies['store'], waves: readonly ArtifactRef[]): Promise<RowResult[]> {
  const rows: RowResult[] = [];
  for (const ref of waves) for await (const row of streamRows(store, ref, rowResultSchema)) rows.push(row);
  return rows;
}
