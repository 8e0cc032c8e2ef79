/**
 * Blobs out of an S3 store: every byte of them held against their name before the last one is given out.
 *
 * Owns: verification of what is read, what becomes of a blob that is damaged, and downloads that break.
 * Leaves to s3-objects.ts the requests and the moving away, to s3-damage.ts whether an object that is not given is damaged or the store is away, to
 * s3.ts the places of files and folders on this machine.
 *
 * Invariants:
 * 1. A blob that was read twice with a wrong hash is moved to `quarantine/`, on condition that nobody has replaced it meanwhile:
 *    from then on it is missing, the stage that made it is no hit any more, and putting the bytes again heals it.
 *    One that the store itself cannot read is taken out of the way as invariant 2 of s3-objects.ts says.
 * 2. A download goes on where it broke, on the same version of the object.
 */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import type { ArtifactRef } from '../../schemas/artifact-ref';
import type { ArteError } from '../../schemas/errors';
import { UnreadableObject } from './s3-damage';
import { blobCorrupt, blobMissing, howMadeAgain, isTimeout, isTransport } from './s3-errors';
import { blobKey, quarantineKey } from './s3-keys';
import type { S3Objects } from './s3-objects';
import { pause, readBreaksMax } from './s3-patience';

/** Fewer bytes than this are not much: before a damaged piece SeaweedFS gives a quarter of a MiB more at each attempt. */
const readProgressBytesMin = 1024 * 1024;
/** So many times a download may fall silent without much in between before the object is held against another one: each takes a minute. */
const readSilencesMax = 2;

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

/** By what a blob is asked for. */
export type BlobName = Pick<ArtifactRef, 'uri' | 'sha256'>;

/** Reads blobs of one store. Errors: BlobMissing, BlobCorrupt, Store*. */
export class S3BlobReader {
  constructor(private readonly objects: S3Objects) {}

  /** As ArtifactStore.getBlob. */
  async whole(ref: BlobName): Promise<Buffer> {
    return this.twice(ref, async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of this.verified(ref)) {
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    });
  }

  /** As ArtifactStore.getLines. */
  async *lines(ref: BlobName): AsyncGenerator<string> {
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

  /** All bytes of a blob to a new file, verified: on the disk for certain when this returns. */
  toFile(ref: BlobName, path: string): Promise<void> {
    return this.twice(ref, () => this.download(ref, path));
  }

  /** As ArtifactStore.openBlob. */
  async open(ref: Pick<ArtifactRef, 'uri'>): Promise<Readable> {
    return this.objects.run(`read ${ref.uri}`, false, async () => {
      const response = await this.objects.get(ref.uri);
      if (response === undefined) {
        throw blobMissing(ref.uri);
      }
      return response.Body as Readable;
    });
  }

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
      const removed = ref.uri === blobKey(ref.sha256) && (await this.objects.removeUnreadable(ref.uri));
      throw this.objects.unreadable(ref.uri, error, removed);
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
        response = await this.objects.get(key, from);
      } catch (error) {
        // What bytesOfBlob has its own words for.
        throw error instanceof UnreadableObject ? error : await this.objects.error(error, action, false);
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
        const damaged = await this.objects.judges.brokenOff(this.objects.at(key).Key, breaks);
        if (damaged) throw damaged;
      }
      if (breaks > readBreaksMax || !isTransport(broken)) throw await this.objects.error(broken, action, false);
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
      (await this.objects.quarantine(ref.uri, quarantineKey(ref.sha256), etag));
    const { Bucket, Key } = this.objects.at(ref.uri);
    const error = aside
      ? blobCorrupt(
          ref.uri,
          `${why} It was moved to ${this.objects.at(quarantineKey(ref.sha256)).Key}.`,
          `${howMadeAgain}.`,
        )
      : blobCorrupt(ref.uri, why, `Remove ${Key} from bucket ${Bucket}, then ${howMadeAgain}.`);
    return { stored: true, error };
  }
}
