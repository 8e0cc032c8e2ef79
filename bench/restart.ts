/**
 * bench:restart: how long after a kill -9 the first useful call is made, with 100,000 rows done: of the worker alone, and of worker and Temporal
 * together. The supervisor starts both again, as `arte up` does.
 *
 * npm run bench:restart [-- ROWS_DONE [REPEATS]]   (100000 3)
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { shardRowsMax } from '../schemas/limits';
import { checkRows, log, runBench, startMockModel, type BenchPlatform, type MockModel } from './platform';

/** Seconds from the kill of these parts to the next call that the model server gets. */
async function restartSeconds(platform: BenchPlatform, model: MockModel, names: readonly string[]): Promise<number> {
  const parts = await Promise.all(names.map((name) => platform.part(name)));
  const killedAtMs = Date.now();
  // Whole process groups: a server may have its own watcher in front of it.
  for (const { pid } of parts) process.kill(-pid, 'SIGKILL');
  const firstCallAtMs = await model.firstCallAfterKill(killedAtMs);
  await Promise.all(parts.map(({ name, pid }) => platform.part(name, pid)));
  return (firstCallAtMs - killedAtMs) / 1000;
}

async function main(): Promise<void> {
  const [rowsDone = 100_000, repeats = 3] = process.argv.slice(2).map(Number);
  await runBench('restart', async (platform) => {
    const model = await startMockModel({ meanMs: 10, answerTokens: 8 });
    // Between two kills some rows are made, and at the last one there is still work.
    const rows = rowsDone + (2 * repeats + 4) * shardRowsMax;
    const handle = await platform.startStage({ name: 'restarted', rows, inFlight: 64, model });
    const seconds: Record<'worker' | 'workerAndTemporal', number[]> = { worker: [], workerAndTemporal: [] };
    let killAfter = rowsDone;
    for (let repeat = 0; repeat < repeats; repeat += 1) {
      for (const [what, names] of [
        ['worker', ['worker']],
        ['workerAndTemporal', ['worker', 'temporal']],
      ] as const) {
        while ((await model.counts()).answeredRows < killAfter) await sleep(50);
        const measured = await restartSeconds(platform, model, names);
        log(`${what}: ${measured.toFixed(1)} s`);
        seconds[what].push(measured);
        killAfter = (await model.counts()).answeredRows + shardRowsMax / 2;
      }
    }
    const result = await handle.result();
    const { lost, duplicated } = await checkRows(platform.store, result, rows);
    return { rowsDone, rows, lost, duplicated, firstCallAfterSeconds: seconds };
  });
}

void main();
