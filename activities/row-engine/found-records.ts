/**
 * What the journals and parts of a shard say together: which answers there are, which of them were counted, who paid for them, and which calls have
 * no end. Owns what counts, and what damage leaves in doubt; reading them in order is resume.ts, the choice between results row-table.ts.
 */
import { noUsage } from '../../schemas/manifest';
import type { Usage } from '../../schemas/rows';
import { lineOf, type AnswerRecord, type RecordPlace, type RecordVisitor } from './records';
import { RowTable } from './row-table';
import { addSpent, addUsage, charge, type MutableUsage } from './shard-usage';

/** Malformed answers that a row has had and that are being asked again. */
export interface AskedBefore {
  readonly asks: number;
  readonly usage: Usage;
  /** The last of them as a result: recorded when nothing better comes. */
  readonly line: string;
}

/** Copies a result that only the store has, and says where it stands. */
export interface RecordImporter {
  readonly file: number;
  add(attempt: number, frame: Buffer): RecordPlace;
}

/** Which answer of which row. */
interface Place {
  readonly ask: number;
  readonly row: number;
}

interface Asked {
  readonly attempt: number;
  readonly usage: Usage;
  readonly line: string;
}

/** Records of one shard as they are found, whichever order they come in. */
export class FoundRecords {
  readonly table: RowTable;
  lastOrdinal = 0;
  /** By attempt: whose run pays is known of each. */
  private readonly totals = new Map<number, MutableUsage>();
  /** Bit sets over rows by attempt and ask: which physical answers were counted. */
  private readonly seen = new Map<number, Uint8Array>();
  private readonly asked = new Map<number, Map<number, Asked>>();
  private voidUpTo = 0;
  /** Calls, by attempt, ask and row, of which no end was found so far; with their attempt. */
  private readonly open = new Map<string, number>();
  /** Those have been counted. */
  private openAreLost = false;
  /** Calls and answers after damage, of which nobody knows whose they were. */
  private readonly nobodys = new Map<string, Place>();
  /** The same of the journal that is being read, until its end: a journal's calls are all of one attempt, the one it names last. */
  private stray = strays();
  private lastNamed: number | undefined;
  private readonly unowned: MutableUsage = { ...noUsage };

  constructor(
    private readonly shardKey: string,
    private readonly rows: number,
  ) {
    this.table = new RowTable(rows);
  }

  /** All that was found, and what of it other runs than this one have paid for. What nobody is known to have paid is taken for this run's. */
  usageBut(runId: string): { usage: MutableUsage; others: Record<string, MutableUsage> } {
    for (const attempt of this.open.values()) this.totalOf(attempt).lostCalls += 1;
    this.openAreLost = true;
    const usage: MutableUsage = { ...this.unowned, lostCalls: this.unowned.lostCalls + this.lostToDamage() };
    // Without a prototype: a run may be called what every object has.
    const others = Object.create(null) as Record<string, MutableUsage>;
    for (const [attempt, total] of this.totals) {
      charge({ usage, others }, runId, this.table.attempts[attempt]?.run ?? runId, total);
    }
    return { usage, others };
  }

  /**
   * Calls found after damage whose answers stand nowhere under the name of their attempt: they are asked again, and paid for twice. Where both a
   * call and its answer were hit themselves nothing tells of it.
   */
  private lostToDamage(): number {
    const openCalls = new Set([...this.open.keys()].map((call) => call.slice(call.indexOf('/') + 1)));
    let lost = 0;
    for (const [call, { ask, row }] of this.nobodys) {
      const seenAnywhere = this.table.attempts.some((_, attempt) => this.wasSeen(attempt, ask, row));
      // One whose intent stands before the damage is counted already.
      if (!seenAnywhere && !openCalls.has(call)) lost += 1;
    }
    return lost;
  }

