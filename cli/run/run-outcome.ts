/**
 * How a run that is over came to its end: when, after how long, with what. Owns what is read for it (the report; of a run without one its last word) and
 * the lines; the sentences of a result are the report's.
 */
import { asIfGone } from '../../activities/damaged';
import { runKeys } from '../../activities/run-records';
import type { ArtifactStore } from '../../drivers/store/store';
import { reportVersion, type RunReport } from '../../schemas/report';
import { foreign } from '../cells';
import { formatSeconds, type Colors } from '../output';
import { headline } from '../report/report-verdict';
import { minute } from './minute';
import type { RunView } from './run-progress';
import { endLines, isOver } from './run-view';

export interface RunOutcome {
  /** By the report; of a run without one when it last left a word. Left out where neither can be read. */
  readonly endedAt?: string;
  /** By the clock, from its first start; of them paused by a person's order. */
  readonly seconds?: number;
  readonly pausedSeconds?: number;
  /** The result, or the reason why there is none. */
  readonly said: string;
}

/** Undefined of a run that is not over. */
export async function readOutcome(
  store: ArtifactStore,
  { progress, engine }: RunView,
): Promise<RunOutcome | undefined> {
  const { runId, status, attention, failed, startedAt } = progress;
  if (!isOver(status)) return undefined;
  const report = status === 'FAILED' ? undefined : await reportOf(store, runId);
  if (report) {
    const { wall, writtenAt } = report;
    const times = wall && { seconds: wall.seconds, pausedSeconds: wall.pausedSeconds };
    return { endedAt: writtenAt, ...times, said: headline(report).join(' ') };
  }
  const error = (attention ?? failed)?.error;
  const broken = `It was broken off: the engine says ${engine ?? 'nothing of it any more'}.`;
  const why = error ? `${error.what} ${error.why}` : status === 'FAILED' ? broken : 'There is no report of it.';
  const last = await lastWordAt(store, runId);
  const seconds = last && Number.isFinite(Date.parse(startedAt)) && (last.getTime() - Date.parse(startedAt)) / 1000;
  return {
    ...(last && { endedAt: last.toISOString() }),
    ...(seconds !== undefined && seconds !== false && { seconds: Math.max(0, seconds) }),
    said: why,
  };
}

/** Undefined where it is gone, damaged, or another version's. */
async function reportOf(store: ArtifactStore, runId: string): Promise<RunReport | undefined> {
  const report = (await asIfGone(store, runKeys.report(runId))) as unknown as RunReport | undefined;
  return report && (report.schemaVersion as number) === reportVersion ? report : undefined;
}

async function lastWordAt(store: ArtifactStore, runId: string): Promise<Date | undefined> {
  for await (const { key, modifiedAt } of store.list(runKeys.progress(runId)))
    if (key === runKeys.progress(runId)) return modifiedAt;
  return undefined;
}

/** `ended  2026-03-01 12:34, 34m 43s after its start`, and the result below. */
export function outcomeLines({ endedAt, seconds, pausedSeconds = 0, said }: RunOutcome): string[] {
  const paused = pausedSeconds >= 1 ? `, ${formatSeconds(pausedSeconds)} of that paused` : '';
  const took = seconds === undefined ? '' : `, ${formatSeconds(seconds)} after its start${paused}`;
  return [...(endedAt === undefined ? [] : [`ended  ${minute(endedAt)}${took}`]), `result ${foreign(said)}`];
}

/** Of a run that is over: when it ended and with what, and what to type next; nothing of another. */
export async function overLines(store: ArtifactStore, view: RunView, color: Colors): Promise<string[]> {
  const outcome = await readOutcome(store, view);
  return [...(outcome ? ['', ...outcomeLines(outcome)] : []), ...endLines(view, color)];
}
