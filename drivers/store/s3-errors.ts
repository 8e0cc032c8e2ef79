/**
 * What an S3 store's failures mean to a person: every error of the SDK, the network and the local disk, and every object that is missing or damaged, as
 * one ArteError. Owns the mapping and the words. Leaves when to try again to s3-client.ts, s3-patience.ts and, past that, the activity's retry policy;
 * whether an object is damaged to s3-damage.ts and s3-blob-reader.ts.
 *
 * Invariant: no credential and no response body stands in a message; only names, codes, keys and addresses.
 */
import { statfs } from 'node:fs/promises';
import { ArteError } from '../../schemas/errors';
import { storeDiskBytesMin } from '../../schemas/limits';

export interface StoreErrorContext {
  /** As in "could not <action>": `write blobs/…`. */
  readonly action: string;
  readonly writes: boolean;
  readonly bucket: string;
  /** Left out for AWS itself. */
  readonly endpoint?: string;
  /** On the disk of the embedded server; tells a full disk from another inner error of that server. */
  readonly spoolDir?: string;
}

const unauthorizedNames = new Set([
  'AccessDenied',
  'AccountProblem',
  'AllAccessDisabled',
  'CredentialsProviderError',
  'ExpiredToken',
  'Forbidden',
  'InvalidAccessKeyId',
  'InvalidToken',
  'RequestTimeTooSkewed',
  'SignatureDoesNotMatch',
]);
const fullNames = new Set(['InsufficientStorage', 'QuotaExceeded', 'ServiceQuotaExceeded', 'XMinioStorageFull']);
const connectionCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
  'ERR_STREAM_PREMATURE_CLOSE',
]);
const transientStatuses = new Set([408, 429, 500, 502, 503, 504]);
const fullDiskCodes = new Set(['ENOSPC', 'EDQUOT']);

/** HTTP status of an SDK error, where there was a response. */
export function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } } | null)?.$metadata?.httpStatusCode;
}

/** Error name of S3 or the SDK, or ''. */
export function nameOf(error: unknown): string {
  const { name, message } = (error ?? {}) as { name?: unknown; message?: unknown };
  return wrapped(message)?.name ?? (typeof name === 'string' ? name : '');
}

/** The operating system's code, or ''. */
function codeOf(error: unknown): string {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return typeof code === 'string' ? code : (wrapped(message)?.code ?? '');
}

/** The SDK wraps what is no Error of its own realm and keeps only its text: `AWS SDK error wrapper for NAME: connect ECODE …`. */
function wrapped(message: unknown): { name: string; code: string | undefined } | undefined {
  const text = typeof message === 'string' ? /^AWS SDK error wrapper for (\w+): (.*)$/s.exec(message) : null;
  return text === null
    ? undefined
    : { name: text[1] ?? '', code: /\b(E[A-Z]{3,}|ERR_[A-Z_]+)\b/.exec(text[2] ?? '')?.[1] };
}

export function isMissing(error: unknown): boolean {
  return statusOf(error) === 404 && nameOf(error) !== 'NoSuchBucket';
}

/** IfNoneMatch or IfMatch did not hold. */
export function isPreconditionFailed(error: unknown): boolean {
  return statusOf(error) === 412;
}

/** Two conditional writes of one key met; one of them has to come again. */
export function isConflict(error: unknown): boolean {
  return (
    statusOf(error) === 409 && nameOf(error) !== 'BucketAlreadyOwnedByYou' && nameOf(error) !== 'BucketAlreadyExists'
  );
}

/** A connection that broke or never came to be, or a server that is not itself for the moment: worth another try. */
export function isTransport(error: unknown): boolean {
  const status = statusOf(error);
  if (status !== undefined && status >= 400) {
    return transientStatuses.has(status);
  }
  return isTimeout(error) || connectionCodes.has(codeOf(error));
}

/**
 * An answer that says only that something failed inside the server. Not 502, 503 and 504: those are a gateway's, or of a server that asks to be
 * spared, and pass by themselves.
 */
export function isInnerError(error: unknown): boolean {
  return statusOf(error) === 500;
}

/** A server that took the connection, or should have, and said nothing. */
export function isTimeout(error: unknown): boolean {
  return nameOf(error) === 'TimeoutError';
}

/** An error of the local file system, while spooling or unpacking. */
export function localFileError(error: unknown, path: string): ArteError {
  if (error instanceof ArteError) {
    return error;
  }
  const code = codeOf(error);
  if (fullDiskCodes.has(code)) {
    return new ArteError(
      'DiskFull',
      {
        what: `${path} could not be written.`,
        why: 'The disk has no room left.',
        next: 'Free some room on that disk, or set ARTE_DATA_DIR and ARTE_CACHE_DIR to a larger one, then `arte retry RUN`.',
      },
      { cause: error },
    );
  }
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new ArteError(
      'InvalidInput',
      {
        what: `${path} is not there.`,
        why: 'It was moved, deleted, or never made.',
        next: 'Check the path, then try again.',
      },
      { cause: error },
    );
  }
  return new ArteError(
    'Unexpected',
    {
      what: `${path} could not be used.`,
      why: `The file system answered ${code || String(error)}.`,
      next: 'Run `arte doctor`; it checks the folders arte needs.',
    },
    { cause: error },
  );
}

