/**
 * A model of a task's draft x probe matrix with gaps: what a draft would score on the probe items it was not asked (racing.ts).
 *
 * Logistic factor analysis: P(right) = logistic(ease of the item + its loadings . factors of the draft). The first factor is drawn towards one
 * loading for all items, which makes it the draft's general strength, and alone would be item response theory's 2PL; the others are drawn towards 0
 * and take what drafts do to groups of items, above all leading the student to one answer, which is right for some items and wrong for others.
 * How far each of them is drawn is learned (automatic relevance determination: MacKay 1994), so that one that nothing speaks for fades out.
 *
 * **Kin.** Factors are N(mean, 1), and the mean is that of the draft's technique, and in general strength of its question too (latent regression:
 * Mislevy 1991, Psychometrika 56). Drafts of one technique tend to go together, from question to question, by far more than a few answers show.
 *
 * Fitted by variational EM: Gaussian posteriors by Newton steps whose expectations follow from Stein's lemma (Opper and Archambeau 2009, Neural
 * Computation 21), of a logistic function by its probit neighbour (MacKay 1992, Neural Computation 4). Items stand at their posterior mode.
 *
 * Invariants
 * 1. Deterministic: no random start. Rows and columns in the same order give the same numbers.
 * 2. Total: empty, constant and tiny matrices give finite numbers.
 */
import { add, dot, identity, inverse, times } from './dense-matrix';

/** A row's answers by item: 1 right, 0 wrong, -1 not asked. A byte a cell. */
export type Answers = Int8Array;

/** What a row has in common with others before anything is asked: indexes from 0. */
export interface Kin {
  readonly question: number;
  readonly technique: number;
}

/** What is known of a row. */
export interface Prediction {
  /** Right answers over all items, those not asked as predicted. */
  readonly counted: number;
  /** Of what is counted; 0 when every item was answered. */
  readonly countedVariance: number;
  /**
   * Right answers expected were all items asked afresh: what the row is good for, without the luck of the answers it gave. Between rows it is
   * drawn together as far as neither the answers nor their kin tell them apart.
   */
  readonly strength: number;
  /** By how much asking the rest would lower the variance of the strength: how far it may still move. 0 when every item was answered. */
  readonly resolvable: number;
  /** Per item: by how much asking it would lower that variance; 0 where it was asked. */
  readonly gain: Float64Array;
}

/** General strength, and two more: as many as a choice of three answers has directions to lean to. */
const factorCount = 3;

/** An item's loadings, in log odds per standard deviation of a factor, and its ease, in log odds of the middling draft. */
type Item = Float64Array;
const parameters = factorCount + 1;
const ease = factorCount;

/** Where the fit starts. Drafts of a question are seldom further apart; a start that is far off costs iterations. */
const startingLoading = 0.5;
const startingOther = 0.3;

/** General loadings differ by this share of their mean (discriminations of tests: log-normal with about that), and of no less than the second. */
const loadingShare = 0.5;
const generalMin = 0.3;

/** Standard deviation of the other loadings to begin with, which counts as much as so many items' when it is learned. */
const otherSd = 0.5;
const otherItems = 5;

/** Items that nobody, or everybody, gets right are as far from the mean as this many log odds allow. */
const easeSd = 2;

/** Variance of the questions' means in general strength to begin with, which counts as much as so many questions' when it is learned. */
const questionVariance = 0.5;
const questionsAssumed = 5;

/** A technique's mean is N(0, 1) like a draft. */
const techniqueRows = 1;

/** Newton steps are no longer than this in a factor's standard deviations, and in log odds: far off, a logistic function is no parabola. */
const factorStep = 1;
const itemStep = 1.5;

/** Sums over items have settled by then: with 80 the pairs of simulated and recorded matrices were no better. */
const iterations = 30;

interface Factors {
  readonly mean: Float64Array;
  /** Row-major factorCount x factorCount. */
  readonly covariance: Float64Array;
}

