/**
 * bench:trouble: everything that goes wrong with a server, in one stage: connections that break before and in the middle of an answer, 2 %
 * garbage, 20 s without any answer (the client gives calls up after 10 s), 3 s with nobody there, and rows that are odd themselves (no answer
 * to be read, refused by a filter, cut off, too long). Every row has to be there once, in the outcome that the server's answer means.
 *
 * npm run bench:trouble [-- ROWS [IN_FLIGHT]]   (20000 64)
 */
import { checkRows, runBench, startMockModel } from './platform';

const oddRowsEvery = 500;

async function main(): Promise<void> {
  const [rows = 20_000, inFlight = 64] = process.argv.slice(2).map(Number);
  await runBench('trouble', async (platform) => {
    const model = await startMockModel({
      resetShare: 0.01,
      truncatedShare: 0.01,
      garbageShare: 0.02,
      oddRowsEvery,
      schedule: [
        { afterMs: 5_000, hangMs: 20_000 },
        { afterMs: 30_000, restartMs: 3_000 },
      ],
    });
    const handle = await platform.startStage({ name: 'troubled', rows, inFlight, model, timeoutSeconds: 10 });
    const result = await handle.result();
    const endedAtMs = Date.now();
    const { calls, answered, resets, truncated, garbage, tooLong, abandoned, firstCallAtMs } = await model.counts();
    return {
      ...{ rows, inFlight, ...(await checkRows(platform.store, result, rows, oddRowsEvery)) },
      outcomes: result.counts,
      seconds: (endedAtMs - firstCallAtMs) / 1000,
      server: { calls, answered, resets, truncated, garbage, tooLong, abandoned },
      callsRecorded: result.usage.calls,
    };
  });
}

void main();
