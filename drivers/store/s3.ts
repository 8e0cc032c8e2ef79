/**
 * The store on S3: Amazon's, or any server that speaks it and honours conditional writes (the embedded SeaweedFS).
 *
 * Owns: blobs under their own sha256, conditional documents, verification of what is read, and healing of what is damaged.
 * Leaves to s3-errors.ts what a failure means, to s3-damage.ts whether an object that is not given is damaged or the store is away, to
 * local-files.ts the files and folders of this machine, to drivers/local the starting of the embedded server, to callers all keys but blobs'.
 *
 * Invariants, besides those of store.ts:
 * 1. A blob is written with `IfNoneMatch: *`: it costs one request, and tells whether it was there. One that was is made young: a small one is
 *    written over (the same bytes, and whole again should they have been damaged), a large one is copied onto itself inside the store.
 * 2. A blob that was read twice with a wrong hash is moved to `quarantine/`, on condition that nobody has replaced it meanwhile:
 *    from then on it is missing, the stage that made it is no hit any more, and putting the bytes again heals it.
 *    One that the store itself cannot read is removed where the store is on this machine. Elsewhere it stays, for a person to judge: one disk of
 *    many that is away for a while looks the same.
 * 3. A request that was cut off is sent again from a stream or buffer of its own; a download goes on where it broke,
 *    on the same version of the object.
 * 4. What is held in memory is bounded by storeSinglePutBytesMax a call, whatever the size of a file.
 *
 * Keys are `/`-separated and hold no empty, `.` or `..` segment; no key may be a folder of another (SeaweedFS keeps them as files).
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
  S3Client,
  type BucketLocationConstraint,
  type GetObjectCommandOutput,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { mediaTypes, type ArtifactRef, type DirectoryManifest } from '../../schemas/artifact-ref';
import { ArteError } from '../../schemas/errors';
import type { JsonValue } from '../../schemas/json';
import {
  storeFilesInFlightMax,
  storePartBytes,
  storePatienceMs,
  storeSilenceMs,
  storeSinglePutBytesMax,
} from '../../schemas/limits';
import {
  isConflict,
  isLoopback,
  isMissing,
  isPreconditionFailed,
  isTimeout,
  isTransport,
  localFileError,
  nameOf,
  storeError,
} from './s3-errors';
import {
  bytesOfFile,
  checkedBytesOfFile,
  filesUnder,
  LineSpool,
  parseManifest,
  partialName,
  putInPlace,
  usualFile,
} from './local-files';
import {
  DamageJudge,
  patienceFor,
  probeKey,
  tellFailedReadsAtOnce,
  UnreadableObject,
  type ObjectRequest,
} from './s3-damage';
import type { ArtifactStore, PutOptions, StoredObject } from './store';

// Node 20 is supported here and the SDK's minor version is pinned; its warning would stand in front of every command's output.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';

export interface S3Options {
  /** Left out: AWS's own endpoint for the region. */
  readonly endpoint?: string;
  readonly region: string;
  readonly bucket: string;
  readonly forcePathStyle: boolean;
  /** Left out: AWS's default provider chain. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Left out: a store that does not answer is waited for (storePatienceMs). 1: a probe that must say at once what it sees. */
  readonly attempts?: number;
  /** A store that says nothing for so long is given up at once. Left out: storeSilenceMs, and then it is asked again. */
  readonly silenceMs?: number;
}

export interface S3StoreOptions extends S3Options {
  /** Everything of ours lies under it; refs do not name it. */
  readonly prefix?: string;
  /** Folder for files on their way to the store. Made when needed; a crash leaves nothing in it. */
  readonly spoolDir: string;
}

/** Attempts that the SDK makes of a request by itself, in quick succession. */
const requestAttemptsMax = 3;
/** A conditional write that met another is tried again this often: each time one of the racers has won. */
const conflictAttemptsMax = 20;
/** A download that breaks again and again without much in between is given up after this many breaks. */
const readBreaksMax = 5;
/** Fewer bytes than this are not much: before a damaged piece SeaweedFS gives a quarter of a MiB more at each attempt. */
const readProgressBytesMin = 1024 * 1024;
/** So many times a download may fall silent without much in between before the object is held against another one: each takes a minute. */
const readSilencesMax = 2;
/** A whole multipart upload is started anew this often. */
const uploadAttemptsMax = 3;
/** Parts of one upload in flight: with the one being filled, what an upload holds in memory. */
const partsInFlightMax = 3;
/** S3's greatest number of parts, with some to spare. */
const partsMax = 9_500;
/** Longest wait between two attempts. */
const pauseMsMax = 1_000;

