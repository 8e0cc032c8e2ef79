/**
 * A shard's parts in the store: `parts/<shardKey>/<attempt>-<n>`, so that another machine repeats at most one flush interval.
 * Owns their keys and what is put in them: answers and outcomes, never intents. The bytes are records.ts.
 *
 * A part is written by one attempt and never replaced: its name holds the attempt's ordinal and id. Attempts that run at the same
 * time (a zombie) write beside each other; resume.ts chooses the same winner from any set of parts.
 */
import { createHash } from 'node:crypto';
import type { ArtifactStore } from '../../drivers/store/store';
import { partBytesMax } from '../../schemas/limits';
import { isDamage } from '../damaged';
import { RecordReader, type JournalWriter } from './journal';
import {
  forEachLasting,
  journalFormat,
  RecordBuffer,
  RecordParser,
  type AttemptIdentity,
  type RecordsEnd,
  type RecordVisitor,
} from './records';
import type { RowTable } from './row-table';

/** How much of the journal is read at once. */
const readChunkBytes = 1024 * 1024;

/** How many parts are fetched at once when a shard is resumed. */
const partsInFlightMax = 8;

/** All parts of a shard stand under this prefix. */
export function partsPrefix(shardKey: string): string {
  return `parts/${shardKey}/`;
}

/** An attempt's name in keys and file names: ordered by ordinal, safe for any file system. */
export function attemptName({ ordinal, id }: AttemptIdentity): string {
  const safe = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/.test(id)
    ? id
    : createHash('sha256').update(id).digest('hex').slice(0, 32);
  return `${String(ordinal).padStart(6, '0')}.${safe}`;
}

/** Puts what an attempt has finished into the store, part after part. */
export class PartWriter {
  private next = 0;
  /** Our own journal is in parts up to here. */
  private storedUpTo: number;
  /** Rows whose results are only in journals of earlier attempts on this machine; another machine would have to ask them again. */
  private backlog: number[] = [];
  private readonly reader: RecordReader;
  private stopped = false;

  constructor(
    private readonly store: ArtifactStore,
    private readonly shardKey: string,
    private readonly attempt: AttemptIdentity,
    private readonly table: RowTable,
    private readonly journal: JournalWriter,
  ) {
    this.storedUpTo = journal.readable;
    this.reader = RecordReader.over(journal.path, journal.fd);
    for (let row = 0; row < table.length; row += 1)
      if (table.isDone(row) && !table.isStored(row)) this.backlog.push(row);
  }

  /** Whether the journals hold more than the store. */
  hasMore(): boolean {
    return this.backlog.length > 0 || this.journal.readable > this.storedUpTo;
  }

  /** Store all that was written to the journals so far. What fails is tried again by the next flush. Errors: the store's. */
  async flush(): Promise<void> {
    await this.flushBacklog();
    await this.flushOwn();
  }

  /** No more reading from the journals: they are about to be closed. A part on its way still arrives. */
  stop(): void {
    this.stopped = true;
  }

  private async flushBacklog(): Promise<void> {
    while (this.backlog.length > 0 && !this.stopped) {
      const records = this.begin();
      let attempt: number | undefined;
      let taken = 0;
      for (const row of this.backlog) {
        if (records.length >= partBytesMax) break;
        taken += 1;
        if (!this.table.isDone(row)) continue;
        const by = this.table.attemptOf(row);
        const identity = this.table.attempts[by];
        if (by !== attempt && identity) records.attempt(identity);
        attempt = by;
        records.frame(this.table.frame(row));
      }
      await this.put(records);
      this.backlog = this.backlog.slice(taken);
    }
  }

  private async flushOwn(): Promise<void> {
    const upTo = this.journal.readable;
    while (this.storedUpTo < upTo && !this.stopped) {
      const records = this.begin();
      records.attempt(this.attempt);
      let at = this.storedUpTo;
      let found = 0;
      for (let chunkBytes = readChunkBytes; at < upTo && records.length < partBytesMax;) {
        const wanted = Math.min(chunkBytes, upTo - at);
        const whole = forEachLasting(this.reader.read(at, wanted), (frame) => {
          records.frame(frame);
          found += 1;
        });
        // A full disk leaves half a record at the end of the file until there is room again.
        if (whole === 0 && wanted === upTo - at) break;
        at += whole;
        // One record may be larger than a chunk.
        chunkBytes = whole === 0 ? chunkBytes * 2 : readChunkBytes;
      }
      if (found === 0 && at < upTo) return;
      if (found > 0) await this.put(records);
      this.storedUpTo = at;
    }
  }

  private begin(): RecordBuffer {
    const records = new RecordBuffer();
    records.header({ format: journalFormat, shardKey: this.shardKey, rows: this.table.length });
    return records;
  }

  /** A number is used once, even when putting fails half-way: what stands under a key never changes. */
  private async put(records: RecordBuffer): Promise<void> {
    const key = `${partsPrefix(this.shardKey)}${attemptName(this.attempt)}-${String(this.next).padStart(6, '0')}`;
    this.next += 1;
    await this.store.putObject(key, records.view());
  }
}

/** Whether the part is one of this attempt's own. */
export function isPartOf(key: string, shardKey: string, attempt: AttemptIdentity): boolean {
  return key.startsWith(`${partsPrefix(shardKey)}${attemptName(attempt)}-`);
}

/** Read all parts of a shard but those that were `known`, several at once but in the order of their keys. Returns the keys, and how many were damaged. */
export async function readParts(
  store: ArtifactStore,
  shardKey: string,
  visitor: () => RecordVisitor,
  known: (key: string) => boolean = () => false,
): Promise<{ parts: readonly string[]; damaged: number }> {
  const keys: string[] = [];
  for await (const { key } of store.list(partsPrefix(shardKey))) if (!known(key)) keys.push(key);
  let damaged = 0;
  const ahead: Promise<Buffer | undefined>[] = [];
  for (let index = 0, fetched = 0; index < keys.length; index += 1) {
    while (fetched < keys.length && ahead.length < partsInFlightMax) {
      const part = store.getObject(keys[fetched] ?? '');
      // Its turn comes later; without this a failure before then would count as unhandled.
      part.catch(() => undefined);
      ahead.push(part);
      fetched += 1;
    }
    const bytes = await ahead.shift()?.catch(unlessDamaged);
    // Gone between list and get: the shard was committed by somebody else a moment ago.
    if (bytes === 'damaged' || (bytes && readPart(bytes, visitor()) !== 'whole')) damaged += 1;
  }
  return { parts: keys, damaged };
}

/** A part that the store cannot read is lost like one whose records are garbled: its rows are asked again. */
function unlessDamaged(error: unknown): 'damaged' {
  if (!isDamage(error)) throw error;
  return 'damaged';
}

/** Read the good records of one part: `torn` too when records are missing before others. */
export function readPart(bytes: Buffer, visitor: RecordVisitor): RecordsEnd {
  const parser = new RecordParser(visitor);
  parser.push(bytes);
  const end = parser.end();
  return end === 'whole' && parser.damaged > 0 ? 'torn' : end;
}

/** Remove a shard's parts, as far as that succeeds: they are of no use once the shard's record stands. */
export async function removeParts(store: ArtifactStore, shardKey: string): Promise<void> {
  try {
    for await (const { key } of store.list(partsPrefix(shardKey))) await store.remove(key);
  } catch {
    // Left over; whoever finds the shard's record next tries again.
  }
}
