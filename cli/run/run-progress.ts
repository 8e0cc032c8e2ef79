/**
 * What is known of a run right now: the workflow's own answer, the live heartbeats of what runs, and, when the engine knows nothing, what
 * the run left in the store. Owns the gathering; the look is run-view.ts.
 */
import { defaultPayloadConverter } from '@temporalio/common';
import type { Client } from '@temporalio/client';
import { openBundle } from '../../activities/bundle';
import { isDamage, isGoneOrDamaged } from '../../activities/damaged';
import { noSuchRunIn, progressByTraces, readStages, runKeys } from '../../activities/run-records';
import { statusOf } from '../../activities/start-run';
import type { ArtifactStore } from '../../drivers/store/store';
import { runAnswerMs, shardRowsMax } from '../../schemas/limits';
import type { ActivityProgress, RunProgress, RunRecord, RunStatus, StageRecord } from '../../schemas/messages';
import { noUsage, type StageUsage } from '../../schemas/manifest';
import { stageLabel } from '../../schemas/stage-names';
import { progressQuery, stageProgressQuery } from '../../workflows/messages';
import type { alignWorkflow } from '../../workflows';
import { attendanceOf } from './run-pollers';
import type { RunHandle } from './start-run';

export interface LiveStage {
  readonly label: string;
  readonly since: string;
  readonly unit: 'rows' | 'steps';
  readonly phase: string;
  readonly done: number;
  /** Of those: found in the store or a journal by what runs now. They say nothing of its speed. */
  readonly found: number;
  readonly total: number;
  /** Since when it has its model or the device, and what was done since then. Left out while it waits, and of older workers. */
  readonly works?: { readonly sinceMs: number; readonly done: number };
  readonly inFlight: number;
  readonly usage: StageUsage;
  readonly metrics: Readonly<Record<string, number>>;
  /** What does the work: the endpoint's id, or the device of a training. */
  readonly device?: string;
  /** Of rows: calls that the endpoint takes at a time now, and at most. */
  readonly callsAtATime?: { readonly allowed: number; readonly most: number };
  /** What the work itself says of how it goes: fewer calls than allowed, a store that does not answer. */
  readonly note?: string;
  /** Of an attempt that failed and will be tried again, of rows that wait for their endpoint, or of work that waits for money: none is ever silent. */
  readonly trouble?: string;
  /** The trouble in a few words, as long as nothing was made since: of such a stage nobody can say when it ends. */
  readonly held?: string;
  /** Of a row stage: which wave of rows this is, from 1, and the rows of those before. Later ones ask for what the earlier left open. */
  readonly wave?: { readonly number: number; readonly rowsBefore?: number };
}

export interface RunView {
  readonly progress: RunProgress;
  /** Stages of the round under way, or of the last one, that are finished. */
  readonly finished: readonly StageRecord[];
  readonly live: readonly LiveStage[];
  /** The engine's own word: RUNNING, COMPLETED, FAILED, CANCELLED, TERMINATED; undefined when it has no such run. */
  readonly engine: string | undefined;
  /** The run is under way and no worker answers for it: progress is what it last wrote. */
  readonly unattended?: true;
  /** Beside that: there are workers, but of other versions than the one that the run is pinned to, which has none left. */
  readonly outdated?: true;
  /** Sentences: what the store has of the run and cannot read. Left out where that is nothing. */
  readonly unreadable?: readonly string[];
}

/** Only the engine can say that a run is so. */
const underWay: ReadonlySet<RunStatus> = new Set<RunStatus>(['RUNNING', 'PAUSED', 'NEEDS_APPROVAL']);

/** What the engine's status says of a run whose own word cannot be read. */
const byEngine: Readonly<Record<string, RunStatus>> = { RUNNING: 'RUNNING', COMPLETED: 'DONE', CANCELLED: 'CANCELLED' };

type PendingActivities = NonNullable<Awaited<ReturnType<RunHandle['describe']>>['raw']['pendingActivities']>;
type PendingActivity = PendingActivities[number];
/** PENDING_ACTIVITY_STATE_STARTED of Temporal's API: an attempt is under way, and not waited for. */
const startedState = 2;