/** Opens nothing yet: the first request does. Errors of every method: Store*, DiskFull, Blob*, as their docs say. */
export function createS3Store(options: S3StoreOptions): ArtifactStore {
  return new S3Store(options);
}

/**
 * Make the bucket unless it is there. Errors: StoreUnauthorized, StoreUnreachable, InvalidConfig.
 */
export async function ensureBucket(options: S3Options): Promise<void> {
  const client = openClient(options);
  const { bucket: Bucket, region } = options;
  try {
    try {
      await client.send(new HeadBucketCommand({ Bucket }));
      return;
    } catch (error) {
      if (!isMissing(error) && nameOf(error) !== 'NoSuchBucket') {
        throw error;
      }
    }
    // Amazon's first region is the one that must not be named.
    const elsewhere = options.endpoint === undefined && region !== 'us-east-1';
    await client.send(
      new CreateBucketCommand({
        Bucket,
        ...(elsewhere ? { CreateBucketConfiguration: { LocationConstraint: region as BucketLocationConstraint } } : {}),
      }),
    );
  } catch (error) {
    if (nameOf(error) === 'BucketAlreadyOwnedByYou') {
      return;
    }
    throw await storeError(error, {
      action: 'open or make its bucket',
      writes: true,
      bucket: Bucket,
      ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    });
  } finally {
    client.destroy();
  }
}

/** Whether an object comes back as it was put. A server may know its buckets before the disks behind them are at work. */
export async function keepsObjects(options: S3Options): Promise<boolean> {
  const client = openClient(options);
  const { bucket: Bucket } = options;
  const text = String(Date.now());
  try {
    await client.send(new PutObjectCommand({ Bucket, Key: probeKey, Body: text }));
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: probeKey }));
    return (await Body?.transformToString()) === text;
  } catch {
    return false;
  } finally {
    client.destroy();
  }
}

/** The key of a blob: what an ArtifactRef's uri says. */
export function blobKey(sha256: string): string {
  return `blobs/sha256/${sha256.slice(0, 2)}/${sha256}`;
}

function openClient({ endpoint, region, forcePathStyle, credentials, attempts, silenceMs }: S3Options): S3Client {
  const client = new S3Client({
    region,
    forcePathStyle,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
    maxAttempts: attempts ?? (silenceMs === undefined ? requestAttemptsMax : 1),
    retryMode: 'adaptive',
    // Blobs are verified by their own hash, so the SDK need not hash them again; documents ask for it one by one.
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: 5_000, socketTimeout: silenceMs ?? storeSilenceMs },
  });
  tellFailedReadsAtOnce(client);
  if (attempts === undefined) {
    // The SDK shares one budget of retries among all calls of a client, so that an outage ends them within a second. Here time counts,
    // for each request of its own; all bodies are buffers, so any request can be sent again.
    client.middlewareStack.add(
      (next, { commandName }) =>
        async (args) => {
          const began = Date.now();
          for (let attempt = 1; ; attempt += 1) {
            try {
              return await next(args);
            } catch (error) {
              const isSilent = silenceMs !== undefined && isTimeout(error);
              if (!isTransport(error) || isSilent || Date.now() - began > patienceFor(commandName, error)) {
                throw error;
              }
              await pause(attempt);
            }
          }
        },
      { step: 'initialize', priority: 'high', name: 'patience' },
    );
  }
  return client;
}

/** A blob whose bytes, all of them, hash to something else. Never leaves this file. */
class HashMismatch extends Error {
  constructor(readonly etag: string | undefined) {
    super('hash mismatch');
  }
}

/** What was seen of an object while it was read. */
interface Seen {
  etag?: string | undefined;
}

