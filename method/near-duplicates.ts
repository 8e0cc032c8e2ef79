/**
 * Near duplicates: texts that share most of their runs of words.
 *
 * Owns the words a text is compared by, their runs (shingles), and the search for an earlier text that is as similar as asked. What is an
 * exact duplicate, and ROUGE-L, is hygiene.ts; which rows are compared, and what becomes of them, is for the stages.
 *
 * The search is exact, not MinHash: a prefix filter (Chaudhuri et al. 2006; Bayardo et al. 2007) leaves a handful of candidates, which are
 * compared in full, so that a run tells the same story twice and nothing is dropped by a hash's chance
 * (docs/decisions/0017-near-duplicates-are-found-exactly.md).
 */
import { normaliseQuestion, sharedMembers } from './hygiene';

/** Texts are compared by so many words at most: a runaway answer must not cost more than a long one. */
export const comparedWordsMax = 4096;

/** Words of a text in order. Signs count as words ("2 + 3" is another question than "2 - 3"), stops and quotes do not. */
export function comparedWords(text: string): string[] {
  return (normaliseQuestion(text).match(/[\p{L}\p{N}]+|[^\s\p{L}\p{N}.,;:?!'"‘’“”…]/gu) ?? []).slice(
    0,
    comparedWordsMax,
  );
}

/** The distinct runs of `size` words; a text with fewer words is one run. Empty for a text without a word. */
export function shinglesOf(words: readonly string[], size: number): Set<string> {
  if (words.length === 0) return new Set();
  if (words.length < size) return new Set([words.join(' ')]);
  const runs = new Set<string>();
  for (let at = 0; at + size <= words.length; at += 1) runs.add(words.slice(at, at + size).join(' '));
  return runs;
}

/** 0.55 * 100 is a trace above 55: the prefix must not become a run too short by it. */
const roundingSlack = 1e-9;

export interface NearDuplicateSettings {
  /** Words of a run. */
  readonly shingle: number;
  /** Jaccard similarity of the sets of runs from which on two texts are near duplicates. */
  readonly jaccard: number;
}

export interface NearDuplicateSearch {
  /** The first kept text that is a near duplicate of text `at`, if there is one. */
  nearest(at: number): number | undefined;
  /** From now on later texts are compared with text `at`. */
  keep(at: number): void;
}

/** Search among these texts. They are given at once because rare runs, by which candidates are found, are rare among all of them. */
export function nearDuplicateSearch(texts: readonly string[], settings: NearDuplicateSettings): NearDuplicateSearch {
  const sets = rankedSets(texts, settings.shingle);
  const { jaccard } = settings;
  /** By a run's rank: the kept texts that have it in their prefix. */
  const kept = new Map<number, number[]>();
  // Two sets as similar as asked share a run among the rarest of each: all but ceil(jaccard * size) - 1 of them.
  const prefixOf = (set: readonly number[]): readonly number[] =>
    set.slice(0, set.length - Math.max(1, Math.ceil(jaccard * set.length - roundingSlack)) + 1);
  return {
    nearest(at) {
      const mine = sets[at] ?? [];
      const candidates = new Set<number>();
      for (const rank of prefixOf(mine)) for (const other of kept.get(rank) ?? []) candidates.add(other);
      return [...candidates]
        .sort((one, other) => one - other)
        .find((other) => jaccardOf(mine, sets[other] ?? []) >= jaccard);
    },
    keep(at) {
      for (const rank of prefixOf(sets[at] ?? [])) {
        const having = kept.get(rank);
        if (having) having.push(at);
        else kept.set(rank, [at]);
      }
    },
  };
}

/** Runs as numbers, the rarest first; equal counts in the order of first appearance. */
function rankedSets(texts: readonly string[], shingle: number): number[][] {
  const runs = texts.map((text) => [...shinglesOf(comparedWords(text), shingle)]);
  const counts = new Map<string, number>();
  for (const set of runs) for (const run of set) counts.set(run, (counts.get(run) ?? 0) + 1);
  const order = [...counts.keys()];
  const place = new Map(order.map((run, at) => [run, at]));
  order.sort((one, other) => {
    const rarer = (counts.get(one) ?? 0) - (counts.get(other) ?? 0);
    return rarer === 0 ? (place.get(one) ?? 0) - (place.get(other) ?? 0) : rarer;
  });
  const rankOf = new Map(order.map((run, rank) => [run, rank]));
  return runs.map((set) => set.map((run) => rankOf.get(run) ?? 0).sort((one, other) => one - other));
}

/** Jaccard similarity of two ascending lists of distinct numbers; 0 when both are empty, for an empty text is like no other. */
function jaccardOf(one: readonly number[], other: readonly number[]): number {
  const shared = sharedMembers(one, other);
  const all = one.length + other.length - shared;
  return all === 0 ? 0 : shared / all;
}
