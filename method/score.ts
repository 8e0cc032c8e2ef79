/**
 * What the student's answers say about each draft, and how far that can be trusted (method.md sections 1 and 3).
 *
 * Owns s_r, s_q, their standard errors and the quality of the whole matrix. Leaves what is right to answers.ts, what becomes a pair to
 * pairs.ts.
 *
 * Invariants
 * 1. Every cell counts: a refused, truncated, malformed or failed one is a wrong answer in s_r, because leaving it out would reward a
 *    demonstration that makes the student ramble. They are counted apart in `scoreQuality`, so that zeros made by the parser are seen.
 * 2. A draft without cells has no score, rather than a score of 0.
 */
import { rowOutcomes } from '../schemas/rows';
import type { CellRow, DraftRow, OutcomeCounts, ScoreRow } from '../schemas/rows';
import { seededRandom, seedFrom } from './keys';
import { correlation, mean, sampleVariance, standardErrorOfProportion } from './statistics';

/**
 * s_r of every draft: the share of its probe items that the student gets right with the draft as its one demonstration. Its standard
 * error is sqrt(s (1 - s) / (n - 1)), n the draft's probe items. In the order of the drafts.
 */
export function scoreDrafts(
  cells: Iterable<CellRow>,
  drafts: readonly Pick<DraftRow, 'id' | 'task' | 'questionId'>[],
): ScoreRow[] {
  const counts = new Map<string, { n: number; correct: number }>();
  for (const cell of cells) {
    const count = counts.get(cell.draftId) ?? { n: 0, correct: 0 };
    count.n += 1;
    if (cell.correct) count.correct += 1;
    counts.set(cell.draftId, count);
  }
  return drafts.flatMap(({ id, task, questionId }) => {
    const count = counts.get(id);
    if (!count) return [];
    const { n, correct } = count;
    return [{ draftId: id, task, questionId, score: correct / n, stderr: standardErrorOfProportion(correct, n), n }];
  });
}

export interface QuestionScore {
  readonly questionId: string;
  readonly task: string;
  /** s_q: the mean of its rationales' s_r. */
  readonly score: number;
}

/** s_q of every question, in the order its first draft has. */
export function questionScores(scores: readonly ScoreRow[]): QuestionScore[] {
  const questions = new Map<string, { task: string; scores: number[] }>();
  for (const { questionId, task, score } of scores) {
    const question = questions.get(questionId) ?? { task, scores: [] };
    question.scores.push(score);
    questions.set(questionId, question);
  }
  return [...questions].map(([questionId, question]) => ({
    questionId,
    task: question.task,
    score: mean(question.scores),
  }));
}

/** How far the scores can be trusted. Null where the data cannot tell. */
export interface ScoreQuality {
  readonly drafts: number;
  readonly cells: number;
  /** Mean standard error of s_r. */
  readonly meanStderr: number;
  /** Standard deviation of s_r within a task, averaged over tasks: what there is to tell apart. */
  readonly spread: number;
  /** Share of questions, of those with two drafts or more, whose best and worst draft score the same: no pair can come of them. */
  readonly tiedShare: number | null;
  /**
   * Split-half reliability of s_r: the probe items are split in two at random, the halves' scores correlated over a task's drafts
   * (Pearson), averaged over splits and over tasks by their drafts, and stepped up to full length by Spearman-Brown, 2r / (1 + r).
   * Where drafts were asked different items (racing), each answer is taken as its distance from the item's mean; it is then the reliability
   * of what was asked, which is less than the whole matrix would have.
   */
  readonly reliability: number | null;
  /** Cells by how they ended; all but ok are wrong answers in the scores. */
  readonly outcomes: OutcomeCounts;
}

/** A reliability that is commonly asked for where single decisions hang on a score (Nunnally 1978). */
export const reliabilityUsual = 0.7;

/**
 * How many items a draft must be asked to bring the reliability from one value to another: Spearman and Brown's prophecy formula,
 * n t (1 - r) / (r (1 - t)), rounded up. Undefined where no number would do: without any reliability, or for a wanted one of 1.
 * @param items Items a draft was asked, and `reliability` with them.
 */
export function itemsForReliability(items: number, reliability: number, wanted: number): number | undefined {
  if (!(reliability > 0) || wanted >= 1) return undefined;
  if (reliability >= 1) return items;
  const factor = (wanted * (1 - reliability)) / (reliability * (1 - wanted));
  // Rounding must not turn a whole number into the next one.
  return Math.ceil(items * factor - 1e-9);
}

/** Random splits that the reliability is averaged over: its own noise is then well below that of the data. */
export const reliabilitySplits = 50;