type BlobName = Pick<ArtifactRef, 'uri' | 'sha256'>;

class S3Store implements ArtifactStore {
  private readonly client: S3Client;
  private readonly judges: DamageJudge;
  /** Whether the store is on this machine. */
  private readonly isLocal: boolean;
  private readonly prefix: string;

  constructor(private readonly options: S3StoreOptions) {
    this.client = openClient(options);
    const trimmed = (options.prefix ?? '').replace(/^\/+|\/+$/g, '');
    this.prefix = trimmed === '' ? '' : `${trimmed}/`;
    const { endpoint, bucket, attempts } = options;
    this.isLocal = endpoint !== undefined && isLoopback(endpoint);
    this.judges = new DamageJudge({
      bucket,
      probe: this.prefix + probeKey,
      isLocal: this.isLocal,
      patienceMs: attempts === undefined ? storePatienceMs : 0,
      open: (silenceMs) => openClient({ ...options, attempts: 1, silenceMs }),
    });
  }

  // ---- blobs in ----------------------------------------------------------------------------------------------------

  async putBlob(bytes: Uint8Array | string, options: PutOptions): Promise<ArtifactRef> {
    const body = typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : bytes;
    const sha256 = createHash('sha256').update(body).digest('hex');
    await this.putBytes(body, sha256, options.mediaType);
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
        await this.uploadParts(file, size, sha256, options.mediaType, path);
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
    const spool = new LineSpool(this.options.spoolDir);
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
        await this.putBytes(content, sha256, mediaTypes.jsonl);
      } else {
        await this.uploadParts(content, bytes, sha256, mediaTypes.jsonl, this.options.spoolDir);
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

  async getBlob(ref: BlobName): Promise<Buffer> {
    return this.twice(ref, async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of this.verified(ref)) {
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    });
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

  async *getLines(ref: BlobName): AsyncGenerator<string> {
    // The last line seen is held back until the hash of the whole is known to be right.
    let held: string | undefined;
    let carried: Buffer[] = [];
    try {
      for await (const chunk of this.verified(ref)) {
        const end = chunk.lastIndexOf(0x0a);
        if (end === -1) {
          carried.push(chunk);
          continue;
        }
        const whole = chunk.subarray(0, end);
        const text = (carried.length === 0 ? whole : Buffer.concat([...carried, whole])).toString('utf8');
        carried = end + 1 < chunk.length ? [chunk.subarray(end + 1)] : [];
        for (const line of text.split('\n')) {
          if (held !== undefined) {
            yield held;
          }
          held = line;
        }
      }
    } catch (error) {
      throw error instanceof HashMismatch ? (await this.judge(ref, error)).error : error;
    }
    if (carried.length > 0) {
      if (held !== undefined) {
        yield held;
      }
      held = Buffer.concat(carried).toString('utf8');
    }
    if (held !== undefined) {
      yield held;
    }
  }

  async getFile(ref: BlobName, path: string): Promise<void> {
    const partial = partialName(path);
    try {
      await mkdir(dirname(path), { recursive: true });
      await this.twice(ref, () => this.download(ref, partial));
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
        await this.twice(file.blob, () => this.download(file.blob, target));
      });
      await putInPlace(partial, path, files);
    } catch (error) {
      throw localFileError(error, path);
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
  }

  async hasBlob(ref: Pick<ArtifactRef, 'uri' | 'bytes'>): Promise<boolean> {
    const head = await this.head(ref.uri);
    return head !== undefined && head.bytes === ref.bytes;
  }

  async openBlob(ref: Pick<ArtifactRef, 'uri'>): Promise<Readable> {
    return this.run(`read ${ref.uri}`, false, async () => {
      const response = await this.get(ref.uri);
      if (response === undefined) {
        throw blobMissing(ref.uri);
      }
      return response.Body as Readable;
    });
  }

  // ---- documents ---------------------------------------------------------------------------------------------------

