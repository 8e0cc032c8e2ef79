/**
 * From scores to preferences: which of two questions, and which of two rationales, teaches better.
 *
 * Owns the choice and what is left out, counted by reason. Leaves prompts and texts of a pair to training-rows.ts.
 *
 * Invariants
 * 1. The same rows in any order give the same pairs: ids order what scores leave equal, and a seed orders draws.
 * 2. A pair's sides differ in text; the chosen side never scores lower than the rejected one.
 * 3. No pair is drawn twice; within a task questions are used as evenly as their number allows.
 */
import type { DraftRow, QuestionRow, ScoreRow } from '../schemas/rows';
import type { RunConfig } from '../schemas/run-config';
import { seedFrom, shuffled } from './keys';
import type { QuestionScore } from './score';
import { mean } from './statistics';

export type PairSettings = RunConfig['pairs'] & {
  /** Scores closer than this are the same. Default sameScore. */
  readonly tolerance?: number;
};

export interface PreferencePair {
  readonly task: string;
  readonly chosenId: string;
  readonly rejectedId: string;
  readonly chosenScore: number;
  readonly rejectedScore: number;
  /** pairs.question.response `list`: every question of a side, the first one being chosenId or rejectedId. Scores are their means. */
  readonly chosenIds?: readonly string[];
  readonly rejectedIds?: readonly string[];
}

/** What was not made a pair, by reason. Reasons that did not occur are left out. */
export type Dropped = Readonly<Partial<Record<DropReason, number>>>;

export type DropReason =
  /** Best and worst score the same (pairs.ties: drop), or the only draft that may be chosen is no better than the others. */
  | 'tie'
  /** The scores are closer than pairs.minimum_gap. */
  | 'gap'
  /** Both sides say the same. */
  | 'identical'
  /** A question or draft that has no score. */
  | 'unscored'
  /** Fewer than two drafts that say something. */
  | 'too few drafts'
  /** No draft may be chosen (pairs.rationale.wrong_chosen: false). */
  | 'none right'
  /** The task has too few questions for the method and response asked for. */
  | 'too few questions'
  /** More pairs than per_task. */
  | 'over per_task';

export interface Pairs {
  readonly pairs: PreferencePair[];
  readonly dropped: Dropped;
}

class Drops {
  readonly counts: Partial<Record<DropReason, number>> = {};

  add(reason: DropReason, count = 1): void {
    if (count > 0) this.counts[reason] = (this.counts[reason] ?? 0) + count;
  }
}

const byCode = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

/** Scores are shares of a few items and means of them: what is closer than this differs by rounding only. */
export const sameScore = 1e-9;

/** Scores of log-probabilities that are closer than this are the same: forward passes agree to so much (python/tests/test_score.py). */
export const sameValue = 1e-4;

/** Which scores of a config's signal are the same. */
export function tieTolerance({ signal }: Pick<RunConfig['score'], 'signal'>): number {
  return signal === 'icl_accuracy' || signal === 'combined' ? sameScore : sameValue;
}

/** Undefined when the scores make a pair, else why not. */
function scoreProblem(chosen: number, rejected: number, settings: PairSettings): DropReason | undefined {
  const gap = chosen - rejected;
  const { tolerance = sameScore } = settings;
  if (gap < -tolerance) return 'tie';
  if (gap <= tolerance && settings.ties === 'drop') return 'tie';
  return settings.minimum_gap > 0 && gap < settings.minimum_gap - sameScore ? 'gap' : undefined;
}

/** Scores that differ by rounding only are equal, so that ids decide. */
const byScore = (one: { readonly score: number }, other: { readonly score: number }): number =>
  Math.abs(one.score - other.score) <= sameScore ? 0 : one.score - other.score;

/** Rows by task, tasks in the order of their names. */
export function groupByTask<Row extends { readonly task: string }>(rows: readonly Row[]): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const group = groups.get(row.task) ?? [];
    group.push(row);
    groups.set(row.task, group);
  }
  return new Map([...groups].sort(([one], [other]) => byCode(one, other)));
}

// ---- questions ---------------------------------------------------------------------------------------------------

interface ScoredQuestion {
  readonly id: string;
  readonly text: string;
  readonly score: number;
}

