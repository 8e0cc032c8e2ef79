/**
 * Contamination: a written question or rationale that repeats a labelled item. On a validation item (which probes are chosen from) it makes
 * a draft look good by telling the answer; on a test item it makes the reported accuracy a lie.
 *
 * Owns what counts as a repetition. What becomes of such a row is for the stages (hygiene.contamination.action).
 *
 * Two rules:
 * - exact: the same question after normalisation (hygiene.ts).
 * - overlap: of the item's distinct runs of `ngram` words, at least the share `overlap` stands in the text. After PaLM (Chowdhery et al. 2022,
 *   section 8: 70 % of an example's 8-grams), but against each item by itself, and for tasks of one template not so blunt:
 *   runs that many items of the task share ("What is the date today in MM/DD/YYYY?") belong to the task and do not count; a text that lacks
 *   one of the item's numbers is another problem; and items with fewer than `ngram` runs of their own are found by the exact rule only,
 *   since two expressions over a handful of words share a run by chance.
 * test/method/contamination.test.ts holds the built-in families' fresh items against it.
 */
import type { TaskRecord } from '../schemas/task';
import { normaliseQuestion } from './hygiene';
import { comparedWords, shinglesOf } from './near-duplicates';

export interface ContaminationSettings {
  /** Words of a run. */
  readonly ngram: number;
  /** Share of an item's runs from which on a text repeats it. */
  readonly overlap: number;
}

/** The task's own parts. Seeds are shown to the teacher: to copy one is no leak, but no new question either. */
export type LabelledSplit = 'seeds' | 'validation' | 'test';

export interface Contamination {
  readonly split: LabelledSplit;
  readonly rule: 'exact' | 'overlap';
  /** Id of the item that is repeated. */
  readonly itemId: string;
}

export interface ContaminationCheck {
  /** A question, by both rules. */
  question(text: string): Contamination | undefined;
  /** Any text (a rationale with its question), by the overlap rule: whether a labelled item stands in it. */
  text(text: string): Contamination | undefined;
}

/** A run that stands in more than this share of a task's items, and in more than two of them, is the task's wording. */
const sharedWordingShare = 0.05;
const sharedWordingItems = 2;

/** Everything that one task's rows are checked against. */
export function contaminationCheck(
  task: Pick<TaskRecord, LabelledSplit>,
  { ngram, overlap }: ContaminationSettings,
): ContaminationCheck {
  const exact = new Map<string, Contamination>();
  const items: { split: LabelledSplit; itemId: string; runs: number; numbers: readonly string[] }[] = [];
  const runsOf: ReadonlySet<string>[] = [];
  // Test last: an item of two parts (which splits refuse) would count as the graver leak.
  for (const split of ['seeds', 'validation', 'test'] as const) {
    for (const { id: itemId, question } of task[split]) {
      exact.set(normaliseQuestion(question), { split, rule: 'exact', itemId });
      const words = comparedWords(question);
      if (split === 'seeds' || words.length < ngram) continue;
      items.push({ split, itemId, runs: 0, numbers: numbersOf(words) });
      runsOf.push(shinglesOf(words, ngram));
    }
  }
  const having = new Map<string, number[]>();
  for (const [at, runs] of runsOf.entries()) {
    for (const run of runs) {
      const others = having.get(run);
      if (others) others.push(at);
      else having.set(run, [at]);
    }
  }
  const sharedBy = Math.max(sharedWordingItems, sharedWordingShare * items.length);
  for (const [run, at] of having) {
    if (at.length > sharedBy) having.delete(run);
    else for (const item of at) (items[item] as { runs: number }).runs += 1;
  }
  const overlapping = (text: string): Contamination | undefined => {
    const words = comparedWords(text);
    if (words.length < ngram) return undefined;
    const present = new Set(words);
    const found = new Map<number, number>();
    for (const run of shinglesOf(words, ngram))
      for (const item of having.get(run) ?? []) found.set(item, (found.get(item) ?? 0) + 1);
    let worst: { split: LabelledSplit; itemId: string; share: number } | undefined;
    for (const [at, runs] of found) {
      const item = items[at] as (typeof items)[number];
      const share = runs / item.runs;
      if (share < overlap || item.runs < ngram) continue;
      if (!item.numbers.every((number) => present.has(number))) continue;
      const graver = item.split === 'test' && worst?.split === 'validation';
      if (!worst || graver || (item.split === worst.split && share > worst.share)) worst = { ...item, share };
    }
    return worst && { split: worst.split, rule: 'overlap', itemId: worst.itemId };
  };
  return {
    question: (text) => exact.get(normaliseQuestion(text)) ?? overlapping(text),
    text: overlapping,
  };
}

function numbersOf(words: readonly string[]): readonly string[] {
  return words.filter((word) => /\p{N}/u.test(word));
}
