/**
 * A ceiling that a person sets to a run's calls in flight while it runs: `runs/<runId>/ceiling.json`, read by every worker that asks for it.
 * Owns the document, and the count over all shards of the run in this process. How many calls an endpoint bears is the limiter's business
 * (row-engine/limiter.ts): this only lowers it.
 */
import { z } from 'zod';
import type { ArtifactStore } from '../drivers/store/store';
import { ceilingLookMs } from '../schemas/limits';
import type { CallCeiling } from './row-engine/types';
import { runKeys } from './run-records';

const ceilingSchema = z.object({ schemaVersion: z.literal(1), calls: z.number().int().positive() });

/** Calls in flight of this run in each worker process; null: as many as its endpoints bear. */
export async function setCallCeiling(store: ArtifactStore, runId: string, calls: number | null): Promise<void> {
  if (calls === null) await store.remove(runKeys.ceiling(runId));
  else await store.putDocument(runKeys.ceiling(runId), { schemaVersion: 1, calls });
}

/** Null where nobody set one. */
export async function readCallCeiling(store: ArtifactStore, runId: string): Promise<number | null> {
  const document = await store.getDocument(runKeys.ceiling(runId));
  return document === undefined ? null : ceilingSchema.parse(document).calls;
}

/** One for all shards of a run in this process. */
class SharedCeiling {
  max = Infinity;
  inFlight = 0;
  holders = 0;
  private readonly timer: NodeJS.Timeout;
  private looking: Promise<void> | undefined;

  constructor(
    private readonly store: ArtifactStore,
    private readonly runId: string,
    lookMs: number,
  ) {
    this.timer = setInterval(() => void this.look(), lookMs);
  }

  end(): void {
    clearInterval(this.timer);
  }

  look(): Promise<void> {
    this.looking ??= readCallCeiling(this.store, this.runId)
      .then((calls) => void (this.max = calls ?? Infinity))
      // A store that is away for a while leaves the ceiling as it was.
      .catch(() => undefined)
      .finally(() => (this.looking = undefined));
    return this.looking;
  }
}

const shared = new Map<string, SharedCeiling>();

/** The ceiling of a run, looked up now and anew every few seconds until it is closed. */
export async function openCeiling(
  store: ArtifactStore,
  runId: string,
  lookMs = ceilingLookMs,
): Promise<CallCeiling & { close(): void }> {
  let ceiling = shared.get(runId);
  if (!ceiling) {
    ceiling = new SharedCeiling(store, runId, lookMs);
    shared.set(runId, ceiling);
  }
  const held = ceiling;
  held.holders += 1;
  await held.look();
  return {
    get max() {
      return held.max;
    },
    take() {
      if (held.inFlight >= held.max) return false;
      held.inFlight += 1;
      return true;
    },
    give() {
      held.inFlight -= 1;
    },
    close() {
      held.holders -= 1;
      if (held.holders > 0) return;
      held.end();
      shared.delete(runId);
    },
  };
}
