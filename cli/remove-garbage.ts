/**
 * Removes what garbage.ts has found, beside runs that go on, begin, or go on again meanwhile. No lock: whoever puts or reuses something makes it young.
 *
 * Owns the order of removal and the second look. Leaves what garbage is to garbage.ts.
 *
 * Invariants
 * 1. A document goes before what it names, a run's record first of all, so that a clean-up that was broken off leaves no document that points
 *    at nothing; the next one finds the rest.
 * 2. Each object is looked at right before it is removed: one that was written since the clean-up began stays, and of a run's documents all do when
 *    its record does.
 * 3. What documents name is removed by a look at the runs and documents that there are when the documents before it have gone: a run that began
 *    meanwhile keeps what it has found, and all that this needs.
 * What remains are the milliseconds between the look at an object and its removal: who reuses it in just these has found what is no longer there. A run
 * under way makes it again (decision 0007); one that ends before it notices is told of by `arte doctor`.
 */
import { randomUUID } from 'node:crypto';
import type { ArtifactStore } from '../drivers/store/store';
import { garbageRemovalsAtOnce } from '../schemas/limits';
import { findGarbage, type Garbage, type GarbageKind, type GarbagePlan, type KnownRun } from './garbage';

/** What is removed together, from one look; what comes later is named by what comes before. */
const steps: readonly (readonly GarbageKind[])[] = [
  ['runs', 'stages'],
  ['answers', 'shards', 'parts', 'waves', 'checkpoints', 'leases'],
  ['blobs', 'damaged'],
];

export interface Removed {
  readonly removed: readonly Garbage[];
  /** Objects of the plan that stay, because they came into use again. */
  readonly spared: number;
}

/**
 * Remove it, document before blob. `runsNow`: every run that is recorded when it is asked. `onProgress`: objects of the plan that are dealt with.
 */
export async function removeGarbage(
  store: ArtifactStore,
  plan: GarbagePlan,
  runsNow: () => Promise<readonly KnownRun[]>,
  onProgress: (done: number) => void = () => undefined,
): Promise<Removed> {
  const { policy } = plan;
  const beganMs = (policy.began ?? policy.now).getTime();
  // A run that was to go and is still recorded has come to life.
  const retention = new Map([...policy.retention].filter(([, kind]) => kind !== 'dropped'));
  const only = new Set(plan.remove.map(({ key }) => key));
  const removed: Garbage[] = [];
  let left = plan.remove;
  let isStale = false;
  for (const kinds of steps) {
    const isLater = ({ kind }: Garbage): boolean => steps.indexOf(kinds) <= stepOf(kind);
    left = left.filter(isLater);
    if (isStale && left.length > 0)
      left = (await findGarbage(store, await runsNow(), { ...policy, retention, only })).remove.filter(isLater);
    const now = left.filter(({ kind }) => kinds.includes(kind));
    const gone = await removeUnused(store, now, beganMs, (done) => onProgress(only.size - left.length + done));
    removed.push(...gone);
    // Runs go on while documents are removed; and what names others and stays keeps them.
    isStale = kinds === steps[0] || gone.length < now.length;
  }
  onProgress(only.size);
  return { removed, spared: only.size - removed.length };
}

/** The time by the store's clock, to which its objects' times are compared: that of this machine may be another. */
export async function storeTime(store: ArtifactStore): Promise<Date> {
  const key = `clock/${randomUUID()}.json`;
  await store.putDocument(key, {});
  try {
    // Gone at once: somebody cleans up the store by hand.
    return (await store.lookAt(key))?.modifiedAt ?? new Date(0);
  } finally {
    await store.remove(key);
  }
}

function stepOf(kind: GarbageKind): number {
  return steps.findIndex((kinds) => kinds.includes(kind));
}

/** In their order, a few at once; those that were written since the clean-up began stay. */
async function removeUnused(
  store: ArtifactStore,
  objects: readonly Garbage[],
  beganMs: number,
  onProgress: (done: number) => void,
): Promise<Garbage[]> {
  const removed: Garbage[] = [];
  /** Folders of runs that go on. */
  const inUse = new Set<string>();
  const dealWith = async (object: Garbage): Promise<void> => {
    const folder = runFolder(object);
    if (folder !== undefined && inUse.has(folder)) return;
    const standing = await store.lookAt(object.key);
    if (standing && standing.modifiedAt.getTime() >= beganMs) {
      if (folder !== undefined && object.key.endsWith('/run.json')) inUse.add(folder);
      return;
    }
    await store.remove(object.key);
    removed.push(object);
  };
  // Records alone first: whether a run's other documents go depends on it.
  const isRecord = ({ kind, key }: Garbage): boolean => kind === 'runs' && key.endsWith('/run.json');
  let done = 0;
  for (const batch of [...batches(objects.filter(isRecord)), ...batches(objects.filter((each) => !isRecord(each)))]) {
    await Promise.all(batch.map(dealWith));
    done += batch.length;
    onProgress(done);
  }
  return removed;
}

/** runs/ID/… and the mark of a run that has ended, runs-ended/ID,… */
function runFolder({ kind, key }: Garbage): string | undefined {
  return kind === 'runs' ? /^runs(?:-ended)?\/([^/,]+)/.exec(key)?.[1] : undefined;
}

function batches<Item>(items: readonly Item[]): Item[][] {
  const all: Item[][] = [];
  for (let from = 0; from < items.length; from += garbageRemovalsAtOnce)
    all.push(items.slice(from, from + garbageRemovalsAtOnce));
  return all;
}
