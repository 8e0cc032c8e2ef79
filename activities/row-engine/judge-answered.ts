/**
 * A shard of which no row is left to ask: it is told, judged as it stands and kept like one that was asked (asking.ts), and its model is not needed.
 */
import { Keeping } from './keeping';
import { brokenThreshold } from './outcomes';
import { refusalOf } from './refusal';
import { tellAnswered } from './report-progress';
import type { Resumed } from './resume';
import type { EngineLimits, ShardRun } from './types';

/** Resolves when the shard may be committed. Errors: OutcomeThreshold, DiskFull, Unexpected, and the reason of an abort. */
export async function judgeAnswered(
  run: ShardRun,
  { abortFlushMs }: Pick<EngineLimits, 'abortFlushMs'>,
  resumed: Resumed,
  taken: number,
): Promise<void> {
  const { table } = resumed;
  // The commit meets the same store, and says what is wrong with it.
  const keeping = new Keeping(resumed, () => undefined);
  tellAnswered(run, resumed, taken);
  try {
    run.signal.throwIfAborted();
    const broken = brokenThreshold(table.counts, table.length, run.thresholds);
    if (broken) throw refusalOf(run, resumed, broken, undefined);
    // What earlier attempts on this machine left only in their journals, should the commit fail.
    keeping.flush();
    await keeping.arrived();
  } catch (reason) {
    await keeping.keepAll(abortFlushMs);
    throw reason;
  }
}
