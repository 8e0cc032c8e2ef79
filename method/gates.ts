/**
 * The gates of a round (rounds.gates): what is measured of an aligned teacher's training set and of its training, which limit it fails, and
 * what follows for the next round.
 *
 * Owns the measures, the judgement and the step after a round. Leaves to decide.ts whether a round's student is the best so far, to
 * activities/check-round.ts where the rows come from, to the workflow what is done.
 *
 * Invariants
 * 1. What could not be measured is not judged: its verdict is `not measured`, never a pass or a failure.
 * 2. Drift is measured from what the teacher wrote before it was ever aligned, so that it cannot creep from round to round.
 * 3. The step after a round follows from that round and the ones before it only.
 */
import type { DraftRow, TailoredRow } from '../schemas/rows';
import type { RunConfig } from '../schemas/run-config';
import type { TaskRecord } from '../schemas/task';
import type { Decision } from './decide';
import { normaliseQuestion } from './hygiene';
import { quantile } from './statistics';

export type GateSettings = RunConfig['rounds']['gates'];

/** Reasoning shorter than this, in characters, is none: "so 85.", "I think it is". In every script, because characters need no word breaks. */
export const bareCharactersMax = 20;

/** A labelled question of at least so many words that stands inside an example leaks it; shorter ones stand in other texts by chance. */
export const containedWordsMin = 8;

/** Distinct pairs of words are counted over at most so many words: the share falls with the length of a text, and both sides get the same. */
export const diversityWordsMax = 5_000;

/** What of a written example or draft is measured. */
type Written = Pick<TailoredRow, 'task' | 'question' | 'rationale' | 'answer'>;

export interface TailoredEvidence {
  readonly examples: number;
  /** Examples in which a test or validation item of their task stands, as the question or whole inside the text. */
  readonly contaminated: number;
  /** The first of them, by id. */
  readonly contaminatedIds: readonly string[];
  /** Share of questions that repeat an earlier one of their task. */
  readonly duplicates: number;
  /** Share of examples that are an answer without reasoning; of the set before. */
  readonly bare: number;
  readonly bareBefore: number | null;
  /** Share that ends in an answer. */
  readonly tagRate: number;
  readonly tagRateBefore: number | null;
  /** Median characters of the rationales, and their ratio to the drafts'. */
  readonly medianCharacters: number;
  readonly lengthRatio: number | null;
  /** Distinct pairs of words over pairs of words (distinct-2: Li et al. 2016, arXiv 1510.03055), and its ratio to that of the drafts. */
  readonly distinctPairs: number | null;
  readonly diversityRatio: number | null;
}

const contaminatedIdsMax = 5;

/** What the tailored set looks like beside the drafts of the teacher that was not aligned. `before` may be empty: then no drift is known. */
export function tailoredEvidence(
  tailored: readonly (Written & { readonly id: string })[],
  before: readonly (Written & Pick<DraftRow, 'id'>)[],
  tasks: readonly Pick<TaskRecord, 'name' | 'test' | 'validation'>[],
  tag: { readonly open: string },
): TailoredEvidence {
  const contaminated = contaminatedExamples(tailored, tasks);
  const reasoning = (rows: readonly Written[]): string[] =>
    rows.map(({ rationale }) => withoutAnswer(rationale, tag.open));
  // By id, which is a hash: the words counted for diversity then come from all tasks.
  const byId = <Row extends { readonly id: string }>(rows: readonly Row[]): Row[] =>
    [...rows].sort((one, other) => (one.id < other.id ? -1 : 1));
  const [own, drafts] = [reasoning(byId(tailored)), reasoning(byId(before))];
  const isBare = (text: string): boolean => text.length < bareCharactersMax;
  const share = (texts: readonly string[]): number => shareOf(texts, isBare);
  const lengths = (rows: readonly Written[]): number =>
    quantile(
      rows.map(({ rationale }) => rationale.length),
      0.5,
    );
  const answered = ({ answer }: Written): boolean => answer !== null;
  const words = [wordsOf(own), wordsOf(drafts)] as const;
  const among = Math.min(words[0].length, words[1].length);
  const distinct = distinctPairs(words[0], before.length === 0 ? words[0].length : among);
  const distinctBefore = before.length === 0 ? null : distinctPairs(words[1], among);
  const medianBefore = lengths(before);
  return {
    examples: tailored.length,
    contaminated: contaminated.length,
    contaminatedIds: contaminated.slice(0, contaminatedIdsMax),
    duplicates: repeatedShare(tailored),
    bare: share(own),
    bareBefore: before.length === 0 ? null : share(drafts),
    tagRate: shareOf(tailored, answered),
    tagRateBefore: before.length === 0 ? null : shareOf(before, answered),
    medianCharacters: lengths(tailored),
    lengthRatio: medianBefore === 0 ? null : lengths(tailored) / medianBefore,
    distinctPairs: distinct,
    diversityRatio: distinct === null || !distinctBefore ? null : distinct / distinctBefore,
  };
}

