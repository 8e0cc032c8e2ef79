/** All runs that the store knows, each as it stands now. Owns the listing and the words for what a run does; the looks are status.ts and watch/. */
import { runKeys } from '../activities/run-records';
import type { RunProgress } from '../schemas/messages';
import { viewRun } from './run-progress';
import type { Session } from './session';

/** In the order of their ids. Of a run that had not ended when it last wrote, the engine is asked. */
export async function listRuns({ client, store }: Pick<Session, 'client' | 'store'>): Promise<RunProgress[]> {
  const runs: RunProgress[] = [];
  for await (const { key } of store.list('runs/')) {
    const runId = /^runs\/([^/]+)\/progress\.json$/.exec(key)?.[1];
    if (runId === undefined) continue;
    const document = await store.getDocument(runKeys.progress(runId));
    if (document === undefined) continue;
    const stored = document as unknown as RunProgress;
    // Only a run that had not ended when it last wrote needs the engine's word.
    const ended = stored.status === 'DONE' || stored.status === 'CANCELLED';
    runs.push(ended ? stored : (await viewRun(client, store, runId)).progress);
  }
  return runs;
}

/** What a run does right now, or what it waits for, in a few words. */
export function nowOf(run: RunProgress): string {
  return (
    (run.status === 'NEEDS_ATTENTION' ? run.attention?.error.what : run.failed?.error.what) ??
    (run.paused ? `paused by ${run.paused.by}` : undefined) ??
    (run.approval ? `round ${run.approval.round} waits for arte approve or arte reject` : undefined) ??
    run.current.map(({ stage }) => stage).join(', ')
  );
}
