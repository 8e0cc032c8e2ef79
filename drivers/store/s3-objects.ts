/**
 * Objects of one store by their keys: where they lie in the bucket, how they are asked for, listed and moved out of the way.
 *
 * Owns: what may be a key, the client and the judge of damage, and that every failure of a request is told as ours (run, error).
 * Leaves to s3-blob-writer.ts, s3-blob-reader.ts and s3-documents.ts what is put under a key and how it is checked, to s3-errors.ts the words, to
 * s3-damage.ts whether an object that is not given is damaged or the store is away.
 *
 * Invariants:
 * 1. Keys are `/`-separated and hold no empty, `.` or `..` segment; no key may be a folder of another (SeaweedFS keeps them as files).
 * 2. What is moved away is moved on condition that nobody has replaced it meanwhile. An object that the store itself cannot read is removed where the
 *    store is on this machine. Elsewhere it stays, for a person to judge: one disk of many that is away for a while looks the same.
 */
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type GetObjectCommandOutput,
  type ListObjectsV2CommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { ArteError } from '../../schemas/errors';
import { storePatienceMs } from '../../schemas/limits';
import { openClient, type S3Options } from './s3-client';
import { DamageJudge, probeKey, UnreadableObject, type ObjectRequest } from './s3-damage';
import { blobCorrupt, isLoopback, isMissing, isPreconditionFailed, storeError, unreadableError } from './s3-errors';
import type { StoredObject } from './store';

export interface S3StoreOptions extends S3Options {
  /** Everything of ours lies under it; refs do not name it. */
  readonly prefix?: string;
  /** Folder for files on their way to the store. Made when needed; a crash leaves nothing in it. */
  readonly spoolDir: string;
}

/** Objects of one store. Opens nothing yet: the first request does. */
export class S3Objects {
  /** For requests whose failures `run` tells. */
  readonly client: S3Client;
  readonly judges: DamageJudge;
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

  // ---- where, and in whose words -----------------------------------------------------------------------------------

  /** Where an object of ours lies in the bucket. Errors: RangeError for what is no key (invariant 1). */
  at(key: string): { Bucket: string; Key: string } {
    if (key.split('/').some((segment) => segment === '' || segment === '.' || segment === '..')) {
      throw new RangeError(`not a key of the store: ${JSON.stringify(key)}`);
    }
    return { Bucket: this.options.bucket, Key: this.prefix + key };
  }

  /** As CopySource of a copy names it. */
  copySource(key: string): string {
    return `${this.options.bucket}/${this.prefix}${key}`.split('/').map(encodeURIComponent).join('/');
  }

  /** Do something of this store (`action`: as in "could not …"); its failure is told as ours. */
  async run<T>(action: string, writes: boolean, operation: () => Promise<T>): Promise<T> {
    try {
      return await operation();
    } catch (error) {
      throw await this.error(error, action, writes);
    }
  }

  /** What a failure is told as: an ArteError, or the mistake of the caller that it is. */
  async error(error: unknown, action: string, writes: boolean): Promise<Error> {
    if (error instanceof RangeError) {
      return error;
    }
    if (error instanceof UnreadableObject) return this.unreadable(error.key.slice(this.prefix.length), error);
    const { bucket, endpoint, spoolDir } = this.options;
    return storeError(error, { action, writes, bucket, spoolDir, ...(endpoint === undefined ? {} : { endpoint }) });
  }

  /** What is to be said of an object that the store cannot read; `removed` when it was taken out of the way. */
  unreadable(key: string, { seen }: UnreadableObject, removed = false): ArteError {
    return unreadableError(key, { ...this.at(key), seen, removed });
  }

  // ---- looking and reading -----------------------------------------------------------------------------------------

  /** GET an object, or know that the store cannot read it. */
  object(request: ObjectRequest): Promise<GetObjectCommandOutput> {
    return this.judges.get(this.client, request);
  }

  /** A blob from its beginning, or the rest of the version that was begun; undefined where nothing stands. Errors are still the SDK's. */
  async get(
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

  /** What is known of an object without reading it; undefined where nothing stands. */
  async head(key: string): Promise<{ bytes: number; modifiedAt: Date; etag: string } | undefined> {
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

  /** As ArtifactStore.list. */
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

  /** As ArtifactStore.folders. */
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

  // ---- taking away -------------------------------------------------------------------------------------------------

  /** As ArtifactStore.remove. */
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

  /** True when the damaged object is out of the way. False when we may not, or when somebody has replaced it meanwhile. */
  async quarantine(key: string, to: string, etag: string): Promise<boolean> {
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
  async removeUnreadable(key: string): Promise<boolean> {
    if (!this.isLocal) return false;
    try {
      const head = await this.head(key);
      if (head !== undefined) await this.client.send(new DeleteObjectCommand({ ...this.at(key), IfMatch: head.etag }));
      return true;
    } catch {
      return false;
    }
  }

  /** As ArtifactStore.setAside. */
  async setAside(key: string): Promise<boolean> {
    const head = await this.head(key);
    if (head === undefined) return true;
    // A copy of what the store cannot read fails as often as it is asked for.
    if (await this.judges.isUnreadable(this.at(key))) return this.removeUnreadable(key);
    return this.quarantine(key, `quarantine/${key}`, head.etag);
  }

  /** Drop all connections. */
  close(): void {
    this.client.destroy();
    this.judges.close();
  }
}
