/** Sentences about scores and pairs: how fine and how reliable they are, and what racing saved. */
import { itemsForReliability, reliabilityUsual, type ScoreQuality } from '../../method/score';
import { isByItems } from '../../method/signals';
import type { ReportStage } from '../../schemas/report';
import type { RunConfig } from '../../schemas/run-config';
import type { RacingFacts } from '../score-drafts';

/** How fine a draft's score is. A race asks every draft other items, so its scores have no step. */
export function scoreNotes(config: RunConfig, stages: readonly ReportStage[]): string[] {
  if (config.score.mode === 'racing') {
    const quality = stages.findLast(({ name }) => name === 'score-drafts')?.facts['quality'];
    const { meanStderr } = (quality ?? {}) as { meanStderr?: number };
    if (meanStderr === undefined) return [];
    return [
      `A draft's score has a standard error of ${(100 * meanStderr).toFixed(1)} points on average; a race asks each draft as many probe items as it takes.`,
    ];
  }
  const chosen = stages.find(({ name }) => name === 'select-probes')?.facts['tasks'] ?? {};
  const counts = Object.values(chosen as Record<string, { probes?: number }>).flatMap(({ probes }) => probes ?? []);
  if (config.probe.method === 'full' || counts.length === 0) return [];
  const fewest = Math.min(...counts);
  const [step, error] = [100 / fewest, 100 * Math.sqrt(0.25 / fewest)];
  return [
    `One step of a draft's score is ${step.toFixed(1)} points and its standard error up to ${error.toFixed(1)}, with ${fewest} probe items${counts.some((count) => count !== fewest) ? ' (of the task that has the fewest)' : ''}.`,
  ];
}

/** A preference set is called lopsided when one answer is right for this share of it, and for this many points less of the validation items. */
const lopsided = { share: 0.6, above: 0.15 };

/** Tasks most of whose probe items want one and the same answer, when the validation items do not. */
export function probeNotes(stages: readonly ReportStage[]): string[] {
  const tasks = stages.find(({ name }) => name === 'select-probes')?.facts['tasks'] ?? {};
  return Object.entries(tasks as Record<string, { commonest?: number | null; commonestOfAll?: number | null }>).flatMap(
    ([task, { commonest, commonestOfAll }]) => {
      if (typeof commonest !== 'number' || typeof commonestOfAll !== 'number') return [];
      if (commonest < lopsided.share || commonest - commonestOfAll < lopsided.above) return [];
      return [
        `${percent(commonest)} of the probe items of ${task} want the same answer, of its validation items ${percent(commonestOfAll)}: a draft that makes the student give this answer scores well, whatever it teaches. probe.balance: true keeps the shares.`,
      ];
    },
  );
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;

/** How far scores and pairs can be trusted, where that is not far. */
export function qualityNotes(stages: readonly ReportStage[]): string[] {
  return stages.flatMap(({ name, round, facts }): string[] => {
    if (name === 'score-drafts') {
      const quality = facts['quality'] as ScoreQuality | undefined;
      const reliability = quality?.reliability;
      if (!quality || typeof reliability !== 'number' || reliability >= reliabilityUsual) return [];
      if (!isByItems(facts['signal']))
        return [
          `The scores of round ${round} by ${facts['signal'] as string} have a reliability of ${reliability.toFixed(2)} by their standard errors; ${reliabilityUsual} is what is usual.`,
        ];
      const items = quality.cells / Math.max(1, quality.drafts);
      const needed = itemsForReliability(items, reliability, reliabilityUsual);
      const would = needed === undefined ? 'no number of items would bring it' : `${needed} items would bring it`;
      return [
        `The scores of round ${round} have a split-half reliability of ${reliability.toFixed(2)} with ${Math.round(items)} probe items; by Spearman and Brown ${would} to ${reliabilityUsual}.`,
      ];
    }
    const correctness = facts['correctness'] as { chosen: number | null; rejected: number | null } | undefined;
    if (name === 'build-pairs' && typeof correctness?.chosen === 'number' && typeof correctness.rejected === 'number') {
      if (correctness.chosen >= correctness.rejected) return [];
      return [
        `Of the rationale pairs of round ${round}, ${percent(correctness.chosen)} of the chosen and ${percent(correctness.rejected)} of the rejected conclude what the question's target says: DPO prefers wrong rationales more often than right ones.`,
      ];
    }
    return [];
  });
}

/** What racing saved, from the facts of the score-drafts stage. */
export function racingNote({ name, round, facts }: ReportStage): string | undefined {
  const racing = facts['racing'] as RacingFacts | undefined;
  if (racing === undefined) return undefined;
  const saved = racing.exhaustive - racing.asked;
  const { best = 0, worst = 0, between = 0, unpaired = 0, whole = 0, racing: open = 0 } = racing.places;
  return `${name} (round ${round}) raced: ${racing.asked} of ${racing.exhaustive} calls, ${saved} saved (${Math.round((100 * saved) / Math.max(1, racing.exhaustive))} %). Decided early: ${best} drafts best of their question, ${worst} worst, ${between} in between, ${unpaired} without a pair to be in; ${whole} answered every item, ${open} were open after the last wave.`;
}
