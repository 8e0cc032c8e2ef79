/**
 * The store on S3: Amazon's, or any server that speaks it and honours conditional writes (the embedded SeaweedFS).
 *
 * Owns: what a caller of ArtifactStore gets: bytes, lines, files and folders as blobs under their own sha256, and back.
 * Leaves to s3-blob-writer.ts, s3-blob-reader.ts and s3-documents.ts how each kind is written, verified and healed, to s3-objects.ts keys, listing and
 * removal, to s3-client.ts the server and its bucket, to s3-errors.ts what a failure means, to local-files.ts the files and folders of this machine, to
 * drivers/local the starting of the embedded server, to callers all keys but blobs'.
 *
 * Invariant, besides those of store.ts: what is held in memory is bounded by storeSinglePutBytesMax a call, whatever the size of a file.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { mediaTypes, type ArtifactRef, type DirectoryManifest } from '../../schemas/artifact-ref';
import { ArteError } from '../../schemas/errors';
import type { JsonValue } from '../../schemas/json';
import { storeFilesInFlightMax, storeSinglePutBytesMax } from '../../schemas/limits';
import { bytesOfFile, filesUnder, LineSpool, parseManifest, partialName, putInPlace, usualFile } from './local-files';
import { S3BlobReader, type BlobName } from './s3-blob-reader';
import { S3BlobWriter } from './s3-blob-writer';
import { S3Documents } from './s3-documents';
import { localFileError } from './s3-errors';
import { blobKey } from './s3-keys';
import { S3Objects, type S3StoreOptions } from './s3-objects';
import type { ArtifactStore, PutOptions, StoredObject } from './store';

/** Opens nothing yet: the first request does. Errors of every method: Store*, DiskFull, Blob*, as their docs say. */
export function createS3Store(options: S3StoreOptions): ArtifactStore {
  return new S3Store(options);
}

class S3Store implements ArtifactStore {
  private readonly objects: S3Objects;
  private readonly writer: S3BlobWriter;
  private readonly reader: S3BlobReader;
  private readonly documents: S3Documents;
  private readonly spoolDir: string;

  constructor(options: S3StoreOptions) {
    this.objects = new S3Objects(options);
    this.writer = new S3BlobWriter(this.objects);
    this.reader = new S3BlobReader(this.objects);
    this.documents = new S3Documents(this.objects);
    this.spoolDir = options.spoolDir;
  }

  // ---- blobs in ----------------------------------------------------------------------------------------------------

  async putBlob(bytes: Uint8Array | string, options: PutOptions): Promise<ArtifactRef> {
    const body = typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : bytes;
    const sha256 = createHash('sha256').update(body).digest('hex');
    await this.writer.putBytes(body, sha256, options.mediaType);
    return makeRef(sha256, body.length, options);
  }

  async putFile(path: string, options: PutOptions): Promise<ArtifactRef> {
    try {
      // One handle for hashing and sending: a file that is replaced under its name in between cannot mix with its successor.
      const file = await open(path, 'r');
      try {
        const { size } = await usualFile(file, path);
        if (size <= storeSinglePutBytesMax) {
          return await this.putBlob(await file.readFile(), options);
        }
        const hash = createHash('sha256');
        for await (const chunk of bytesOfFile(file, size)) {
          hash.update(chunk);
        }
        const sha256 = hash.digest('hex');
        await this.writer.uploadParts(file, size, sha256, options.mediaType, path);
        return makeRef(sha256, size, options);
      } finally {
        await file.close();
      }
    } catch (error) {
      throw localFileError(error, path);
    }
  }

  async putLines(
    lines: AsyncIterable<string> | Iterable<string>,
    options: { schemaVersion?: number } = {},
  ): Promise<ArtifactRef> {
    const spool = new LineSpool(this.spoolDir);
    try {
      if (Symbol.iterator in lines) {
        for (const line of lines) {
          if (spool.add(line)) {
            await spool.flush();
          }
        }
      } else {
        for await (const line of lines) {
          if (spool.add(line)) {
            await spool.flush();
          }
        }
      }
      const { sha256, bytes, rows, content } = await spool.finish();
      if (Buffer.isBuffer(content)) {
        await this.writer.putBytes(content, sha256, mediaTypes.jsonl);
      } else {
        await this.writer.uploadParts(content, bytes, sha256, mediaTypes.jsonl, this.spoolDir);
      }
      return makeRef(sha256, bytes, { ...options, mediaType: mediaTypes.jsonl, rows });
    } finally {
      await spool.close();
    }
  }

  async putDirectory(path: string): Promise<ArtifactRef> {
    const files = await filesUnder(path);
    const blobs = await eachLimited(files, (file) =>
      this.putFile(join(path, file), { mediaType: mediaTypes.bytes, rows: 1 }),
    );
    const manifest: DirectoryManifest = {
      schemaVersion: 1,
      files: files.map((file, index) => ({ path: file, blob: blobs[index] as ArtifactRef })),
    };
    return this.putBlob(JSON.stringify(manifest), { mediaType: mediaTypes.directory, rows: files.length });
  }

