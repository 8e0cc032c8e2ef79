/**
 * The shape of a stage that asks a model row by row: open (reuse or count), run shards on the row engine, commit the wave.
 * Owns how a stage's rows get their keys and how waves follow each other; the asking is row-engine/, the order of shards workflows/shards.ts.
 *
 * A wave is all rows that can be listed now. Most stages have one; sampling questions has more, because what comes back decides how
 * many are still missing. A wave's rows follow from the inputs and the results of the waves before, so any worker can list them again.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { ModelAnswer, ModelRequest, OutcomeCounts, RowReading, RowRequest, RowResult } from '../schemas/rows';
import { outcomeCountsSchema, rowResultSchema } from '../schemas/rows';
import type { ArtifactRef } from '../schemas/artifact-ref';
import { artifactRefSchema } from '../schemas/artifact-ref';
import type { JsonValue } from '../schemas/json';
import { noUsage, stageUsageSchema, type StageManifest, type StageUsage } from '../schemas/manifest';
import type {
  ActivityProgress,
  CommittedWave,
  OpenedRowStage,
  ShardInput,
  ShardOutput,
  StageInput,
  WaveInput,
} from '../schemas/messages';
import type { RowStageName } from '../schemas/stage-names';
import { cancelDrainMs, shardRowsMax, wavesMax } from '../schemas/limits';
import { ArteError } from '../schemas/errors';
import { StallError } from '../schemas/stall-error';
import { rowKey } from '../method/keys';
import { servedIdentity, type AskedModel } from '../method/served';
import type { RowSource, RowThresholds } from './row-engine/types';
import { runShard } from './row-engine/engine';
import { finishedShard } from './row-engine/finished-shard';
import { brokenInAll, thresholdsOfPart } from './row-engine/outcomes';
import { shardKeyOf, shardRecordKey, shardRecordSchema } from './row-engine/shard-record';
import type { InferDependencies, StoreDependencies } from './dependencies';
import { openShardAccount } from './budget';
import { openCeiling } from './call-ceiling';
import { madeAgain } from './damaged';
import { openEarlierAnswers } from './earlier-answers';
import { endpointSettings } from './endpoint-settings';
import { streamRows } from './read-rows';
import { currentRunId } from './run-of';
import { withHeartbeat } from './heartbeat';
import { underLease, waitingFor } from './lease';
import { rowMetrics, type RowMetrics } from './metrics';
import { ShardModel } from './shard-model';
import {
  commitStage,
  reusedStage,
  keyOf,
  noCounts,
  tellFinished,
  type StageContext,
  type StageOutcome,
  type StageShape,
} from './stage';
import { noteRowsDone } from './rows-done';
import { withStallDump } from './stall-dump';
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

async function keyOfRowStage(
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

function contextOf(
  store: StoreDependencies['store'],
  input: StageInput,
  { bundle, key }: Awaited<ReturnType<typeof keyOf>>,
): StageContext {
  return { store, bundle, config: bundle.config, input, key };
}

/** openRowStage: the finished manifest, or how many rows the first wave has. */
export async function openRowStage(
  stage: AnyRowStage,
  { store }: StoreDependencies,
  input: StageInput,
): Promise<OpenedRowStage> {
  const keyed = await keyOfRowStage(store, stage, input);
  const finished = await reusedStage(store, keyed.key);
  if (finished) {
    refuseRubbish(stage, keyed.bundle, finished.counts);
    return { done: true, result: await tellFinished(store, finished, input, true) };
  }
  const loaded: unknown = await stage.load(contextOf(store, input, keyed));
  return { done: false, key: keyed.key, rows: stage.rows(loaded, []).length };
}

