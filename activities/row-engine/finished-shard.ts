/**
 * A shard whose rows are all done: its results in row order, the record that makes them the shard's, and the removal of what led there.
 * Owns what of a shard stays; identity and form of the record are shard-record.ts, when a shard is done asking.ts.
 *
 * Invariant: the record decides between attempts. Whoever writes it first has made the shard, and everybody returns that.
 */
import { setImmediate } from 'node:timers/promises';
import type { JsonValue } from '../../schemas/json';
import type { ShardOutput } from '../../schemas/messages';
import type { Usage } from '../../schemas/rows';
import { reused } from '../reuse';
import { journalFolder, removeJournals } from './journal';
import { KeyPrefixes } from './key-prefixes';
import { removeParts } from './parts';
import type { Resumed } from './resume';
import type { RowTable } from './row-table';
import { shardRecordKey, shardRecordSchema } from './shard-record';
import { paidOf } from './shard-usage';
import type { ShardRun } from './types';

/** Where a result's row key stands in its line. */
const keyAt = '{"key":"'.length;
/** Results read back before the event loop gets its turn: answers that wait in sockets meanwhile are lost to a kill, and a server's slots are idle. */
const rowsPerTurn = 64;

/** The record of a shard, when its results are there too. A damaged record is none: the rows are made again. */
export async function finishedShard(
  run: Pick<ShardRun, 'store' | 'shardKey' | 'journalDir'>,
): Promise<ShardOutput | undefined> {
  const document = await reused(run.store, shardRecordKey(run.shardKey));
  if (document === undefined) return undefined;
  const output = shardRecordSchema.parse(document);
  if (!(await run.store.hasBlob(output.results))) return undefined;
  await removeTraces(run);
  return output;
}

/** Write the results in row order, then the record that makes them the shard's. `most`: tokens for which a lost call was taken. */
export async function commitShard(run: ShardRun, resumed: Resumed, most: Usage, beganMs: number): Promise<ShardOutput> {
  const { table, journal, usage, others } = resumed;
  journal.write();
  const keys = new KeyPrefixes(table.length);
  const results = await run.store.putLines(resultLines(table, keys, run.signal));
  await resumed.countLate(most);
  const paidBy = { ...others, [run.madeBy]: paidOf(resumed) };
  const askedMs = [beganMs, Date.now()] as const;
  const output: ShardOutput = { results, counts: table.counts, usage, madeBy: run.madeBy, paidBy, askedMs };
  const key = shardRecordKey(run.shardKey);
  const put = async (): Promise<ShardOutput> => {
    const { document } = await run.store.putOnce(key, output as unknown as JsonValue);
    return shardRecordSchema.parse(document);
  };
  let standing = await put();
  if (standing.results.sha256 !== results.sha256 && !(await run.store.hasBlob(standing.results))) {
    // The record of results that have gone: a key whose artifact is gone is not a hit.
    await run.store.remove(key);
    standing = await put();
  }
  if (standing.results.sha256 === results.sha256) await run.earlier?.remember(results, keys.whole());
  await removeTraces(run);
  return standing;
}

/** In row order; `keys` are told of each. */
async function* resultLines(table: RowTable, keys: KeyPrefixes, signal: AbortSignal): AsyncGenerator<string> {
  for (let row = 0; row < table.length; row += 1) {
    if (row % rowsPerTurn === rowsPerTurn - 1) {
      // Heartbeats and other shards get their turn.
      await setImmediate();
      signal.throwIfAborted();
    }
    const line = table.line(row);
    // Canonical JSON sorts its members: `key` comes first (resume.ts).
    keys.add(line.slice(keyAt, keyAt + 64));
    yield line;
  }
}

/** Journals and parts are of no use once the record stands. Best effort: an attempt that is still running may leave some behind. */
async function removeTraces(run: Parameters<typeof finishedShard>[0]): Promise<void> {
  await Promise.allSettled([
    removeParts(run.store, run.shardKey),
    removeJournals(journalFolder(run.journalDir, run.shardKey)),
  ]);
}
