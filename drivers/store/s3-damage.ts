/**
 * An object that a store has and does not give: its bytes are damaged where the store keeps them, or the store is away. SeaweedFS answers
 * HTTP 500 to both, after it has said nothing for 13 s while it tried anew; so another object is asked for, and then this one once more.
 *
 * Owns that judgement and how long it may take. Leaves what becomes of a damaged object to s3-blob-reader.ts and s3-objects.ts, the words of all other
 * errors to s3-errors.ts.
 *
 * Invariant: nothing is called damaged that a store which is away or not itself explains as well: it wrote and gave back another object after this one
 * had failed for storeDamageMs, or had not come in time, and then said that it failed on this one.
 */
import {
  GetObjectCommand,
  PutObjectCommand,
  type GetObjectCommandInput,
  type GetObjectCommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { storeDamageMs, storeLastReadMs, storePatienceMs, storeProbeMs } from '../../schemas/limits';
import { isInnerError, isTimeout, isTransport, nameOf, statusOf } from './s3-errors';

/** Key of the object by which a store shows that it takes and gives objects. */
export const probeKey = 'probe';

/** The store has the object and cannot read it. Never leaves this folder. */
export class UnreadableObject extends Error {
  constructor(
    /** In the bucket. */
    readonly key: string,
    /** A sentence: what was seen of it. */
    readonly seen: string,
  ) {
    super(seen);
  }
}

export type ObjectRequest = GetObjectCommandInput & { readonly Bucket: string; readonly Key: string };

/** How long a client goes on asking by itself: a read that fails inside the store is judged early, everything else is waited out. */
export function patienceFor(commandName: string | undefined, error: unknown): number {
  return commandName === 'GetObjectCommand' && isInnerError(error) ? storeDamageMs : storePatienceMs;
}

/**
 * Let a read that failed inside the store come out of the client's own retries at once: each would be as long as the first, and damage does not pass.
 * Patience is the caller's (patienceFor).
 */
export function tellFailedReadsAtOnce(client: S3Client): void {
  client.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        try {
          return await next(args);
        } catch (error) {
          // The client tries again what has a status of the kind, and nothing that is unknown to it.
          if (commandName === 'GetObjectCommand' && isInnerError(error)) throw new FailedRead(error);
          throw error;
        }
      },
    { step: 'deserialize', priority: 'high', name: 'failedReads' },
  );
  client.middlewareStack.add(
    (next) => async (args) => {
      try {
        return await next(args);
      } catch (error) {
        throw error instanceof FailedRead ? error.answer : error;
      }
    },
    { step: 'initialize', priority: 'low', name: 'failedReadsOut' },
  );
}

class FailedRead extends Error {
  constructor(readonly answer: unknown) {
    super('a read failed inside the store');
  }
}

export interface JudgeOptions {
  readonly bucket: string;
  /** Key of the object that is asked for beside the one in question. */
  readonly probe: string;
  /** Whether the store is on this machine. */
  readonly isLocal: boolean;
  /** How long a store is waited for that gives nothing else either; 0: not at all. */
  readonly patienceMs: number;
  /** Opens a client that asks once and says what it sees; silence is borne for so long. */
  readonly open: (silenceMs: number) => S3Client;
}

/** Reads objects of one store, and tells a damaged one from a store that is away. */
export class DamageJudge {
  /** By the silence that they bear. */
  private readonly clients = new Map<number, S3Client>();

  constructor(private readonly options: JudgeOptions) {}

  /** GET an object by the patient client. Errors: UnreadableObject, and the client's. */
  async get(patient: S3Client, request: ObjectRequest): Promise<GetObjectCommandOutput> {
    const began = Date.now();
    for (;;) {
      try {
        return await patient.send(new GetObjectCommand(request));
      } catch (error) {
        if (!isInnerError(error) && !isTimeout(error)) throw error;
        if (await this.givesOthers()) return this.getAgain(request, began);
        if (isTimeout(error) || Date.now() - began > this.options.patienceMs) throw error;
      }
    }
  }

  private async getAgain(request: ObjectRequest, began: number): Promise<GetObjectCommandOutput> {
    try {
      return await this.once(storeLastReadMs).send(new GetObjectCommand(request));
    } catch (error) {
      if (!isInnerError(error)) throw error;
      const seconds = Math.max(1, Math.round((Date.now() - began) / 1000));
      throw new UnreadableObject(
        request.Key,
        `The store answers every GET of it with HTTP 500 ${nameOf(error)}, for ${String(seconds)} s now, and meanwhile took and gave another object: its bytes are damaged where the store keeps them.`,
      );
    }
  }

  /** What is to be said of an object whose bytes broke off so often at the same place; undefined where more than this object may be the matter. */
  async brokenOff(key: string, times: number): Promise<UnreadableObject | undefined> {
    // A network breaks large objects and lets small ones through; on this machine there is none in between.
    if (!this.options.isLocal || !(await this.givesOthers())) return undefined;
    return new UnreadableObject(
      key,
      `Its bytes broke off ${String(times)} times at the same place, and meanwhile the store took and gave another object: they are damaged where the store keeps them.`,
    );
  }

  /** Whether the store gives others and not this one, now. */
  async isUnreadable(request: ObjectRequest): Promise<boolean> {
    if (!(await this.givesOthers())) return false;
    try {
      const { Body } = await this.once(storeLastReadMs).send(new GetObjectCommand(request));
      await Body?.transformToByteArray();
      return false;
    } catch (error) {
      return isInnerError(error) || (statusOf(error) === undefined && isTransport(error));
    }
  }

  /** Whether the store takes and gives an object now. One that takes none (it is full) may still give the one that stands there. */
  private async givesOthers(): Promise<boolean> {
    const place = { Bucket: this.options.bucket, Key: this.options.probe };
    try {
      const client = this.once(storeProbeMs);
      await client.send(new PutObjectCommand({ ...place, Body: String(Date.now()) })).catch((error: unknown) => {
        if (statusOf(error) === undefined) throw error;
      });
      const { Body } = await client.send(new GetObjectCommand(place));
      return Body !== undefined && (await Body.transformToString()) !== '';
    } catch {
      return false;
    }
  }

  private once(silenceMs: number): S3Client {
    const client = this.clients.get(silenceMs) ?? this.options.open(silenceMs);
    this.clients.set(silenceMs, client);
    return client;
  }

  close(): void {
    for (const client of this.clients.values()) client.destroy();
  }
}
