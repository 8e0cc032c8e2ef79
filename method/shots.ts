/** Shot counts in words, and what may be said where more shots make students worse. Owns these words; figures come from the evaluations. */
import type { ReportArm } from '../schemas/report';

/** `0`, `0 and 3`, `0, 1 and 3`. */
function listed(shots: readonly number[]): string {
  return shots.length < 2 ? shots.join('') : `${shots.slice(0, -1).join(', ')} and ${shots.at(-1) ?? 0}`;
}

/** ` over 0 and 3 shots`: behind a figure that is pooled, which no table has. Nothing for one shot count: it is that of the table. */
export function overShots(shots: readonly number[]): string {
  return shots.length < 2 ? '' : ` over ${listed(shots)} shots`;
}

type ShotLine = Pick<ReportArm, 'name' | 'round' | 'shots' | 'accuracy' | 'low' | 'high'>;

/**
 * A note where a student is worse at a higher shot count, beyond both intervals: of the aligned student (of the best round; the last without one) and
 * of the untuned. `titleOf`: what an arm is called in the tables.
 */
export function moreShotsNote(
  lines: readonly ShotLine[],
  bestRound: number | undefined,
  titleOf: (line: ShotLine) => string,
): string | undefined {
  const own = lines.filter(({ name }) => name === 'arte');
  const round = own.some((line) => line.round === bestRound) ? bestRound : own.at(-1)?.round;
  const groups = [own.filter((line) => line.round === round), lines.filter(({ name }) => name === 'untuned')];
  const fallen = groups.flatMap((group) => {
    const [fewest, ...more] = [...group].sort((one, other) => one.shots - other.shots);
    const worse = more.find(({ high }) => fewest !== undefined && high < fewest.low);
    return fewest && worse ? [{ fewest, worse }] : [];
  });
  const [first] = fallen;
  if (!first) return undefined;
  const said = fallen.map(
    ({ fewest, worse }) =>
      `${titleOf(fewest)} ${percent(fewest.accuracy)} ${fewest.shots}-shot and ${percent(worse.accuracy)} ${worse.shots}-shot`,
  );
  return `More shots make students clearly worse: ${said.join('; ')} (the intervals do not overlap). Mostly the prompt with its shots is too long or too unfamiliar for so small a model: compare students by the ${first.fewest.shots}-shot figures.`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
