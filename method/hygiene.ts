/**
 * Keeping questions apart: when two are the same, and when they are too similar.
 *
 * Owns normalisation, ROUGE-L and the duplicate filter of sampled questions. Leaves to the stages what is compared with what, and
 * counting what is dropped.
 *
 * Invariants
 * 1. Normalisation is idempotent, and equal on every machine (no locale).
 * 2. The cost of one comparison is bounded: at most `rougeTokensMax` tokens a side; cheap upper bounds go first.
 */

/** Questions longer than this are compared by their beginning; the quadratic cost of ROUGE-L stays below a millisecond or so. */
export const rougeTokensMax = 512;

/** A question as it is compared: compatibility forms, case, spacing and a closing "?" or "." do not make a difference. */
export function normaliseQuestion(text: string): string {
  return (
    text
      .normalize('NFKC')
      .toLowerCase()
      // Lower case may bring back what normalisation had composed.
      .normalize('NFKC')
      .replace(/\s+/gu, ' ')
      .trim()
      // From its beginning only, so that a long row of them in the middle is not tried from each of its places.
      .replace(/(?<![\s?.!])[\s?.!]+$/u, '')
  );
}

/** What has been kept so far. `isDuplicateQuestion` adds to it. */
export interface QuestionFilter {
  /** Normalised questions. */
  readonly seen: Set<string>;
  /** Tokens of each, for rouge-l only. */
  readonly kept: TokenBag[];
}

/** The tokens of a text in order, and the same tokens sorted. */
export interface TokenBag {
  readonly tokens: readonly string[];
  readonly sorted: readonly string[];
}

export interface DedupeSettings {
  readonly dedupe: 'none' | 'exact' | 'rouge-l';
  /** rouge-l: a question at least this similar to an earlier one is a duplicate. */
  readonly rougeLMax: number;
}

/** Whether a question repeats an earlier one. A new one is remembered in the filter. */
export function isDuplicateQuestion(question: string, filter: QuestionFilter, settings: DedupeSettings): boolean {
  if (settings.dedupe === 'none') return false;
  const normal = normaliseQuestion(question);
  if (filter.seen.has(normal)) return true;
  if (settings.dedupe === 'rouge-l') {
    const bag = bagOf(question);
    if (filter.kept.some((earlier) => rougeLReaches(bag, earlier, settings.rougeLMax))) return true;
    filter.kept.push(bag);
  }
  filter.seen.add(normal);
  return false;
}

/** Runs of letters and digits, lower-cased; unlike rouge-score's, letters outside a-z count too. */
function tokensOf(text: string): string[] {
  return (text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).slice(0, rougeTokensMax);
}

function bagOf(text: string): TokenBag {
  const tokens = tokensOf(text);
  return { tokens, sorted: [...tokens].sort() };
}

/** 2PR / (P + R) is 2L / (|a| + |b|). */
function fMeasure(common: number, one: number, other: number): number {
  return common === 0 ? 0 : (2 * common) / (one + other);
}

/**
 * Whether ROUGE-L is at least `threshold`, told without the quadratic part where bounds suffice. ROUGE-L is the F-measure (Lin 2004) as Google's
 * rouge-score computes it without stemming: with L the longest common subsequence of tokens, P = L / |b|, R = L / |a|, F = 2PR / (P + R);
 * 0 when either side has no token.
 */
function rougeLReaches(one: TokenBag, other: TokenBag, threshold: number): boolean {
  const [m, n] = [one.tokens.length, other.tokens.length];
  if (fMeasure(Math.min(m, n), m, n) < threshold) return false;
  if (fMeasure(sharedMembers(one.sorted, other.sorted), m, n) < threshold) return false;
  return fMeasure(commonSubsequence(one.tokens, other.tokens), m, n) >= threshold;
}

/** How many members two ascending lists have in common. Of tokens: regardless of order, an upper bound of the common subsequence. */
export function sharedMembers<Member extends string | number>(
  one: readonly Member[],
  other: readonly Member[],
): number {
  let shared = 0;
  let [at, beside] = [0, 0];
  while (at < one.length && beside < other.length) {
    const left = one[at] as Member;
    const right = other[beside] as Member;
    if (left === right) {
      shared += 1;
      at += 1;
      beside += 1;
    } else if (left < right) at += 1;
    else beside += 1;
  }
  return shared;
}

/** Length of the longest common subsequence: dynamic programming over two rows. */
function commonSubsequence(one: readonly string[], other: readonly string[]): number {
  let previous = new Uint16Array(other.length + 1);
  let current = new Uint16Array(other.length + 1);
  for (const token of one) {
    for (let at = 0; at < other.length; at += 1) {
      const above = previous[at + 1] as number;
      const left = current[at] as number;
      current[at + 1] = token === other[at] ? (previous[at] as number) + 1 : above > left ? above : left;
    }
    [previous, current] = [current, previous];
  }
  return previous[other.length] as number;
}
