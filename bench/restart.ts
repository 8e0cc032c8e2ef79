/**
 * bench:restart: how long after a kill -9 the first useful call is made, with 100,000 rows done: of the worker alone, and of worker and Temporal
 * together. The supervisor starts both again, as `arte up` does; parts are left alone for long enough in between that it takes each end for the
 * first, and does not pause as it would for a part that ends again and again.
 *
 * npm run bench:restart [-- ROWS_DONE [REPEATS]]   (100000 2)
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { restartHealthyMs, shardRowsMax } from '../schemas/limits';
import { checkRows, log, runBench, startMockModel, type BenchPlatform, type MockModel } from './platform';

/** The server is fast until the rows are done, then slow: something must be left to do at the last kill. */
const fastMs = 10;
const slowMs = 500;
/** Rows for each kill: what the slow server answers from one to the next, and shards that still wait. */
const rowsPerKill = 4 * shardRowsMax;

/** Seconds from the kill of these parts to the next call that the model server gets. */
async function restartSeconds(platform: BenchPlatform, model: MockModel, names: readonly string[]): Promise<number> {
  const parts = await Promise.all(names.map((name) => platform.part(name)));
  const readyAtMs = Math.max(...parts.map(({ since }) => Date.parse(since)));
  await sleep(Math.max(0, readyAtMs + restartHealthyMs + 1000 - Date.now()));
  const killedAtMs = Date.now();
  // Whole process groups: a server may have its own watcher in front of it.
  for (const { pid } of parts) process.kill(-pid, 'SIGKILL');
  const firstCallAtMs = await model.firstCallAfterKill(killedAtMs);
  await Promise.all(parts.map(({ name, pid }) => platform.part(name, pid)));
  return (firstCallAtMs - killedAtMs) / 1000;
}

async function main(): Promise<void> {
  const [rowsDone = 100_000, repeats = 2] = process.argv.slice(2).map(Number);
  await runBench('restart', async (platform) => {
    const model = await startMockModel({ meanMs: fastMs, answerTokens: 8 });
    const rows = rowsDone + 2 * repeats * rowsPerKill;
    const handle = await platform.startStage({ name: 'restarted', rows, inFlight: 64, model });
    while ((await model.counts()).answeredRows < rowsDone) await sleep(100);
    await model.set({ meanMs: slowMs });
    const seconds: Record<'worker' | 'workerAndTemporal', number[]> = { worker: [], workerAndTemporal: [] };
    for (let repeat = 0; repeat < repeats; repeat += 1) {
      seconds.worker.push(await restartSeconds(platform, model, ['worker']));
      seconds.workerAndTemporal.push(await restartSeconds(platform, model, ['worker', 'temporal']));
      log(`first call after: ${JSON.stringify(seconds)} s`);
    }
    await model.set({ meanMs: fastMs });
    const result = await handle.result();
    const { lost, duplicated } = await checkRows(platform.store, result, rows);
    return { rowsDone, rows, lost, duplicated, firstCallAfterSeconds: seconds };
  });
}

void main();
