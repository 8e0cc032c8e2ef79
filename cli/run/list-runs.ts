/**
 * All runs that the store knows, each as it stands now. Owns how they are found with few requests (runs that are over by their marks, the others one by
 * one) and the words for what a run does; the looks are show-runs.ts and watch/. What only a run under way needs is loaded when there is one.
 */
import { isDamage } from '../../activities/damaged';
import { readEndedRuns, runKeys } from '../../activities/run-records';
import { runLooksAtOnce } from '../../schemas/limits';
import type { RunProgress } from '../../schemas/messages';
import type { Session } from '../session';

/** A run in the table. */
export interface ListedRun extends RunProgress {
  /** A sentence: what the store has of it and cannot read. The rest is what can be told without. */
  readonly unreadable?: string;
}

/** Every run, in the order of their ids. One that cannot be read hides no other: it is in the list, and says so. */
export async function listRuns({ client, store }: Pick<Session, 'client' | 'store'>): Promise<ListedRun[]> {
  const [ended, ids] = await Promise.all([readEndedRuns(store), collect(store.folders('runs/'))]);
  return flatMapAtOnce(ids, async (runId) => {
    const run = ended.get(runId);
    if (run) return [{ ...run, current: [] }];
    try {
      const document = await store.getDocument(runKeys.progress(runId));
      if (document === undefined) return [];
      const stored = document as unknown as RunProgress;
      // Only a run that had not ended when it last wrote needs the engine's word.
      const isOver = stored.status === 'DONE' || stored.status === 'CANCELLED';
      if (isOver) return [stored];
    } catch (error) {
      // The engine may know more of it.
      if (!isDamage(error)) throw error;
    }
    const { viewRun } = await import('./run-progress.js');
    const { progress, unreadable: [first] = [] } = await viewRun(client, store, runId);
    return [{ ...progress, ...(first !== undefined && { unreadable: first }) }];
  });
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** What the work makes of each, in their order; runLooksAtOnce of them at a time. */
async function flatMapAtOnce<T, R>(items: readonly T[], work: (item: T) => Promise<readonly R[]>): Promise<R[]> {
  const results: (readonly R[])[] = items.map(() => []);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const at = next;
      next += 1;
      results[at] = await work(items[at] as T);
    }
  };
  await Promise.all(Array.from({ length: Math.min(runLooksAtOnce, items.length) }, lane));
  return results.flat();
}

/** What a run does right now, or what it waits for, in a few words. */
export function nowOf(run: ListedRun): string {
  return (
    run.unreadable ??
    (run.status === 'NEEDS_ATTENTION' ? run.attention?.error.what : run.failed?.error.what) ??
    (run.paused ? `paused by ${run.paused.by}` : undefined) ??
    (run.approval ? `round ${run.approval.round} waits for arte approve or arte reject` : undefined) ??
    run.current.map(({ stage }) => stage).join(', ')
  );
}
