/**
 * The bytes of a journal and of a part: framed records, each with its length and a CRC-32.
 * Owns the format and its reading; journal.ts keeps records on disk, parts.ts in the store, resume.ts says which one counts.
 *
 * Frame: [payload length u32le][crc32 of payload u32le][payload]. Payload: [type u8][fields]. Types:
 *   header   {format, shardKey, rows}: the first record of every journal and part
 *   attempt  {ordinal, id, run}: who made the records that follow, until the next one
 *   intent   row, ask: a call is about to be made
 *   failure  row, ask: that call ended without an answer (an intent with neither was in flight, or lost)
 *   spent    row, ask, usage: the same, and the server had worked on it; with what it said that this took, if it said so
 *   answer   row, ask, usage, result: an answer that will be asked again (malformed); it was paid for
 *   outcome  row, ask, usage, result: the row is finished
 *   reopen   failed outcomes of attempts up to this one are void: a person was told and asked us to go on
 * Invariants: 1. A reader yields whole records only, in their order: never one that was not written. Damage costs the records that it hit, and
 * those after it are found again at the next whole frame. (No result can pass for a frame: canonical JSON has no byte below 0x20, a type is one.)
 * 2. What could not be read may have said whose records follow: after it they are nobody's, until the next attempt record.
 * 3. An empty payload is no record, so that a tail of zeros (power cut) is a torn tail.
 */
import { crc32 } from 'node:zlib';
import { journalRecordBytesMax } from '../../schemas/limits';
import { rowOutcomes, type RowOutcome, type Usage } from '../../schemas/rows';

export const journalFormat = 1;

const types = { header: 1, attempt: 2, intent: 3, answer: 4, outcome: 5, reopen: 6, failure: 7, spent: 8 } as const;
const frameBytes = 8;
/** Of an intent and of a failure: [type u8][row u32][ask u8]. */
const callBytes = 6;
/** [type u8][row u32][ask u8][told u8][input u32][cached u32][output u32] */
const spentBytes = 19;
/** [type u8][row u32][ask u8][outcome u8][flags u8][input u32][cached u32][output u32], then the result's line. */
const answerBytes = 20;
/** Flags of an answer. */
const answeredBit = 1;
const estimatedBit = 2;

/** Checksums of a garbled file's would-be frames may take this many bytes at once, and so many more for each byte that was read: linear time. */
const checkedBytesMin = 2 * journalRecordBytesMax;
const checkedPerByteMax = 64;

/** An attempt at a shard. Ordinals grow with every attempt that knew of the ones before; ids tell apart those that did not. */
export interface AttemptIdentity {
  readonly ordinal: number;
  readonly id: string;
  /** The run that pays for what it asks; of an older version's attempt nobody knows. */
  readonly run?: string;
}

export interface ShardHeader {
  readonly format: number;
  readonly shardKey: string;
  readonly rows: number;
}

export interface AnswerRecord {
  /** Finished (outcome), or to be asked again (answer). */
  readonly final: boolean;
  readonly row: number;
  /** Which answer of the row this is, from 0. */
  readonly ask: number;
  readonly outcome: RowOutcome;
  /** Whether an answer was received with this record: false for a row that failed without one. */
  readonly answered: boolean;
  /** The server gave no counts that can be used: `usage` is estimated. */
  readonly estimated?: true;
  readonly usage: Usage;
}

/** Where a record stands: the frame's first byte and the payload's length. */
export interface RecordPlace {
  readonly offset: number;
  readonly bytes: number;
}

export interface RecordVisitor {
  /** False: this is not the shard that was asked for; reading stops. */
  header(header: ShardHeader): boolean;
  attempt(identity: AttemptIdentity): void;
  intent(row: number, ask: number): void;
  failure(row: number, ask: number): void;
  /** `usage` is undefined where the server did not tell. */
  spent(row: number, ask: number, usage: Usage | undefined): void;
  /** `frame` is the whole framed record, valid only during the call. */
  answer(record: AnswerRecord, place: RecordPlace, frame: Buffer): void;
  reopen(frame: Buffer): void;
  /** Records are missing here: among them perhaps the attempt that made those which follow. */
  damage(): void;
}

