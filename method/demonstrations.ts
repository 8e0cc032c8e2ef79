/**
 * Demonstrations on validation items that no score was made of: how much better the student answers after an aligned teacher's examples
 * than after the drafts before, and how far the choice of best and worst draft on the preference set is that of all validation items.
 *
 * Owns the samples and the two estimates. Leaves asking to activities/score-sample.ts, limits to gates.ts.
 *
 * Invariants
 * 1. No item of the preference set is asked: a gain measured on items that the drafts were chosen by would flatter the choice.
 * 2. The same rows in any order give the same sample.
 */
import type { DraftRow, ScoreRow, TailoredRow } from '../schemas/rows';
import type { TaskItem, TaskRecord } from '../schemas/task';
import { seedFrom, shuffled } from './keys';
import { groupByTask, sameScore } from './pairs';
import type { Gain } from './gates';
import { mean, standardError, defaultConfidence, normalQuantile } from './statistics';

/** A worked question as the student is shown it. */
export interface Shown {
  readonly id: string;
  readonly task: string;
  readonly question: string;
  readonly rationale: string;
}

/** Validation items outside of the preference set; at most so many, drawn by seed, where a number is given. */
export function heldOutItems(
  { name, validation }: Pick<TaskRecord, 'name' | 'validation'>,
  probeIds: ReadonlySet<string>,
  seed: number,
  atMost?: number,
): TaskItem[] {
  const rest = validation.filter(({ id }) => !probeIds.has(id));
  return atMost === undefined ? rest : shuffled(rest, seedFrom(seed, 'held-out', name)).slice(0, atMost);
}

/** So many rows of every task, drawn by seed. Rows without a word show nothing and are left out. */
export function sampledRows<Row extends Pick<DraftRow | TailoredRow, 'id' | 'task' | 'rationale'>>(
  rows: readonly Row[],
  perTask: number,
  seed: number,
): Row[] {
  return [...groupByTask(rows.filter(({ rationale }) => rationale.trim() !== ''))].flatMap(([task, group]) =>
    shuffled(byId(group), seedFrom(seed, 'demonstrations', task)).slice(0, perTask),
  );
}

/** All drafts of so many questions of every task, drawn by seed. */
export function sampledQuestions<Row extends Pick<DraftRow, 'id' | 'task' | 'questionId'>>(
  drafts: readonly Row[],
  perTask: number,
  seed: number,
): Row[] {
  return [...groupByTask(drafts)].flatMap(([task, group]) => {
    const questions = [...new Set(group.map(({ questionId }) => questionId))].sort();
    const drawn = new Set(shuffled(questions, seedFrom(seed, 'agreement', task)).slice(0, perTask));
    return byId(group.filter(({ questionId }) => drawn.has(questionId)));
  });
}

function byId<Row extends { readonly id: string }>(rows: readonly Row[]): Row[] {
  return [...rows].sort((one, other) => (one.id < other.id ? -1 : one.id > other.id ? 1 : 0));
}

/** Answers to one demonstration's items. */
export interface Asked {
  readonly correct: number;
  readonly n: number;
}

/**
 * Mean accuracy after the examples less that after the drafts. A demonstration is one observation, its accuracy over the items; the interval is
 * that of two independent means (Welch's, by the normal distribution). Undefined where a side has fewer than two demonstrations.
 */
export function gainOf(examples: readonly Asked[], drafts: readonly Asked[]): Gain | undefined {
  const accuracies = (side: readonly Asked[]): number[] =>
    side.filter(({ n }) => n > 0).map(({ correct, n }) => correct / n);
  const [mine, theirs] = [accuracies(examples), accuracies(drafts)];
  if (mine.length < 2 || theirs.length < 2) return undefined;
  const difference = mean(mine) - mean(theirs);
  const half = normalQuantile(0.5 + defaultConfidence / 2) * Math.hypot(standardError(mine), standardError(theirs));
  return { difference, low: difference - half, high: difference + half };
}

export interface Agreement {
  /** Questions with two drafts or more that were looked at. */
  readonly questions: number;
  /** Share of them whose best (worst) draft by the preference set is a best (worst) one by all validation items too. Null of none. */
  readonly best: number | null;
  readonly worst: number | null;
}

/**
 * Agreement of the preference set with the full validation set, as the paper reports it (93 % best, 87 % worst). The choice on the preference
 * set is that of pairs.ts: of equal scores the smaller id. It agrees when no draft is better (worse) on all validation items.
 * @param asked Answers on the items outside of the preference set, by draft.
 */
export function agreementOf(scores: readonly ScoreRow[], asked: ReadonlyMap<string, Asked>): Agreement {
  const questions = new Map<string, { id: string; probe: number; full: number }[]>();
  for (const { draftId, questionId, score, n } of scores) {
    const more = asked.get(draftId);
    if (!more || more.n === 0) continue;
    const group = questions.get(questionId) ?? [];
    questions.set(questionId, group);
    group.push({ id: draftId, probe: score, full: (score * n + more.correct) / (n + more.n) });
  }
  const groups = [...questions.values()].filter(({ length }) => length > 1).map(byId);
  const share = (sign: 1 | -1): number | null => {
    if (groups.length === 0) return null;
    const agreeing = groups.filter((group) => {
      const [first, ...others] = group;
      if (!first) return false;
      const chosen = others.reduce((so, one) => (sign * (one.probe - so.probe) > sameScore ? one : so), first);
      return group.every(({ full }) => sign * (full - chosen.full) <= sameScore);
    });
    return agreeing.length / groups.length;
  };
  return { questions: groups.length, best: share(1), worst: share(-1) };
}
