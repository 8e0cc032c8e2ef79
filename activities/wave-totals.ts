/** Counts, usage and time of a row stage's waves, summed over its shards. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { type OutcomeCounts, outcomeCountsSchema } from '../schemas/rows';
import type { ArtifactRef } from '../schemas/artifact-ref';
import { noUsage, stageUsageSchema, type StageUsage } from '../schemas/manifest';
import type { ShardOutput, WaveInput } from '../schemas/messages';
import type { StoreDependencies } from './dependencies';
import { madeAgain } from './damaged';
import { noCounts } from './stage';

/** By the wave's stage, too: another one may have the same results and have paid another sum for them. */
function waveTotalsKey({ key }: Pick<WaveInput, 'key'>, ref: ArtifactRef): string {
  return `waves/${createHash('sha256').update(`${key} ${ref.sha256}`).digest('hex')}.json`;
}

const totalsSchema = z.object({
  counts: outcomeCountsSchema,
  usage: stageUsageSchema,
  /** The same usage by the run that had the shards made. */
  paidBy: z.record(z.string(), stageUsageSchema),
  /** Time in which its model was asked; unknown of shards of older workers. */
  askedSeconds: z.number().nonnegative().optional(),
});
type Totals = z.infer<typeof totalsSchema>;

/** Keep what a wave that has a successor came to, beside its merged results. */
export async function keepWaveTotals(
  store: StoreDependencies['store'],
  wave: Pick<WaveInput, 'key'>,
  ref: ArtifactRef,
  shards: readonly ShardOutput[],
): Promise<void> {
  const { askedSeconds, ...totals } = totalsOfShards(shards);
  const asked = askedSeconds === undefined ? {} : { askedSeconds };
  await store.putDocument(waveTotalsKey(wave, ref), { ...totals, ...asked });
}

/** What the waves before and the shards of this one came to. */
export async function totalsOfWaves(
  store: StoreDependencies['store'],
  wave: Pick<WaveInput, 'key' | 'waves'>,
  shards: readonly ShardOutput[],
): Promise<Totals> {
  const earlier: Totals[] = [];
  for (const ref of wave.waves) {
    const totals = await madeAgain(store, waveTotalsKey(wave, ref));
    if (totals !== undefined) earlier.push(totalsSchema.parse(totals));
  }
  return sumTotals([...earlier, totalsOfShards(shards)]);
}

/** Shards of one wave: they are asked beside each other. */
function totalsOfShards(shards: readonly ShardOutput[]): Totals {
  const asked = shards.flatMap(({ askedMs }) => (askedMs ? [askedMs] : []));
  const all = sumTotals(shards.map(({ counts, usage, paidBy }) => ({ counts, usage, paidBy })));
  return asked.length < shards.length ? all : { ...all, askedSeconds: secondsOf(asked) };
}

/** Seconds that lie in any of the spans. */
export function secondsOf(spansMs: readonly (readonly [number, number])[]): number {
  let [total, until] = [0, -Infinity];
  for (const [from, to] of [...spansMs].sort(([one], [other]) => one - other)) {
    total += Math.max(0, to - Math.max(from, until));
    until = Math.max(until, to);
  }
  return total / 1000;
}

function sumTotals(parts: readonly Totals[]): Totals {
  const counts: Record<keyof OutcomeCounts, number> = { ...noCounts };
  const usage: Record<keyof StageUsage, number> = { ...noUsage };
  // Without a prototype: a run may be called what every object has.
  const paidBy = Object.create(null) as Record<string, Record<keyof StageUsage, number>>;
  const add = (to: Record<keyof StageUsage, number>, more: StageUsage): void => {
    for (const name of Object.keys(to) as (keyof StageUsage)[]) to[name] += more[name];
  };
  for (const part of parts) {
    for (const name of Object.keys(counts) as (keyof OutcomeCounts)[]) counts[name] += part.counts[name];
    add(usage, part.usage);
    for (const [runId, paid] of Object.entries(part.paidBy)) add((paidBy[runId] ??= { ...noUsage }), paid);
  }
  const asked = parts.map(({ askedSeconds }) => askedSeconds);
  const known = asked.every((seconds) => seconds !== undefined);
  return { counts, usage, paidBy, ...(known && { askedSeconds: asked.reduce((total, each) => total + each, 0) }) };
}
