/**
 * Training sets that are chosen from the drafts instead of written by an aligned teacher: the paper's ablation of the choice of rationales
 * (random, most preferred, task consistent), and what stands under `arte` when the teacher cannot be trained.
 *
 * Owns which drafts a set takes. What an arm is made of: schemas/arms.ts; how a chosen draft becomes a training row: training-rows.ts.
 *
 * Invariants
 * 1. One draft a question and at most `perTask` questions a task, so that a chosen set is no larger than a written one was asked to be.
 * 2. The same rows in any order give the same set; what scores leave equal a seed decides, never the name of a technique.
 * 3. Sets that take questions by `drawn` take the same ones wherever each of them has a draft to take: they differ in the rationale only.
 */
import type { DraftChoice } from '../schemas/arms';
import type { DraftRow, ScoreRow } from '../schemas/rows';
import { seedFrom, shuffled } from './keys';
import { groupByTask, sameScore } from './pairs';
import { questionScores } from './score';
import { mean } from './statistics';

export interface ChoiceSettings extends DraftChoice {
  /** Examples a task (tailor.per_task). */
  readonly perTask: number;
  /** Leave out drafts without a conclusion (tailor.require_tag). */
  readonly requireTag: boolean;
  readonly seed: number;
}

export interface ChosenDrafts {
  readonly drafts: readonly DraftRow[];
  /** Of a task-consistent choice: each task's technique and its mean s_r. */
  readonly techniques: Readonly<Record<string, { readonly technique: string; readonly score: number }>>;
  /** Tasks that have fewer drafts to take than asked for: "navigate: 7 of 8". */
  readonly short: readonly string[];
}

type Candidate = DraftRow & { readonly score: number };

/** Choose a training set from scored drafts. Drafts without a word, or that no probe item was asked with, are never taken. */
export function chooseDrafts(
  drafts: readonly DraftRow[],
  scores: readonly ScoreRow[],
  settings: ChoiceSettings,
): ChosenDrafts {
  const scoreOf = new Map(scores.map(({ draftId, score }) => [draftId, score]));
  const questionScoreOf = new Map(questionScores(scores).map(({ questionId, score }) => [questionId, score]));
  const chosen: DraftRow[] = [];
  const techniques: Record<string, { technique: string; score: number }> = {};
  const short: string[] = [];
  for (const [task, rows] of groupByTask(drafts)) {
    let candidates = rows.flatMap((draft): Candidate[] => {
      const score = scoreOf.get(draft.id);
      const usable = draft.rationale.trim() !== '' && !(settings.requireTag && draft.answer === null);
      return score === undefined || !usable ? [] : [{ ...draft, score }];
    });
    if (settings.rationale === 'task-consistent') {
      const best = preferredTechnique(candidates, settings, task);
      if (best) {
        techniques[task] = { technique: best.technique, score: best.score };
        candidates = [...best.drafts];
      }
    }
    const byQuestion = new Map<string, Candidate[]>();
    for (const draft of candidates)
      byQuestion.set(draft.questionId, [...(byQuestion.get(draft.questionId) ?? []), draft]);
    const order = shuffled(
      [...new Set(rows.map(({ questionId }) => questionId))].sort(),
      seedFrom(settings.seed, task),
    );
    const ranked =
      settings.questions === 'drawn'
        ? order
        : // A stable sort: the draw decides between equals.
          [...order].sort((one, other) =>
            compareScores(questionScoreOf.get(other) ?? 0, questionScoreOf.get(one) ?? 0),
          );
    const taken = ranked
      .flatMap((questionId) => {
        const draft = draftOf(byQuestion.get(questionId) ?? [], settings);
        return draft ? [draft] : [];
      })
      .slice(0, settings.perTask);
    if (taken.length < settings.perTask) short.push(`${task}: ${taken.length} of ${settings.perTask}`);
    for (const { score: _, ...draft } of taken) chosen.push(draft);
  }
  return { drafts: chosen, techniques, short };
}

/** Which of a question's drafts: drawn from all of them, or from those with the highest s_r. */
function draftOf(candidates: readonly Candidate[], { rationale, seed }: ChoiceSettings): Candidate | undefined {
  const best = rationale === 'random' ? candidates : withHighestScore(candidates);
  const ordered = [...best].sort((one, other) => (one.id < other.id ? -1 : 1));
  return shuffled(ordered, seedFrom(seed, rationale, ordered[0]?.questionId ?? ''))[0];
}

interface TechniqueDrafts {
  readonly technique: string;
  readonly score: number;
  readonly drafts: readonly Candidate[];
}

/**
 * The technique whose drafts score highest on average over the task, of those with drafts enough to fill the set; where none has enough, of
 * those with the most. A technique that seldom came to an end would else win by a few lucky drafts.
 */
function preferredTechnique(
  candidates: readonly Candidate[],
  { perTask, seed }: ChoiceSettings,
  task: string,
): TechniqueDrafts | undefined {
  const techniques = [...new Set(candidates.map(({ technique }) => technique))].sort().map((technique) => {
    const drafts = candidates.filter((draft) => draft.technique === technique);
    return { technique, drafts, score: mean(drafts.map(({ score }) => score)) };
  });
  const enough = Math.min(perTask, Math.max(0, ...techniques.map(({ drafts }) => drafts.length)));
  const able = techniques.filter(({ drafts }) => drafts.length >= enough);
  return shuffled(withHighestScore(able), seedFrom(seed, 'technique', task))[0];
}

function withHighestScore<Scored extends { readonly score: number }>(all: readonly Scored[]): Scored[] {
  const highest = Math.max(...all.map(({ score }) => score));
  return all.filter(({ score }) => highest - score <= sameScore);
}

function compareScores(one: number, other: number): number {
  return Math.abs(one - other) <= sameScore ? 0 : one - other;
}