/** A growing buffer that records are framed into. */
export class RecordBuffer {
  private bytes: Buffer;
  private used = 0;

  constructor(initialBytes = 64 * 1024) {
    this.bytes = Buffer.allocUnsafe(initialBytes);
  }

  get length(): number {
    return this.used;
  }

  header(header: ShardHeader): void {
    this.json(types.header, header);
  }

  attempt({ ordinal, id, run }: AttemptIdentity): void {
    this.json(types.attempt, { ordinal, id, ...(run === undefined ? {} : { run }) });
  }

  reopen(): void {
    this.json(types.reopen, {});
  }

  intent(row: number, ask: number): void {
    this.call(types.intent, row, ask);
  }

  failure(row: number, ask: number): void {
    this.call(types.failure, row, ask);
  }

  spent(row: number, ask: number, usage: Usage | undefined): void {
    const start = this.open(spentBytes);
    const { bytes } = this;
    bytes[start] = types.spent;
    bytes.writeUInt32LE(row, start + 1);
    bytes[start + 5] = ask;
    bytes[start + 6] = usage ? 1 : 0;
    bytes.writeUInt32LE(usage?.inputTokens ?? 0, start + 7);
    bytes.writeUInt32LE(usage?.cachedInputTokens ?? 0, start + 11);
    bytes.writeUInt32LE(usage?.outputTokens ?? 0, start + 15);
    this.close(start, spentBytes);
  }

  /** Returns the record's place relative to the start of this buffer. `line` is the row's result as canonical JSON. */
  answer(record: AnswerRecord, line: string): RecordPlace {
    const payload = answerBytes + Buffer.byteLength(line);
    const start = this.open(payload);
    const { bytes } = this;
    bytes[start] = record.final ? types.outcome : types.answer;
    bytes.writeUInt32LE(record.row, start + 1);
    bytes[start + 5] = record.ask;
    bytes[start + 6] = rowOutcomes.indexOf(record.outcome);
    bytes[start + 7] = (record.answered ? answeredBit : 0) | (record.estimated ? estimatedBit : 0);
    bytes.writeUInt32LE(record.usage.inputTokens, start + 8);
    bytes.writeUInt32LE(record.usage.cachedInputTokens, start + 12);
    bytes.writeUInt32LE(record.usage.outputTokens, start + 16);
    bytes.write(line, start + answerBytes, 'utf8');
    this.close(start, payload);
    return { offset: start - frameBytes, bytes: payload };
  }

  /** A record that is framed already. Returns its place. */
  frame(frame: Buffer): RecordPlace {
    const offset = this.used;
    this.reserve(frame.length);
    frame.copy(this.bytes, offset);
    this.used += frame.length;
    return { offset, bytes: frame.length - frameBytes };
  }

  /** The bytes so far; valid until the next call. */
  view(): Buffer {
    return this.bytes.subarray(0, this.used);
  }

  /** Forget the first bytes: they were written. */
  drop(bytes: number): void {
    this.bytes.copyWithin(0, bytes, this.used);
    this.used -= bytes;
    // A giant answer must not keep its buffer for the rest of the shard.
    if (this.used === 0 && this.bytes.length > 1024 * 1024) this.bytes = Buffer.allocUnsafe(64 * 1024);
  }

  private call(type: number, row: number, ask: number): void {
    const start = this.open(callBytes);
    this.bytes[start] = type;
    this.bytes.writeUInt32LE(row, start + 1);
    this.bytes[start + 5] = ask;
    this.close(start, callBytes);
  }

