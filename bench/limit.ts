/**
 * bench:limit: a server that allows 32 calls at a time while the config's ceiling is 256, and doubles what it allows after a while. More are
 * turned away with a 429 that says nothing of when to come back. How near to the ideal rate, how many calls in vain, and how soon the
 * new limit is found. The ideal is what the server could answer: the limit over the time that its calls really took.
 *
 * npm run bench:limit [-- ROWS [SECONDS_UNTIL_IT_DOUBLES]]   (24000 30)
 */
import type { ModelServerCounts } from './model-server';
import { checkRows, log, lookWhile, runBench, startMockModel } from './platform';

const limit = 32;
const ceiling = 256;
/** The new limit counts as found when answers of one second reach this share of its ideal rate. */
const foundShare = 0.85;
const pollMs = 100;

interface Sample {
  readonly atMs: number;
  readonly counts: ModelServerCounts;
}

/** Answers against what `allowed` calls at a time would have answered between two samples. */
function shareOfIdeal(from: Sample, to: Sample, allowed: number): number {
  const answered = to.counts.answered - from.counts.answered;
  const servingSeconds = (to.counts.servingMs - from.counts.servingMs) / 1000 / answered;
  return answered / ((to.atMs - from.atMs) / 1000) / (allowed / servingSeconds);
}

async function main(): Promise<void> {
  const [rows = 24_000, doublesAfterSeconds = 30] = process.argv.slice(2).map(Number);
  await runBench('limit', async (platform) => {
    const doublesAfterMs = doublesAfterSeconds * 1000;
    const model = await startMockModel({
      concurrencyMax: limit,
      schedule: [{ afterMs: doublesAfterMs, set: { concurrencyMax: 2 * limit } }],
    });
    const handle = await platform.startStage({ name: 'limited', rows, inFlight: ceiling, model });
    const result = handle.result();
    const samples: Sample[] = [];
    await lookWhile(result, pollMs, async () => {
      const seen = await model.counts();
      if (seen.answered > 0) samples.push({ atMs: Date.now(), counts: seen });
    });
    const counts = await model.counts();
    const doubledAtMs = counts.firstCallAtMs + doublesAfterMs;
    const before = samples.filter(({ atMs }) => atMs <= doubledAtMs);
    const after = samples.filter(({ atMs }) => atMs > doubledAtMs);
    const [first, last] = [before[0], before.at(-1)];
    if (!first || !last || after.length < 20) throw new Error('too few rows: the stage ended before the limit doubled');
    const found = after.find((sample, index) => {
      const second = after.slice(0, index + 1).find(({ atMs }) => sample.atMs - atMs <= 1000);
      return second && sample.atMs - second.atMs >= 900 && shareOfIdeal(second, sample, 2 * limit) >= foundShare;
    });
    const { lost, duplicated, wrong } = await checkRows(platform.store, await result, rows);
    log(`429s: ${last.counts.limited} before the limit doubled, ${counts.limited} in all`);
    return {
      ...{ rows, limit, ceiling, lost: lost + wrong, duplicated, calls: counts.calls },
      shareOfIdealRate: shareOfIdeal(first, last, limit),
      shareOf429s: counts.limited / counts.calls,
      secondsToFindDoubled: found === undefined ? null : (found.atMs - doubledAtMs) / 1000,
    };
  });
}

void main();
