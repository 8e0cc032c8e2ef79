/**
 * The row engine: ask a model all rows of a shard, keep every answer, and leave one artifact whose bytes depend on nothing but the answers.
 * Owns the order of a shard's steps: what stands there (resume.ts), what was had elsewhere (take-earlier.ts), the model and the money (the run's
 * `openEndpoint` and `admit`), asking (asking.ts), and the finished shard (finished-shard.ts). Where no row is left to ask no model is opened.
 *
 * Invariants:
 *  1. An answer is in the journal before the row counts as done; every call has its intent there before it is made.
 *  2. Memory holds calls in flight and rows that wait for a retry, about twenty bytes for every other row, and no result.
 *  3. However a shard ends, what is done is kept: in the journal, and as far as the store can be reached in a part.
 *  4. The shard's record decides between attempts: whoever writes it first has made the shard, and everybody returns that.
 */
import * as limits from '../../schemas/limits';
import { Asking } from './asking';
import { commitShard, finishedShard } from './finished-shard';
import { judgeAnswered } from './judge-answered';
import { resumeShard } from './resume';
import { noUsage, paidOf, survey, takeLostAtMost } from './shard-usage';
import { takeEarlier } from './take-earlier';
import type { EngineLimits, RunShard } from './types';

const defaultLimits: EngineLimits = {
  journalCommitIntervalMs: limits.journalCommitIntervalMs,
  partFlushIntervalMs: limits.partFlushIntervalMs,
  progressIntervalMs: limits.heartbeatIntervalMs,
  rowAttemptsMax: limits.rowAttemptsMax,
  retryBackoffBaseMs: limits.retryBackoffBaseMs,
  waitsSaidMs: limits.waitsSaidMs,
  waitingRowsMax: limits.waitingRowsMax,
  endpointDownMs: limits.endpointDownMs,
  rowsStallFloorMs: limits.rowsStallFloorMs,
  rowsStallFirstMs: limits.rowsStallFirstMs,
  rowsStallFactor: limits.rowsStallFactor,
  refusalDrainMs: limits.refusalDrainMs,
  abortFlushMs: limits.abortFlushMs,
};

/**
 * Ask all rows of a shard and return its output; a shard that is finished is returned at once.
 * Errors: EndpointUnauthorized, EndpointUnknownModel, EndpointNotCompatible, EndpointRefusesParameter, EndpointOutOfMoney, EndpointUnreachable,
 * OutcomeThreshold, RowsStalled, DiskFull, Unexpected, the store's, and those of `openEndpoint` and `admit`. An abort rejects with the signal's reason. Whatever the error, a further call with
 * the same shard key goes on where this one stood.
 */
export const runShard: RunShard = async (run) => {
  run.signal.throwIfAborted();
  const beganMs = Date.now();
  const settings = { ...defaultLimits, ...run.limits };
  const finished = await finishedShard(run);
  if (finished) return finished;
  const disk: { early?: Error; fail: (error: Error) => void } = {
    fail: (error) => {
      disk.early = error;
    },
  };
  const resumed = await resumeShard(run, {
    journalCommitIntervalMs: settings.journalCommitIntervalMs,
    onJournalError: (error) => disk.fail(error),
  });
  try {
    const { usage, others } = resumed;
    const taken = await takeEarlier(run, resumed);
    const isLeft = resumed.table.done < resumed.table.length;
    // Before the money: what waits for a device holds none back.
    const opened = isLeft ? await run.openEndpoint() : undefined;
    let most = noUsage;
    if (run.admit !== undefined || usage.lostCalls > 0) {
      const surveyed = survey(run, resumed.table);
      ({ most } = surveyed);
      const { openMax } = surveyed;
      for (const lossy of [usage, ...Object.values(others)]) takeLostAtMost(lossy, most);
      await run.admit?.({ paid: paidOf(resumed), openMax });
    }
    if (opened) {
      const asking = new Asking(run, settings, resumed, opened.endpoint, taken);
      disk.fail = (error) => asking.stop(error);
      if (disk.early) asking.stop(disk.early);
      await asking.untilDone();
    } else {
      if (disk.early) throw disk.early;
      await judgeAnswered(run, settings, resumed, taken);
    }
    return await commitShard(run, resumed, most, beganMs + (opened?.waitedMs ?? 0));
  } finally {
    resumed.parts.stop();
    resumed.journal.close();
    resumed.table.close();
  }
};
