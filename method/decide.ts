/**
 * Whether a round's student becomes the best one so far, and what speaks for it.
 *
 * Owns the decision. Leaves every interval and test to comparisons.ts, where the report has its own from: what the decision says against a
 * baseline is, in the last round, what stands in the report's line. What happens next is the workflow's business.
 *
 * Invariants
 * 1. The first round that was evaluated is the best until another one beats it: by more than the margin on the items that both answered,
 *    and, where the config asks for that, beyond noise.
 * 2. Only answers at the same shot counts are compared.
 * 3. The decision never depends on a later round than its own.
 */
import type { ArmName } from '../schemas/arms';
import type { Comparison } from '../schemas/report';
import type { RunConfig } from '../schemas/run-config';
import { compareAnswers, compareArms, linesOf, type AnswerSet, type EvaluatedArm } from './comparisons';
import { overShots } from './shots';
import { mean, type PairedComparison } from './statistics';

/** One evaluation of one arm: one of a round's students (`alignedArm`), or of a baseline that belongs to the first round. */
export type RoundEvidence = Omit<EvaluatedArm, 'students'>;

/** The arm that the rounds are judged by. */
export const alignedArm = 'arte';

export interface DecisionSettings extends Pick<RunConfig['rounds'], 'accept' | 'accept_margin'> {
  /** The round to decide about. */
  readonly round: number;
  /** Rounds that a gate rejected (gates.ts): never the best, whatever their accuracy. */
  readonly rejected?: readonly number[];
}

export interface Decision {
  /** promote: this round is the best so far. keep-best: an earlier one stays it. reject: a gate failed. */
  readonly decision: 'promote' | 'keep-best' | 'reject';
  readonly round: number;
  /** 0 while every round was rejected. */
  readonly bestRound: number;
  /** Share of right answers over the shot counts and the students of the arm. */
  readonly accuracy: number;
  /** The shot counts that `accuracy`, `previousBest` and `overall` are over. */
  readonly shots: readonly number[];
  /** This round against the baselines over all those shot counts, pooled by item; one family with what else was pooled so far (comparisons.ts). */
  readonly overall: readonly Comparison[];
  /** Against the best round before this one, over all shot counts, pooled by item; null in the first. */
  readonly previousBest: ({ readonly round: number; readonly accuracy: number } & PairedComparison) | null;
  /** This round's lines against the baselines, as the report of a run that ended here would have them. */
  readonly against: readonly ({ readonly shots: number } & Comparison)[];
  readonly reason: string;
}

/** Accuracies nearer than this differ by rounding only. */
const sameAccuracy = 1e-12;

/** @throws RangeError when the round was not evaluated. */
export function decideRound(evidence: readonly RoundEvidence[], settings: DecisionSettings): Decision {
  const { round, rejected = [] } = settings;
  const lines = linesOf(evidence.filter((one) => one.round <= round));
  const own = answersOf(lines, round);
  if (own === undefined) throw new RangeError(`round ${round} has no evaluation of the arm ${alignedArm}`);
  const earlier = [...new Set(lines.filter(({ arm }) => arm === alignedArm).map((line) => line.round))]
    .filter((other) => other < round && !rejected.includes(other))
    .sort((one, other) => one - other)
    .flatMap((other) => answersOf(lines, other, own.shots) ?? []);
  const best = earlier.reduce<RoundAnswers | undefined>(
    (soFar, answers) => (soFar === undefined || isAccepted(compareAnswers(answers, soFar), settings) ? answers : soFar),
    undefined,
  );
  const comparison = best && compareAnswers(own, best);
  const isRejected = rejected.includes(round);
  const promoted =
    !isRejected && (best === undefined || (comparison !== undefined && isAccepted(comparison, settings)));
  const isOwn = (line: EvaluatedArm): boolean => line.arm === alignedArm && line.round === round;
  const comparisons = compareArms(lines, isOwn);
  return {
    decision: isRejected ? 'reject' : promoted ? 'promote' : 'keep-best',
    round,
    bestRound: promoted ? round : (best?.round ?? 0),
    accuracy: own.accuracy,
    shots: own.shots,
    overall: overallOf(lines, own),
    previousBest: best && comparison ? { round: best.round, accuracy: best.accuracy, ...comparison } : null,
    against: lines.flatMap(({ shots }, at) => (comparisons[at] ?? []).map((one) => ({ shots, ...one }))),
    reason: isRejected
      ? `A gate failed in round ${round}: ${best === undefined ? 'no round is accepted yet' : `round ${best.round} stays the best`}.`
      : reasonOf(own, best, comparison, promoted, settings),
  };
}

