/**
 * The store's interface: content-addressed blobs, manifests that are written once, and a few small documents that change.
 * Owns: the promise that what is read is what was written. Keys of stages and rows are method/keys.ts.
 *
 * Invariants every implementation keeps (test/drivers/store.conformance.ts):
 * 1. putBlob of the same bytes twice is one object; the second is a success.
 * 2. Bytes read from a blob hash to its sha256, or the read fails with BlobCorrupt; a blob that is not there is BlobMissing. An object of any
 *    kind that the store has and cannot read, while it gives others, is BlobCorrupt too.
 * 3. putOnce has exactly one winner; the losers get the winner's bytes.
 * 4. replaceDocument of one version has exactly one winner.
 * 5. Memory is bounded: nothing but small documents is ever held whole.
 * 6. Whoever has put a blob has made it young (`modifiedAt`), also where it was there already: a clean-up goes by age and must not take it from them.
 */
import type { Readable } from 'node:stream';
import type { ArtifactRef } from '../../schemas/artifact-ref';
import type { JsonValue } from '../../schemas/json';

export interface PutOptions {
  readonly mediaType: string;
  readonly rows: number;
  readonly schemaVersion?: number;
}

export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
  /** When it was last written, by the store's clock. */
  readonly modifiedAt: Date;
}

export interface ArtifactStore {
  /** Write bytes under their own sha256. Errors: StoreUnauthorized, StoreUnreachable, StoreFull. */
  putBlob(bytes: Uint8Array | string, options: PutOptions): Promise<ArtifactRef>;
  /** Stream a file of any size. The file is read twice: once to hash, once to send. */
  putFile(path: string, options: PutOptions): Promise<ArtifactRef>;
  /** Write lines as JSONL by way of a spool file; returns a ref with rows = lines. */
  putLines(lines: AsyncIterable<string> | Iterable<string>, options?: { schemaVersion?: number }): Promise<ArtifactRef>;
  /** Upload a folder, file by file (sorted); returns a ref to its DirectoryManifest. Symbolic links are refused. */
  putDirectory(path: string): Promise<ArtifactRef>;

  /** The whole blob, verified. For small documents. */
  getBlob(ref: Pick<ArtifactRef, 'uri' | 'sha256'>): Promise<Buffer>;
  /** A JSON document, verified; the caller parses it with its schema. */
  getJson(ref: Pick<ArtifactRef, 'uri' | 'sha256'>): Promise<JsonValue>;
  /** Lines of a JSONL blob, streamed; the last line is only given out after the hash of the whole was seen to be right. */
  getLines(ref: Pick<ArtifactRef, 'uri' | 'sha256'>): AsyncIterable<string>;
  /** Bytes to a new file (written beside it and renamed when verified). */
  getFile(ref: Pick<ArtifactRef, 'uri' | 'sha256'>, path: string): Promise<void>;
  /** A stored directory to a new folder (made beside it and renamed when whole). */
  getDirectory(ref: Pick<ArtifactRef, 'uri' | 'sha256'>, path: string): Promise<void>;
  /** Whether the blob is there with its size: a stage whose output is gone is not a hit. Not a proof of its content. */
  hasBlob(ref: Pick<ArtifactRef, 'uri' | 'bytes'>): Promise<boolean>;

  /** Write a small document once. Returns what stands there now, and whether it was ours. */
  putOnce(key: string, document: JsonValue): Promise<{ won: boolean; document: JsonValue }>;
  /** Write a small document, replacing what is there (status, progress). */
  putDocument(key: string, document: JsonValue): Promise<void>;
  /** A small document, or undefined. */
  getDocument(key: string): Promise<JsonValue | undefined>;
  /** The same with its version, for replaceDocument. */
  getVersion(key: string): Promise<{ document: JsonValue; version: string } | undefined>;
  /** Replace a small document, unless it is no longer the version that was read. Returns its new version, or undefined: nothing was written. */
  replaceDocument(key: string, document: JsonValue, version: string): Promise<string | undefined>;
  /** What stands under a key, without reading it; undefined where nothing does. */
  lookAt(key: string): Promise<StoredObject | undefined>;
  /** Keys under a prefix, in order, paged underneath. */
  list(prefix: string): AsyncIterable<StoredObject>;
  /** Names directly under a folder (`runs/`), without what lies below them: one request for a thousand. */
  folders(folder: string): AsyncIterable<string>;
  /**
   * Move a damaged document out of the way: under `quarantine/`, or, where the store is on this machine and cannot read it, away. True when nothing
   * stands under its key any more. For documents that their writer makes again.
   */
  setAside(key: string): Promise<boolean>;
  /** Remove a document or blob. Missing is success. */
  remove(key: string): Promise<void>;
  /** A raw object of the row engine's parts: bytes under a key of the caller's, and back. Not verified by address: callers frame their own. */
  putObject(key: string, bytes: Uint8Array): Promise<void>;
  getObject(key: string): Promise<Buffer | undefined>;
  /** Readable of a blob without verification at the end of memory bounds; for exports that verify themselves. */
  openBlob(ref: Pick<ArtifactRef, 'uri'>): Promise<Readable>;
  close(): void;
}