/** What items and drafts are drawn towards. */
interface Priors {
  /** Mean general loading. */
  readonly general: number;
  readonly ease: number;
  /** Standard deviations of the other loadings; the first is of no use. */
  readonly otherSds: Float64Array;
  /** Means of the factors, by technique. */
  readonly techniques: readonly Float64Array[];
  /** Means of general strength beside the technique's, by question. */
  readonly questions: Float64Array;
  readonly questionVariance: number;
}

/** Fit to all rows, and predict each of them. @param kin of each row, in the order of the rows. */
export function predictRows(rows: readonly Answers[], kin: readonly Kin[]): Prediction[] {
  const itemCount = rows[0]?.length ?? 0;
  let items = startingItems(rows, itemCount);
  let factors: Factors[] = rows.map(() => ({ mean: new Float64Array(factorCount), covariance: identity(factorCount) }));
  let priors = startingPriors(items, kin);
  const settle = (): Factors[] =>
    factors.map((own, row) => settled(own, rows[row] as Answers, items, meanOf(kin[row] as Kin, priors)));
  for (let iteration = 1; iteration < iterations; iteration += 1) {
    factors = settle();
    priors = withKin(priors, factors, kin);
    const updated = items.map((item, at) => updatedItem(item, at, rows, factors, priors));
    items = updated.map(({ item }) => item);
    priors = withItems(priors, updated);
  }
  factors = settle();
  return rows.map((row, at) => predictionOf(row, items, factors[at] as Factors));
}

function startingItems(rows: readonly Answers[], count: number): Item[] {
  const share = (answers: readonly number[], towards: number): number => {
    const asked = answers.filter((answer) => answer >= 0);
    return (asked.reduce((sum, answer) => sum + answer, 0) + 2 * towards) / (asked.length + 2);
  };
  const overall = share(
    rows.flatMap((row) => Array.from(row)),
    0.5,
  );
  return Array.from({ length: count }, (_, at) => {
    const right = share(
      rows.map((row) => row[at] as number),
      overall,
    );
    // Waves of different length over the items: any start does that is not symmetric.
    return Float64Array.from({ length: parameters }, (__, of) =>
      of === ease
        ? Math.log(right / (1 - right))
        : of === 0
          ? startingLoading
          : startingOther * Math.cos((at + 1) * of * Math.SQRT2),
    );
  });
}

function startingPriors(items: readonly Item[], kin: readonly Kin[]): Priors {
  const count = (of: keyof Kin): number => kin.reduce((most, own) => Math.max(most, own[of] + 1), 0);
  return {
    general: startingLoading,
    ease: meanOfItems(items, ease),
    otherSds: new Float64Array(factorCount).fill(otherSd),
    techniques: Array.from({ length: count('technique') }, () => new Float64Array(factorCount)),
    questions: new Float64Array(count('question')),
    questionVariance,
  };
}

const meanOfItems = (items: readonly Item[], of: number): number =>
  items.reduce((sum, item) => sum + (item[of] as number), 0) / Math.max(1, items.length);

/** Mean of a row's factors before its own answers. */
function meanOf({ question, technique }: Kin, { techniques, questions }: Priors): Float64Array {
  const mean = (techniques[technique] as Float64Array).slice();
  (mean[0] as number) += questions[question] as number;
  return mean;
}

/** One step of a row's posterior towards where it settles: Newton's in the mean, the inverse curvature as covariance. */
function settled({ mean, covariance }: Factors, row: Answers, items: readonly Item[], expected: Float64Array): Factors {
  const precision = identity(factorCount);
  const gradient = expected.map((value, at) => value - (mean[at] as number));
  items.forEach((item, at) => {
    const answer = row[at] as number;
    if (answer < 0) return;
    const { chance, slope } = chanceOf(item, mean, covariance);
    addScaled(gradient, item, answer - chance);
    addSquare(precision, item, slope);
  });
  const next = inverse(precision, factorCount);
  return { mean: stepped(mean, times(next, gradient), factorStep), covariance: next };
}