/**
 * Question pairs. `quartiles` (paper): chosen drawn from the top quarter of s_q, rejected from the bottom quarter, up to per_task distinct
 * pairs per task. `extremes`: the best against the worst, the second best against the second worst, and so on.
 * A quarter is floor(n / 4) questions, at least one.
 * @param listSize Questions of one side when response is `list` (questions.per_call).
 */
export function buildQuestionPairs(
  questions: readonly Pick<QuestionRow, 'id' | 'task' | 'question' | 'target'>[],
  scores: readonly QuestionScore[],
  settings: PairSettings,
  seed: number,
  listSize = 1,
): Pairs {
  const { per_task: perTask, method, response } = settings.question;
  const drops = new Drops();
  const pairs: PreferencePair[] = [];
  if (perTask === 0) return { pairs, dropped: drops.counts };
  const size = response === 'list' ? listSize : 1;
  const scoreOf = new Map(scores.map(({ questionId, score }) => [questionId, score]));
  for (const [task, rows] of groupByTask(questions)) {
    const scored = rows.flatMap(({ id, question, target }): ScoredQuestion[] => {
      const score = scoreOf.get(id);
      return score === undefined ? [] : [{ id, text: `${question.trim()}\u0000${target.trim()}`, score }];
    });
    drops.add('unscored', rows.length - scored.length);
    const ranked = scored.sort((one, other) => byScore(other, one) || byCode(one.id, other.id));
    const candidates =
      method === 'quartiles' ? quartileSides(ranked, size, seedFrom(seed, task)) : extremeSides(ranked, size);
    let made = 0;
    let tried = 0;
    for (const { chosen, rejected } of candidates) {
      tried += 1;
      const pair = questionPair(task, chosen, rejected, settings);
      if (typeof pair === 'string') drops.add(pair);
      else {
        pairs.push(pair);
        made += 1;
      }
      if (made === perTask) break;
    }
    if (tried === 0) drops.add('too few questions', rows.length);
  }
  return { pairs, dropped: drops.counts };
}

/** How many questions of a task the chosen, and as many the rejected, sides are taken from. */
export function questionsOnASide(questions: number, { question: { method, per_task: perTask } }: PairSettings): number {
  if (questions < 2) return 0;
  return method === 'quartiles' ? quarterOf(questions) : Math.min(perTask, Math.floor(questions / 2));
}

const quarterOf = (questions: number): number => Math.max(1, Math.floor(questions / 4));

interface Sides {
  readonly chosen: readonly ScoredQuestion[];
  readonly rejected: readonly ScoredQuestion[];
}

/**
 * Both quarters are shuffled and walked in step, the bottom one a place further on each round: every question is used once before one
 * is used twice, and no two pairs are the same.
 */
function* quartileSides(ranked: readonly ScoredQuestion[], size: number, seed: number): Generator<Sides> {
  if (ranked.length < 2) return;
  const quarter = quarterOf(ranked.length);
  if (quarter < size) return;
  const top = shuffled(ranked.slice(0, quarter), seedFrom(seed, 'top'));
  const bottom = shuffled(ranked.slice(-quarter), seedFrom(seed, 'bottom'));
  const from = (list: readonly ScoredQuestion[], start: number) =>
    Array.from({ length: size }, (_, step) => list[(start + step) % quarter] as ScoredQuestion);
  for (let walked = 0; walked < quarter * quarter; walked += size) {
    const round = Math.floor(walked / quarter);
    yield { chosen: from(top, walked), rejected: from(bottom, walked + round) };
  }
}

function* extremeSides(ranked: readonly ScoredQuestion[], size: number): Generator<Sides> {
  for (let start = 0; 2 * (start + size) <= ranked.length; start += size) {
    const end = ranked.length - start;
    yield { chosen: ranked.slice(start, start + size), rejected: ranked.slice(end - size, end).reverse() };
  }
}