function isAccepted(
  { difference, verdict }: PairedComparison,
  { accept, accept_margin: margin }: DecisionSettings,
): boolean {
  return difference > margin + sameAccuracy && (accept === 'higher' || verdict === 'gain');
}

interface RoundAnswers extends AnswerSet {
  readonly round: number;
  readonly accuracy: number;
  readonly shots: readonly number[];
}

/** The same comparisons as of single lines, of what each arm and round answered over the shot counts of `own`. */
function overallOf(lines: readonly EvaluatedArm[], own: RoundAnswers): Comparison[] {
  const evaluated = new Map(lines.map(({ arm, round }) => [`${arm}/${round}`, { arm, round }]));
  const pooled = [...evaluated.values()].flatMap(({ arm, round }): EvaluatedArm[] => {
    const answers = answersOf(lines, round, own.shots, arm);
    // Lines are compared within a shot count; here all are over the same ones.
    return answers ? [{ ...answers, arm, shots: 0 }] : [];
  });
  const isOwn = ({ arm, round }: EvaluatedArm): boolean => arm === alignedArm && round === own.round;
  return compareArms(pooled, isOwn).flat();
}

/** An arm's answers of a round over its shot counts; undefined where it was not evaluated with those that are wanted. */
function answersOf(
  lines: readonly EvaluatedArm[],
  round: number,
  wanted?: readonly number[],
  arm: ArmName = alignedArm,
): RoundAnswers | undefined {
  const own = lines
    .filter((line) => line.arm === arm && line.round === round && (wanted?.includes(line.shots) ?? true))
    .sort((one, other) => one.shots - other.shots);
  if (own.length === 0 || (wanted !== undefined && own.length !== wanted.length)) return undefined;
  const predictions = own.flatMap((line) => line.predictions);
  return {
    round,
    key: own.map(({ key }) => key).join('/'),
    predictions,
    students: own.reduce((sum, { students }) => sum + students, 0),
    accuracy: mean(predictions.map(({ correct }) => Number(correct))),
    shots: own.map(({ shots }) => shots),
  };
}

function reasonOf(
  own: RoundAnswers,
  best: RoundAnswers | undefined,
  comparison: PairedComparison | undefined,
  promoted: boolean,
  { accept, accept_margin: margin }: DecisionSettings,
): string {
  const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;
  const over = overShots(own.shots);
  if (best === undefined || comparison === undefined)
    return `Round ${own.round} is the first to be evaluated, with an accuracy of ${percent(own.accuracy)}${over}.`;
  const points = (value: number): string => `${value > 0 ? '+' : ''}${(100 * value).toFixed(1)}`;
  const { difference, low, high, verdict } = comparison;
  const against = `${percent(own.accuracy)} against ${percent(best.accuracy)} of round ${best.round}${over} (${points(difference)} points, 95 % interval ${points(low)} to ${points(high)}: ${verdict})`;
  if (promoted) return `Round ${own.round} is the best so far: ${against}.`;
  const more = margin === 0 ? 'more' : `more by over ${(100 * margin).toFixed(1)} points`;
  return `Round ${best.round} stays the best: ${against}, and it takes ${more}${accept === 'gain' ? ', beyond noise,' : ''} to replace it.`;
}