  // ---- blobs out ---------------------------------------------------------------------------------------------------

  getBlob(ref: BlobName): Promise<Buffer> {
    return this.reader.whole(ref);
  }

  async getJson(ref: BlobName): Promise<JsonValue> {
    const bytes = await this.getBlob(ref);
    try {
      return JSON.parse(bytes.toString('utf8')) as JsonValue;
    } catch (error) {
      throw new ArteError(
        'InvalidInput',
        {
          what: `${ref.uri} is not JSON.`,
          why: 'Its bytes are as they were stored, but they are no JSON document.',
          next: 'Name an artifact that holds a JSON document.',
        },
        { cause: error },
      );
    }
  }

  getLines(ref: BlobName): AsyncIterable<string> {
    return this.reader.lines(ref);
  }

  async getFile(ref: BlobName, path: string): Promise<void> {
    const partial = partialName(path);
    try {
      await mkdir(dirname(path), { recursive: true });
      await this.reader.toFile(ref, partial);
      await rename(partial, path);
    } catch (error) {
      await rm(partial, { force: true });
      throw localFileError(error, path);
    }
  }

  async getDirectory(ref: BlobName, path: string): Promise<void> {
    const { files } = parseManifest(await this.getJson(ref), ref.uri);
    const partial = partialName(path);
    try {
      await mkdir(partial, { recursive: true });
      await eachLimited(files, async (file) => {
        const target = join(partial, ...file.path.split('/'));
        await mkdir(dirname(target), { recursive: true });
        await this.reader.toFile(file.blob, target);
      });
      await putInPlace(partial, path, files);
    } catch (error) {
      throw localFileError(error, path);
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
  }

  async hasBlob(ref: Pick<ArtifactRef, 'uri' | 'bytes'>): Promise<boolean> {
    const head = await this.objects.head(ref.uri);
    return head !== undefined && head.bytes === ref.bytes;
  }

  openBlob(ref: Pick<ArtifactRef, 'uri'>): Promise<Readable> {
    return this.reader.open(ref);
  }

  // ---- documents ---------------------------------------------------------------------------------------------------

  putOnce(key: string, document: JsonValue): Promise<{ won: boolean; document: JsonValue }> {
    return this.documents.putOnce(key, document);
  }

  putDocument(key: string, document: JsonValue): Promise<void> {
    return this.documents.putDocument(key, document);
  }

  getDocument(key: string): Promise<JsonValue | undefined> {
    return this.documents.getDocument(key);
  }

  getVersion(key: string): Promise<{ document: JsonValue; version: string } | undefined> {
    return this.documents.getVersion(key);
  }

  replaceDocument(key: string, document: JsonValue, version: string): Promise<string | undefined> {
    return this.documents.replaceDocument(key, document, version);
  }

  putObject(key: string, bytes: Uint8Array): Promise<void> {
    return this.documents.putObject(key, bytes);
  }

  getObject(key: string): Promise<Buffer | undefined> {
    return this.documents.getObject(key);
  }

  // ---- what stands there -------------------------------------------------------------------------------------------

  async lookAt(key: string): Promise<StoredObject | undefined> {
    const head = await this.objects.head(key);
    return head && { key, bytes: head.bytes, modifiedAt: head.modifiedAt };
  }

  list(prefix: string): AsyncIterable<StoredObject> {
    return this.objects.list(prefix);
  }

  folders(folder: string): AsyncIterable<string> {
    return this.objects.folders(folder);
  }

  setAside(key: string): Promise<boolean> {
    return this.objects.setAside(key);
  }

  remove(key: string): Promise<void> {
    return this.objects.remove(key);
  }

  close(): void {
    this.objects.close();
  }
}

function makeRef(sha256: string, bytes: number, options: PutOptions): ArtifactRef {
  return {
    uri: blobKey(sha256),
    sha256,
    bytes,
    rows: options.rows,
    mediaType: options.mediaType,
    schemaVersion: options.schemaVersion ?? 1,
  };
}

/** Run over all items, storeFilesInFlightMax at once, results in order. The first failure stops the taking of new ones. */
async function eachLimited<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array<R>(items.length);
  let next = 0;
  let failed = false;
  const take = async (): Promise<void> => {
    while (next < items.length && !failed) {
      const index = next;
      next += 1;
      try {
        results[index] = await run(items[index] as T);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const settled = await Promise.allSettled(Array.from({ length: storeFilesInFlightMax }, take));
  for (const outcome of settled) {
    if (outcome.status === 'rejected') {
      throw outcome.reason;
    }
  }
  return results;
}
