/**
 * Clients of an S3 server, and what may be asked of it before there is a store: whether its bucket is there and keeps objects.
 *
 * Owns: how a server is reached, how long a request that is not answered is sent again, and the making of the bucket.
 * Leaves to s3-damage.ts how long a read that fails inside the server is asked again, to s3-objects.ts what lies in the bucket, to drivers/local the
 * starting of the embedded server.
 */
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadBucketCommand,
  PutObjectCommand,
  S3Client,
  type BucketLocationConstraint,
} from '@aws-sdk/client-s3';
import { storeSilenceMs } from '../../schemas/limits';
import { patienceFor, probeKey, tellFailedReadsAtOnce } from './s3-damage';
import { isMissing, isTimeout, isTransport, nameOf, storeError } from './s3-errors';
import { pause } from './s3-patience';

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

/** Attempts that the SDK makes of a request by itself, in quick succession. */
const requestAttemptsMax = 3;

/** Make the bucket unless it is there. Errors: StoreUnauthorized, StoreUnreachable, InvalidConfig. */
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

/** A client that waits for a store that does not answer (S3Options.attempts). Close it by destroy(). */
export function openClient({
  endpoint,
  region,
  forcePathStyle,
  credentials,
  attempts,
  silenceMs,
}: S3Options): S3Client {
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