  async putOnce(key: string, document: JsonValue): Promise<{ won: boolean; document: JsonValue }> {
    const body = Buffer.from(JSON.stringify(document), 'utf8');
    // A write whose answer was lost is sent again and refused, although it was ours that stands: the mark tells.
    const writer = randomUUID();
    return this.run(`write ${key}`, true, async () => {
      for (let attempt = 1; ; attempt += 1) {
        if ((await this.putIf(key, body, { writer }, { IfNoneMatch: '*' })) !== undefined) {
          return { won: true, document };
        }
        const standing = await this.getSmall(key);
        if (standing !== undefined) {
          return { won: standing.writer === writer, document: parseDocument(key, standing.bytes) };
        }
        // It was removed between our write and our read: the race is open again.
        if (attempt >= conflictAttemptsMax) {
          throw new Error(`${key} comes and goes`);
        }
      }
    });
  }

  async putDocument(key: string, document: JsonValue): Promise<void> {
    await this.putObject(key, Buffer.from(JSON.stringify(document), 'utf8'), mediaTypes.json);
  }

  async getDocument(key: string): Promise<JsonValue | undefined> {
    const bytes = await this.getObject(key);
    return bytes === undefined ? undefined : parseDocument(key, bytes);
  }

  async getVersion(key: string): Promise<{ document: JsonValue; version: string } | undefined> {
    const standing = await this.run(`read ${key}`, false, () => this.getSmall(key));
    return standing && { document: parseDocument(key, standing.bytes), version: standing.etag };
  }

  async replaceDocument(key: string, document: JsonValue, version: string): Promise<string | undefined> {
    const body = Buffer.from(JSON.stringify(document), 'utf8');
    // As in putOnce: of a write whose answer was lost the mark tells.
    const writer = randomUUID();
    return this.run(`write ${key}`, true, async () => {
      const written = await this.putIf(key, body, { writer }, { IfMatch: version });
      if (written !== undefined) return written;
      const standing = await this.getSmall(key);
      return standing?.writer === writer ? standing.etag : undefined;
    });
  }

  async lookAt(key: string): Promise<StoredObject | undefined> {
    const head = await this.head(key);
    return head && { key, bytes: head.bytes, modifiedAt: head.modifiedAt };
  }

  async *list(prefix: string): AsyncGenerator<StoredObject> {
    for await (const { Contents = [] } of this.pages(prefix)) {
      for (const { Key, Size, LastModified } of Contents) {
        if (Key !== undefined) {
          // A store that does not say when gets the answer that removes nothing.
          yield { key: Key.slice(this.prefix.length), bytes: Size ?? 0, modifiedAt: LastModified ?? new Date() };
        }
      }
    }
  }

  async *folders(folder: string): AsyncGenerator<string> {
    const from = this.prefix.length + folder.length;
    for await (const { CommonPrefixes = [] } of this.pages(folder, '/'))
      for (const { Prefix } of CommonPrefixes) if (Prefix !== undefined) yield Prefix.slice(from, -1);
  }