/** Ids of examples in which a labelled item of their task stands. */
function contaminatedExamples(
  tailored: readonly (Written & { readonly id: string })[],
  tasks: readonly Pick<TaskRecord, 'name' | 'test' | 'validation'>[],
): string[] {
  const labelled = new Map(
    tasks.map(({ name, test, validation }) => {
      const questions = [...test, ...validation].map(({ question }) => question);
      const phrases = questions.map(wordsOfText).filter(({ length }) => length >= containedWordsMin);
      return [name, { whole: new Set(questions.map(normaliseQuestion)), phrases: phrases.map(asPhrase) }] as const;
    }),
  );
  return tailored
    .filter(({ task, question, rationale }) => {
      const known = labelled.get(task);
      if (!known) return false;
      if (known.whole.has(normaliseQuestion(question))) return true;
      const text = asPhrase(wordsOfText(`${question}\n${rationale}`));
      return known.phrases.some((phrase) => text.includes(phrase));
    })
    .map(({ id }) => id);
}

/** What stands before the last answer tag; the whole text where there is none. */
function withoutAnswer(rationale: string, open: string): string {
  const at = rationale.lastIndexOf(open);
  return (at < 0 ? rationale : rationale.slice(0, at)).trim();
}

function wordsOfText(text: string): string[] {
  return (
    text
      .normalize('NFKC')
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? []
  );
}

/** Words between spaces, so that a phrase is found at word breaks only. */
function asPhrase(words: readonly string[]): string {
  return ` ${words.join(' ')} `;
}

function wordsOf(texts: readonly string[]): string[] {
  const words: string[] = [];
  for (const text of texts) {
    if (words.length >= diversityWordsMax) break;
    // Of one text no more than counts: a server that does not keep to max_tokens writes more words than a call takes arguments.
    words.push(...wordsOfText(text).slice(0, diversityWordsMax - words.length));
  }
  return words;
}

/** distinct-2 among the first `among` words; null with fewer than two. */
function distinctPairs(words: readonly string[], among: number): number | null {
  const pairs = words.slice(0, among).map((word, at, all) => `${word} ${all[at + 1] ?? ''}`);
  pairs.pop();
  return pairs.length === 0 ? null : new Set(pairs).size / pairs.length;
}

function repeatedShare(rows: readonly Pick<Written, 'task' | 'question'>[]): number {
  const distinct = new Set(rows.map(({ task, question }) => `${task}\u0000${normaliseQuestion(question)}`));
  return rows.length === 0 ? 0 : 1 - distinct.size / rows.length;
}

function shareOf<Row>(rows: readonly Row[], counts: (row: Row) => boolean): number {
  return rows.length === 0 ? 0 : rows.filter(counts).length / rows.length;
}

// ---- the judgement -----------------------------------------------------------------------------------------------

/** An estimate with its 95 % interval. */
export interface Gain {
  readonly difference: number;
  readonly low: number;
  readonly high: number;
}

/** All that gates judge; null where it was not measured. */
export interface RoundEvidenceOfGates {
  readonly tailored: TailoredEvidence;
  /** Means of the last quarter of the steps of DPO. */
  readonly rewardMargin: number | null;
  readonly rewardAccuracy: number | null;
  /** Student's accuracy after the examples less that after the round's drafts, on the same held-out validation items. */
  readonly iclGain: Gain | null;
}

/** The settings that are limits, by their own names. */
export type GateName = Exclude<keyof GateSettings, 'action' | 'icl_examples' | 'icl_items'>;

export interface GateVerdict {
  readonly gate: GateName;
  /** Of an interval, the end that is judged. */
  readonly value: number | null;
  readonly limit: number;
  readonly verdict: 'held' | 'failed' | 'not measured';
}

/** Compared with a tolerance for rounding: shares of a few hundred rows are never this near without being equal. */
const sameValue = 1e-12;

