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
import {
  journalFormat,
  RecordBuffer,
  RecordParser,
  type AttemptIdentity,
  type RecordsEnd,
  type RecordVisitor,
  type ShardHeader,
} from './records';

/** How many parts are fetched at once when a shard is resumed. */
const partsInFlightMax = 8;

/** All parts of a shard stand under this prefix. */
export function partsPrefix(shardKey: string): string {
  return `parts/${shardKey}/`;
}

/** An attempt's name in keys and file names: ordered by ordinal, safe for any file system. */
export function attemptName({ ordinal, id }: AttemptIdentity): string {
  const safe = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/.test(id) ? id : createHash('sha256').update(id).digest('hex').slice(0, 32);
  return `${String(ordinal).padStart(6, '0')}.${safe}`;
}

/** One attempt's parts, one after another. */
export class PartWriter {
  private next = 0;

  constructor(
    private readonly store: ArtifactStore,
    private readonly shardKey: string,
    private readonly rows: number,
    private readonly attempt: AttemptIdentity,
  ) {}

  /** A buffer that opens as a part must. */
  begin(attempt: AttemptIdentity = this.attempt): RecordBuffer {
    const records = new RecordBuffer();
    records.header({ format: journalFormat, shardKey: this.shardKey, rows: this.rows });
    records.attempt(attempt);
    return records;
  }

  /** Whether a part is large enough to be sent before more goes in. */
  isFull(records: RecordBuffer): boolean {
    return records.length >= partBytesMax;
  }

  /** Put a part. A number is used once, even when putting fails half-way: what stands under a key never changes. */
  async put(records: RecordBuffer): Promise<void> {
    const key = `${partsPrefix(this.shardKey)}${attemptName(this.attempt)}-${String(this.next).padStart(6, '0')}`;
    this.next += 1;
    await this.store.putObject(key, records.view());
  }
}

/** Read all parts of a shard, several at once but in the order of their keys. Returns how many were damaged. */
export async function readParts(store: ArtifactStore, shardKey: string, visitor: () => RecordVisitor): Promise<{ parts: number; damaged: number }> {
  const keys: string[] = [];
  for await (const { key } of store.list(partsPrefix(shardKey))) keys.push(key);
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
    const bytes = await ahead.shift();
    // Gone between list and get: the shard was committed by somebody else a moment ago.
    if (bytes && readPart(bytes, visitor()) !== 'whole') damaged += 1;
  }
  return { parts: keys.length, damaged };
}

/** Read the good records of one part. */
export function readPart(bytes: Buffer, visitor: RecordVisitor): RecordsEnd {
  const parser = new RecordParser(visitor);
  parser.push(bytes);
  return parser.end();
}

/** Remove a shard's parts, as far as that succeeds: they are of no use once the shard's record stands. */
export async function removeParts(store: ArtifactStore, shardKey: string): Promise<void> {
  try {
    for await (const { key } of store.list(partsPrefix(shardKey))) await store.remove(key);
  } catch {
    // Left over; whoever finds the shard's record next tries again.
  }
}

export type { ShardHeader };