  private async *pages(prefix: string, delimiter?: string): AsyncGenerator<ListObjectsV2CommandOutput> {
    let token: string | undefined;
    do {
      const page = await this.run(`list ${prefix}`, false, () =>
        this.client.send(
          new ListObjectsV2Command({
            Bucket: this.options.bucket,
            Prefix: this.prefix + prefix,
            ...(delimiter === undefined ? {} : { Delimiter: delimiter }),
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
        ),
      );
      yield page;
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  async remove(key: string): Promise<void> {
    await this.run(`remove ${key}`, true, async () => {
      try {
        await this.client.send(new DeleteObjectCommand(this.at(key)));
      } catch (error) {
        if (!isMissing(error)) {
          throw error;
        }
      }
    });
  }

  async putObject(key: string, bytes: Uint8Array, mediaType: string = mediaTypes.bytes): Promise<void> {
    await this.run(`write ${key}`, true, () =>
      this.client.send(new PutObjectCommand({ ...this.at(key), Body: bytes, ContentType: mediaType })),
    );
  }

  async getObject(key: string): Promise<Buffer | undefined> {
    return this.run(`read ${key}`, false, async () => (await this.getSmall(key))?.bytes);
  }

  async setAside(key: string): Promise<boolean> {
    const head = await this.head(key);
    if (head === undefined) return true;
    // A copy of what the store cannot read fails as often as it is asked for.
    if (await this.judges.isUnreadable(this.at(key))) return this.removeUnreadable(key);
    return this.quarantine(key, `quarantine/${key}`, head.etag);
  }

  close(): void {
    this.client.destroy();
    this.judges.close();
  }

  // ---- writing -----------------------------------------------------------------------------------------------------

  /** One PUT on condition that nothing is there; what is there already is written over, so that it is young and whole (invariant 1). */
  private async putBytes(body: Uint8Array, sha256: string, mediaType: string): Promise<void> {
    const key = blobKey(sha256);
    const checksum = Buffer.from(sha256, 'hex').toString('base64');
    const request = { ...this.at(key), Body: body, ContentType: mediaType, ChecksumSHA256: checksum };
    await this.run(`write ${key}`, true, async () => {
      for (let attempt = 1; ; attempt += 1) {
        try {
          await this.client.send(new PutObjectCommand({ ...request, IfNoneMatch: '*' }));
          return;
        } catch (error) {
          if (isPreconditionFailed(error)) {
            break;
          }
          if (!isConflict(error) || attempt >= conflictAttemptsMax) {
            throw error;
          }
          await pause(attempt);
        }
      }
      await this.client.send(new PutObjectCommand(request));
    });
  }

  /** Copy a large blob onto itself, so that it is young. False when it is another by now, or the store does not do it for one of this size. */
  private async touch(key: string, etag: string, mediaType: string): Promise<boolean> {
    try {
      await this.client.send(
        new CopyObjectCommand({
          ...this.at(key),
          CopySource: this.copySource(key),
          CopySourceIfMatch: etag,
          // Without it a copy onto itself is refused, because it would change nothing.
          MetadataDirective: 'REPLACE',
          ContentType: mediaType,
        }),
      );
      return true;
    } catch (error) {
      if (isTransport(error)) throw error;
      return false;
    }
  }

  private copySource(key: string): string {
    return `${this.options.bucket}/${this.prefix}${key}`.split('/').map(encodeURIComponent).join('/');
  }

  /** A large file, in parts. Whether it is there is asked first: finding out at the end would cost the whole transfer. */
  private async uploadParts(
    file: FileHandle,
    size: number,
    sha256: string,
    mediaType: string,
    path: string,
  ): Promise<void> {
    const key = blobKey(sha256);
    await this.run(`write ${key}`, true, async () => {
      for (let attempt = 1; ; attempt += 1) {
        const head = await this.head(key);
        if (head?.bytes === size && (await this.touch(key, head.etag, mediaType))) {
          return;
        }
        const upload = new Upload({
          client: this.client,
          params: {
            ...this.at(key),
            // A stream of its own for every attempt: a consumed one cannot be sent again.
            Body: Readable.from(checkedBytesOfFile(file, size, sha256, path), { objectMode: false }),
            ContentType: mediaType,
            ...(head === undefined ? { IfNoneMatch: '*' } : {}),
          },
          partSize: Math.max(storePartBytes, Math.ceil(size / partsMax)),
          queueSize: partsInFlightMax,
        });
        try {
          await upload.done();
          return;
        } catch (error) {
          // Refused at the end: another has written it meanwhile, and the next look at its size says whether whole.
          const again = isPreconditionFailed(error) || isConflict(error) || isTransport(error);
          if (!again || attempt >= uploadAttemptsMax) {
            throw error;
          }
          await pause(attempt);
        }
      }
    });
  }

  /** The new version, or undefined when the condition did not hold. */
  private async putIf(
    key: string,
    body: Uint8Array,
    metadata: Record<string, string>,
    condition: { readonly IfNoneMatch: '*' } | { readonly IfMatch: string },
  ): Promise<string | undefined> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const response = await this.client.send(
          new PutObjectCommand({
            ...this.at(key),
            Body: body,
            ContentType: mediaTypes.json,
            Metadata: metadata,
            ...condition,
          }),
        );
        return response.ETag ?? '';
      } catch (error) {
        // Of something that is gone no version holds.
        if (isPreconditionFailed(error) || ('IfMatch' in condition && isMissing(error))) {
          return undefined;
        }
        if (!isConflict(error) || attempt >= conflictAttemptsMax) {
          throw error;
        }
        await pause(attempt);
      }
    }
  }

  // ---- reading -----------------------------------------------------------------------------------------------------

  /** Read a blob whole; once more when it arrived damaged though it is stored right. */
  private async twice<T>(ref: BlobName, read: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await read();
      } catch (error) {
        if (!(error instanceof HashMismatch)) {
          throw error;
        }
        const verdict = await this.judge(ref, error);
        if (attempt === 2 || verdict.stored) {
          throw verdict.error;
        }
      }
    }
  }

  /** All bytes of a blob to a new file, on the disk for certain when this returns. */
  private async download(ref: BlobName, path: string): Promise<void> {
    const file = await open(path, 'w');
    try {
      for await (const chunk of this.verified(ref)) {
        await file.writeFile(chunk);
      }
      // A file that a power cut has emptied must not stand in a cache under the name of its content.
      await file.sync();
    } finally {
      await file.close();
    }
  }

  /** The bytes of a blob; throws HashMismatch after the last when they are not what its name says. */
  private async *verified(ref: BlobName): AsyncGenerator<Buffer> {
    const hash = createHash('sha256');
    const seen: Seen = {};
    for await (const chunk of this.bytesOfBlob(ref, seen)) {
      hash.update(chunk);
      yield chunk;
    }
    if (hash.digest('hex') !== ref.sha256) {
      throw new HashMismatch(seen.etag);
    }
  }

  /** The bytes of a blob as they come; one that the store cannot read is out of the way when this throws, where that is ours to do. */
  private async *bytesOfBlob(ref: BlobName, seen: Seen): AsyncGenerator<Buffer> {
    try {
      yield* this.bytesOf(ref.uri, seen);
    } catch (error) {
      if (!(error instanceof UnreadableObject)) throw error;
      // Only a blob's own name says that it can be made again under it.
      const removed = ref.uri === blobKey(ref.sha256) && (await this.removeUnreadable(ref.uri));
      throw this.unreadable(ref.uri, error, removed);
    }
  }

  /** The bytes of an object in order; a download that breaks goes on where it broke, on the same version of the object. */
  private async *bytesOf(key: string, seen: Seen): AsyncGenerator<Buffer> {
    const action = `read ${key}`;
    let offset = 0;
    let size = Number.POSITIVE_INFINITY;
    let breaks = 0;
    for (;;) {
      const from = offset === 0 ? undefined : { offset, etag: seen.etag };
      let response: GetObjectCommandOutput | undefined;
      try {
        response = await this.get(key, from);
      } catch (error) {
        // What bytesOfBlob has its own words for.
        throw error instanceof UnreadableObject ? error : await this.error(error, action, false);
      }
      if (response === undefined) {
        throw blobMissing(key);
      }
      if (offset === 0) {
        size = response.ContentLength ?? Number.POSITIVE_INFINITY;
        seen.etag = response.ETag;
      }
      const before = offset;
      let broken: unknown = Object.assign(new Error('cut off'), { code: 'ECONNRESET' });
      try {
        for await (const chunk of response.Body as Readable) {
          offset += (chunk as Buffer).length;
          yield chunk as Buffer;
        }
        if (offset >= size || size === Number.POSITIVE_INFINITY) {
          return;
        }
      } catch (error) {
        broken = error;
      }
      breaks = offset - before < readProgressBytesMin ? breaks + 1 : 0;
      if (isTransport(broken) && breaks >= (isTimeout(broken) ? readSilencesMax : readBreaksMax + 1)) {
        const damaged = await this.judges.brokenOff(this.at(key).Key, breaks);
        if (damaged) throw damaged;
      }
      if (breaks > readBreaksMax || !isTransport(broken)) throw await this.error(broken, action, false);
      await pause(breaks + 1);
    }
  }

  /**
   * A blob was read whole and its hash was wrong: read it again. Right this time, it was damaged on the way. Wrong again, the
   * stored copy is damaged: it is moved to `quarantine/`, where nothing reads it and nothing is lost.
   */
  private async judge(ref: BlobName, { etag }: HashMismatch): Promise<{ stored: boolean; error: ArteError }> {
    const hash = createHash('sha256');
    for await (const chunk of this.bytesOfBlob(ref, {})) {
      hash.update(chunk);
    }
    const seen = hash.digest('hex');
    if (seen === ref.sha256) {
      const error = blobCorrupt(
        ref.uri,
        'It is stored right and arrived damaged.',
        'Try again; when it comes back, look at the network and the memory of this machine.',
      );
      return { stored: false, error };
    }
    const why = `What the store holds under that name hashes to ${seen.slice(0, 12)}…: it was damaged or overwritten there.`;
    // Only a blob's own name says what its bytes must be; a ref that names something else is a mistake of ours.
    const aside =
      ref.uri === blobKey(ref.sha256) &&
      etag !== undefined &&
      (await this.quarantine(ref.uri, quarantineKey(ref.sha256), etag));
    const error = aside
      ? blobCorrupt(ref.uri, `${why} It was moved to ${this.prefix}${quarantineKey(ref.sha256)}.`, `${howMadeAgain}.`)
      : blobCorrupt(
          ref.uri,
          why,
          `Remove ${this.prefix}${ref.uri} from bucket ${this.options.bucket}, then ${howMadeAgain}.`,
        );
    return { stored: true, error };
  }

  /** True when the damaged object is out of the way. False when we may not, or when somebody has replaced it meanwhile. */
  private async quarantine(key: string, to: string, etag: string): Promise<boolean> {
    try {
      const request = { ...this.at(to), CopySource: this.copySource(key), CopySourceIfMatch: etag };
      await this.client.send(new CopyObjectCommand(request));
      await this.client.send(new DeleteObjectCommand({ ...this.at(key), IfMatch: etag }));
      return true;
    } catch {
      return false;
    }
  }

  /** True when an object that the store cannot read is out of the way. False where the store is not on this machine (invariant 2). */
  private async removeUnreadable(key: string): Promise<boolean> {
    if (!this.isLocal) return false;
    try {
      const head = await this.head(key);
      if (head !== undefined) await this.client.send(new DeleteObjectCommand({ ...this.at(key), IfMatch: head.etag }));
      return true;
    } catch {
      return false;
    }
  }

  private unreadable(key: string, { seen }: UnreadableObject, removed = false): ArteError {
    const path = `${this.prefix}${key}`;
    const isBlob = key.startsWith('blobs/');
    return new ArteError('BlobCorrupt', {
      what: `${key} is in the store and cannot be read.`,
      why: removed ? `${seen} It was removed: nothing can read it.` : seen,
      next: removed
        ? `${howMadeAgain}.`
        : `Look at the disk and the log of the store. If it stays so: ${
            isBlob
              ? `remove ${path} from bucket ${this.options.bucket}, then ${howMadeAgain}.`
              : '`arte doctor` says what it is, and what to do about it.'
          }`,
    });
  }

  /** A small object whole, checked by the checksum the server keeps, with the mark of its writer. */
  private async getSmall(
    key: string,
  ): Promise<{ bytes: Buffer; etag: string; writer: string | undefined } | undefined> {
    for (let breaks = 1; ; breaks += 1) {
      let response: GetObjectCommandOutput;
      try {
        response = await this.object({ ...this.at(key), ChecksumMode: 'ENABLED' });
      } catch (error) {
        if (isMissing(error)) {
          return undefined;
        }
        throw error;
      }
      try {
        const chunks: Buffer[] = [];
        for await (const chunk of response.Body as Readable) {
          chunks.push(chunk as Buffer);
        }
        return { bytes: Buffer.concat(chunks), etag: response.ETag ?? '', writer: response.Metadata?.writer };
      } catch (error) {
        // The SDK tries requests again, but not bodies: neither one that broke nor one that does not fit its checksum.
        const mismatch = (error as Error).message.startsWith('Checksum mismatch');
        if (breaks > readBreaksMax || !(mismatch || isTransport(error))) {
          const damaged =
            mismatch || !isTransport(error) ? undefined : await this.judges.brokenOff(this.at(key).Key, breaks);
          if (damaged) throw damaged;
          throw mismatch
            ? blobCorrupt(
                key,
                'It does not fit the checksum that the store keeps of it.',
                '`arte doctor` says what it is, and what to do about it.',
              )
            : error;
        }
        await pause(breaks);
      }
    }
  }

  private async get(
    key: string,
    from?: { offset: number; etag: string | undefined },
  ): Promise<GetObjectCommandOutput | undefined> {
    const rest = from && {
      Range: `bytes=${String(from.offset)}-`,
      ...(from.etag === undefined ? {} : { IfMatch: from.etag }),
    };
    try {
      return await this.object({ ...this.at(key), ...rest });
    } catch (error) {
      if (isMissing(error)) {
        return undefined;
      }
      if (isPreconditionFailed(error)) {
        throw blobCorrupt(key, 'It was replaced while it was being read.', 'Try again.');
      }
      throw error;
    }
  }

  /** GET an object, or know that the store cannot read it. */
  private object(request: ObjectRequest): Promise<GetObjectCommandOutput> {
    return this.judges.get(this.client, request);
  }

  private async head(key: string): Promise<{ bytes: number; modifiedAt: Date; etag: string } | undefined> {
    return this.run(`look at ${key}`, false, async () => {
      try {
        const response = await this.client.send(new HeadObjectCommand(this.at(key)));
        return {
          bytes: response.ContentLength ?? 0,
          // A store that does not say when gets the answer that removes nothing.
          modifiedAt: response.LastModified ?? new Date(),
          etag: response.ETag ?? '',
        };
      } catch (error) {
        if (isMissing(error)) {
          return undefined;
        }
        throw error;
      }
    });
  }

  // ---- common ------------------------------------------------------------------------------------------------------

  private at(key: string): { Bucket: string; Key: string } {
    if (key.split('/').some((segment) => segment === '' || segment === '.' || segment === '..')) {
      throw new RangeError(`not a key of the store: ${JSON.stringify(key)}`);
    }
    return { Bucket: this.options.bucket, Key: this.prefix + key };
  }

  private async run<T>(action: string, writes: boolean, operation: () => Promise<T>): Promise<T> {
    try {
      return await operation();
    } catch (error) {
      throw await this.error(error, action, writes);
    }
  }

  private async error(error: unknown, action: string, writes: boolean): Promise<Error> {
    if (error instanceof RangeError || error instanceof HashMismatch) {
      return error;
    }
    if (error instanceof UnreadableObject) return this.unreadable(error.key.slice(this.prefix.length), error);
    const { bucket, endpoint, spoolDir } = this.options;
    return storeError(error, { action, writes, bucket, spoolDir, ...(endpoint === undefined ? {} : { endpoint }) });
  }
}

