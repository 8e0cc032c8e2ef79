/**
 * build-pairs: preferences become preference pairs: question pairs by quartiles of s_q, rationale pairs by
 * argmax and argmin of s_r with the naive prompt as x; and the rows that TRL reads. `extra.only` keeps one kind, for the arms that are
 * aligned with one.
 */
import {
  buildQuestionPairs,
  buildRationalePairs,
  sameScore,
  tieTolerance,
  type Dropped,
  type PreferencePair,
} from '../method/pairs';
import { questionScores } from '../method/score';
import { dpoRow, pairRow } from '../method/training-rows';
import { seedFrom, shuffled } from '../method/keys';
import { ArteError } from '../schemas/errors';
import type { StageInput } from '../schemas/messages';
import {
  draftRowSchema,
  pairRowSchema,
  questionRowSchema,
  scoreRowSchema,
  type DraftRow,
  type PairRow,
} from '../schemas/rows';
import type { StoreDependencies } from './dependencies';
import { answerTags } from './question-stage';
import { readTasksByName } from './read-tasks';
import { readRows } from './read-rows';
import { inputRef, type WholeStage } from './stage';

export const buildPairs: WholeStage<StoreDependencies> = {
  name: 'build-pairs',
  version: 1,
  settings: ({ config }) => {
    const { question, naive } = config.prompts;
    const { format, per_call } = config.questions;
    const style = config.models.teacher.prompt_style;
    const tolerance = tieTolerance(config.score);
    // Which earlier rounds' pairs are among the rows stands in the inputs.
    const { accumulate: _, ...pairs } = config.pairs;
    return {
      ...pairs,
      ...(tolerance !== sameScore && { tolerance }),
      // Such pairs were kept once, whatever the gap.
      ...(pairs.ties === 'keep-first' && pairs.minimum_gap > 0 && { tiesKeepGap: true }),
      seed: config.seed,
      wording: [question ?? null, naive ?? null],
      format,
      per_call,
      style,
      tags: answerTags(config),
    };
  },
  async run({ store, config, input }) {
    const tasks = await readTasksByName(store, input);
    const questions = await readRows(store, inputRef(input, 'questions'), questionRowSchema);
    const drafts = await readRows(store, inputRef(input, 'drafts'), draftRowSchema);
    const scores = await readRows(store, inputRef(input, 'scores'), scoreRowSchema);
    const settings = { ...config.pairs, tolerance: tieTolerance(config.score) };
    const ofQuestions = buildQuestionPairs(
      questions,
      questionScores(scores),
      settings,
      seedFrom(config.seed, 'build-pairs'),
      config.questions.per_call,
    );
    const ofRationales = buildRationalePairs(drafts, scores, settings);
    const sources = {
      tasks,
      questions: new Map(questions.map((row) => [row.id, row])),
      drafts: new Map(drafts.map((row) => [row.id, row])),
    };
    const described = (kind: PairRow['kind'], pairs: readonly PreferencePair[]): PairRow[] =>
      pairs.map((pair) => pairRow(kind, pair, sources, config));
    const only = input.extra?.['only'];
    const pairs = [
      ...(only === 'rationale' ? [] : described('question', ofQuestions.pairs)),
      ...(only === 'question' ? [] : described('rationale', ofRationales.pairs)),
    ];
    if (pairs.length < config.pairs.minimum) {
      throw new ArteError('NotEnoughPairs', {
        what: `Only ${pairs.length} preference pairs${typeof only === 'string' ? ` of ${only}s` : ''} came out, and pairs.minimum asks for ${config.pairs.minimum}.`,
        why: `Left out of the question pairs: ${inWords(ofQuestions.dropped)}; of the rationale pairs: ${inWords(ofRationales.dropped)}.`,
        next: 'A tie means that the student could not tell the drafts apart: more probe items (probe.size), more questions (questions.per_task), a smaller pairs.minimum_gap or a smaller pairs.minimum help. Go on with the change (arte retry RUN --set pairs.minimum=2, say), or start a run with it under another id: what is paid for is reused in both.',
      });
    }
    // Both kinds are mixed before training; the order is part of the artifact.
    const mixed = shuffled(pairs, seedFrom(config.seed, 'mix-pairs'));
    const pairsRef = await store.putLines(mixed.map((pair) => JSON.stringify(pair)));
    const own = new Set(pairs.map(({ id }) => id));
    const earlier = (await earlierPairs(store, input)).filter(({ id }) => !own.has(id));
    const seen = shuffled([...earlier, ...pairs], seedFrom(config.seed, 'mix-pairs'));
    const dpo = await store.putLines(seen.map((pair) => JSON.stringify(dpoRow(pair))));
    return {
      outputs: { pairs: pairsRef, dpo },
      facts: {
        questionPairs: pairs.filter(({ kind }) => kind === 'question').length,
        rationalePairs: pairs.filter(({ kind }) => kind === 'rationale').length,
        ...(earlier.length > 0 && { earlierPairs: earlier.length }),
        correctness: correctnessOf(ofRationales.pairs, sources.drafts),
        dropped: { question: { ...ofQuestions.dropped }, rationale: { ...ofRationales.dropped } },
      },
    };
  },
};

/** Pairs of earlier rounds, of the same kind, that DPO sees again (pairs.accumulate): the inputs earlier-1, earlier-2, … A pair counts once. */
async function earlierPairs(store: StoreDependencies['store'], input: StageInput): Promise<PairRow[]> {
  const only = input.extra?.['only'];
  const seen = new Map<string, PairRow>();
  for (let at = 1; input.inputs[`earlier-${at}`]; at += 1) {
    for (const pair of await readRows(store, inputRef(input, `earlier-${at}`), pairRowSchema)) {
      if (only === undefined || pair.kind === only) seen.set(pair.id, pair);
    }
  }
  return [...seen.values()];
}

/** Share of the chosen and of the rejected rationales whose own conclusion is the question's target. Null of none. */
function correctnessOf(
  pairs: readonly PreferencePair[],
  drafts: ReadonlyMap<string, DraftRow>,
): { chosen: number | null; rejected: number | null } {
  const share = (ids: readonly string[]): number | null =>
    ids.length === 0 ? null : ids.filter((id) => drafts.get(id)?.agrees).length / ids.length;
  return {
    chosen: share(pairs.map(({ chosenId }) => chosenId)),
    rejected: share(pairs.map(({ rejectedId }) => rejectedId)),
  };
}

/** "6 tie, 9 identical", or "none". */
function inWords(dropped: Dropped): string {
  const reasons = Object.entries(dropped).map(([reason, count]) => `${count} ${reason}`);
  return reasons.length === 0 ? 'none' : reasons.join(', ');
}