function questionPair(
  task: string,
  chosen: readonly ScoredQuestion[],
  rejected: readonly ScoredQuestion[],
  settings: PairSettings,
): PreferencePair | DropReason {
  const chosenScore = mean(chosen.map(({ score }) => score));
  const rejectedScore = mean(rejected.map(({ score }) => score));
  const problem = scoreProblem(chosenScore, rejectedScore, settings);
  if (problem !== undefined) return problem;
  const textOf = (side: readonly ScoredQuestion[]) => side.map(({ text }) => text).join('\u0001');
  if (textOf(chosen) === textOf(rejected)) return 'identical';
  const idsOf = (side: readonly ScoredQuestion[]) => side.map(({ id }) => id);
  return {
    task,
    chosenId: chosen[0]?.id ?? '',
    rejectedId: rejected[0]?.id ?? '',
    chosenScore,
    rejectedScore,
    ...(settings.question.response === 'list' && { chosenIds: idsOf(chosen), rejectedIds: idsOf(rejected) }),
  };
}

// ---- rationales --------------------------------------------------------------------------------------------------

interface ScoredDraft {
  readonly id: string;
  readonly text: string;
  readonly agrees: boolean;
  readonly score: number;
}

/**
 * Rationale pairs: per question the draft with the highest s_r against the one with the lowest (paper). Of equal scores the smaller id
 * counts; of equal texts one is kept; drafts without a word are no candidates. Where wrong_chosen is false, the chosen one is the best
 * whose conclusion equals the target. Of more than per_task the first by question id are kept.
 */
export function buildRationalePairs(
  drafts: readonly Pick<DraftRow, 'id' | 'task' | 'questionId' | 'rationale' | 'agrees'>[],
  scores: readonly Pick<ScoreRow, 'draftId' | 'score'>[],
  settings: PairSettings,
): Pairs {
  const { per_task: perTask, wrong_chosen: wrongChosen } = settings.rationale;
  const drops = new Drops();
  const pairs: PreferencePair[] = [];
  if (perTask === 0) return { pairs, dropped: drops.counts };
  const scoreOf = new Map(scores.map(({ draftId, score }) => [draftId, score]));
  for (const [task, rows] of groupByTask(drafts)) {
    const questions = new Map<string, ScoredDraft[]>();
    for (const { id, questionId, rationale, agrees } of rows) {
      const group = questions.get(questionId) ?? [];
      questions.set(questionId, group);
      const score = scoreOf.get(id);
      if (score === undefined) drops.add('unscored');
      else if (rationale.trim() !== '') group.push({ id, text: rationale.trim(), agrees, score });
    }
    let made = 0;
    for (const [, group] of [...questions].sort(([one], [other]) => byCode(one, other))) {
      const pair = rationalePair(task, group, settings, wrongChosen);
      if (typeof pair === 'string') drops.add(pair);
      else if (made === perTask) drops.add('over per_task');
      else {
        pairs.push(pair);
        made += 1;
      }
    }
  }
  return { pairs, dropped: drops.counts };
}

/** Of one question's drafts, by id: those that a pair may be made of, and those of them that may be the chosen one. */
export function rationaleCandidates<
  Draft extends { readonly id: string; readonly text: string; readonly agrees: boolean },
>(group: readonly Draft[], wrongChosen: boolean): { readonly distinct: Draft[]; readonly eligible: Draft[] } {
  const ordered = group.filter(({ text }) => text !== '').sort((one, other) => byCode(one.id, other.id));
  const distinct = ordered.filter((draft, at) => ordered.findIndex(({ text }) => text === draft.text) === at);
  return { distinct, eligible: distinct.filter(({ agrees }) => wrongChosen || agrees) };
}

function rationalePair(
  task: string,
  group: readonly ScoredDraft[],
  settings: PairSettings,
  wrongChosen: boolean,
): PreferencePair | DropReason {
  if (group.length < 2) return 'too few drafts';
  const { distinct, eligible } = rationaleCandidates(group, wrongChosen);
  if (distinct.length < 2) return 'identical';
  const [chosen] = [...eligible].sort((one, other) => byScore(other, one));
  if (chosen === undefined) return 'none right';
  const [rejected] = distinct.filter((draft) => draft !== chosen).sort(byScore);
  if (rejected === undefined) return 'too few drafts';
  const problem = scoreProblem(chosen.score, rejected.score, settings);
  if (problem !== undefined) return problem;
  return {
    task,
    chosenId: chosen.id,
    rejectedId: rejected.id,
    chosenScore: chosen.score,
    rejectedScore: rejected.score,
  };
}
