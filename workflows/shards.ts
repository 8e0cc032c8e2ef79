/**
 * stageWorkflow: one row stage. Opens it, keeps a window of shards in flight, commits wave after wave.
 * Owns order and the window; what a row is, and what it cost, is the activities' business. A failing shard does not stop the others:
 * they are waited for, so that what is paid for is kept, and then the first failure is the stage's.
 */
import { continueAsNew, setHandler, sleep } from '@temporalio/workflow';
import { budgetWaitMs, shardRowsMax, shardsInFlightMax, shardsPerRunMax } from '../schemas/limits';
import type { StageInput, StageProgress, StageResult, WaveInput } from '../schemas/messages';
import { infer, io } from './activity-options';
import { rowsDoneOf, tellBrokenOff } from './broken-off';
import { waitsForBudget } from './budget';
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
    const rowsBefore = wave.waves.reduce((sum, { rows }) => sum + rows, 0);
    progress = { wave: wave.wave, rows: wave.rows, rowsBefore, rowsInFinishedShards: nextShard * shardRowsMax };
    let [brokenOff, untold] = [0, false];
    const toldIfEnded = async <T>(work: () => Promise<T>): Promise<T> => {
      try {
        return await work();
      } catch (error) {
        const { stage, place } = input.stage;
        const rowsDone = Math.min(wave.rows, progress.rowsInFinishedShards + brokenOff);
        const where = { stage, arm: place?.arm ?? '', wave: wave.wave, rows: wave.rows };
        await tellBrokenOff({ ...where, rowsDone, ...(untold && { atLeast: true as const }) });
        throw error;
      }
    };
    await toldIfEnded(() =>
      runWindow(wave, nextShard, end, (change) => {
        const { waits: _, ...before } = progress;
        progress = {
          ...before,
          rowsInFinishedShards: before.rowsInFinishedShards + (change.rows ?? 0),
          ...(change.waits === undefined ? {} : { waits: change.waits }),
        };
        if (!change.ended) return;
        brokenOff += change.ended.rowsDone ?? 0;
        untold ||= change.ended.rowsDone === undefined;
      }),
    );
    if (end < shards)
      return continueAsNew<typeof stageWorkflow>({ stage: input.stage, resume: { wave, nextShard: end } });
    const committed = await toldIfEnded(() => io.commitWave(wave));
    if (committed.done) return committed.result;
    const { wave: results, rows, plan, soFar } = committed;
    const written = { ...(plan && { plan }), ...(soFar && { soFar }) };
    wave = { ...wave, wave: wave.wave + 1, waves: [...wave.waves, results], rows, ...written };
    nextShard = 0;
  }
}

/** Of one shard: its rows are finished, it waits for money, or it has ended with so many of its rows done. */
interface ShardChange {
  readonly rows?: number;
  readonly waits?: string;
  readonly ended?: { readonly rowsDone: number | undefined };
}

/**
 * Shards [first, end) with at most shardsInFlightMax at once; settles all before it throws the first failure. Where the budget has no room for
 * so many the window narrows to as many as it has room for, and the last one waits.
 */
async function runWindow(
  wave: WaveInput,
  first: number,
  end: number,
  onChange: (change: ShardChange) => void,
): Promise<void> {
  const failures: unknown[] = [];
  const putBack: number[] = [];
  let next = first;
  let inFlight = 0;
  const lane = async (): Promise<void> => {
    let waits = 0;
    while ((putBack.length > 0 || next < end) && failures.length === 0) {
      const shard = putBack.pop() ?? next++;
      const offset = shard * shardRowsMax;
      const length = Math.min(shardRowsMax, wave.rows - offset);
      inFlight += 1;
      try {
        await infer.runShard({ ...wave, offset, length });
        waits = 0;
        onChange({ rows: length });
      } catch (error) {
        const why = waitsForBudget(error, waits);
        if (why === undefined) {
          failures.push(error);
          onChange({ ended: { rowsDone: rowsDoneOf(error) } });
          return;
        }
        putBack.push(shard);
        if (inFlight > 1) return;
        waits += 1;
        onChange({ waits: why });
        await sleep(budgetWaitMs);
      } finally {
        inFlight -= 1;
      }
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(shardsInFlightMax, end - first) }, lane));
  // A lane itself fails only when it is cancelled while it waits.
  for (const ended of lanes) if (ended.status === 'rejected') failures.push(ended.reason);
  // What waits for money may have had rows answered before.
  if (putBack.length > 0) onChange({ ended: { rowsDone: undefined } });
  if (failures.length > 0) throw failures[0];
}
