/**
 * All runs as a table, for `arte status`. Owns how they are found with few requests: runs that are over by their marks, the others one by one.
 * What only a run under way needs is loaded when there is one.
 */
import { readEndedRuns, runKeys } from '../activities/run-records';
import { runLooksAtOnce } from '../schemas/limits';
import type { RunProgress } from '../schemas/messages';
import { exitCodes, printJson, printLine, table } from './output';
import type { Session } from './session';

/** Every run, in the order of their ids. */
async function readRuns({ client, store }: Session): Promise<RunProgress[]> {
  const [ended, ids] = await Promise.all([readEndedRuns(store), collect(store.folders('runs/'))]);
  return flatMapAtOnce(ids, async (runId) => {
    const run = ended.get(runId);
    if (run) return [{ ...run, current: [] }];
    const document = await store.getDocument(runKeys.progress(runId));
    if (document === undefined) return [];
    const stored = document as unknown as RunProgress;
    // Only a run that had not ended when it last wrote needs the engine's word.
    const isOver = stored.status === 'DONE' || stored.status === 'CANCELLED';
    if (isOver) return [stored];
    const { viewRun } = await import('./run-progress.js');
    return [(await viewRun(client, store, runId)).progress];
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

/** Exit code: 0. */
export async function listRuns(session: Session, json: boolean): Promise<number> {
  const runs = await readRuns(session);
  if (json) printJson(runs);
  else if (runs.length === 0) printLine('There are no runs yet. arte quickstart makes one.');
  else {
    const columns = [{ title: 'run' }, { title: 'status' }, { title: 'round' }, { title: 'now' }, { title: 'started' }];
    const now = (run: RunProgress): string =>
      (run.status === 'NEEDS_ATTENTION' ? run.attention?.error.what : run.failed?.error.what) ??
      (run.paused ? `paused by ${run.paused.by}` : undefined) ??
      (run.approval ? `round ${run.approval.round} waits for arte approve or arte reject` : undefined) ??
      run.current.map(({ stage }) => stage).join(', ');
    printLine(
      table(
        columns,
        runs.map((run) => [run.runId, run.status, `${run.round}/${run.rounds}`, now(run), run.startedAt]),
      ),
    );
  }
  return exitCodes.done;
}
