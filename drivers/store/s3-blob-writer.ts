/**
 * Blobs on their way to an S3 store: small ones by one PUT, large files in parts.
 *
 * Owns: the conditions under which a blob is written, the making young of one that is there, and the upload in parts.
 * Leaves to s3.ts hashing and what becomes a ref, to local-files.ts the reading of files, to s3-objects.ts keys and failures.
 *
 * Invariants:
 * 1. A blob is written with `IfNoneMatch: *`: it costs one request, and tells whether it was there. One that was is made young: a small one is
 *    written over (the same bytes, and whole again should they have been damaged), a large one is copied onto itself inside the store.
 * 2. A request that was cut off is sent again from a stream or buffer of its own.
 */
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { CopyObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { storePartBytes } from '../../schemas/limits';
import { checkedBytesOfFile } from './local-files';
import { isConflict, isPreconditionFailed, isTransport } from './s3-errors';
import { blobKey } from './s3-keys';
import type { S3Objects } from './s3-objects';
import { conflictAttemptsMax, pause } from './s3-patience';

/** A whole multipart upload is started anew this often. */
const uploadAttemptsMax = 3;
/** Parts of one upload in flight: with the one being filled, what an upload holds in memory. */
const partsInFlightMax = 3;
/** S3's greatest number of parts, with some to spare. */
const partsMax = 9_500;

/** Puts blobs of one store. What is said of failures is that of S3Objects.run. */
export class S3BlobWriter {
  constructor(private readonly objects: S3Objects) {}

  /** One PUT on condition that nothing is there; what is there already is written over, so that it is young and whole (invariant 1). */
  async putBytes(body: Uint8Array, sha256: string, mediaType: string): Promise<void> {
    const key = blobKey(sha256);
    const checksum = Buffer.from(sha256, 'hex').toString('base64');
    const request = { ...this.objects.at(key), Body: body, ContentType: mediaType, ChecksumSHA256: checksum };
    await this.objects.run(`write ${key}`, true, async () => {
      for (let attempt = 1; ; attempt += 1) {
        try {
          await this.objects.client.send(new PutObjectCommand({ ...request, IfNoneMatch: '*' }));
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
      await this.objects.client.send(new PutObjectCommand(request));
    });
  }

  /** A large file, in parts. Whether it is there is asked first: finding out at the end would cost the whole transfer. */
  async uploadParts(file: FileHandle, size: number, sha256: string, mediaType: string, path: string): Promise<void> {
    const key = blobKey(sha256);
    await this.objects.run(`write ${key}`, true, async () => {
      for (let attempt = 1; ; attempt += 1) {
        const head = await this.objects.head(key);
        if (head?.bytes === size && (await this.touch(key, head.etag, mediaType))) {
          return;
        }
        const upload = new Upload({
          client: this.objects.client,
          params: {
            ...this.objects.at(key),
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

  /** Copy a large blob onto itself, so that it is young. False when it is another by now, or the store does not do it for one of this size. */
  private async touch(key: string, etag: string, mediaType: string): Promise<boolean> {
    try {
      await this.objects.client.send(
        new CopyObjectCommand({
          ...this.objects.at(key),
          CopySource: this.objects.copySource(key),
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
}
