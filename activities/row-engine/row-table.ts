/**
 * What is known of each row of a shard: open or finished, and where its result stands on this disk. About twenty bytes a row;
 * the results themselves stay in the journals.
 * Owns the choice between several results of one row; loading them is resume.ts.
 *
 * Two attempts may have answered the same row (one was taken for dead and was not). The winner is the same for every reader:
 * a result with an answer before one without (failed), then the lower attempt (ordinal, then id), that is: who answered first wins.
 */
import { rowOutcomes, type OutcomeCounts, type RowOutcome } from '../../schemas/rows';
import type { RecordReader } from './journal';
import type { AttemptIdentity, RecordPlace } from './records';

const failedCode = rowOutcomes.indexOf('failed') + 1;

export class RowTable {
  readonly attempts: AttemptIdentity[] = [];
  /** Files that places refer to, by number. */
  readonly readers: RecordReader[] = [];
  private readonly counted: Record<RowOutcome, number> = { ok: 0, malformed: 0, refused: 0, truncated: 0, failed: 0 };
  private finished = 0;
  /** 0 = open, else 1 + index into rowOutcomes. */
  private readonly outcomes: Uint8Array;
  private readonly attempt: Uint16Array;
  private readonly file: Uint16Array;
  private readonly offset: Float64Array;
  private readonly bytes: Uint32Array;
  /** 1 = this very result is in a part in the store. */
  private readonly stored: Uint8Array;

  constructor(readonly length: number) {
    this.outcomes = new Uint8Array(length);
    this.attempt = new Uint16Array(length);
    this.file = new Uint16Array(length);
    this.offset = new Float64Array(length);
    this.bytes = new Uint32Array(length);
    this.stored = new Uint8Array(length);
  }

  get done(): number {
    return this.finished;
  }

  get counts(): OutcomeCounts {
    return { ...this.counted };
  }

  count(outcome: RowOutcome): number {
    return this.counted[outcome];
  }

  /** Number of an attempt; the same identity has one number. */
  attemptNumber(identity: AttemptIdentity): number {
    const { ordinal, id } = identity;
    const known = this.attempts.findIndex((attempt) => attempt.ordinal === ordinal && attempt.id === id);
    return known >= 0 ? known : this.attempts.push(identity) - 1;
  }

  isDone(row: number): boolean {
    return this.outcomes[row] !== 0;
  }

  outcome(row: number): RowOutcome | undefined {
    return rowOutcomes[(this.outcomes[row] ?? 0) - 1];
  }

  attemptOf(row: number): number {
    return this.attempt[row] ?? 0;
  }

  isStored(row: number): boolean {
    return this.stored[row] === 1;
  }

  markStored(row: number): void {
    this.stored[row] = 1;
  }

  /** Whether a result would take the row: asked before its bytes are put anywhere. */
  wants(row: number, outcome: RowOutcome, attempt: number): boolean {
    const held = this.outcomes[row] ?? 0;
    if (held === 0) return true;
    const failed = outcome === 'failed';
    if (failed !== (held === failedCode)) return !failed;
    return this.earlier(attempt, this.attemptOf(row));
  }

  /** Take a result for a row that wants it. */
  take(row: number, outcome: RowOutcome, attempt: number, file: number, place: RecordPlace, stored: boolean): void {
    this.reopen(row);
    this.outcomes[row] = rowOutcomes.indexOf(outcome) + 1;
    this.attempt[row] = attempt;
    this.file[row] = file;
    this.offset[row] = place.offset;
    this.bytes[row] = place.bytes;
    this.stored[row] = stored ? 1 : 0;
    this.counted[outcome] += 1;
    this.finished += 1;
  }

  /** Forget a row's result: it is asked again. */
  reopen(row: number): void {
    const outcome = this.outcome(row);
    if (outcome === undefined) return;
    this.outcomes[row] = 0;
    this.counted[outcome] -= 1;
    this.finished -= 1;
  }

  /** The framed record of a finished row; valid until the next call. */
  frame(row: number): Buffer {
    return this.reader(row).frame(this.place(row));
  }

  /** The result of a finished row as a line of canonical JSON, verified. */
  line(row: number): string {
    return this.reader(row).line(this.place(row));
  }

  close(): void {
    for (const reader of this.readers) reader.close();
  }

  private place(row: number): RecordPlace {
    return { offset: this.offset[row] ?? 0, bytes: this.bytes[row] ?? 0 };
  }

  private reader(row: number): RecordReader {
    const reader = this.readers[this.file[row] ?? 0];
    if (!reader) throw new Error(`row ${row} has no journal`);
    return reader;
  }

  private earlier(one: number, other: number): boolean {
    const a = this.attempts[one];
    const b = this.attempts[other];
    if (!a || !b || one === other) return false;
    return a.ordinal !== b.ordinal ? a.ordinal < b.ordinal : a.id < b.id;
  }
}
