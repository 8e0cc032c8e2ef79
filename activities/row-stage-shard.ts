/** A shard of a row stage: its lease, its account, its model, and the row engine between them. */
import { noUsage } from '../schemas/manifest';
import type { ActivityProgress, ShardInput, ShardOutput, WaveInput } from '../schemas/messages';
import { cancelDrainMs } from '../schemas/limits';
import { StallError } from '../schemas/stall-error';
import { servedIdentity } from '../method/served';
import type { RowSource } from './row-engine/types';
import { runShard } from './row-engine/engine';
import { finishedShard } from './row-engine/finished-shard';
import { thresholdsOfPart } from './row-engine/outcomes';
import { shardKeyOf } from './row-engine/shard-record';
import type { InferDependencies } from './dependencies';
import { openShardAccount } from './budget';
import { openCeiling } from './call-ceiling';
import { openEarlierAnswers } from './earlier-answers';
import { endpointSettings } from './endpoint-settings';
import { currentRunId } from './run-of';
import { withHeartbeat } from './heartbeat';
import { underLease, waitingFor } from './lease';
import { rowMetrics, type RowMetrics } from './metrics';
import { ShardModel } from './shard-model';
import { noteRowsDone } from './rows-done';
import { withStallDump } from './stall-dump';
import { type AnyRowStage, keyOfRowStage, keyOfRow, contextOf, rowsOfWave } from './row-stage';

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

/** Rows of the stage up to the end of this wave. */
function rowsSoFar({ rows, waves }: Pick<WaveInput, 'rows' | 'waves'>): number {
  return waves.reduce((sum, wave) => sum + wave.rows, rows);
}
