/**
 * What a task family is, and how items are drawn from one.
 *
 * Owns the interface, the drawing of distinct items under a seed, and the refusal when there are too few.
 * Leaves to each family file what its items say; to split.ts which item goes into which split.
 *
 * Invariants:
 * 1. Same family, count and seed: the same items on every machine (no clock, locale, time zone or Math function that may round differently).
 * 2. A larger count extends a smaller one: the first items stay the same.
 * 3. No two items of one call share a question. Two wordings of one problem are never two items: wording follows from the
 *    problem itself, so a reworded validation item cannot turn up in the test set.
 * 4. Labels are balanced: strata take turns for as long as they last.
 */
import { ArteError } from '../../schemas/errors';
import type { AnswerSpec, TaskItem, Technique, Verifier } from '../../schemas/task';
import { seededRandom, seedFrom, sha256Hex } from '../keys';

/** One problem, made. */
export interface FamilyItem {
  readonly question: string;
  readonly target: string;
  /** A short correct worked answer, one line, without an answer tag. */
  readonly rationale: string;
}

/** Problems of one label (or one difficulty), numbered from 0. `at` gives the same item for the same index for ever. */
export interface Stratum {
  readonly size: number;
  at(index: number): FamilyItem;
}

export interface Family {
  readonly name: string;
  readonly category: string;
  /** What the student is asked to do, in a sentence. */
  readonly description: string;
  readonly answer: AnswerSpec;
  readonly verifier?: Verifier;
  /** How many distinct items it can make: exact, or a lower bound that is really reached; at most `familyDistinctMax`. */
  readonly distinct: number;
  /** Technique prompts with a one-line demonstration each, in different styles, as very small models need them. */
  readonly techniques?: readonly Technique[];
  /**
   * `count` items with distinct questions.
   * @throws ArteError FamilyTooSmall when there are fewer than `count`.
   */
  generate(count: number, seed: number): TaskItem[];
}

/** More items than any run asks of one task; keeps a mistyped count from filling the memory. */
export const familyDistinctMax = 1_000_000;

export interface FamilyDefinition {
  readonly name: string;
  readonly category: string;
  readonly description: string;
  readonly answer: AnswerSpec;
  readonly verifier?: Verifier;
  readonly techniques: readonly Technique[];
  /** A function where they take time to make: it is called at the first draw. */
  readonly strata: readonly Stratum[] | (() => readonly Stratum[]);
  /** Needed when strata is a function, or several indexes may give one question (then a lower bound). Default: all indexes. */
  readonly distinct?: number;
}

export function defineFamily(definition: FamilyDefinition): Family {
  const { name, category, description, answer, verifier, techniques } = definition;
  let made = typeof definition.strata === 'function' ? undefined : definition.strata;
  const all = (made ?? []).reduce((sum, stratum) => sum + stratum.size, 0);
  const distinct = Math.min(definition.distinct ?? all, familyDistinctMax);

  function generate(count: number, seed: number): TaskItem[] {
    if (!Number.isSafeInteger(count) || count < 0) throw new RangeError(`not a count of items: ${String(count)}`);
    if (count > distinct) {
      throw new ArteError('FamilyTooSmall', {
        what: `The family ${name} has ${String(distinct)} distinct items, ${String(count)} were asked for.`,
        why: 'Items are never repeated, and splits never share one.',
        next: `Ask for at most ${String(distinct)} items of ${name} in all (seeds, validation and test together), or choose another family.`,
      });
    }
    const strata = (made ??= (definition.strata as () => readonly Stratum[])());
    const draws = strata.map((stratum, place) => drawWithoutRepeats(stratum, seedFrom('family', name, seed, place)));
    const order = seededRandom(seedFrom('family', name, seed, 'order'));
    const items: TaskItem[] = [];
    const seen = new Set<string>();
    let open = draws.map((_, place) => place);
    let turn: number[] = [];
    while (items.length < count) {
      if (turn.length === 0) turn = shuffledBy(open, order);
      const place = turn.pop();
      if (place === undefined) throw new Error(`family ${name} declares more distinct items than it has`);
      const item = nextNew(draws[place] as Iterator<FamilyItem, undefined>, seen);
      if (item === undefined) {
        open = open.filter((other) => other !== place);
        continue;
      }
      items.push({ id: contentId(item.question, item.target), ...item });
    }
    return items;
  }

  return { name, category, description, answer, ...(verifier && { verifier }), distinct, techniques, generate };
}

/** Id of an item that follows from its content alone: the same item has the same id in every split, file and machine. */
export function contentId(question: string, target: string): string {
  return sha256Hex(`${question}\u0000${target}`).slice(0, 16);
}

function nextNew(draw: Iterator<FamilyItem, undefined>, seen: Set<string>): FamilyItem | undefined {
  for (;;) {
    const next = draw.next();
    if (next.done === true) return undefined;
    if (seen.has(next.value.question)) continue;
    seen.add(next.value.question);
    return next.value;
  }
}