/** Means of techniques and questions, by the posteriors of their drafts. */
function withKin(priors: Priors, factors: readonly Factors[], kin: readonly Kin[]): Priors {
  const { questions: before, questionVariance: variance } = priors;
  const techniques = priors.techniques.map(() => new Float64Array(factorCount));
  const sizes = priors.techniques.map(() => techniqueRows);
  factors.forEach(({ mean }, row) => {
    const { question, technique } = kin[row] as Kin;
    const sum = techniques[technique] as Float64Array;
    add(sum, mean);
    (sum[0] as number) -= before[question] as number;
    (sizes[technique] as number) += 1;
  });
  techniques.forEach((sum, technique) => {
    for (let factor = 0; factor < factorCount; factor += 1) (sum[factor] as number) /= sizes[technique] as number;
  });
  // The drafts' mean is 0 by the items' ease.
  const middle = new Float64Array(factorCount);
  for (const { technique } of kin) add(middle, techniques[technique] as Float64Array);
  for (const mean of techniques)
    for (let factor = 0; factor < factorCount; factor += 1)
      (mean[factor] as number) -= (middle[factor] as number) / kin.length;

  const questions = new Float64Array(before.length);
  const precisions = new Float64Array(before.length).fill(1 / variance);
  factors.forEach(({ mean }, row) => {
    const { question, technique } = kin[row] as Kin;
    (questions[question] as number) += (mean[0] as number) - ((techniques[technique] as Float64Array)[0] as number);
    (precisions[question] as number) += 1;
  });
  let squares = 0;
  questions.forEach((sum, question) => {
    const own = sum / (precisions[question] as number);
    questions[question] = own;
    squares += own ** 2 + 1 / (precisions[question] as number);
  });
  return {
    ...priors,
    techniques,
    questions,
    questionVariance: (questionsAssumed * questionVariance + squares) / (questionsAssumed + questions.length),
  };
}

interface UpdatedItem {
  readonly item: Item;
  /** Posterior variances of its loadings. */
  readonly variances: Float64Array;
}

/** One Newton step of an item's parameters: logistic regression of its answers on the rows' factors, which are known as well as their posteriors say. */
function updatedItem(
  item: Item,
  at: number,
  rows: readonly Answers[],
  factors: readonly Factors[],
  priors: Priors,
): UpdatedItem {
  const curvature = new Float64Array(parameters * parameters);
  const gradient = new Float64Array(parameters);
  rows.forEach((row, index) => {
    const answer = row[at] as number;
    if (answer < 0) return;
    const { mean, covariance } = factors[index] as Factors;
    const { chance, slope } = chanceOf(item, mean, covariance);
    for (let one = 0; one < factorCount; one += 1) {
      let spread = 0;
      for (let other = 0; other < factorCount; other += 1) {
        const together = covariance[one * factorCount + other] as number;
        spread += together * (item[other] as number);
        (curvature[one * parameters + other] as number) +=
          slope * ((mean[one] as number) * (mean[other] as number) + together);
      }
      (gradient[one] as number) += (answer - chance) * (mean[one] as number) - slope * spread;
      (curvature[one * parameters + ease] as number) += slope * (mean[one] as number);
      (curvature[ease * parameters + one] as number) += slope * (mean[one] as number);
    }
    (gradient[ease] as number) += answer - chance;
    (curvature[ease * parameters + ease] as number) += slope;
  });
  const draw = (of: number, towards: number, sd: number): void => {
    (curvature[of * parameters + of] as number) += 1 / sd ** 2;
    (gradient[of] as number) -= ((item[of] as number) - towards) / sd ** 2;
  };
  draw(0, priors.general, loadingShare * Math.max(generalMin, priors.general));
  for (let factor = 1; factor < factorCount; factor += 1) draw(factor, 0, priors.otherSds[factor] as number);
  draw(ease, priors.ease, easeSd);
  const covariance = inverse(curvature, parameters);
  return {
    item: stepped(item, times(covariance, gradient), itemStep),
    variances: Float64Array.from(
      { length: factorCount },
      (_, factor) => covariance[factor * (parameters + 1)] as number,
    ),
  };
}

/** What items are drawn towards, by the items. */
function withItems(priors: Priors, updated: readonly UpdatedItem[]): Priors {
  const items = updated.map(({ item }) => item);
  return {
    ...priors,
    general: meanOfItems(items, 0),
    ease: meanOfItems(items, ease),
    otherSds: priors.otherSds.map((_, factor) => {
      const squares = updated.reduce(
        (sum, { item, variances }) => sum + (item[factor] as number) ** 2 + (variances[factor] as number),
        0,
      );
      return Math.sqrt((otherItems * otherSd ** 2 + squares) / (otherItems + items.length));
    }),
  };
}

