/**
 * The row engine: ask a model all rows of a shard, keep every answer, and leave one artifact whose bytes depend on nothing but the answers.
 * Owns the order of a shard's steps: what stands there (resume.ts), what was had elsewhere (take-earlier.ts), the money (the run's `admit`), asking
 * (asking.ts), and the finished shard (finished-shard.ts).
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
 * Errors: EndpointUnauthorized, EndpointUnknownModel, EndpointNotCompatible, EndpointOutOfMoney, EndpointUnreachable, OutcomeThreshold,
 * RowsStalled, DiskFull, Unexpected, and the store's. An abort rejects with the signal's reason. Whatever the error, a further call with
 * the same shard key goes on where this one stood.
 */
export const runShard: RunShard = async (run) => {
  run.signal.throwIfAborted();
  const beganMs = run.worksSinceMs ?? Date.now();
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
    let most = noUsage;
    if (run.admit !== undefined || usage.lostCalls > 0) {
      const surveyed = survey(run, resumed.table);
      ({ most } = surveyed);
      const { openMax } = surveyed;
      for (const lossy of [usage, ...Object.values(others)]) takeLostAtMost(lossy, most);
      await run.admit?.({ paid: paidOf(resumed), openMax });
    }
    const asking = new Asking(run, settings, resumed, taken);
    disk.fail = (error) => asking.stop(error);
    if (disk.early) asking.stop(disk.early);
    await asking.untilDone();
    return await commitShard(run, resumed, most, beganMs);
  } finally {
    resumed.parts.stop();
    resumed.journal.close();
    resumed.table.close();
  }
};
