/**
 * bench:engine: what the row engine costs on top of asking. Distinct prompts of about 300 tokens, answers of about 200, mean latency 100 ms, with
 * everything on: inside a Temporal activity, journal, parts to the S3 server. Before and after it, against the same mock server, a bare
 * undici loop that keeps nothing. Start-up is told apart from the rest: up to the first call, in seconds and in CPU seconds.
 *
 * npm run bench:engine [-- ROWS [IN_FLIGHT …]]   (20000 64 256)
 */
import { once } from 'node:events';
import type { BareLoopSettings } from './bare-loop';
import {
  answersPerSecond,
  checkRows,
  log,
  processFigures,
  runBench,
  startFile,
  startMockModel,
  type BenchPlatform,
  type MockModel,
} from './platform';

/** How often the worker's CPU time is looked at: what start-up is told apart by. */
const lookMs = 50;

interface Figures {
  readonly rowsPerSecond: number;
  /** Of an engine: all but its start-up. */
  readonly cpuSecondsPer1000: number;
}

async function bare(model: MockModel, rows: number, inFlight: number): Promise<Figures> {
  await model.reset();
  const settings: BareLoopSettings = { rows, inFlight, port: model.port };
  const { child, line } = await startFile('bare-loop', settings);
  if (child.exitCode === null) await once(child, 'exit');
  const { cpuSeconds } = line as { cpuSeconds: number };
  return { rowsPerSecond: answersPerSecond(await model.counts()), cpuSecondsPer1000: (cpuSeconds * 1000) / rows };
}

async function engine(
  platform: BenchPlatform,
  model: MockModel,
  rows: number,
  inFlight: number,
): Promise<Figures & Record<string, number>> {
  await model.reset();
  const { pid } = await platform.part('worker');
  const before = processFigures(pid);
  const serverBefore = processFigures(model.pid);
  const usedAt: { readonly atMs: number; readonly cpuSeconds: number }[] = [];
  const looking = setInterval(() => usedAt.push({ atMs: Date.now(), ...processFigures(pid) }), lookMs);
  const startedAtMs = Date.now();
  const handle = await platform.startStage({ name: `engine-${inFlight}`, rows, inFlight, model });
  const result = await handle.result();
  clearInterval(looking);
  const endedAtMs = Date.now();
  const after = processFigures(pid);
  const serverAfter = processFigures(model.pid);
  const counts = await model.counts();
  const { lost, duplicated } = await checkRows(platform.store, result, rows);
  const usedBefore = (atMs: number): number =>
    usedAt.filter((each) => each.atMs <= atMs).at(-1)?.cpuSeconds ?? before.cpuSeconds;
  const startUpCpuSeconds = usedBefore(counts.firstCallAtMs) - before.cpuSeconds;
  const cpuSeconds = after.cpuSeconds - before.cpuSeconds;
  return {
    rowsPerSecond: answersPerSecond(counts),
    cpuSecondsPer1000: ((cpuSeconds - startUpCpuSeconds) * 1000) / rows,
    startUpCpuSeconds,
    wholeCpuSeconds: cpuSeconds,
    commitCpuSeconds: after.cpuSeconds - usedBefore(counts.lastAnswerAtMs),
    startUpSeconds: (counts.firstCallAtMs - startedAtMs) / 1000,
    commitSeconds: (endedAtMs - counts.lastAnswerAtMs) / 1000,
    wholeSeconds: (endedAtMs - startedAtMs) / 1000,
    rssMegabytes: after.rssMegabytes,
    serverCpuSecondsPer1000: ((serverAfter.cpuSeconds - serverBefore.cpuSeconds) * 1000) / rows,
    lost,
    duplicated,
    calls: counts.calls,
  };
}

async function main(): Promise<void> {
  const [rows = 20_000, ...given] = process.argv.slice(2).map(Number);
  const levels = given.length > 0 ? given : [64, 256];
  await runBench('engine', async (platform) => {
    const results: Record<string, unknown>[] = [];
    const model = await startMockModel({ meanMs: 100, sigma: 0.5, answerTokens: 200 });
    for (const inFlight of levels) {
      const bareBefore = await bare(model, rows, inFlight);
      log(`bare loop at ${inFlight}: ${bareBefore.rowsPerSecond.toFixed(0)} rows/s`);
      const measured = await engine(platform, model, rows, inFlight);
      log(`row engine at ${inFlight}: ${measured.rowsPerSecond.toFixed(0)} rows/s`);
      const bareAfter = await bare(model, rows, inFlight);
      log(`bare loop at ${inFlight}: ${bareAfter.rowsPerSecond.toFixed(0)} rows/s`);
      const bareRate = (bareBefore.rowsPerSecond + bareAfter.rowsPerSecond) / 2;
      results.push({
        inFlight,
        bareBefore,
        bareAfter,
        engine: measured,
        throughputRatio: measured.rowsPerSecond / bareRate,
      });
    }
    return { rows, results };
  });
}

void main();