function predictionOf(row: Answers, items: readonly Item[], factors: Factors): Prediction {
  const open: number[] = [];
  const slopes = new Float64Array(factorCount);
  const openSlopes = new Float64Array(factorCount);
  const asked = identity(factorCount);
  const whole = identity(factorCount);
  const chances = items.map((item) => chanceOf(item, factors.mean, factors.covariance));
  let right = 0;
  let expected = 0;
  let noise = 0;
  items.forEach((item, at) => {
    const { chance, slope, variance } = chances[at] as Chance;
    const answer = row[at] as number;
    addScaled(slopes, item, slope);
    addSquare(whole, item, slope);
    if (answer >= 0) {
      right += answer;
      addSquare(asked, item, slope);
      return;
    }
    open.push(at);
    expected += chance;
    noise += Math.max(0, chance * (1 - chance) - slope ** 2 * variance);
    addScaled(openSlopes, item, slope);
  });
  const strength = chances.reduce((sum, { chance }) => sum + chance, 0);
  const gain = new Float64Array(items.length);
  if (open.length === 0) return { counted: right, countedVariance: 0, strength, resolvable: 0, gain };
  // What the answers will be matters little to how much they tell.
  const covariance = inverse(asked, factorCount);
  const spread = times(covariance, slopes);
  for (const at of open) {
    const { slope } = chances[at] as Chance;
    const loadings = (items[at] as Item).subarray(0, factorCount);
    // What one answer takes off the covariance of the factors (Sherman and Morrison), seen along the strength.
    gain[at] = (slope * dot(loadings, spread) ** 2) / (1 + slope * dot(loadings, times(covariance, loadings)));
  }
  return {
    counted: right + expected,
    countedVariance: noise + dot(openSlopes, times(covariance, openSlopes)),
    strength,
    resolvable: Math.max(0, dot(slopes, spread) - dot(slopes, times(inverse(whole, factorCount), slopes))),
    gain,
  };
}

// ---- a right answer ----------------------------------------------------------------------------------------------

interface Chance {
  /** Of a right answer: expected over the factors. */
  readonly chance: number;
  /** By how much it rises with the log odds. */
  readonly slope: number;
  /** Of the log odds. */
  readonly variance: number;
}

/** Certainty has no slope to climb back on. */
const oddsMax = 30;

function chanceOf(item: Item, mean: Float64Array, covariance: Float64Array): Chance {
  let odds = item[ease] as number;
  let variance = 0;
  for (let one = 0; one < factorCount; one += 1) {
    odds += (item[one] as number) * (mean[one] as number);
    for (let other = 0; other < factorCount; other += 1)
      variance += (item[one] as number) * (item[other] as number) * (covariance[one * factorCount + other] as number);
  }
  const shrink = 1 / Math.sqrt(1 + (Math.PI * variance) / 8);
  const chance = 1 / (1 + Math.exp(-Math.min(oddsMax, Math.max(-oddsMax, shrink * odds))));
  return { chance, slope: shrink * chance * (1 - chance), variance };
}

/** Start plus step, the step cut to a length. */
function stepped(start: Float64Array, step: Float64Array, longest: number): Float64Array {
  const share = Math.min(1, longest / Math.max(Number.MIN_VALUE, Math.hypot(...step)));
  return start.map((value, at) => value + share * (step[at] as number));
}

/** To a sum over factors, an item's loadings times a weight. */
function addScaled(sum: Float64Array, item: Item, weight: number): void {
  for (let at = 0; at < factorCount; at += 1) (sum[at] as number) += weight * (item[at] as number);
}

/** To a precision, what one observation of the item with that weight tells. */
function addSquare(precision: Float64Array, item: Item, weight: number): void {
  for (let one = 0; one < factorCount; one += 1)
    for (let other = 0; other < factorCount; other += 1)
      (precision[one * factorCount + other] as number) += weight * (item[one] as number) * (item[other] as number);
}
