/**
 * stageWorkflow: one row stage. Opens it, keeps a window of shards in flight, commits wave after wave.
 * Owns order and the window; what a row is, and what it cost, is the activities' business. A failing shard does not stop the others:
 * they are waited for, so that what is paid for is kept, and then the first failure is the stage's.
 */
import { continueAsNew, setHandler } from '@temporalio/workflow';
import { shardRowsMax, shardsInFlightMax, shardsPerRunMax } from '../schemas/limits';
import type { StageInput, StageProgress, StageResult, WaveInput } from '../schemas/messages';
import { infer, io } from './activity-options';
import { stageProgressQuery } from './messages';

export interface StageWorkflowInput {
  readonly stage: StageInput;
  /** Set when a wave has more shards than one workflow run should hold. */
  readonly resume?: { readonly wave: WaveInput; readonly nextShard: number };
}

export async function stageWorkflow(input: StageWorkflowInput): Promise<StageResult> {
  let progress: StageProgress = { wave: 0, rows: 0, rowsInFinishedShards: 0 };
  setHandler(stageProgressQuery, () => progress);
  let wave: WaveInput;
  let nextShard = 0;
  if (input.resume) {
    ({ wave, nextShard } = input.resume);
  } else {
    const startedAtMs = Date.now();
    const opened = await io.openRowStage(input.stage);
    if (opened.done) return opened.result;
    wave = { stage: input.stage, key: opened.key, wave: 0, waves: [], rows: opened.rows, startedAtMs };
  }
  for (;;) {
    const shards = Math.ceil(wave.rows / shardRowsMax);
    const end = Math.min(shards, nextShard + shardsPerRunMax);
    progress = { wave: wave.wave, rows: wave.rows, rowsInFinishedShards: nextShard * shardRowsMax };
    await runWindow(wave, nextShard, end, (rows) => {
      progress = { ...progress, rowsInFinishedShards: progress.rowsInFinishedShards + rows };
    });
    if (end < shards)
      return continueAsNew<typeof stageWorkflow>({ stage: input.stage, resume: { wave, nextShard: end } });
    const committed = await io.commitWave(wave);
    if (committed.done) return committed.result;
    const { wave: results, rows, plan } = committed;
    wave = { ...wave, wave: wave.wave + 1, waves: [...wave.waves, results], rows, ...(plan && { plan }) };
    nextShard = 0;
  }
}

/** Shards [first, end) with at most shardsInFlightMax at once; settles all before it throws the first failure. */
async function runWindow(wave: WaveInput, first: number, end: number, onShard: (rows: number) => void): Promise<void> {
  const failures: unknown[] = [];
  let next = first;
  const lane = async (): Promise<void> => {
    while (next < end && failures.length === 0) {
      const offset = next * shardRowsMax;
      next += 1;
      const length = Math.min(shardRowsMax, wave.rows - offset);
      try {
        await infer.runShard({ ...wave, offset, length });
        onShard(length);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.allSettled(Array.from({ length: Math.min(shardsInFlightMax, end - first) }, lane));
  if (failures.length > 0) throw failures[0];
}
