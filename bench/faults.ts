/**
 * bench:faults: what a server costs that fails often. The same stage against a server without faults, then with 10 % 500s and 5 % 429s that say
 * Retry-After: 1 (in seconds and as a date, in turn).
 *
 * npm run bench:faults [-- ROWS [IN_FLIGHT]]   (20000 64)
 */
import type { ModelServerSettings } from './model-server';
import { checkRows, log, runBench, startMockModel, type BenchPlatform } from './platform';

async function measure(
  platform: BenchPlatform,
  name: string,
  rows: number,
  inFlight: number,
  faults: Partial<ModelServerSettings>,
): Promise<{ readonly seconds: number; readonly calls: number; readonly lost: number; readonly duplicated: number }> {
  const model = await startMockModel(faults);
  try {
    const handle = await platform.startStage({ name, rows, inFlight, model });
    const result = await handle.result();
    const endedAtMs = Date.now();
    const counts = await model.counts();
    const { lost, duplicated, wrong } = await checkRows(platform.store, result, rows);
    const seconds = (endedAtMs - counts.firstCallAtMs) / 1000;
    log(`${name}: ${seconds.toFixed(1)} s, ${counts.calls} calls, ${counts.errors} 500s, ${counts.limited} 429s`);
    return { seconds, calls: counts.calls, lost: lost + wrong, duplicated };
  } finally {
    await model.stop();
  }
}

async function main(): Promise<void> {
  const [rows = 20_000, inFlight = 64] = process.argv.slice(2).map(Number);
  await runBench('faults', async (platform) => {
    const faultFree = await measure(platform, 'fault-free', rows, inFlight, {});
    const faulty = await measure(platform, 'faulty', rows, inFlight, {
      errorShare: 0.1,
      limitedShare: 0.05,
      retryAfterSeconds: 1,
    });
    return {
      ...{ rows, inFlight, faultFree, faulty },
      wallRatio: faulty.seconds / faultFree.seconds,
      callsPerRow: faulty.calls / rows,
      lost: faulty.lost,
    };
  });
}

void main();