/** runShard: ask a slice of a wave's rows, durably. */
export async function runShardOf(
  stage: AnyRowStage,
  dependencies: InferDependencies,
  shard: ShardInput,
): Promise<ShardOutput> {
  const { store } = dependencies;
  const context = contextOf(store, shard.stage, await keyOfRowStage(store, stage, shard.stage));
  const model = shard.stage.model;
  if (!model) throw new Error(`stage ${stage.name} was started without a model`);
  const loaded: unknown = await stage.load(context);
  const planned = await rowsOfWave(stage, context, loaded, shard);
  const { runEnd } = planned;
  const modelConfig = stage.model(context.bundle, shard.stage);
  const served = servedIdentity(modelConfig.endpoint);
  const settings = endpointSettings(modelConfig, dependencies.environment);
  const { journalDir, pool } = dependencies;
  const shardKey = shardKeyOf(shard, shard.offset, shard.length);
  const rows: RowSource = {
    length: shard.length,
    row: (index) => {
      const row = planned.row(shard.offset + index);
      const key = keyOfRow(row, {
        stage: stage.name,
        version: stage.version,
        model: model.contentSha256,
        served,
      });
      return { key, request: row.request, meta: row.meta };
    },
    ...(runEnd && { runEnd: (index: number) => runEnd(shard.offset + index) - shard.offset }),
  };
  const earlier = openEarlierAnswers(
    store,
    { stage: stage.name, version: stage.version, modelSha256: model.contentSha256, served },
    { stageKey: context.key, shardKey },
  );
  const owner = currentRunId();
  const base = { stage: stage.name, unit: 'rows' as const, total: shard.length, usage: { ...noUsage }, inFlight: 0 };
  const first: ActivityProgress = { ...base, phase: 'model', done: 0 };
  return withHeartbeat(first, async (beat) => {
    const attempt = beat.attemptId;
    let rowsDone: number | undefined;
    const account = openShardAccount(store, owner, context.config, modelConfig.price, {
      key: shardKey,
      stage: stage.name,
      attempt,
    });
    const ask = async (signal: AbortSignal): Promise<ShardOutput> => {
      beat.report(first);
      const shardModel = new ShardModel(pool, model, settings, (what) =>
        beat.report({ ...first, phase: `model-${what}` }),
      );
      let metrics: RowMetrics | undefined;
      const ceiling = await openCeiling(store, owner);
      try {
        return await runShard({
          shardKey,
          rows,
          openEndpoint: async () => {
            const opened = await shardModel.open(signal);
            metrics = rowMetrics(stage.name, opened.endpoint.id);
            return opened;
          },
          read: (row, answer) => stage.read(loaded, row, answer),
          thresholds: thresholdsOfPart(stage.thresholds(context.bundle), shard.length, rowsSoFar(shard)),
          repairs: stage.repairs(loaded),
          store,
          earlier,
          journalDir,
          madeBy: owner,
          attemptId: attempt,
          ...(account && { admit: account.admit }),
          onProgress: (progress) => {
            rowsDone = progress.done;
            account?.observe(progress);
            metrics?.record(progress);
            const { device, worksSinceMs } = shardModel;
            const { limit: allowed, ceiling: most } = progress.concurrency;
            beat.report({
              ...base,
              phase: 'rows',
              done: progress.done,
              found: progress.found,
              usage: progress.usage,
              inFlight: progress.inFlight,
              worksSinceMs,
              ...(device !== undefined && { device, callsAtATime: { allowed, most } }),
              ...(progress.note === undefined ? {} : { note: progress.note }),
              ...(progress.waits && { waits: progress.waits }),
            });
          },
          signal,
          // What is on its way is paid for.
          drainMs: () => (beat.isCalledOff() || account?.over.aborted ? cancelDrainMs : 0),
          ceiling,
          ...(dependencies.engineLimits && { limits: dependencies.engineLimits }),
        });
      } catch (error) {
        throw error instanceof StallError ? error.withLog(shardModel.log()) : error;
      } finally {
        ceiling.close();
        await shardModel.release();
      }
    };
    const finished = (): Promise<ShardOutput | undefined> => finishedShard({ store, shardKey, journalDir });
    const onWait = (other: string): void => beat.report({ ...first, ...waitingFor(other) });
    const stalled = { runId: owner, stage: stage.name, key: shardKey, attempt };
    const asked = (signal: AbortSignal): Promise<ShardOutput> =>
      withStallDump(store, dependencies.stallDumps, stalled, () =>
        ask(account ? AbortSignal.any([signal, account.over]) : signal),
      );
    const leased = underLease({ store, key: shardKey, owner, attempt, signal: beat.signal, finished, onWait }, asked);
    try {
      return await (account ? account.settleWith(leased) : leased);
    } catch (error) {
      if (rowsDone !== undefined) noteRowsDone(error, rowsDone);
      throw error;
    }
  });
}

