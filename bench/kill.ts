/**
 * bench:kill: kill -9 of the worker at seeded random moments of a stage; the supervisor starts it again, Temporal retries its shards. Nothing
 * may be lost, nothing made twice, and the output has to be that of a stage nobody disturbed, byte by byte. What the stage says it used is
 * compared with what the server answered: they differ by the answers that died with a worker, and by nothing else.
 * --wipe-journal: the worker's journals are removed at each kill, as if it came back on another machine; the parts in the store remain.
 *
 * npm run bench:kill [-- [--wipe-journal] ROWS KILLS SEED IN_FLIGHT]   (20000 10 1 64)
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '../method/keys';
import { partFlushIntervalMs } from '../schemas/limits';
import type { StageUsage } from '../schemas/manifest';
import type { ModelServerCounts } from './model-server';
import {
  answersPerSecond,
  checkRows,
  log,
  runBench,
  startMockModel,
  type BenchPlatform,
  type MockModel,
} from './platform';

/** Moments as shares of the rows answered: not so late that nothing is left to be killed. */
const lastMoment = 0.97;

/** Kill the worker each time that so many rows are answered and the one before it is at work again. */
async function killAt(
  moments: readonly number[],
  platform: BenchPlatform,
  model: MockModel,
  journalDir: string | undefined,
): Promise<number> {
  let kills = 0;
  for (const moment of moments) {
    while ((await model.counts()).answeredRows < moment) await sleep(20);
    const { pid } = await platform.part('worker');
    const atMs = Date.now();
    process.kill(pid, 'SIGKILL');
    if (journalDir !== undefined) rmSync(journalDir, { recursive: true, force: true });
    kills += 1;
    log(`kill ${kills} after ${moment} rows`);
    await model.firstCallAfterKill(atMs);
    await platform.part('worker', pid);
  }
  return kills;
}

/** Whether the stage's usage is what the server answered, less the answers that had to be asked for again. */
function ledgerAgrees(usage: StageUsage, counts: ModelServerCounts): boolean {
  return (
    usage.calls === counts.answered - counts.answeredAgain &&
    usage.inputTokens === counts.promptTokens - counts.againPromptTokens &&
    usage.outputTokens === counts.completionTokens - counts.againCompletionTokens
  );
}

async function main(): Promise<void> {
  const wipe = process.argv.includes('--wipe-journal');
  const numbers = process.argv.slice(2).filter((word) => word !== '--wipe-journal');
  const [rows = 20_000, kills = 10, seed = 1, inFlight = 64] = numbers.map(Number);
  await runBench(wipe ? 'kill-wipe-journal' : 'kill', async (platform) => {
    const model = await startMockModel({});
    const undisturbed = await (await platform.startStage({ name: 'undisturbed', rows, inFlight, model })).result();
    const rowsPerSecond = answersPerSecond(await model.counts());
    const expected = await checkRows(platform.store, undisturbed, rows);
    log(`undisturbed: ${rowsPerSecond.toFixed(0)} rows/s`);

    await model.reset();
    const random = seededRandom(seed);
    const moments = Array.from({ length: kills }, () => Math.floor(rows * lastMoment * random())).sort((a, b) => a - b);
    const startedAtMs = Date.now();
    const handle = await platform.startStage({ name: 'killed', rows, inFlight, model });
    const killed = await killAt(moments, platform, model, wipe ? join(platform.dataDir, 'journals') : undefined);
    const result = await handle.result();
    const seconds = (Date.now() - startedAtMs) / 1000;
    const counts = await model.counts();
    const { lost, duplicated, wrong, sha256 } = await checkRows(platform.store, result, rows);
    return {
      ...{ rows, inFlight, seed, kills: killed, seconds, lost, duplicated, wrong },
      sameBytes: sha256 === expected.sha256,
      /** Rows that were answered when the kill came; and those that were answered to a process that was dying. */
      askedAgain: counts.answeredAgain - counts.answeredToTheDead,
      askedAgainPerKill: (counts.answeredAgain - counts.answeredToTheDead) / killed,
      answeredToTheDead: counts.answeredToTheDead,
      /** What one flush interval and the calls in flight come to. */
      ...(wipe ? { askedAgainAllowedPerKill: inFlight + (rowsPerSecond * partFlushIntervalMs) / 1000 } : {}),
      abandonedInFlight: counts.abandoned,
      ledgerAgrees: ledgerAgrees(result.usage, counts),
      usage: result.usage,
      server: {
        answered: counts.answered,
        promptTokens: counts.promptTokens,
        completionTokens: counts.completionTokens,
      },
    };
  });
}

void main();