/** Look at a run, also at one of which something is damaged in the store. Errors: RunNotFound. */
export async function viewRun(client: Client, store: ArtifactStore, runId: string): Promise<RunView> {
  const handle = client.workflow.getHandle<typeof alignWorkflow>(runId);
  const engine = await statusOf(handle);
  const unreadable: string[] = [];
  const orElse = async <T>(read: () => Promise<T>, other: () => Promise<T>): Promise<T> => {
    try {
      return await read();
    } catch (error) {
      if (!isDamage(error)) throw error;
      unreadable.push(error.data.what);
      return other();
    }
  };
  const last = await orElse(
    () => stored(store, runId),
    async () => {
      const traces = await progressByTraces(store, runId);
      return { ...traces, status: byEngine[engine ?? ''] ?? traces.status };
    },
  );
  const asked =
    engine === 'RUNNING'
      ? await queried(client, handle, runId, last ?? (await atItsBeginning(store, runId)))
      : undefined;
  const progress = asked ? asked.progress : last;
  if (!progress) throw await noSuchRunIn(store, runId);
  // What the store says of a run that the engine has lost or closed is the last word it left; RUNNING would be a lie.
  const settled =
    engine !== 'RUNNING' && underWay.has(progress.status)
      ? { ...progress, status: 'FAILED' as const, current: [] }
      : progress;
  const unattended = asked?.unattended === true;
  const live = asked && !unattended ? await liveStages(client, handle, progress) : [];
  const outdated = asked?.outdated === true;
  const finished = await orElse(
    () => readStages(store, runId, progress.round),
    () => Promise.resolve([]),
  );
  return {
    ...{ progress: settled, finished, live, engine },
    ...(unattended && { unattended }),
    ...(outdated && { outdated }),
    ...(unreadable.length > 0 && { unreadable }),
  };
}

/** By the run's own word; where no worker answers (yet), by what it wrote, which is older and better than nothing. */
async function queried(
  client: Client,
  handle: RunHandle,
  runId: string,
  fallback: RunProgress | undefined,
): Promise<{ progress: RunProgress | undefined; unattended?: boolean; outdated?: boolean }> {
  const attendance = fallback ? await attendanceOf(client, runId) : 'attended';
  if (attendance !== 'attended')
    return { progress: fallback, unattended: true, outdated: attendance === 'other versions' };
  try {
    const ask = (): Promise<RunProgress> => handle.query(progressQuery);
    return { progress: await (fallback ? client.withDeadline(Date.now() + runAnswerMs, ask) : ask()) };
  } catch (error) {
    if (fallback) return { progress: fallback, unattended: true };
    throw error;
  }
}

/** Of a run under way that has written nothing yet: what its record says. Undefined where that cannot be read. */
async function atItsBeginning(store: ArtifactStore, runId: string): Promise<RunProgress | undefined> {
  try {
    const record = (await store.getDocument(runKeys.record(runId))) as unknown as RunRecord | undefined;
    if (!record) return undefined;
    const { rounds } = (await openBundle(store, record.bundle)).config;
    return { runId, status: 'RUNNING', round: 1, rounds: rounds.count, current: [], startedAt: record.createdAt };
  } catch (error) {
    if (isGoneOrDamaged(error)) return undefined;
    throw error;
  }
}

async function stored(store: ArtifactStore, runId: string): Promise<RunProgress | undefined> {
  const document = await store.getDocument(runKeys.progress(runId));
  return document === undefined ? undefined : (document as unknown as RunProgress);
}

async function liveStages(client: Client, handle: RunHandle, progress: RunProgress): Promise<LiveStage[]> {
  const stages: LiveStage[] = [];
  for (const entry of progress.current) {
    const label = stageLabel(entry.stage, entry.arm);
    const base = { label, since: entry.since };
    try {
      if (entry.workflowId === undefined) {
        const { raw } = await handle.describe();
        const isAlone = progress.current.filter(({ workflowId }) => workflowId === undefined).length === 1;
        const own = (raw.pendingActivities ?? []).filter((activity) => isOf(activity, entry, isAlone));
        stages.push({ ...fromHeartbeats(base, own, 0, 0), ...troubleOf(entry.waits) });
      } else {
        const child = client.workflow.getHandle(entry.workflowId);
        const [{ raw }, rows] = await Promise.all([child.describe(), child.query(stageProgressQuery)]);
        const { wave, rowsBefore, rowsInFinishedShards, rows: all, waits } = rows;
        stages.push({
          ...fromHeartbeats(base, raw.pendingActivities ?? [], rowsInFinishedShards, all),
          wave: { number: wave + 1, ...(rowsBefore !== undefined && { rowsBefore }) },
          ...troubleOf(waits),
        });
      }
    } catch {
      // Between two stages, or no worker to answer: shown without figures rather than not at all.
      stages.push(fromHeartbeats(base, [], 0, 0));
    }
  }
  return stages;
}

