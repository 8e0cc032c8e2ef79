/**
 * A store in memory, for properties that need thousands of shards; kills and restarts are tested on the real one.
 * Keeps the interface's promises as far as the row engine relies on them, and lets a test lose or damage what it holds.
 */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { ArtifactStore, PutOptions, StoredObject } from '../../../drivers/store/store';
import { mediaTypes, type ArtifactRef } from '../../../schemas/artifact-ref';
import { ArteError } from '../../../schemas/errors';
import type { JsonValue } from '../../../schemas/json';

/** Knows when each was last written. */
class TimedObjects extends Map<string, Buffer> {
  now = (): Date => new Date();
  private readonly times = new Map<string, Date>();

  override set(key: string, bytes: Buffer): this {
    this.times.set(key, this.now());
    return super.set(key, bytes);
  }

  modifiedAt(key: string): Date {
    return this.times.get(key) ?? this.now();
  }
}

export class MemoryStore implements ArtifactStore {
  readonly objects = new TimedObjects();
  /** Thrown by every write of an object or blob while set. */
  failure: Error | undefined;
  /** Keys of objects that are there and cannot be read. */
  readonly unreadable = new Set<string>();

  keys(prefix: string): string[] {
    return [...this.objects.keys()].filter((key) => key.startsWith(prefix)).sort();
  }

  putBlob(bytes: Uint8Array | string, options: PutOptions): Promise<ArtifactRef> {
    if (this.failure) return Promise.reject(this.failure);
    const data = Buffer.from(bytes as Uint8Array);
    const sha256 = createHash('sha256').update(data).digest('hex');
    const uri = `blobs/sha256/${sha256.slice(0, 2)}/${sha256}`;
    this.objects.set(uri, data);
    return Promise.resolve({
      uri,
      sha256,
      bytes: data.length,
      rows: options.rows,
      mediaType: options.mediaType,
      schemaVersion: 1,
    });
  }

  async putLines(lines: AsyncIterable<string> | Iterable<string>): Promise<ArtifactRef> {
    const all: string[] = [];
    for await (const line of lines) all.push(`${line}\n`);
    return this.putBlob(all.join(''), { mediaType: mediaTypes.jsonl, rows: all.length });
  }

  getBlob({ uri }: { uri: string }): Promise<Buffer> {
    const found = this.objects.get(uri);
    return found ? Promise.resolve(found) : Promise.reject(missing(uri));
  }

  async getJson(ref: { uri: string }): Promise<JsonValue> {
    return JSON.parse((await this.getBlob(ref)).toString()) as JsonValue;
  }

  async *getLines(ref: { uri: string }): AsyncIterable<string> {
    const text = (await this.getBlob(ref)).toString();
    if (text !== '') yield* text.slice(0, -1).split('\n');
  }

  hasBlob({ uri, bytes }: { uri: string; bytes: number }): Promise<boolean> {
    return Promise.resolve(this.objects.get(uri)?.length === bytes);
  }

  putOnce(key: string, document: JsonValue): Promise<{ won: boolean; document: JsonValue }> {
    if (this.unreadable.has(key)) return Promise.reject(damaged(key));
    const held = this.objects.get(key);
    if (held) return Promise.resolve({ won: false, document: JSON.parse(held.toString()) as JsonValue });
    this.objects.set(key, Buffer.from(JSON.stringify(document)));
    return Promise.resolve({ won: true, document });
  }

  putDocument(key: string, document: JsonValue): Promise<void> {
    this.objects.set(key, Buffer.from(JSON.stringify(document)));
    return Promise.resolve();
  }

  getDocument(key: string): Promise<JsonValue | undefined> {
    if (this.unreadable.has(key)) return Promise.reject(damaged(key));
    const held = this.objects.get(key);
    return Promise.resolve(held && (JSON.parse(held.toString()) as JsonValue));
  }

  getVersion(key: string): Promise<{ document: JsonValue; version: string } | undefined> {
    if (this.unreadable.has(key)) return Promise.reject(damaged(key));
    const held = this.objects.get(key);
    return Promise.resolve(held && { document: JSON.parse(held.toString()) as JsonValue, version: versionOf(held) });
  }

  replaceDocument(key: string, document: JsonValue, version: string): Promise<string | undefined> {
    const held = this.objects.get(key);
    if (held === undefined || versionOf(held) !== version) return Promise.resolve(undefined);
    const bytes = Buffer.from(JSON.stringify(document));
    this.objects.set(key, bytes);
    return Promise.resolve(versionOf(bytes));
  }

  lookAt(key: string): Promise<StoredObject | undefined> {
    const bytes = this.objects.get(key)?.length;
    return Promise.resolve(bytes === undefined ? undefined : { key, bytes, modifiedAt: this.objects.modifiedAt(key) });
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    await Promise.resolve();
    for (const key of this.keys(prefix))
      yield { key, bytes: this.objects.get(key)?.length ?? 0, modifiedAt: this.objects.modifiedAt(key) };
  }

  async *folders(folder: string): AsyncIterable<string> {
    await Promise.resolve();
    const below = this.keys(folder).map((key) => key.slice(folder.length));
    yield* new Set(below.filter((key) => key.includes('/')).map((key) => key.split('/')[0] ?? ''));
  }

  setAside(key: string): Promise<boolean> {
    this.unreadable.delete(key);
    this.objects.delete(key);
    return Promise.resolve(true);
  }

  remove(key: string): Promise<void> {
    this.objects.delete(key);
    return Promise.resolve();
  }

  putObject(key: string, bytes: Uint8Array): Promise<void> {
    if (this.failure) return Promise.reject(this.failure);
    this.objects.set(key, Buffer.from(bytes));
    return Promise.resolve();
  }

  getObject(key: string): Promise<Buffer | undefined> {
    if (this.unreadable.has(key)) return Promise.reject(damaged(key));
    return Promise.resolve(this.objects.get(key));
  }

  openBlob({ uri }: { uri: string }): Promise<Readable> {
    return this.getBlob({ uri }).then((bytes) => Readable.from([bytes]));
  }

  putFile(): Promise<never> {
    return Promise.reject(new Error('the row engine stores no files'));
  }

  putDirectory(): Promise<never> {
    return Promise.reject(new Error('the row engine stores no directories'));
  }

  getFile(): Promise<never> {
    return Promise.reject(new Error('the row engine reads no files'));
  }

  getDirectory(): Promise<never> {
    return Promise.reject(new Error('the row engine reads no directories'));
  }

  close(): void {
    this.objects.clear();
  }
}

function versionOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function damaged(key: string): ArteError {
  return new ArteError('BlobCorrupt', {
    what: `${key} cannot be read.`,
    why: 'It is damaged.',
    next: 'Make it again.',
  });
}

function missing(uri: string): ArteError {
  return new ArteError('BlobMissing', { what: `${uri} is not there.`, why: 'It was removed.', next: 'Make it again.' });
}
