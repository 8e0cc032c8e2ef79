/**
 * Whether a round's student becomes the best one so far, and what speaks for it.
 *
 * Owns the decision and its evidence. Leaves what happens next to the workflow, item-by-item comparisons to the report.
 *
 * Invariants
 * 1. The first round that was evaluated is the best until another one beats it by more than the margin.
 * 2. Only accuracies over the same shot counts are compared.
 * 3. The decision never depends on a later round than its own.
 */
import { mean, unpairedComparison } from './statistics';
import type { Verdict } from './statistics';

/** One evaluation of one arm: one of a round's students (`alignedArm`), or of a baseline that belongs to the first round. */
export interface RoundEvidence {
  readonly arm: string;
  /** Which of the arm's students, where several seeds were trained. Default: 1. */
  readonly student?: number;
  readonly round: number;
  readonly shots: number;
  readonly n: number;
  readonly correct: number;
  readonly accuracy: number;
  readonly stderr: number;
}

/** The arm that the rounds are judged by. */
export const alignedArm = 'arte';

export interface DecisionSettings {
  /** The round to decide about. */
  readonly round: number;
  /** rounds.accept_margin: how much higher an accuracy must be to replace the best. */
  readonly acceptMargin: number;
  /** Rounds that a gate rejected (gates.ts): never the best, whatever their accuracy. */
  readonly rejected?: readonly number[];
}

export interface RoundFigures {
  readonly round: number;
  /** Mean accuracy over the shot counts and the students of the arm. */
  readonly accuracy: number;
  /** Its standard error, as if shot counts and students always erred together (they answer the same items): the mean of theirs. */
  readonly stderr: number;
  readonly shots: readonly number[];
}

export interface Decision {
  /** promote: this round is the best so far. keep-best: an earlier one stays it. reject: a gate failed. */
  readonly decision: 'promote' | 'keep-best' | 'reject';
  readonly round: number;
  /** 0 while every round was rejected. */
  readonly bestRound: number;
  readonly accuracy: number;
  readonly stderr: number;
  /** Of the best round before this one; null in the first. */
  readonly previousBest: { readonly round: number; readonly accuracy: number; readonly difference: number } | null;
  /** This round against what stands in every table. Differences in accuracy, errors taken as unrelated: cautious on shared items. */
  readonly against: readonly {
    readonly arm: string;
    readonly difference: number;
    readonly low: number;
    readonly high: number;
    readonly verdict: Verdict;
  }[];
  readonly reason: string;
}

/** Accuracies nearer than this differ by rounding only. */
const sameAccuracy = 1e-12;

/** @throws RangeError when the round was not evaluated. */
export function decideRound(evidence: readonly RoundEvidence[], settings: DecisionSettings): Decision {
  const { round, acceptMargin, rejected = [] } = settings;
  const own = figuresOf(evidence, alignedArm, round);
  if (own === undefined) throw new RangeError(`round ${round} has no evaluation of the arm ${alignedArm}`);
  const earlier = [...new Set(evidence.filter(({ arm }) => arm === alignedArm).map((one) => one.round))]
    .filter((other) => other < round && !rejected.includes(other))
    .sort((one, other) => one - other)
    .flatMap((other) => {
      const figures = figuresOf(evidence, alignedArm, other, own.shots);
      return figures ? [figures] : [];
    });
  const best = earlier.reduce<RoundFigures | undefined>(
    (soFar, figures) => (soFar === undefined || beats(figures, soFar, acceptMargin) ? figures : soFar),
    undefined,
  );
  const isRejected = rejected.includes(round);
  const promoted = !isRejected && (best === undefined || beats(own, best, acceptMargin));
  const baselines = [...new Set(evidence.map(({ arm }) => arm))].filter((arm) => arm !== alignedArm).sort();
  return {
    decision: isRejected ? 'reject' : promoted ? 'promote' : 'keep-best',
    round,
    bestRound: promoted ? round : (best?.round ?? 0),
    accuracy: own.accuracy,
    stderr: own.stderr,
    previousBest: best
      ? { round: best.round, accuracy: best.accuracy, difference: own.accuracy - best.accuracy }
      : null,
    against: baselines.flatMap((arm) => {
      const latest = Math.max(
        ...evidence.filter((one) => one.arm === arm && one.round <= round).map((one) => one.round),
      );
      const figures = figuresOf(evidence, arm, latest, own.shots);
      if (!figures) return [];
      const { difference, low, high, verdict } = unpairedComparison(own, figures);
      return [{ arm, difference, low, high, verdict }];
    }),
    reason: isRejected
      ? `A gate failed in round ${round}: ${best === undefined ? 'no round is accepted yet' : `round ${best.round} stays the best`}.`
      : reasonOf(own, best, promoted, acceptMargin),
  };
}

function beats(one: RoundFigures, other: RoundFigures, margin: number): boolean {
  return one.accuracy - other.accuracy > margin + sameAccuracy;
}

/** An arm's figures in a round; undefined where it was not evaluated with the shot counts wanted. */
function figuresOf(
  evidence: readonly RoundEvidence[],
  arm: string,
  round: number,
  shots?: readonly number[],
): RoundFigures | undefined {
  const rows = evidence
    .filter((one) => one.arm === arm && one.round === round && (shots === undefined || shots.includes(one.shots)))
    .sort((one, other) => one.shots - other.shots || (one.student ?? 1) - (other.student ?? 1));
  const counted = [...new Set(rows.map((row) => row.shots))];
  if (rows.length === 0 || (shots !== undefined && counted.length !== shots.length)) return undefined;
  return {
    round,
    accuracy: mean(rows.map(({ accuracy }) => accuracy)),
    stderr: mean(rows.map(({ stderr }) => stderr)),
    shots: counted,
  };
}

function reasonOf(own: RoundFigures, best: RoundFigures | undefined, promoted: boolean, margin: number): string {
  const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;
  if (best === undefined)
    return `Round ${own.round} is the first to be evaluated, with an accuracy of ${percent(own.accuracy)}.`;
  const against = `${percent(own.accuracy)} against ${percent(best.accuracy)} of round ${best.round}`;
  const needed = margin === 0 ? 'more' : `more by over ${(100 * margin).toFixed(1)} points`;
  return promoted
    ? `Round ${own.round} is the best so far: ${against}.`
    : `Round ${best.round} stays the best: ${against}, and it takes ${needed} to replace it.`;
}
