/**
 * Small objects of an S3 store, read and written whole: documents, also on a condition, and the row engine's parts.
 *
 * Owns: which of several writers has won, the mark by which a writer knows its own, and the check by the checksum that the server keeps.
 * Leaves to s3-objects.ts keys and failures, to s3-blob-*.ts what is checked by its name, to callers what a document says.
 *
 * Invariant: of the conditional writes of one key and version exactly one wins, also where the answer to it was lost.
 */
import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { PutObjectCommand, type GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { mediaTypes } from '../../schemas/artifact-ref';
import { ArteError } from '../../schemas/errors';
import type { JsonValue } from '../../schemas/json';
import { blobCorrupt, isConflict, isMissing, isPreconditionFailed, isTransport } from './s3-errors';
import type { S3Objects } from './s3-objects';
import { conflictAttemptsMax, pause, readBreaksMax } from './s3-patience';

/** Reads and writes small objects of one store. Errors: Store*, BlobCorrupt. */
export class S3Documents {
  constructor(private readonly objects: S3Objects) {}

  /** As ArtifactStore.putOnce. */
  async putOnce(key: string, document: JsonValue): Promise<{ won: boolean; document: JsonValue }> {
    const body = Buffer.from(JSON.stringify(document), 'utf8');
    // A write whose answer was lost is sent again and refused, although it was ours that stands: the mark tells.
    const writer = randomUUID();
    return this.objects.run(`write ${key}`, true, async () => {
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

  /** As ArtifactStore.putDocument. */
  async putDocument(key: string, document: JsonValue): Promise<void> {
    await this.putObject(key, Buffer.from(JSON.stringify(document), 'utf8'), mediaTypes.json);
  }

  /** As ArtifactStore.getDocument. */
  async getDocument(key: string): Promise<JsonValue | undefined> {
    const bytes = await this.getObject(key);
    return bytes === undefined ? undefined : parseDocument(key, bytes);
  }

  /** As ArtifactStore.getVersion. */
  async getVersion(key: string): Promise<{ document: JsonValue; version: string } | undefined> {
    const standing = await this.objects.run(`read ${key}`, false, () => this.getSmall(key));
    return standing && { document: parseDocument(key, standing.bytes), version: standing.etag };
  }

  /** As ArtifactStore.replaceDocument. */
  async replaceDocument(key: string, document: JsonValue, version: string): Promise<string | undefined> {
    const body = Buffer.from(JSON.stringify(document), 'utf8');
    // As in putOnce: of a write whose answer was lost the mark tells.
    const writer = randomUUID();
    return this.objects.run(`write ${key}`, true, async () => {
      const written = await this.putIf(key, body, { writer }, { IfMatch: version });
      if (written !== undefined) return written;
      const standing = await this.getSmall(key);
      return standing?.writer === writer ? standing.etag : undefined;
    });
  }

  /** As ArtifactStore.putObject. */
  async putObject(key: string, bytes: Uint8Array, mediaType: string = mediaTypes.bytes): Promise<void> {
    await this.objects.run(`write ${key}`, true, () =>
      this.objects.client.send(new PutObjectCommand({ ...this.objects.at(key), Body: bytes, ContentType: mediaType })),
    );
  }

  /** As ArtifactStore.getObject. */
  async getObject(key: string): Promise<Buffer | undefined> {
    return this.objects.run(`read ${key}`, false, async () => (await this.getSmall(key))?.bytes);
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
        const response = await this.objects.client.send(
          new PutObjectCommand({
            ...this.objects.at(key),
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

  /** A small object whole, checked by the checksum the server keeps, with the mark of its writer. */
  private async getSmall(
    key: string,
  ): Promise<{ bytes: Buffer; etag: string; writer: string | undefined } | undefined> {
    for (let breaks = 1; ; breaks += 1) {
      let response: GetObjectCommandOutput;
      try {
        response = await this.objects.object({ ...this.objects.at(key), ChecksumMode: 'ENABLED' });
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
            mismatch || !isTransport(error)
              ? undefined
              : await this.objects.judges.brokenOff(this.objects.at(key).Key, breaks);
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
