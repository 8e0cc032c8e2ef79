/**
 * Arms side by side: which are compared, and what may be claimed when many are.
 *
 * Owns the pairing on items and the families of the correction. Leaves the tests themselves to statistics.ts.
 *
 * Invariant: what is compared with one baseline is one family, over all arms, rounds and shot counts of the report, and its p values are
 * adjusted together (Holm). A reader looks down that column for the best line: tested line by line at 5 %, one of ten lines that differ in
 * nothing from the baseline would seem to in four reports of ten (1 - 0.95^10, were they independent).
 */
import type { ArmName } from '../schemas/arms';
import type { Comparison } from '../schemas/report';
import type { PredictionRow } from '../schemas/rows';
import { rightsByItem } from './evaluate';
import { seedFrom } from './keys';
import { holmAdjusted, pairedComparison, pooledComparison, verdictOf } from './statistics';

export interface EvaluatedArm {
  readonly arm: ArmName;
  readonly round: number;
  readonly shots: number;
  /** Of its evaluate stage: seeds the bootstrap, so that the report is the same each time. */
  readonly key: string;
  /** Of all its students, each over all items. */
  readonly predictions: readonly Pick<PredictionRow, 'task' | 'itemId' | 'correct'>[];
  readonly students: number;
}

/** What trained arms are compared with: did training help at all, and did it help more than the unaligned teacher's set? */
const baselines = ['untuned', 'original_teacher'] as const satisfies readonly ArmName[];

/** The comparisons of each arm, in the order given. None for the untuned student and the teacher: they are the floor and the ceiling. */
export function compareArms(arms: readonly EvaluatedArm[]): Comparison[][] {
  const comparisons: Comparison[][] = arms.map(() => []);
  for (const against of baselines) {
    const family = arms.flatMap((own, at) => {
      if (own.arm === 'untuned' || own.arm === 'teacher' || own.arm === against) return [];
      const baseline = arms.find(({ arm, shots }) => arm === against && shots === own.shots);
      return baseline ? [{ at, comparison: compare(own, baseline) }] : [];
    });
    const adjusted = holmAdjusted(family.map(({ comparison }) => comparison.p));
    family.forEach(({ at, comparison }, member) => {
      const corrected = { ...comparison, p: adjusted[member] as number };
      comparisons[at]?.push({ ...corrected, verdict: verdictOf(corrected) });
    });
  }
  return comparisons;
}

/** On the items that both answered; the p value not yet adjusted. One student a side: McNemar; more: pooled by item. */
function compare(own: EvaluatedArm, baseline: EvaluatedArm): Comparison {
  const [mine, theirs] = [rightsByItem(own.predictions), rightsByItem(baseline.predictions)];
  const shared = [...mine.keys()].filter((item) => theirs.has(item));
  const of = (rights: ReadonlyMap<string, number>): number[] => shared.map((item) => rights.get(item) as number);
  const options = { seed: seedFrom(own.key, baseline.arm) };
  const { difference, low, high, p, verdict } =
    own.students === 1 && baseline.students === 1
      ? pairedComparison(of(mine).map(Boolean), of(theirs).map(Boolean), options)
      : pooledComparison(
          { rights: of(mine), students: own.students },
          { rights: of(theirs), students: baseline.students },
          options,
        );
  return { against: baseline.arm, difference, low, high, p, verdict };
}