/** A Fisher-Yates shuffle of 0..size-1 that holds only the places it has touched, so any size costs what is drawn. */
function* drawWithoutRepeats(stratum: Stratum, seed: number): Generator<FamilyItem, undefined> {
  const random = seededRandom(seed);
  const moved = new Map<number, number>();
  for (let left = stratum.size; left > 0; left -= 1) {
    const place = randomBelow(random, left);
    const last = left - 1;
    const index = moved.get(place) ?? place;
    moved.set(place, moved.get(last) ?? last);
    moved.delete(last);
    yield stratum.at(index);
  }
  return undefined;
}

/** 2^32 and 2^53: one draw of the generator, and the integers a double can hold. */
const wordRange = 4_294_967_296;
const integerRange = 9_007_199_254_740_992;

/** A whole number in [0, size), size at most 2^53, exactly uniform given a uniform generator. */
export function randomBelow(random: () => number, size: number): number {
  if (!Number.isSafeInteger(size) || size < 1) throw new RangeError(`not a range: ${String(size)}`);
  const whole = Math.floor(integerRange / size) * size;
  for (;;) {
    const high = Math.floor(random() * 2_097_152);
    const low = Math.floor(random() * wordRange);
    const value = high * wordRange + low;
    if (value < whole) return value % size;
  }
}

function shuffledBy<T>(items: readonly T[], random: () => number): T[] {
  const copy = [...items];
  for (let last = copy.length - 1; last > 0; last -= 1) {
    const other = randomBelow(random, last + 1);
    const held = copy[last] as T;
    copy[last] = copy[other] as T;
    copy[other] = held;
  }
  return copy;
}

// ---- taking a number apart into a problem ------------------------------------------------------------------------

/** Mixed-radix digits of an index, least significant first: one index, one combination. */
export function digits(index: number, radixes: readonly number[]): number[] {
  const result: number[] = [];
  let rest = index;
  for (const radix of radixes) {
    result.push(rest % radix);
    rest = Math.floor(rest / radix);
  }
  return result;
}

export const product = (radixes: readonly number[]): number => radixes.reduce((all, radix) => all * radix, 1);

/** How many ordered selections of `take` out of `from` there are. */
export function arrangements(from: number, take: number): number {
  let all = 1;
  for (let step = 0; step < take; step += 1) all *= from - step;
  return all;
}

/** The `index`-th ordered selection of `take` distinct items. */
export function arrangement<T>(items: readonly T[], take: number, index: number): T[] {
  const left = [...items];
  const chosen: T[] = [];
  let rest = index;
  for (let step = 0; step < take; step += 1) {
    const place = rest % left.length;
    rest = Math.floor(rest / left.length);
    chosen.push(...left.splice(place, 1));
  }
  return chosen;
}

/** How many unordered selections of `take` out of `from` there are. */
export function combinations(from: number, take: number): number {
  let all = 1;
  for (let step = 0; step < take; step += 1) all = (all * (from - step)) / (step + 1);
  return all;
}

/** The `index`-th unordered selection of `take` items, in the order of the list (combinatorial number system). */
export function combination<T>(items: readonly T[], take: number, index: number): T[] {
  const chosen: T[] = [];
  let rest = index;
  for (let position = 0, needed = take; needed > 0; position += 1) {
    const withThis = combinations(items.length - position - 1, needed - 1);
    if (rest < withThis) {
      chosen.push(items[position] as T);
      needed -= 1;
    } else {
      rest -= withThis;
    }
  }
  return chosen;
}

/** A generator for the wording of a problem: it follows from the problem's number alone (invariant 3). */
export function wordingOf(index: number): () => number {
  return seededRandom((index % wordRange) ^ Math.imul(Math.floor(index / wordRange) + 1, 0x9e3779b1));
}

export function pick<T>(items: readonly T[], random: () => number): T {
  return items[randomBelow(random, items.length)] as T;
}

// ---- techniques --------------------------------------------------------------------------------------------------

/** The four technique prompts of the paper's table, worded for one family, each with a demonstration in its own style. */
export function fourTechniques(demonstration: {
  readonly question: string;
  readonly answer: string;
  /** Who the expert is: "a careful clerk". */
  readonly expert: string;
  /** Rationales, one line each, at most 30 words. */
  readonly asExpert: string;
  readonly byRule: string;
  readonly stepByStep: string;
  readonly byElimination: string;
}): Technique[] {
  const { question, answer } = demonstration;
  const shown = (rationale: string) => ({ demonstration: { question, rationale, answer } });
  return [
    {
      name: 'expert-role',
      instruction: `You are ${demonstration.expert}. Explain your answer as such an expert would.`,
      ...shown(demonstration.asExpert),
    },
    {
      name: 'recall-rules',
      instruction: 'First recall the rule that applies to this kind of question, then apply it step by step.',
      ...shown(demonstration.byRule),
    },
    { name: 'step-by-step', instruction: 'Answer the question step by step.', ...shown(demonstration.stepByStep) },
    {
      name: 'eliminate-options',
      instruction: 'Rule out the answers that cannot be right, then keep the one that is left.',
      ...shown(demonstration.byElimination),
    },
  ];
}