/** Every gate that is on, judged. In the order of the settings. */
export function judgeGates(evidence: RoundEvidenceOfGates, settings: GateSettings): GateVerdict[] {
  const { tailored, rewardMargin, rewardAccuracy, iclGain } = evidence;
  const change = (to: number, from: number | null): number | null => (from === null ? null : to - from);
  const measured: Readonly<Record<GateName, number | null>> = {
    contaminated_max: tailored.examples === 0 ? 0 : tailored.contaminated / tailored.examples,
    duplicates_max: tailored.duplicates,
    bare_rise_max: change(tailored.bare, tailored.bareBefore),
    tag_drop_max: tailored.tagRateBefore === null ? null : tailored.tagRateBefore - tailored.tagRate,
    length_ratio_min: tailored.lengthRatio,
    length_ratio_max: tailored.lengthRatio,
    diversity_ratio_min: tailored.diversityRatio,
    reward_margin_min: rewardMargin,
    reward_accuracy_min: rewardAccuracy,
    icl_gain_min: iclGain?.high ?? null,
  };
  return (Object.keys(measured) as GateName[]).flatMap((gate): GateVerdict[] => {
    const limit = settings[gate];
    if (limit === null) return [];
    const value = measured[gate];
    if (value === null) return [{ gate, value, limit, verdict: 'not measured' }];
    const fails = gate.endsWith('_max') ? value > limit + sameValue : value < limit - sameValue;
    return [{ gate, value, limit, verdict: fails ? 'failed' : 'held' }];
  });
}

/** A failed gate in a sentence. */
export function describeFailure(
  { gate, value, limit }: GateVerdict,
  { tailored, iclGain }: RoundEvidenceOfGates,
): string {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const number = (of: number | null): string => (of ?? 0).toFixed(2);
  switch (gate) {
    case 'contaminated_max':
      return `${tailored.contaminated} of ${tailored.examples} examples hold a test or validation item (allowed: ${percent(limit)}), such as ${tailored.contaminatedIds.join(', ')}.`;
    case 'duplicates_max':
      return `${percent(tailored.duplicates)} of the questions repeat an earlier one (allowed: ${percent(limit)}).`;
    case 'bare_rise_max':
      return `${percent(tailored.bare)} of the examples are answers without reasoning, and ${percent(tailored.bareBefore ?? 0)} of the unaligned teacher's were: the teacher has collapsed.`;
    case 'tag_drop_max':
      return `${percent(tailored.tagRate)} of the examples end in an answer, and ${percent(tailored.tagRateBefore ?? 0)} of the unaligned teacher's did.`;
    case 'length_ratio_min':
    case 'length_ratio_max':
      return `The examples' rationales have ${number(value)} times the length of the unaligned teacher's (limit: ${limit}).`;
    case 'diversity_ratio_min':
      return `The examples have ${number(value)} times as many distinct pairs of words as the unaligned teacher's (limit: ${limit}).`;
    case 'reward_margin_min':
      return `The reward margin of DPO ended at ${number(value)} (limit: ${limit}): below 0 the rejected answers are preferred.`;
    case 'reward_accuracy_min':
      return `DPO ended with ${percent(value ?? 0)} of the pairs the right way round (limit: ${percent(limit)}).`;
    case 'icl_gain_min':
      return `Shown the examples, the student answers ${(100 * (iclGain?.difference ?? 0)).toFixed(1)} points better than shown the drafts, at most ${(100 * (value ?? 0)).toFixed(1)} (limit: ${(100 * limit).toFixed(1)}).`;
  }
}

// ---- the step after a round --------------------------------------------------------------------------------------

export interface NextRound {
  /** The round whose teacher the next round starts from; 0: the teacher as it came. */
  readonly from: number;
  /** No further round is made. */
  readonly stop: boolean;
  readonly why: string;
}

/**
 * What follows a round. A round that a gate rejected is never built upon, whatever `on_worse` says.
 * @param rejected Whether a gate failed in this round with rounds.gates.action: roll-back.
 */
export function nextRound(
  { round, bestRound }: Pick<Decision, 'round' | 'bestRound'>,
  rejected: boolean,
  { patience, on_worse: onWorse }: Pick<RunConfig['rounds'], 'patience' | 'on_worse'>,
): NextRound {
  const since = round - bestRound;
  const stop = patience > 0 && since >= patience;
  const best = bestRound === 0 ? 'the teacher as it came' : `the teacher of round ${bestRound}`;
  const from = since === 0 || (onWorse === 'go-on' && !rejected) ? round : bestRound;
  if (stop)
    return { from, stop, why: `${since} rounds in a row did not become the best (rounds.patience: ${patience}).` };
  if (from === round) return { from, stop, why: since === 0 ? 'It is the best so far.' : 'rounds.on_worse is go-on.' };
  return { from, stop, why: `${rejected ? 'A gate failed' : 'It is not the best'}: back to ${best}.` };
}
