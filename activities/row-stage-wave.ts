/** How a row stage begins, and how its waves are committed: from a finished manifest or a count of rows to outputs, or to the next wave. */
import type { OutcomeCounts } from '../schemas/rows';
import { type ArtifactRef, artifactRefSchema } from '../schemas/artifact-ref';
import type { StageManifest } from '../schemas/manifest';
import type { CommittedWave, OpenedRowStage, ShardOutput, StageInput, WaveInput } from '../schemas/messages';
import { shardRowsMax, wavesMax } from '../schemas/limits';
import { ArteError } from '../schemas/errors';
import { brokenInAll } from './row-engine/outcomes';
import { shardKeyOf, shardRecordKey, shardRecordSchema } from './row-engine/shard-record';
import type { StoreDependencies } from './dependencies';
import { madeAgain } from './damaged';
import { commitStage, reusedStage, tellFinished } from './stage';
import type { OpenBundle } from './bundle';
import { type AnyRowStage, keyOfRowStage, contextOf, rowsOfWave, collectResults } from './row-stage';
import { totalsOfWaves, keepWaveTotals } from './wave-totals';

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

/** commitWave: collect the wave's shards in order; commit the stage, or say how many rows the next wave has. */
export async function commitWave(
  stage: AnyRowStage,
  { store }: StoreDependencies,
  wave: WaveInput,
): Promise<CommittedWave> {
  const keyed = await keyOfRowStage(store, stage, wave.stage);
  const context = contextOf(store, wave.stage, keyed);
  const shards = await shardOutputs(store, wave);
  const { askedSeconds, ...totals } = await totalsOfWaves(store, wave, shards);
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
  await keepWaveTotals(store, wave, ref, shards);
  return artifactRefSchema.parse(ref);
}