/**
 * Rows are judged while they are asked (row-engine/engine.ts), by the run that asks: another one, or this one since, may allow less. Errors: OutcomeThreshold.
 */
function refuseRubbish(stage: AnyRowStage, bundle: OpenBundle, counts: OutcomeCounts): void {
  const thresholds = stage.thresholds(bundle);
  const broken = brokenInAll(counts, thresholds);
  if (broken === undefined) return;
  const rows = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  throw new ArteError('OutcomeThreshold', {
    what: `${counts[broken]} of the ${rows} rows of ${stage.name} in the store are ${broken} (${percent(counts[broken] / rows)}); the threshold is ${percent(thresholds[broken])}.`,
    why: 'They were made by a run, or under a config, that allows more.',
    next: `Look at some of them (arte trace). Raise thresholds.${broken} to go on with them, or change the prompt or the model to have others made: arte retry RUN --set SETTING=VALUE.`,
  });
}

/** Rows of the stage up to the end of this wave. */
function rowsSoFar({ rows, waves }: Pick<WaveInput, 'rows' | 'waves'>): number {
  return waves.reduce((sum, wave) => sum + wave.rows, rows);
}

/** commitWave: collect the wave's shards in order; commit the stage, or say how many rows the next wave has. */
export async function commitWave(
  stage: AnyRowStage,
  { store }: StoreDependencies,
  wave: WaveInput,
): Promise<CommittedWave> {
  const keyed = await keyOfRowStage(store, stage, wave.stage);
  const context = contextOf(store, wave.stage, keyed);
  const shards = await shardOutputs(store, wave);
  const { askedSeconds, ...totals } = await totalsOf(store, wave, shards);
  const made = async (manifest: StageManifest): Promise<CommittedWave> => ({
    done: true,
    result: await tellFinished(store, manifest, wave.stage, false),
  });
  const already = await reusedStage(store, keyed.key);
  refuseRubbish(stage, context.bundle, already?.counts ?? totals.counts);
  if (already) return made(already);
  const loaded: unknown = await stage.load(context);
  const last = wave.wave + 1 >= (stage.wavesMax ?? wavesMax);
  const own = shards.map(({ results }) => results);
  const collected = await collectResults(stage, context, loaded, { ...wave, own, last });
  if (collected.more) {
    const merged = await mergeShards(store, wave, shards);
    const { plan, soFar } = collected;
    const written = { ...(plan && { plan }), ...(soFar && { soFar }) };
    const rows = await rowsOfWave(stage, context, loaded, { waves: [...wave.waves, merged], ...written });
    return { done: false, wave: merged, rows: rows.length, ...written };
  }
  const seconds = Math.max(0, Date.now() - wave.startedAtMs) / 1000;
  const waited = askedSeconds === undefined ? {} : { waitedSeconds: Math.max(0, seconds - askedSeconds) };
  const facts = { ...collected.outcome.facts, ...waited };
  return made(await commitStage(store, stage, keyed, { ...collected.outcome, ...totals, facts }, seconds));
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

async function rowsOfWave(
  stage: AnyRowStage,
  context: StageContext,
  loaded: unknown,
  { waves, plan }: Pick<WaveInput, 'waves' | 'plan'>,
): Promise<PlannedRows> {
  if (plan && stage.plannedRows) return stage.plannedRows(context, loaded, plan);
  return stage.rows(loaded, await readWaves(context.store, waves));
}

/** Shards of a wave by their records: the workflow carries none of their refs. */
async function shardOutputs(store: StoreDependencies['store'], wave: WaveInput): Promise<ShardOutput[]> {
  const outputs: ShardOutput[] = [];
  for (let offset = 0; offset < wave.rows; offset += shardRowsMax) {
    const length = Math.min(shardRowsMax, wave.rows - offset);
    const record = await madeAgain(store, shardRecordKey(shardKeyOf(wave, offset, length)));
    if (record === undefined) {
      throw new ArteError('BlobMissing', {
        what: `The record of rows ${offset} to ${offset + length - 1} of ${wave.stage.stage} is gone from the store.`,
        why: 'It was there when the shard finished; something removed or damaged it.',
        next: 'arte retry RUN makes these rows again.',
      });
    }
    outputs.push(shardRecordSchema.parse(record));
  }
  return outputs;
}

/** One artifact for a wave that has a successor, with its counts and usage beside it under a name of its own. */
async function mergeShards(
  store: StoreDependencies['store'],
  wave: Pick<WaveInput, 'key'>,
  shards: readonly ShardOutput[],
): Promise<ArtifactRef> {
  const [only] = shards;
  const ref =
    shards.length === 1 && only
      ? only.results
      : await store.putLines(
          (async function* () {
            for (const shard of shards) yield* store.getLines(shard.results);
          })(),
        );
  const { askedSeconds, ...totals } = totalsOfShards(shards);
  const asked = askedSeconds === undefined ? {} : { askedSeconds };
  await store.putDocument(waveTotalsKey(wave, ref), { ...totals, ...asked });
  return artifactRefSchema.parse(ref);
}

/** By the wave's stage, too: another one may have the same results and have paid another sum for them. */
function waveTotalsKey({ key }: Pick<WaveInput, 'key'>, ref: ArtifactRef): string {
  return `waves/${createHash('sha256').update(`${key} ${ref.sha256}`).digest('hex')}.json`;
}

const totalsSchema = z.object({
  counts: outcomeCountsSchema,
  usage: stageUsageSchema,
  /** The same usage by the run that had the shards made. */
  paidBy: z.record(z.string(), stageUsageSchema),
  /** Time in which its model was asked; unknown of shards of older workers. */
  askedSeconds: z.number().nonnegative().optional(),
});
type Totals = z.infer<typeof totalsSchema>;

async function totalsOf(
  store: StoreDependencies['store'],
  wave: WaveInput,
  shards: readonly ShardOutput[],
): Promise<Totals> {
  const earlier: Totals[] = [];
  for (const ref of wave.waves) {
    const totals = await madeAgain(store, waveTotalsKey(wave, ref));
    if (totals !== undefined) earlier.push(totalsSchema.parse(totals));
  }
  return sumTotals([...earlier, totalsOfShards(shards)]);
}

/** Shards of one wave: they are asked beside each other. */
function totalsOfShards(shards: readonly ShardOutput[]): Totals {
  const asked = shards.flatMap(({ askedMs }) => (askedMs ? [askedMs] : []));
  const all = sumTotals(shards.map(({ counts, usage, paidBy }) => ({ counts, usage, paidBy })));
  return asked.length < shards.length ? all : { ...all, askedSeconds: secondsOf(asked) };
}

/** Seconds that lie in any of the spans. */
export function secondsOf(spansMs: readonly (readonly [number, number])[]): number {
  let [total, until] = [0, -Infinity];
  for (const [from, to] of [...spansMs].sort(([one], [other]) => one - other)) {
    total += Math.max(0, to - Math.max(from, until));
    until = Math.max(until, to);
  }
  return total / 1000;
}

function sumTotals(parts: readonly Totals[]): Totals {
  const counts: Record<keyof OutcomeCounts, number> = { ...noCounts };
  const usage: Record<keyof StageUsage, number> = { ...noUsage };
  const paidBy: Record<string, Record<keyof StageUsage, number>> = {};
  const add = (to: Record<keyof StageUsage, number>, more: StageUsage): void => {
    for (const name of Object.keys(to) as (keyof StageUsage)[]) to[name] += more[name];
  };
  for (const part of parts) {
    for (const name of Object.keys(counts) as (keyof OutcomeCounts)[]) counts[name] += part.counts[name];
    add(usage, part.usage);
    for (const [runId, paid] of Object.entries(part.paidBy)) add((paidBy[runId] ??= { ...noUsage }), paid);
  }
  const asked = parts.map(({ askedSeconds }) => askedSeconds);
  const known = asked.every((seconds) => seconds !== undefined);
  return { counts, usage, paidBy, ...(known && { askedSeconds: asked.reduce((total, each) => total + each, 0) }) };
}

async function readWaves(store: StoreDependencies['store'], waves: readonly ArtifactRef[]): Promise<RowResult[]> {
  const rows: RowResult[] = [];
  for (const ref of waves) for await (const row of streamRows(store, ref, rowResultSchema)) rows.push(row);
  return rows;
}