  private json(type: number, value: unknown): void {
    const text = JSON.stringify(value);
    const payload = 1 + Buffer.byteLength(text);
    const start = this.open(payload);
    this.bytes[start] = type;
    this.bytes.write(text, start + 1, 'utf8');
    this.close(start, payload);
  }

  private open(payload: number): number {
    this.reserve(frameBytes + payload);
    return this.used + frameBytes;
  }

  private close(start: number, payload: number): void {
    this.bytes.writeUInt32LE(payload, start - 8);
    this.bytes.writeUInt32LE(crc32(this.bytes.subarray(start, start + payload)), start - 4);
    this.used = start + payload;
  }

  private reserve(more: number): void {
    if (this.used + more <= this.bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.used + more));
    this.bytes.copy(grown, 0, 0, this.used);
    this.bytes = grown;
  }
}

/** How a reading ended. `foreign`: the header names another shard. `torn`: bytes after the last good record. */
export type RecordsEnd = 'whole' | 'torn' | 'foreign';

/**
 * Reads records from chunks of bytes, in order. After bytes that are no record it goes on at the next whole frame; in bounded memory
 * (journalRecordBytesMax) and linear time, whatever the bytes are. A damaged header is passed over like any other record.
 */
export class RecordParser {
  /** Places where records are missing, with others after them. What is missing at the end is a torn tail. */
  damaged = 0;
  private held: Buffer[] = [];
  private heldBytes = 0;
  /** No use in looking before so many bytes are held. */
  private wantedBytes = 0;
  /** Where the bytes held begin, from the start of all bytes. */
  private at = 0;
  private skipping = false;
  private recordSeen = false;
  private foreign = false;
  private checkableBytes = checkedBytesMin;

  constructor(private readonly visitor: RecordVisitor) {}

  /** Returns false when nothing more will be read. */
  push(chunk: Buffer): boolean {
    if (this.foreign) return false;
    this.held.push(chunk);
    this.heldBytes += chunk.length;
    if (this.heldBytes >= this.wantedBytes) this.parse(false);
    return !this.foreign;
  }

  end(): RecordsEnd {
    if (!this.foreign) this.parse(true);
    if (this.foreign) return 'foreign';
    return this.skipping || this.heldBytes > 0 || !this.recordSeen ? 'torn' : 'whole';
  }

  /** `last`: no more bytes will come. */
  private parse(last: boolean): void {
    const data = this.held.length === 1 ? (this.held[0] as Buffer) : Buffer.concat(this.held);
    let at = 0;
    this.wantedBytes = 0;
    while (data.length - at > frameBytes) {
      const payloadBytes = data.readUInt32LE(at);
      const end = at + frameBytes + payloadBytes;
      const plausible = isPlausible(data[at + frameBytes] ?? 0, payloadBytes);
      if (plausible && end > data.length && !last) {
        this.wantedBytes = end - at;
        break;
      }
      if (!plausible || end > data.length || !this.isWhole(data.subarray(at, end))) {
        this.skipping = true;
        this.checkableBytes += checkedPerByteMax;
        at += 1;
        continue;
      }
      if (this.skipping) {
        this.damaged += 1;
        this.visitor.damage();
        this.skipping = false;
      }
      this.recordSeen = true;
      if (!this.visit(data.subarray(at, end), this.at + at)) {
        this.foreign = true;
        return;
      }
      at = end;
    }
    this.held = at < data.length ? [data.subarray(at)] : [];
    this.heldBytes = data.length - at;
    this.at += at;
  }

  /** By its checksum. Good frames cost nothing of what may be checked: they are not looked at again. */
  private isWhole(frame: Buffer): boolean {
    if (frame.length > this.checkableBytes) return false;
    if (crc32(frame.subarray(frameBytes)) === frame.readUInt32LE(4)) return true;
    this.checkableBytes -= frame.length;
    return false;
  }

