/**
 * One run at a time makes a piece of work (a shard, a training): whoever comes second waits and takes the result (docs/decisions/0008).
 * Owns `leases/<key>.json`: who makes it, and a number that grows while its maker lives.
 *
 * Invariants: 1. No two clocks are compared: a lease has expired when it was watched, unchanged, for leaseExpiryMs by the watcher's clock.
 * 2. Another attempt of the same run takes over at once: it knows that the one before it is gone, or may not go on.
 * 3. A holder that was taken over learns it at its next renewal and stops. Until then both may ask: a lease saves money, it does not
 * guard results; those are fenced by their attempt (row engine) and written once.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { ArtifactStore } from '../drivers/store/store';
import { ArteError } from '../schemas/errors';
import type { ActivityProgress } from '../schemas/messages';
import { leaseExpiryMs, leasePollMs, leaseRenewMs } from '../schemas/limits';
import { putAway } from './damaged';

const leaseSchema = z.object({ owner: z.string(), attempt: z.string(), beat: z.number() });
type LeaseDocument = z.infer<typeof leaseSchema>;

export interface LeaseRequest<T> {
  readonly store: ArtifactStore;
  /** Key of the work: a shard's or a stage's. */
  readonly key: string;
  /** Id of the run. */
  readonly owner: string;
  readonly attempt: string;
  readonly signal: AbortSignal;
  /** The result of the work, when it is there. */
  readonly finished: () => Promise<T | undefined>;
  /** Told, now and then, which run is waited for. */
  readonly onWait: (owner: string) => void;
  /** Other limits than schemas/limits.ts: for tests. */
  readonly limits?: { readonly renewMs: number; readonly expiryMs: number; readonly pollMs: number };
}

/**
 * Do the work under its lease, or wait for the run that does it and return what that has made. The signal is that of the request, and fires
 * too when the lease is lost. Errors: LeaseLost, the store's, and what the work throws.
 */
export async function underLease<T>(request: LeaseRequest<T>, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { store, key, owner, attempt, signal, finished, onWait } = request;
  const { renewMs, expiryMs, pollMs } = request.limits ?? {
    renewMs: leaseRenewMs,
    expiryMs: leaseExpiryMs,
    pollMs: leasePollMs,
  };
  const path = `leases/${key}.json`;
  const mine = (beat: number): LeaseDocument => ({ owner, attempt, beat });
  let watched: { readonly version: string; readonly since: number } | undefined;

  /** Our version of the lease, or undefined and `watched` is brought up to date. */
  const take = async (): Promise<string | undefined> => {
    let standing: Awaited<ReturnType<typeof store.getVersion>>;
    try {
      await store.putOnce(path, mine(0));
      standing = await store.getVersion(path);
    } catch (error) {
      // Of a damaged lease nobody can tell whose it is: the next look takes a new one. A holder that lives learns it at its next renewal.
      await putAway(store, path, error);
      return undefined;
    }
    // Given back in between: the next look takes it.
    if (standing === undefined) return undefined;
    const { owner: holder, attempt: by } = leaseSchema.parse(standing.document);
    if (holder === owner && by === attempt) return standing.version;
    const now = performance.now();
    if (watched?.version !== standing.version) watched = { version: standing.version, since: now };
    if (holder === owner || now - watched.since >= expiryMs)
      return store.replaceDocument(path, mine(0), standing.version);
    onWait(holder);
    return undefined;
  };

  const giveBack = async (): Promise<void> => {
    const standing = await store.getDocument(path);
    const held = standing === undefined ? undefined : leaseSchema.parse(standing);
    if (held?.owner === owner && held.attempt === attempt) await store.remove(path);
  };

  for (;;) {
    signal.throwIfAborted();
    const version = await take();
    const found = await finished();
    if (found !== undefined) {
      if (version !== undefined) await giveBack();
      return found;
    }
    if (version === undefined) {
      // An abort ends the pause; what it was for is thrown above.
      await sleep(pollMs, undefined, { signal }).catch(() => undefined);
      continue;
    }
    const renewal = keepRenewing(request, path, version, renewMs);
    try {
      return await work(AbortSignal.any([signal, renewal.lost]));
    } finally {
      await renewal.stop();
      // One that stays behind costs another run a wait.
      await giveBack().catch(() => undefined);
    }
  }
}

/** How a heartbeat says that another run is making what this one needs. */
export function waitingFor(owner: string): Pick<ActivityProgress, 'phase' | 'note'> {
  return {
    phase: `waiting for run ${owner}`,
    note: `run ${owner} is making this; its result is taken when it is done, and its work when it is gone`,
  };
}

function keepRenewing<T>(
  { store, key, owner, attempt }: LeaseRequest<T>,
  path: string,
  first: string,
  renewMs: number,
): { readonly lost: AbortSignal; stop(): Promise<void> } {
  const lost = new AbortController();
  let version = first;
  let beat = 0;
  let renewing: Promise<void> | undefined;
  const renew = async (): Promise<void> => {
    beat += 1;
    const next = await store.replaceDocument(path, { owner, attempt, beat }, version);
    if (next !== undefined) {
      version = next;
      return;
    }
    clearInterval(timer);
    lost.abort(
      new ArteError('LeaseLost', {
        what: `Another attempt or run has taken over ${key.slice(0, 12)}.`,
        why: 'This worker could not say for a while that it still works on it.',
        next: 'It is tried again by itself: the other one is waited for, and its result is taken.',
      }),
    );
  };
  const timer = setInterval(() => {
    // A store that is away is not a lease that is lost: the next renewal tells.
    renewing ??= renew()
      .catch(() => undefined)
      .finally(() => (renewing = undefined));
  }, renewMs);
  return {
    lost: lost.signal,
    async stop() {
      clearInterval(timer);
      await renewing;
    },
  };
}
