/**
 * What the student's answers say about each draft, and how far that can be trusted.
 *
 * Owns s_r, s_q, their standard errors and the quality of the whole matrix. Leaves what is right to answers.ts, what becomes a pair to
 * pairs.ts.
 *
 * Invariants
 * 1. Every cell counts: a refused, truncated, malformed or failed one is a wrong answer in s_r, because leaving it out would reward a
 *    demonstration that makes the student ramble. `scoreQuality` counts them by why there was no answer, so that zeros made by the parser are seen.
 * 2. A draft without cells has no score, rather than a score of 0.
 * 3. Of signals other than icl_accuracy a cell without a value counts as the lowest that any draft has on its probe item, for the reason of 1.
 */
import type { AnswerCounts } from '../schemas/report';
import type { CellRow, DraftRow, ScoreRow } from '../schemas/rows';
import { countAnswers } from './answer-counts';
import { seededRandom, seedFrom } from './keys';
import { correlation, mean, sampleVariance, standardError, standardErrorOfProportion } from './statistics';

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

/**
 * Scores by a signal that is no accuracy, in the order of the drafts. With probe items: the mean over them, its standard error the sample's over
 * sqrt(n). One cell a draft: its value, with the standard error over the text's tokens.
 */
export function scoreDraftsByValue(
  cells: Iterable<CellRow>,
  drafts: readonly Pick<DraftRow, 'id' | 'task' | 'questionId'>[],
): ScoreRow[] {
  const taskOf = new Map(drafts.map(({ id, task }) => [id, task]));
  const lowest = new Map<string, number>();
  const byDraft = new Map<string, CellRow[]>();
  const placeOf = ({ draftId, probeId }: CellRow): string => `${taskOf.get(draftId) ?? ''}/${probeId ?? ''}`;
  for (const cell of cells) {
    getOr(byDraft, cell.draftId, () => []).push(cell);
    const place = placeOf(cell);
    if (cell.value !== undefined) lowest.set(place, Math.min(cell.value, lowest.get(place) ?? Infinity));
  }
  return drafts.flatMap(({ id, task, questionId }): ScoreRow[] => {
    const own = byDraft.get(id) ?? [];
    const [only] = own;
    if (only?.probeId === null) {
      const { value, stderr = 0, tokens = 0 } = only;
      return value === undefined ? [] : [{ draftId: id, task, questionId, score: value, stderr, n: tokens }];
    }
    const values = own.flatMap((cell) => cell.value ?? lowest.get(placeOf(cell)) ?? []);
    if (values.length === 0) return [];
    const stderr = standardError(values);
    return [{ draftId: id, task, questionId, score: mean(values), stderr, n: values.length }];
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
   * Without probe items (a signal of the draft alone, a combination): 1 - mean squared standard error / variance of the scores, within a task.
   */
  readonly reliability: number | null;
  /** Cells by how the student's answer was read; of the signals that read no answer, by how their row ended. */
  readonly answers: AnswerCounts;
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

/** @param tolerance Scores closer than this are tied. */
export function scoreQuality(
  scores: readonly ScoreRow[],
  cells: readonly CellRow[],
  tolerance: number = 0,
): ScoreQuality {
  const tasks = groupBy(scores, (score) => score.task);
  const spreads = [...tasks.values()]
    .filter((group) => group.length > 1)
    .map((group) => Math.sqrt(sampleVariance(group.map(({ score }) => score))));
  const questions = [...groupBy(scores, (score) => score.questionId).values()].filter((group) => group.length > 1);
  const tied = questions.filter((group) => {
    const own = group.map(({ score }) => score);
    return Math.max(...own) - Math.min(...own) <= tolerance;
  });
  const withProbes = cells.some(({ probeId }) => probeId !== null);
  return {
    drafts: scores.length,
    cells: cells.length,
    meanStderr: mean(scores.map(({ stderr }) => stderr)),
    spread: mean(spreads),
    tiedShare: questions.length === 0 ? null : tied.length / questions.length,
    reliability: withProbes ? reliabilityOf(tasks, cells) : reliabilityByErrors(tasks),
    answers: countAnswers(cells),
  };
}

/** What of the variance of the scores is not error of measurement, by their standard errors; averaged over tasks by their drafts. */
function reliabilityByErrors(tasks: ReadonlyMap<string, readonly ScoreRow[]>): number | null {
  let weighted = 0;
  let weights = 0;
  for (const group of tasks.values()) {
    if (group.length < 3) continue;
    const variance = sampleVariance(group.map(({ score }) => score));
    if (variance === 0) continue;
    const error = mean(group.map(({ stderr }) => stderr ** 2));
    weighted += Math.max(0, 1 - error / variance) * group.length;
    weights += group.length;
  }
  return weights === 0 ? null : weighted / weights;
}

function reliabilityOf(tasks: ReadonlyMap<string, readonly ScoreRow[]>, cells: readonly CellRow[]): number | null {
  const taskOf = new Map([...tasks].flatMap(([task, group]) => group.map(({ draftId }) => [draftId, task] as const)));
  const byTask = new Map<string, Map<string, Map<string, number>>>();
  for (const { draftId, probeId, correct, value } of cells) {
    const task = taskOf.get(draftId);
    if (task === undefined || probeId === null) continue;
    const worth = correct === undefined ? value : Number(correct);
    if (worth === undefined) continue;
    const drafts = getOr(byTask, task, () => new Map<string, Map<string, number>>());
    getOr(drafts, draftId, () => new Map<string, number>()).set(probeId, worth);
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
    const values = new Float64Array(probes.length).fill(Number.NaN);
    for (const [probe, value] of row) values[at.get(probe) as number] = value;
    return values;
  });
  const ease = rows.every((row) => !row.some(Number.isNaN)) ? undefined : itemMeans(rows, probes.length);
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

/** Mean of some items (share of right answers), less what is usual there where `ease` says it; undefined where none was answered. */
function shareOf(row: Float64Array, items: readonly number[], ease?: Float64Array): number | undefined {
  let n = 0;
  let correct = 0;
  for (const item of items) {
    const value = row[item] as number;
    if (Number.isNaN(value)) continue;
    n += 1;
    correct += ease === undefined ? value : value - (ease[item] as number);
  }
  return n === 0 ? undefined : correct / n;
}

/** Mean of every item (share of right answers), among those that it was asked of. */
function itemMeans(rows: readonly Float64Array[], items: number): Float64Array {
  return Float64Array.from({ length: items }, (_, item) =>
    mean(rows.map((row) => row[item] as number).filter((value) => !Number.isNaN(value))),
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
