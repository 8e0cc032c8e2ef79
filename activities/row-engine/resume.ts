/**
 * Where a shard stands: from any mixture of journals on this disk and parts in the store to one table of rows.
 * Owns the order in which it is read back; what of it counts is found-records.ts, formats are records.ts, the choice between results row-table.ts.
 *
 * Invariants: 1. An answer that was recorded anywhere readable is not asked for again, and is paid for once in the usage, however many
 * copies of its record are found. 2. A record of other rows than the shard's is never used: journals and parts of another shard are
 * refused by their header, and every result's row key is compared with the row's. 3. An answer is never put down to an attempt that may not
 * have made it: copies are known by attempt, so a wrong one would be paid for twice.
 */
import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { Usage } from '../../schemas/rows';
import { FoundRecords, type AskedBefore, type RecordImporter } from './found-records';
import { journalFolder, JournalWriter, journalPaths, readJournal, RecordReader } from './journal';
import { attemptName, isPartOf, PartWriter, readParts } from './parts';
import { journalFormat, lineOf, type AttemptIdentity, type RecordPlace } from './records';
import type { RowTable } from './row-table';
import { charge, takeLostAtMost, type ShardUsage } from './shard-usage';
import type { ShardRun } from './types';

/** Rows whose keys are compared before the event loop gets its turn: other shards' answers wait in sockets meanwhile, and a kill would lose them. */
const rowsPerTurn = 32;

/** Its usage is of all answers found, and of the calls that earlier attempts on this machine had in flight when they ended; the engine counts on. */
export interface Resumed extends ShardUsage {
  readonly table: RowTable;
  readonly attempt: AttemptIdentity;
  /** Number of our own attempt and journal in the table. */
  readonly attemptNumber: number;
  readonly fileNumber: number;
  readonly journal: JournalWriter;
  readonly parts: PartWriter;
  readonly askedBefore: Map<number, AskedBefore>;
  /**
   * Takes into usage what other attempts have put into the store since: they, too, may not have known that they were followed. A call that was taken for
   * lost, at `most` tokens, and was answered after all is lost no more: it would be paid for twice.
   */
  readonly countLate: (most: Usage) => Promise<void>;
  /** What is worth telling: damage and strangers found. */
  readonly notes: readonly string[];
}

/** Read everything known of the shard and open this attempt's journal. Errors: DiskFull, Unexpected, the store's. */
export async function resumeShard(
  run: ShardRun,
  settings: { readonly journalCommitIntervalMs: number; readonly onJournalError: (error: Error) => void },
): Promise<Resumed> {
  const rows = run.rows.length;
  const folder = journalFolder(run.journalDir, run.shardKey);
  const found = new FoundRecords(run.shardKey, rows);
  const notes: string[] = [];
  const table = found.table;
  let journal: JournalWriter | undefined;
  try {
    for (const path of await journalPaths(folder)) {
      const reader = RecordReader.open(path);
      const file = table.readers.push(reader) - 1;
      const { end, damaged } = await readJournal(path, found.journalVisitor(file));
      found.endJournal();
      if (end === 'foreign') notes.push(`${path} belongs to another shard and was left alone`);
      else if (damaged > 0) notes.push(damageNote(damaged, 'place', path));
      // A torn tail is what a kill leaves behind; not worth a word.
    }
    const name = `${attemptName({ ordinal: 0, id: run.attemptId })}-${randomBytes(6).toString('hex')}`;
    journal = await JournalWriter.create(folder, name, settings.journalCommitIntervalMs, settings.onJournalError);
    journal.records.header({ format: journalFormat, shardKey: run.shardKey, rows });
    const fileNumber = table.readers.push(RecordReader.over(journal.path, journal.fd)) - 1;
    const importing = new Importer(journal, table, fileNumber);
    const { parts, damaged } = await readParts(run.store, run.shardKey, () => found.partVisitor(importing));
    if (damaged > 0) notes.push(damageNote(damaged, 'part', 'the store'));
    found.reopenVoid();
    journal.write();
    const askedBefore = found.askedBefore();
    for (const [row, { line }] of askedBefore) if (!isResultOf(run, row, line)) askedBefore.delete(row);
    const strangers = await reopenStrangers(run, table);
    if (strangers > 0) notes.push(`${strangers} results belonged to other rows and are made again`);
    const attempt: AttemptIdentity = { ordinal: found.lastOrdinal + 1, id: run.attemptId, run: run.madeBy };
    journal.begin(attempt);
    journal.write();
    const attemptNumber = table.attemptNumber(attempt);
    const { usage, others } = found.usageBut(run.madeBy);
    const known = new Set(parts);
    const countLate = async (most: Usage): Promise<void> => {
      const late = found.lateAnswers(attemptNumber);
      await readParts(
        run.store,
        run.shardKey,
        () => late.visitor,
        (key) => known.has(key) || isPartOf(key, run.shardKey, attempt),
      );
      for (const [by, total] of late.totals()) {
        takeLostAtMost(total, most);
        charge({ usage, others }, run.madeBy, table.attempts[by]?.run ?? run.madeBy, total);
      }
    };
    return {
      table,
      attempt,
      attemptNumber,
      fileNumber,
      journal,
      parts: new PartWriter(run.store, run.shardKey, attempt, table, journal),
      usage,
      others,
      countLate,
      askedBefore,
      notes,
    };
  } catch (error) {
    journal?.close();
    table.close();
    throw error;
  }
}

function damageNote(count: number, what: string, where: string): string {
  return `${count} damaged ${what}${count === 1 ? '' : 's'} in ${where}; the rows lost there are made again`;
}

/** Results under another row key are no results of this row. */
async function reopenStrangers(run: ShardRun, table: RowTable): Promise<number> {
  let strangers = 0;
  let compared = 0;
  for (let row = 0; row < table.length; row += 1) {
    if (!table.isDone(row)) continue;
    const line = lineOf(table.frame(row));
    if (!isResultOf(run, row, line)) {
      table.reopen(row);
      strangers += 1;
    }
    compared += 1;
    if (compared % rowsPerTurn === 0) await setImmediate();
  }
  return strangers;
}

/** Canonical JSON sorts its members: `key` comes first. */
function isResultOf(run: ShardRun, row: number, line: string | undefined): boolean {
  return line !== undefined && line.startsWith(`{"key":${JSON.stringify(run.rows.row(row).key)},`);
}

/** Copies results that only the store has into our own journal, so that every result can be read from this disk. */
class Importer implements RecordImporter {
  private current: number | undefined;

  constructor(
    private readonly journal: JournalWriter,
    private readonly table: RowTable,
    readonly file: number,
  ) {}

  add(attempt: number, frame: Buffer): RecordPlace {
    const identity = this.table.attempts[attempt];
    if (identity && this.current !== attempt) {
      this.journal.begin(identity);
      this.current = attempt;
    }
    const base = this.journal.readable;
    const { offset, bytes } = this.journal.records.frame(frame);
    if (this.journal.records.length >= 1024 * 1024) this.journal.write();
    return { offset: base + offset, bytes };
  }
}
