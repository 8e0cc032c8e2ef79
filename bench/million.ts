/**
 * bench:million: a stage of a million rows, short answers, through the whole path: two workflow runs, five hundred shards, one commit. The worker's
 * memory at 10,000 rows and at the end, the time of the commit, the sizes of the histories, and the time of a second run that reuses it.
 *
 * npm run bench:million [-- ROWS [IN_FLIGHT]]   (1000000 64)
 */
import {
  log,
  lookWhile,
  processFigures,
  runBench,
  startMockModel,
  type BenchPlatform,
  type MockModel,
  type StageHandle,
} from './platform';

const earlyRows = 10_000;

interface Memory {
  readonly atEarlyRowsMegabytes: number;
  readonly atEndMegabytes: number;
  readonly mostMegabytes: number;
}

/** The worker's memory, looked at once a second until the work is done. */
async function memoryUntil(platform: BenchPlatform, model: MockModel, work: Promise<unknown>): Promise<Memory> {
  const { pid } = await platform.part('worker');
  let early: number | undefined;
  let most = 0;
  let said = 0;
  await lookWhile(work, 1000, async () => {
    const { answeredRows } = await model.counts();
    const { rssMegabytes } = processFigures(pid);
    if (answeredRows >= earlyRows) early ??= rssMegabytes;
    most = Math.max(most, rssMegabytes);
    if (Date.now() - said > 20_000) {
      said = Date.now();
      log(`${answeredRows} rows, ${rssMegabytes.toFixed(0)} MB`);
    }
  });
  return {
    atEarlyRowsMegabytes: early ?? most,
    atEndMegabytes: processFigures(pid).rssMegabytes,
    mostMegabytes: most,
  };
}

/** Seconds of the last commitWave, by the workflow's history. */
async function commitSeconds(handle: StageHandle): Promise<number> {
  const { events } = await handle.fetchHistory();
  const times = new Map<string, number>();
  let seconds = 0;
  for (const {
    eventId,
    eventTime,
    activityTaskScheduledEventAttributes,
    activityTaskCompletedEventAttributes,
  } of events ?? []) {
    const at = Number(eventTime?.seconds ?? 0) + (eventTime?.nanos ?? 0) / 1e9;
    if (activityTaskScheduledEventAttributes?.activityType?.name === 'commitWave') times.set(String(eventId), at);
    const scheduled = times.get(String(activityTaskCompletedEventAttributes?.scheduledEventId));
    if (scheduled !== undefined) seconds = at - scheduled;
  }
  return seconds;
}

async function main(): Promise<void> {
  const [rows = 1_000_000, inFlight = 64] = process.argv.slice(2).map(Number);
  await runBench('million', async (platform) => {
    const model = await startMockModel({ meanMs: 10, answerTokens: 8 });
    const startedAtMs = Date.now();
    const handle = await platform.startStage({ name: 'million', rows, inFlight, model });
    const work = handle.result();
    const memory = await memoryUntil(platform, model, work);
    const seconds = (Date.now() - startedAtMs) / 1000;
    const { counts, usage } = await work;
    const runs = [handle.firstExecutionRunId, (await handle.describe()).runId];
    const histories = await Promise.all(
      [...new Set(runs)].map(async (runId) => {
        const { historyLength, historySize } = await platform.client.workflow
          .getHandle(handle.workflowId, runId)
          .describe();
        return { events: historyLength, kilobytes: (historySize ?? 0) / 1024 };
      }),
    );
    const commit = await commitSeconds(handle);
    const againAtMs = Date.now();
    const again = await (await platform.startStage({ name: 'million', rows, inFlight, model })).result();
    const reuseSeconds = (Date.now() - againAtMs) / 1000;
    return {
      ...{ rows, inFlight, seconds, rowsPerSecond: rows / seconds, counts, calls: usage.calls, memory },
      memoryRatio: memory.atEndMegabytes / memory.atEarlyRowsMegabytes,
      commitSeconds: commit,
      histories,
      reused: again.reused,
      reuseSeconds,
    };
  });
}

void main();
