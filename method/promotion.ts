/**
 * Whether a finished alignment becomes its student's current one: the paired test against what is current (the untuned student where nothing
 * is), and the floors of the tasks.
 *
 * Owns the rule and its words. Leaves the test to statistics.ts, where answers come from to activities/judge-alignment.ts.
 *
 * Invariants
 * 1. What cannot be shown is not claimed: an alignment is kept back unless the test shows that it is no worse than the one before by more than the
 *    margin. With few test items nothing can be shown, and the reason says how many it takes.
 * 2. Every shot count that both have been evaluated with must pass. All have to, so each may be tested at the full level.
 * 3. Only the same test items are compared.
 * 4. The best of several rounds was chosen by the very items that judge it: the level is divided by the rounds it was chosen from (Bonferroni), so that
 *    the chance to promote what is worse stays at the level whatever the number of rounds.
 */
import type { PredictionRow } from '../schemas/rows';
import type { RunConfig } from '../schemas/run-config';
import type { FallenTask, PairedCheck } from '../schemas/student';
import { itemKey } from './evaluate';
import {
  defaultConfidence,
  mean,
  normalQuantile,
  pairedLowerBound,
  pairedScore,
  type PairedCounts,
} from './statistics';

type Answer = Pick<PredictionRow, 'task' | 'itemId' | 'correct'>;

export interface PromotionSide {
  /** As it is called in a sentence: "the untuned student", "that of RUN". */
  readonly name: string;
  readonly testItemsSha256: string;
  /** Answers by shot count. */
  readonly answers: ReadonlyMap<number, readonly Answer[]>;
}

export interface Promotion {
  readonly promoted: boolean;
  readonly why: string;
  readonly checks: readonly PairedCheck[];
  readonly fallen: readonly FallenTask[];
}

/** Accuracies nearer than this differ by rounding only. */
const sameAccuracy = 1e-12;

export function judgePromotion(
  candidate: PromotionSide,
  before: PromotionSide,
  { margin, floor, drop }: RunConfig['promotion'],
  /** Rounds that the candidate is the best of. */
  rounds: number,
): Promotion {
  const level: Level = { margin, rounds, confidence: 1 - (1 - defaultConfidence) / Math.max(1, rounds) };
  const refused = (why: string): Promotion => ({ promoted: false, why, checks: [], fallen: [] });
  if (candidate.testItemsSha256 !== before.testItemsSha256)
    return refused(
      `The test items are not those that ${before.name} was evaluated on, so the two cannot be compared; a person may set it.`,
    );
  const shots = [...candidate.answers.keys()].filter((count) => before.answers.has(count));
  if (shots.length === 0)
    return refused(`It was evaluated with other shot counts than ${before.name}; a person may set it.`);
  const checks: PairedCheck[] = [];
  const fallen: FallenTask[] = [];
  for (const count of shots.sort((one, other) => one - other)) {
    const mine = candidate.answers.get(count) ?? [];
    const theirs = new Map((before.answers.get(count) ?? []).map((row) => [itemKey(row), row.correct]));
    if (mine.length !== theirs.size || mine.some((row) => !theirs.has(itemKey(row))))
      return refused(`Not every test item was answered by both it and ${before.name}, so the two cannot be compared.`);
    checks.push(checkOf(count, mine, theirs, level));
    for (const [task, rows] of byTask(mine)) {
      const accuracy = share(rows);
      const floors = [
        { by: 'floor' as const, floor: floor[task] },
        { by: 'drop' as const, floor: drop === null ? undefined : share(rows, theirs) - drop },
      ];
      for (const each of floors)
        if (each.floor !== undefined && accuracy < each.floor - sameAccuracy)
          fallen.push({ task, shots: count, accuracy, floor: each.floor, by: each.by });
    }
  }
  const failed = checks.filter(({ passed }) => !passed);
  const why = [
    ...failed.map((check) => failure(check, before.name, level)),
    ...fallen.map(
      ({ task, shots: count, accuracy, floor: least, by }) =>
        `${task} (${count}-shot) is at ${percent(accuracy)}, below ${percent(least)}${by === 'floor' ? ', its floor' : `: more than promotion.drop under ${before.name}`}.`,
    ),
  ];
  if (why.length > 0) return { promoted: false, why: why.join(' '), checks, fallen };
  const worst = checks.reduce((one, other) => (other.low < one.low ? other : one));
  return {
    promoted: true,
    why: `No worse than ${before.name}: ${signed(worst.difference)} points, at worst ${signed(worst.low)} (${levelWords(level)}), with a margin of ${points(margin)}.`,
    checks,
    fallen,
  };
}

/** How sure a test has to be, and of what. */
interface Level {
  readonly margin: number;
  readonly rounds: number;
  readonly confidence: number;
}

function levelWords({ rounds }: Level): string {
  return rounds > 1 ? `95 % over the ${rounds} rounds that it is the best of` : '95 %';
}

function checkOf(
  shots: number,
  mine: readonly Answer[],
  theirs: ReadonlyMap<string, boolean>,
  { margin, confidence }: Level,
): PairedCheck {
  const counts: PairedCounts = {
    n: mine.length,
    onlyMine: mine.filter((row) => row.correct && theirs.get(itemKey(row)) === false).length,
    onlyTheirs: mine.filter((row) => !row.correct && theirs.get(itemKey(row)) === true).length,
  };
  return {
    shots,
    ...counts,
    accuracy: share(mine),
    before: share(mine, theirs),
    difference: counts.n === 0 ? 0 : (counts.onlyMine - counts.onlyTheirs) / counts.n,
    low: pairedLowerBound(counts, confidence),
    passed: pairedScore(counts, -margin) > normalQuantile(confidence),
  };
}

/** Items with which a test that finds no disagreement at all shows a difference within the margin: the fewest that ever can. */
export function testItemsMin(margin: number, confidence: number = defaultConfidence): number {
  return Math.floor((normalQuantile(confidence) ** 2 * (1 - margin)) / margin) + 1;
}

function failure({ shots, n, difference, low }: PairedCheck, name: string, level: Level): string {
  const { margin, confidence } = level;
  const needed = testItemsMin(margin, confidence);
  const few =
    n < needed ? ` ${n} test items cannot show it; a margin of ${points(margin)} takes at least ${needed}.` : '';
  return `${shots}-shot it may be worse than ${name} by more than ${points(margin)} points: ${signed(difference)}, at worst ${signed(low)} (${levelWords(level)}).${few}`;
}

function byTask(rows: readonly Answer[]): Map<string, Answer[]> {
  const tasks = new Map<string, Answer[]>();
  for (const row of rows) {
    const own = tasks.get(row.task);
    if (own) own.push(row);
    else tasks.set(row.task, [row]);
  }
  return tasks;
}

/** Share of right answers: of the rows, or of what others said to the same items. */
function share(rows: readonly Answer[], others?: ReadonlyMap<string, boolean>): number {
  return mean(rows.map((row) => Number(others ? others.get(itemKey(row)) : row.correct)));
}

function percent(value: number): string {
  return `${(100 * value).toFixed(1)} %`;
}

function points(value: number): string {
  return String(Number((100 * value).toFixed(1)));
}

function signed(value: number): string {
  return `${value > 0 ? '+' : ''}${(100 * value).toFixed(1)}`;
}