  /** Returns false for a header of another shard. */
  private visit(frame: Buffer, offset: number): boolean {
    const payload = frame.subarray(frameBytes);
    const type = payload[0];
    switch (type) {
      case types.header: {
        const header = JSON.parse(payload.toString('utf8', 1)) as ShardHeader;
        return header.format === journalFormat && this.visitor.header(header);
      }
      case types.attempt:
        this.visitor.attempt(JSON.parse(payload.toString('utf8', 1)) as AttemptIdentity);
        break;
      case types.intent:
        this.visitor.intent(payload.readUInt32LE(1), payload[5] ?? 0);
        break;
      case types.failure:
        this.visitor.failure(payload.readUInt32LE(1), payload[5] ?? 0);
        break;
      case types.spent:
        this.visitor.spent(payload.readUInt32LE(1), payload[5] ?? 0, parseSpent(payload));
        break;
      case types.answer:
      case types.outcome: {
        const record = parseAnswer(payload, type === types.outcome);
        if (record) this.visitor.answer(record, { offset, bytes: payload.length }, frame);
        break;
      }
      case types.reopen:
        this.visitor.reopen(frame);
        break;
      default:
    }
    return true;
  }
}

/** Whether a record of that type can be so long: most garbage is told from a frame by this alone. */
function isPlausible(type: number, payloadBytes: number): boolean {
  if (payloadBytes > journalRecordBytesMax) return false;
  switch (type) {
    case types.intent:
    case types.failure:
      return payloadBytes === callBytes;
    case types.spent:
      return payloadBytes === spentBytes;
    case types.answer:
    case types.outcome:
      return payloadBytes >= answerBytes;
    case types.header:
    case types.attempt:
    case types.reopen:
      // At least the type and {}.
      return payloadBytes >= 3;
    default:
      return false;
  }
}

function parseSpent(payload: Buffer): Usage | undefined {
  if (payload[6] !== 1) return undefined;
  return {
    inputTokens: payload.readUInt32LE(7),
    cachedInputTokens: payload.readUInt32LE(11),
    outputTokens: payload.readUInt32LE(15),
  };
}

function parseAnswer(payload: Buffer, final: boolean): AnswerRecord | undefined {
  const outcome = rowOutcomes[payload[6] ?? -1];
  if (outcome === undefined) return undefined;
  const flags = payload[7] ?? 0;
  return {
    final,
    row: payload.readUInt32LE(1),
    ask: payload[5] ?? 0,
    outcome,
    answered: (flags & answeredBit) !== 0,
    ...((flags & estimatedBit) !== 0 && { estimated: true as const }),
    usage: {
      inputTokens: payload.readUInt32LE(8),
      cachedInputTokens: payload.readUInt32LE(12),
      outputTokens: payload.readUInt32LE(16),
    },
  };
}

/**
 * Call `visit` with every whole frame that another machine needs: answers, outcomes, reopenings. Returns how many bytes were whole frames.
 * For bytes that this process wrote itself: they are not verified.
 */
export function forEachLasting(bytes: Buffer, visit: (frame: Buffer) => void): number {
  let at = 0;
  while (bytes.length - at >= frameBytes) {
    const end = at + frameBytes + bytes.readUInt32LE(at);
    if (end > bytes.length) break;
    const type = bytes[at + frameBytes];
    if (type === types.answer || type === types.outcome || type === types.reopen) visit(bytes.subarray(at, end));
    at = end;
  }
  return at;
}

/** The result's line out of a framed answer or outcome; undefined when the frame is damaged. */
export function lineOf(frame: Buffer): string | undefined {
  if (frame.length < frameBytes + answerBytes || frame.readUInt32LE(0) !== frame.length - frameBytes) return undefined;
  const payload = frame.subarray(frameBytes);
  if (crc32(payload) !== frame.readUInt32LE(4)) return undefined;
  return payload.toString('utf8', answerBytes);
}

/** Bytes of a whole frame, from the payload's. */
export function framedBytes(payloadBytes: number): number {
  return frameBytes + payloadBytes;
}