  /** A journal has been read to its end: what stood after damage in it is its attempt's, if that is named anywhere. */
  endJournal(): void {
    const { calls, answers, failed, spent } = this.stray;
    const owner = this.lastNamed;
    for (const [call, place] of calls) {
      if (owner === undefined) this.nobodys.set(call, place);
      else if (!this.wasSeen(owner, place.ask, place.row)) this.open.set(`${owner}/${call}`, owner);
    }
    // Answers stand in a journal that were made for others, too: those of its own have their call before them.
    for (const [call, place] of answers) if (!calls.has(call)) this.nobodys.set(call, place);
    if (owner !== undefined) for (const call of failed) this.open.delete(`${owner}/${call}`);
    for (const usage of spent) this.addSpent(owner, usage);
    this.stray = strays();
    this.lastNamed = undefined;
  }

  /** A call that failed when the server had worked on it. A journal is read once, and no copy of such a record stands anywhere else. */
  private addSpent(attempt: number | undefined, usage: Usage | undefined): void {
    // Where nobody is known to have paid it is taken for this run's, like other calls that were lost to damage.
    const total = attempt === undefined ? this.unowned : this.totalOf(attempt);
    addSpent(total, usage);
  }

  private totalOf(attempt: number): MutableUsage {
    let total = this.totals.get(attempt);
    if (!total) this.totals.set(attempt, (total = { ...noUsage }));
    return total;
  }

  journalVisitor(file: number): RecordVisitor {
    return this.visitor((row, record, attempt, place) => {
      if (this.table.wants(row, record.outcome, attempt))
        this.table.take(row, record.outcome, attempt, file, place, false);
    });
  }

  partVisitor(importer: RecordImporter): RecordVisitor {
    return this.visitor((row, record, attempt, _place, frame, fresh) => {
      if (!fresh) {
        if (this.table.isDone(row) && this.table.attemptOf(row) === attempt) this.table.markStored(row);
      } else if (this.table.wants(row, record.outcome, attempt)) {
        this.table.take(row, record.outcome, attempt, importer.file, importer.add(attempt, frame), true);
      }
    });
  }

  /**
   * Reads parts that came later, for their usage only. `totals`: by attempt, of answers seen for the first time; not of attempt `own`. lostCalls is
   * below 0 by those of them that had been taken for lost.
   */
  lateAnswers(own: number): { visitor: RecordVisitor; totals: () => [attempt: number, total: MutableUsage][] } {
    const before = new Map([...this.totals].map(([attempt, total]) => [attempt, { ...total }]));
    return {
      visitor: this.visitor(() => undefined),
      totals: () =>
        [...this.totals].flatMap(([attempt, total]): [number, MutableUsage][] => {
          if (attempt === own) return [];
          const more = { ...total };
          const known = before.get(attempt) ?? noUsage;
          for (const name of Object.keys(more) as (keyof MutableUsage)[]) more[name] -= known[name];
          return [[attempt, more]];
        }),
    };
  }

  /** Failed rows that a person was told about are open again. */
  reopenVoid(): void {
    if (this.voidUpTo === 0 || this.table.count('failed') === 0) return;
    for (let row = 0; row < this.rows; row += 1) {
      const ordinal = this.table.attempts[this.table.attemptOf(row)]?.ordinal ?? 0;
      if (this.table.outcome(row) === 'failed' && ordinal <= this.voidUpTo) this.table.reopen(row);
    }
  }

