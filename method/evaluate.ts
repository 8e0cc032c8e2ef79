/**
 * Predictions become figures: accuracy with its error, and apart from it how often there was an answer at all.
 *
 * Owns the counts per task, per category and in all. Leaves reading an answer to answers.ts, comparing arms to statistics.ts.
 *
 * Where several students were trained on one set, the predictions of all of them are figures of one arm: n counts their answers, and errors are
 * clustered by item.
 *
 * Invariant: every prediction counts in n. One without an answer is wrong, and answer-counts.ts says why there was none.
 */
import type { AnswerCounts } from '../schemas/report';
import type { PredictionRow } from '../schemas/rows';
import { countAnswers } from './answer-counts';
import { clusteredProportion, mean, standardErrorOfProportion, wilsonInterval } from './statistics';

export interface MetricValues {
  readonly n: number;
  readonly correct: number;
  readonly accuracy: number;
  /** sqrt(p (1 - p) / (n - 1)); of several students' answers, clustered by item. */
  readonly stderr: number;
  /** 95 % Wilson interval of the accuracy, at the effective number of answers. */
  readonly low: number;
  readonly high: number;
  /** How the n answers were read. */
  readonly answers: AnswerCounts;
}

export interface Metrics {
  /** Over all items: tasks count by their size (micro average). */
  readonly overall: MetricValues;
  /** Mean of the tasks' accuracies: every task counts the same. Its standard error takes the tasks as given. */
  readonly macro: { readonly tasks: number } & MacroValues;
  readonly byTask: Readonly<Record<string, MetricValues>>;
  /** Over the items of a category; tasks without one are left out. */
  readonly byCategory: Readonly<Record<string, MetricValues>>;
}

/** An average in which every group counts the same, however many items it has. */
export interface MacroValues {
  readonly accuracy: number;
  /** sqrt of the sum of the groups' squared standard errors, by their number: the groups are taken as given, not as a sample of groups. */
  readonly stderr: number;
}

export function macroAverage(groups: readonly Pick<MetricValues, 'accuracy' | 'stderr'>[]): MacroValues {
  return {
    accuracy: mean(groups.map(({ accuracy }) => accuracy)),
    stderr: groups.length === 0 ? 0 : Math.hypot(...groups.map(({ stderr }) => stderr)) / groups.length,
  };
}

type Row = Pick<PredictionRow, 'task' | 'itemId' | 'correct' | 'tagged' | 'outcome'>;

/**
 * @param categories Task -> category.
 * @param students How many students' predictions these are, each over all items.
 */
export function evaluatePredictions(
  predictions: readonly Row[],
  categories: ReadonlyMap<string, string>,
  students = 1,
): Metrics {
  const byTask = valuesBy(predictions, students, ({ task }) => task);
  const tasks = Object.values(byTask);
  return {
    overall: valuesOf(predictions, students),
    macro: { tasks: tasks.length, ...macroAverage(tasks) },
    byTask,
    byCategory: valuesBy(predictions, students, ({ task }) => categories.get(task)),
  };
}

/** An item of a task, as predictions name it. */
export function itemKey({ task, itemId }: Pick<PredictionRow, 'task' | 'itemId'>): string {
  return `${task}/${itemId}`;
}

/** Right answers to each item, in the order in which items first stand there. */
export function rightsByItem(rows: readonly Pick<Row, 'task' | 'itemId' | 'correct'>[]): Map<string, number> {
  const rights = new Map<string, number>();
  for (const row of rows) {
    const item = itemKey(row);
    rights.set(item, (rights.get(item) ?? 0) + Number(row.correct));
  }
  return rights;
}

function valuesBy(
  rows: readonly Row[],
  students: number,
  keyOf: (row: Row) => string | undefined,
): Record<string, MetricValues> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const key = keyOf(row);
    if (key === undefined) continue;
    const group = groups.get(key) ?? [];
    group.push(row);
    groups.set(key, group);
  }
  return Object.fromEntries([...groups].map(([key, group]) => [key, valuesOf(group, students)]));
}

function valuesOf(rows: readonly Row[], students: number): MetricValues {
  const n = rows.length;
  const correct = rows.filter((row) => row.correct).length;
  return {
    n,
    correct,
    accuracy: n === 0 ? 0 : correct / n,
    ...(students === 1
      ? { stderr: standardErrorOfProportion(correct, n), ...wilsonInterval(correct, n) }
      : clusteredProportion({ rights: [...rightsByItem(rows).values()], students })),
    answers: countAnswers(rows),
  };
}
