/**
 * Answers side by side: how two sets of them are compared, which arms of a run are, and what may be claimed when many are.
 *
 * Owns the pairing on items and the families of the correction; report, decision and diff have their intervals from here, so that one
 * comparison has one interval. Leaves the tests themselves to statistics.ts.
 *
 * Invariants
 * 1. What is compared with one baseline is one family, over all arms, rounds and shot counts evaluated so far, and its p values are
 *    adjusted together (Holm). A reader looks down that column for the best line: tested line by line at 5 %, one of ten lines that differ
 *    in nothing from the baseline would seem to in four reports of ten (1 - 0.95^10, were they independent).
 * 2. An item counts once, however often it was answered.
 */
import type { ArmName } from '../schemas/arms';
import type { Comparison } from '../schemas/report';
import type { PredictionRow } from '../schemas/rows';
import type { TransferTarget } from '../schemas/transfer';
import { rightsByItem } from './evaluate';
import { seedFrom } from './keys';
import {
  bootstrapResamples,
  holmAdjusted,
  pairedComparison,
  pooledComparison,
  verdictOf,
  type PairedComparison,
} from './statistics';

/** Answers to the items of some tasks. */
export interface AnswerSet {
  /** Of the evaluate stage they come from: seeds the bootstrap, so that a comparison has the same interval each time. */
  readonly key: string;
  /** Every item as often as it was answered. */
  readonly predictions: readonly Pick<PredictionRow, 'task' | 'itemId' | 'correct'>[];
  /** Answers to each item: one, unless several students (or shot counts) are taken together. */
  readonly students: number;
}

export interface EvaluatedArm extends AnswerSet {
  readonly arm: ArmName;
  readonly round: number;
  readonly shots: number;
  /** Of a transfer: what to. Compared is what has the same target. */
  readonly to?: TransferTarget;
}

/** What trained arms are compared with: did training help at all, and did it help more than the unaligned teacher's set? */
const baselines = ['untuned', 'original_teacher'] as const satisfies readonly ArmName[];

/** Mine less theirs, on the items that both answered, not adjusted for other comparisons. One answer a side: McNemar; more: pooled by item. */
export function compareAnswers(
  mine: AnswerSet,
  theirs: AnswerSet,
  resamples: number = bootstrapResamples,
): PairedComparison {
  const [own, other] = [rightsByItem(mine.predictions), rightsByItem(theirs.predictions)];
  const shared = [...own.keys()].filter((item) => other.has(item));
  const of = (rights: ReadonlyMap<string, number>): number[] => shared.map((item) => rights.get(item) as number);
  const options = { seed: seedFrom(mine.key, theirs.key), resamples };
  const comparison =
    mine.students === 1 && theirs.students === 1
      ? pairedComparison(of(own).map(Boolean), of(other).map(Boolean), options)
      : pooledComparison(
          { rights: of(own), students: mine.students },
          { rights: of(other), students: theirs.students },
          options,
        );
  // The same evaluation of one student on both sides (a run with another that found it in the store): that the two do not differ is no estimate.
  const isSame = mine.students === 1 && theirs.students === 1 && mine.key === theirs.key;
  return isSame ? { ...comparison, low: 0, high: 0 } : comparison;
}

/** Comparisons that a reader looks at together: p adjusted over all of them, verdicts by it. In the order given. */
export function asFamily(comparisons: readonly PairedComparison[]): PairedComparison[] {
  const adjusted = holmAdjusted(comparisons.map(({ p }) => p));
  return comparisons.map((comparison, at) => {
    const corrected = { ...comparison, p: adjusted[at] as number };
    return { ...corrected, verdict: verdictOf(corrected) };
  });
}

/**
 * The comparisons of each arm, in the order given. None for the untuned student and the teacher: they are the floor and the ceiling.
 * @param shown Whose are wanted. The others are tested all the same, because p is adjusted for them, and spared the bootstrap (0.2 s at the
 *   size of BIG-Bench-Hard).
 */
export function compareArms(
  arms: readonly EvaluatedArm[],
  shown: (arm: EvaluatedArm) => boolean = () => true,
): Comparison[][] {
  const comparisons: Comparison[][] = arms.map(() => []);
  for (const against of baselines) {
    const members = arms.flatMap((own, at) => {
      if (own.arm === 'untuned' || own.arm === 'teacher' || own.arm === against) return [];
      const baseline = arms.find(({ arm, shots, to }) => arm === against && shots === own.shots && to === own.to);
      if (!baseline) return [];
      return [{ at, comparison: compareAnswers(own, baseline, shown(own) ? bootstrapResamples : 0) }];
    });
    asFamily(members.map(({ comparison }) => comparison)).forEach((comparison, member) => {
      const at = members[member]?.at ?? -1;
      if (!arms[at] || !shown(arms[at])) return;
      const { n, difference, low, high, p, verdict } = comparison;
      comparisons[at]?.push({ against, n, difference, low, high, p, verdict });
    });
  }
  return comparisons;
}

/** Evaluations of one line of the report (arm, round, shot count, target) taken together: a line may have several students. In first-seen order. */
export function linesOf<Row extends AnswerSet['predictions'][number]>(
  evaluations: readonly (Pick<EvaluatedArm, 'arm' | 'round' | 'shots' | 'to' | 'key'> & {
    readonly predictions: readonly Row[];
  })[],
): (EvaluatedArm & { readonly predictions: readonly Row[]; readonly byStudent: readonly (readonly Row[])[] })[] {
  const lines = new Map<string, { first: (typeof evaluations)[number]; byStudent: (readonly Row[])[] }>();
  for (const evaluation of evaluations) {
    const name = [evaluation.arm, evaluation.round, evaluation.shots, evaluation.to ?? ''].join('/');
    const line = lines.get(name) ?? { first: evaluation, byStudent: [] };
    line.byStudent.push(evaluation.predictions);
    lines.set(name, line);
  }
  return [...lines.values()].map(({ first: { arm, round, shots, to, key }, byStudent }) => ({
    ...{ arm, round, shots, key, byStudent },
    ...(to !== undefined && { to }),
    predictions: byStudent.flat(),
    students: byStudent.length,
  }));
}