export function scoreQuality(scores: readonly ScoreRow[], cells: readonly CellRow[]): ScoreQuality {
  const outcomes = Object.fromEntries(rowOutcomes.map((outcome) => [outcome, 0])) as Record<
    keyof OutcomeCounts,
    number
  >;
  for (const cell of cells) outcomes[cell.outcome] += 1;
  const tasks = groupBy(scores, (score) => score.task);
  const spreads = [...tasks.values()]
    .filter((group) => group.length > 1)
    .map((group) => Math.sqrt(sampleVariance(group.map(({ score }) => score))));
  const questions = [...groupBy(scores, (score) => score.questionId).values()].filter((group) => group.length > 1);
  const tied = questions.filter((group) => group.every(({ score }) => score === group[0]?.score));
  return {
    drafts: scores.length,
    cells: cells.length,
    meanStderr: mean(scores.map(({ stderr }) => stderr)),
    spread: mean(spreads),
    tiedShare: questions.length === 0 ? null : tied.length / questions.length,
    reliability: reliabilityOf(tasks, cells),
    outcomes,
  };
}

function reliabilityOf(tasks: ReadonlyMap<string, readonly ScoreRow[]>, cells: readonly CellRow[]): number | null {
  const taskOf = new Map([...tasks].flatMap(([task, group]) => group.map(({ draftId }) => [draftId, task] as const)));
  const byTask = new Map<string, Map<string, Map<string, number>>>();
  for (const { draftId, probeId, correct } of cells) {
    const task = taskOf.get(draftId);
    if (task === undefined) continue;
    const drafts = getOr(byTask, task, () => new Map<string, Map<string, number>>());
    getOr(drafts, draftId, () => new Map<string, number>()).set(probeId, correct ? 1 : 0);
  }
  let weighted = 0;
  let weights = 0;
  for (const [task, drafts] of byTask) {
    const r = meanHalfCorrelation(task, drafts);
    if (r === undefined) continue;
    weighted += r * drafts.size;
    weights += drafts.size;
  }
  if (weights === 0) return null;
  const r = weighted / weights;
  return Math.max(-1, (2 * r) / (1 + r));
}

/** Mean correlation of the two halves' scores over random splits; undefined where no split has any spread. */
function meanHalfCorrelation(
  task: string,
  drafts: ReadonlyMap<string, ReadonlyMap<string, number>>,
): number | undefined {
  const probes = [...new Set([...drafts.values()].flatMap((row) => [...row.keys()]))].sort();
  if (probes.length < 2 || drafts.size < 3) return undefined;
  const at = new Map(probes.map((probe, index) => [probe, index]));
  const rows = [...drafts.values()].map((row) => {
    const values = new Int8Array(probes.length).fill(-1);
    for (const [probe, value] of row) values[at.get(probe) as number] = value;
    return values;
  });
  const ease = rows.every((row) => row.every((value) => value >= 0)) ? undefined : itemMeans(rows, probes.length);
  const random = seededRandom(seedFrom('split-half', task));
  const order = probes.map((_, index) => index);
  const correlations: number[] = [];
  for (let split = 0; split < reliabilitySplits; split += 1) {
    for (let last = order.length - 1; last > 0; last -= 1) {
      const other = Math.floor(random() * (last + 1));
      [order[last], order[other]] = [order[other] as number, order[last] as number];
    }
    // With an odd number one item sits out, another one each time.
    const half = Math.floor(order.length / 2);
    const [first, second] = [order.slice(0, half), order.slice(half, 2 * half)];
    const pairs = rows
      .map((row) => [shareOf(row, first, ease), shareOf(row, second, ease)] as const)
      .filter((halves): halves is readonly [number, number] => !halves.includes(undefined));
    const r = correlation(
      pairs.map(([one]) => one),
      pairs.map(([, other]) => other),
    );
    if (r !== undefined) correlations.push(r);
  }
  return correlations.length === 0 ? undefined : mean(correlations);
}

/** Share of right answers among some items, less what is usual there where `ease` says it; undefined where none was answered. */
function shareOf(row: Int8Array, items: readonly number[], ease?: Float64Array): number | undefined {
  let n = 0;
  let correct = 0;
  for (const item of items) {
    const value = row[item] as number;
    if (value < 0) continue;
    n += 1;
    correct += ease === undefined ? value : value - (ease[item] as number);
  }
  return n === 0 ? undefined : correct / n;
}

/** Share of right answers of every item, among those that it was asked of. */
function itemMeans(rows: readonly Int8Array[], items: number): Float64Array {
  return Float64Array.from({ length: items }, (_, item) =>
    mean(rows.map((row) => row[item] as number).filter((value) => value >= 0)),
  );
}

function groupBy<Row>(rows: readonly Row[], keyOf: (row: Row) => string): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) getOr(groups, keyOf(row), () => []).push(row);
  return groups;
}

function getOr<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}