/** Whether an activity of the run itself is this stage's: its heartbeat says so. One that has not spoken yet is somebody's only where there is one stage. */
export function isOf(
  { heartbeatDetails }: PendingActivity,
  { stage, arm }: { readonly stage: string; readonly arm: string },
  isAlone: boolean,
): boolean {
  const payload = heartbeatDetails?.payloads?.[0];
  if (!payload) return isAlone;
  const beat = defaultPayloadConverter.fromPayload<ActivityProgress>(payload);
  return beat.stage === stage && (beat.arm ?? arm) === arm;
}

function troubleOf(waits: string | undefined): Pick<LiveStage, 'trouble' | 'held'> {
  return waits === undefined ? {} : { trouble: `waits: ${waits}`, held: 'waits for money' };
}

/** Whether the attempt that runs now has said itself that it made something: what an earlier one said last stands until then. */
function makesAgain(
  { state, lastStartedTime, lastHeartbeatTime }: PendingActivity,
  beat: ActivityProgress | undefined,
): boolean {
  if (Number(state) !== startedState) return false;
  const [started, beaten] = [lastStartedTime, lastHeartbeatTime].map((time) => Number(time?.seconds ?? 0));
  return beat !== undefined && beat.done > (beat.found ?? 0) && (beaten ?? 0) > (started ?? 0);
}

/** A live stage from what its activities last said. `finishedRows`: of shards that have ended, of `totalRows`. */
export function fromHeartbeats(
  base: { label: string; since: string },
  pending: PendingActivities,
  finishedRows: number,
  totalRows: number,
): LiveStage {
  let done = Math.min(finishedRows, totalRows);
  let found = 0;
  let total = totalRows;
  let inFlight = 0;
  let phase = 'waiting for a worker';
  let unit: LiveStage['unit'] = totalRows > 0 ? 'rows' : 'steps';
  let trouble: string | undefined;
  let held: string | undefined;
  let waits: string | undefined;
  let moving = 0;
  const usage = { ...noUsage };
  let metrics: Record<string, number> = {};
  let says: Pick<LiveStage, 'device' | 'callsAtATime' | 'note'> = {};
  let works: LiveStage['works'];
  for (const activity of pending) {
    if (activity.lastStartedTime) phase = 'working';
    const payload = activity.heartbeatDetails?.payloads?.[0];
    const beat = payload ? defaultPayloadConverter.fromPayload<ActivityProgress>(payload) : undefined;
    if (beat) {
      done += beat.done;
      found += beat.found ?? 0;
      if (totalRows === 0) total = Math.max(total, beat.total);
      inFlight += beat.inFlight;
      waits = beat.waits?.words ?? waits;
      if (!beat.waits?.held) moving += 1;
      ({ phase, unit } = beat);
      for (const name of Object.keys(usage) as (keyof typeof usage)[]) usage[name] += beat.usage[name];
      metrics = { ...metrics, ...(beat.metrics ?? {}) };
      const { device, callsAtATime, note, worksSinceMs } = beat;
      if (worksSinceMs !== undefined)
        works = {
          sinceMs: Math.min(worksSinceMs, works?.sinceMs ?? Infinity),
          done: (works?.done ?? 0) + beat.done - (beat.found ?? 0),
        };
      says = { ...says, ...(device && { device }), ...(callsAtATime && { callsAtATime }), ...(note && { note }) };
    }
    if ((activity.attempt ?? 1) > 1 && activity.lastFailure?.message) {
      trouble = `attempt ${activity.attempt ?? 0}: ${activity.lastFailure.message}`;
      if (!makesAgain(activity, beat)) held = `attempt ${activity.attempt ?? 0}, nothing made since`;
    }
  }
  // Older than what its rows wait for now is what the attempt before died of.
  trouble = waits ?? trouble;
  // Of several shards one may still be at work.
  if (waits !== undefined && moving === 0) held ??= 'waits for the endpoint';
  // One shard's heartbeat and the finished rows of the others overlap for a moment when a shard ends.
  if (total > 0) done = Math.min(done, total);
  if (total === 0 && finishedRows > 0) total = shardRowsMax;
  const failed = { ...(trouble !== undefined && { trouble }), ...(held !== undefined && { held }) };
  return {
    ...base,
    unit,
    phase,
    done,
    found: Math.min(found, done),
    total,
    ...(works && { works }),
    inFlight,
    usage,
    metrics,
    ...says,
    ...failed,
  };
}