/** A run that is done walks no stage again; another one with its config finds what is left. */
const howMadeAgain =
  '`arte retry RUN`: the stage that made it makes it again. Of a run that is done, `arte run CONFIG --id OTHER` with the same config: what is left is reused, the rest made again';

function blobCorrupt(uri: string, why: string, next: string): ArteError {
  return new ArteError('BlobCorrupt', { what: `${uri} is not what its name says.`, why, next });
}

function blobMissing(uri: string): ArteError {
  return new ArteError('BlobMissing', {
    what: `${uri} is not in the store.`,
    why: 'It was removed, or the store under this address and prefix is another one.',
    next: `Check platform.store, then ${howMadeAgain}.`,
  });
}

function quarantineKey(sha256: string): string {
  return `quarantine/sha256/${sha256.slice(0, 2)}/${sha256}`;
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

function parseDocument(key: string, bytes: Buffer): JsonValue {
  try {
    return JSON.parse(bytes.toString('utf8')) as JsonValue;
  } catch (error) {
    throw new ArteError(
      'BlobCorrupt',
      {
        what: `Document ${key} is not JSON.`,
        why: 'It was overwritten by something that is not arte.',
        next: '`arte doctor` says what it is, and what to do about it.',
      },
      { cause: error },
    );
  }
}

/** Waits longer from attempt to attempt, never in step with others. */
async function pause(attempt: number): Promise<void> {
  const ms = Math.min(pauseMsMax, 25 * 2 ** attempt) * (0.5 + Math.random() / 2);
  await new Promise((resolve) => setTimeout(resolve, ms));
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