  /** Open rows with malformed answers, without a gap from the first. */
  askedBefore(): Map<number, AskedBefore> {
    const open = new Map<number, AskedBefore>();
    for (const [row, answers] of this.asked) {
      if (this.table.isDone(row)) continue;
      let usage: Usage = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 };
      let asks = 0;
      let line = '';
      for (let answer = answers.get(0); answer; answer = answers.get(asks)) {
        usage = addUsage(usage, answer.usage);
        line = answer.line;
        asks += 1;
      }
      if (asks > 0) open.set(row, { asks, usage, line });
    }
    return open;
  }

  private visitor(
    finished: (
      row: number,
      record: AnswerRecord,
      attempt: number,
      place: RecordPlace,
      frame: Buffer,
      fresh: boolean,
    ) => void,
  ): RecordVisitor {
    const nobody = -1;
    let attempt = nobody;
    const callOf = (row: number, ask: number): string => `${attempt}/${ask}/${row}`;
    return {
      header: ({ shardKey, rows }) => shardKey === this.shardKey && rows === this.rows,
      attempt: (identity) => {
        attempt = this.table.attemptNumber(identity);
        this.lastNamed = attempt;
        this.lastOrdinal = Math.max(this.lastOrdinal, identity.ordinal);
      },
      damage: () => {
        attempt = nobody;
      },
      intent: (row, ask) => {
        if (attempt === nobody) this.stray.calls.set(`${ask}/${row}`, { ask, row });
        else if (!this.wasSeen(attempt, ask, row)) this.open.set(callOf(row, ask), attempt);
      },
      failure: (row, ask) => {
        if (attempt === nobody) {
          this.stray.calls.delete(`${ask}/${row}`);
          this.stray.failed.add(`${ask}/${row}`);
        } else this.open.delete(callOf(row, ask));
      },
      spent: (row, ask, usage) => {
        if (attempt === nobody) {
          this.stray.calls.delete(`${ask}/${row}`);
          this.stray.failed.add(`${ask}/${row}`);
          this.stray.spent.push(usage);
        } else {
          this.open.delete(callOf(row, ask));
          this.addSpent(attempt, usage);
        }
      },
      reopen: () => {
        this.voidUpTo = Math.max(this.voidUpTo, this.table.attempts[attempt]?.ordinal ?? 0);
      },
      answer: (record, place, frame) => {
        const { row, ask } = record;
        if (row >= this.rows) return;
        if (attempt === nobody) {
          if (record.answered) this.stray.answers.set(`${ask}/${row}`, { ask, row });
          return;
        }
        const wasOpen = this.open.delete(callOf(row, ask));
        const fresh = this.firstSight(attempt, ask, row);
        if (fresh && record.answered) {
          const total = this.totalOf(attempt);
          if (wasOpen && this.openAreLost) total.lostCalls -= 1;
          addSpent(total, record.usage);
          if (record.estimated) total.estimatedCalls += 1;
        }
        if (record.final) finished(row, record, attempt, place, frame, fresh);
        else if (fresh) this.remember(row, ask, attempt, record.usage, lineOf(frame) ?? '');
      },
    };
  }

  private remember(row: number, ask: number, attempt: number, usage: Usage, line: string): void {
    const answers = this.asked.get(row) ?? new Map<number, Asked>();
    this.asked.set(row, answers);
    const held = answers.get(ask);
    const [mine, theirs] = [this.table.attempts[attempt], held && this.table.attempts[held.attempt]];
    if (
      held &&
      mine &&
      theirs &&
      (theirs.ordinal < mine.ordinal || (theirs.ordinal === mine.ordinal && theirs.id < mine.id))
    )
      return;
    answers.set(ask, { attempt, usage, line });
  }

  private wasSeen(attempt: number, ask: number, row: number): boolean {
    const byte = this.seen.get(attempt * 256 + ask)?.[row >> 3] ?? 0;
    return (byte & (1 << (row & 7))) !== 0;
  }

  private firstSight(attempt: number, ask: number, row: number): boolean {
    const key = attempt * 256 + ask;
    let bits = this.seen.get(key);
    if (!bits) this.seen.set(key, (bits = new Uint8Array(Math.ceil(this.rows / 8))));
    const byte = bits[row >> 3] ?? 0;
    const bit = 1 << (row & 7);
    bits[row >> 3] = byte | bit;
    return (byte & bit) === 0;
  }
}

interface Strays {
  readonly calls: Map<string, Place>;
  readonly answers: Map<string, Place>;
  readonly failed: Set<string>;
  /** What those calls had taken, where a server said so. */
  readonly spent: (Usage | undefined)[];
}

function strays(): Strays {
  return { calls: new Map(), answers: new Map(), failed: new Set(), spent: [] };
}