/** Any failure of a store operation as an ArteError; one that is one already is handed through. */
export async function storeError(error: unknown, context: StoreErrorContext): Promise<ArteError> {
  if (error instanceof ArteError) {
    return error;
  }
  const status = statusOf(error);
  const name = nameOf(error);
  const code = codeOf(error);
  const where = context.endpoint ?? 'AWS S3';
  const what = `The store at ${where} could not ${context.action} (bucket ${context.bucket}).`;
  const make = (errorCode: ConstructorParameters<typeof ArteError>[0], why: string, next: string): ArteError =>
    new ArteError(errorCode, { what, why, next }, { cause: error });

  if (fullDiskCodes.has(code)) {
    return localFileError(error, context.spoolDir ?? 'the spool folder');
  }
  if (status === 507 || fullNames.has(name) || (context.writes && (await embeddedDiskIsFull(status, context)))) {
    return make(
      'StoreFull',
      'It has no room left for more data.',
      'Free some room where the store keeps its files, then `arte retry RUN`: nothing that was stored is lost. The embedded store stays read-only until it is started again: `arte down`, `arte up`, then the retry.',
    );
  }
  if (unauthorizedNames.has(name) || status === 401 || status === 403) {
    if (name === 'RequestTimeTooSkewed') {
      return make(
        'StoreUnauthorized',
        "This machine's clock is too far from the store's.",
        'Set the clock (timedatectl set-ntp true), then `arte retry RUN`.',
      );
    }
    return make(
      'StoreUnauthorized',
      `It refuses the credentials or their rights (${name || String(status)}).`,
      'Check the access key, its secret and its rights on the bucket (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or platform.store), then `arte retry RUN`.',
    );
  }
  if (name === 'NoSuchBucket') {
    return make(
      'InvalidConfig',
      'The bucket does not exist.',
      `Create bucket ${context.bucket}, or write the right one at platform.store.bucket.`,
    );
  }
  if (status === 301 || name === 'PermanentRedirect' || name === 'AuthorizationHeaderMalformed') {
    return make('InvalidConfig', 'The bucket lies in another region.', 'Write its region at platform.store.region.');
  }
  if (isTransport(error)) {
    const seen = status === undefined ? code || name : `HTTP ${String(status)} ${name}`;
    return make(
      'StoreUnreachable',
      isTimeout(error)
        ? 'It does not answer at all: it is stopped, overloaded or out of reach.'
        : `It did not answer as a working store does (${seen}), on any of several attempts.`,
      "See whether it runs: the embedded one is started by `arte up`, another's address is platform.store.endpoint.",
    );
  }
  return make(
    'Unexpected',
    `It answered ${status === undefined ? '' : `HTTP ${String(status)} `}${name || code || String(error)}.`,
    'Run `arte doctor`; it tries the store step by step.',
  );
}

/**
 * SeaweedFS says only "internal error" when its disk is full. When the store is on this machine the disk can be asked.
 * Source: a server without a writable volume answers 500 InternalError to every write and goes on serving reads.
 */
async function embeddedDiskIsFull(
  status: number | undefined,
  { endpoint, spoolDir }: StoreErrorContext,
): Promise<boolean> {
  if (
    status === undefined ||
    status < 500 ||
    endpoint === undefined ||
    spoolDir === undefined ||
    !isLoopback(endpoint)
  ) {
    return false;
  }
  try {
    const disk = await statfs(spoolDir);
    const free = disk.bavail * disk.bsize;
    // SeaweedFS stops writing below 1 % free; 2 % so that we are not wrong at the edge.
    return free < storeDiskBytesMin || free < (disk.blocks * disk.bsize) / 50;
  } catch {
    return false;
  }
}

/** Whether the store is on this machine, as the embedded one is. */
export function isLoopback(endpoint: string): boolean {
  const host = new URL(endpoint).hostname;
  return host === 'localhost' || host === '[::1]' || host.startsWith('127.');
}

/** A run that is done walks no stage again; another one with its config finds what is left. */
export const howMadeAgain =
  '`arte retry RUN`: the stage that made it makes it again. Of a run that is done, `arte run CONFIG --id OTHER` with the same config: what is left is reused, the rest made again';

/** A blob or document whose bytes are not those that were put. */
export function blobCorrupt(uri: string, why: string, next: string): ArteError {
  return new ArteError('BlobCorrupt', { what: `${uri} is not what its name says.`, why, next });
}

/** A blob that nothing stands under. */
export function blobMissing(uri: string): ArteError {
  return new ArteError('BlobMissing', {
    what: `${uri} is not in the store.`,
    why: 'It was removed, or the store under this address and prefix is another one.',
    next: `Check platform.store, then ${howMadeAgain}.`,
  });
}

/** An object that the store has and cannot give; `removed` when it was taken out of the way. */
export function unreadableError(
  key: string,
  { Bucket, Key, seen, removed }: { Bucket: string; Key: string; seen: string; removed: boolean },
): ArteError {
  const isBlob = key.startsWith('blobs/');
  return new ArteError('BlobCorrupt', {
    what: `${key} is in the store and cannot be read.`,
    why: removed ? `${seen} It was removed: nothing can read it.` : seen,
    next: removed
      ? `${howMadeAgain}.`
      : `Look at the disk and the log of the store. If it stays so: ${
          isBlob
            ? `remove ${Key} from bucket ${Bucket}, then ${howMadeAgain}.`
            : '`arte doctor` says what it is, and what to do about it.'
        }`,
  });
}
