/**
 * The statistics of the report and of decisions, each by a textbook definition that its docstring names.
 *
 * Owns intervals, paired comparisons and corrections. Leaves what is compared with what to its callers.
 *
 * Invariants
 * 1. Deterministic: a bootstrap has a seed, and nothing depends on the machine.
 * 2. Total on any data a run can leave: no items, one item, all right and all wrong give finite numbers, never NaN.
 * 3. What may be claimed is decided in one place: `verdictOf`.
 */
import { seededRandom } from './keys';

export interface Interval {
  readonly low: number;
  readonly high: number;
}

// Taken out once: the bootstrap's inner loop calls nothing else, and a lookup on the global object is slow in sandboxed contexts.
const { floor } = Math;

/** Two-sided confidence of every interval unless said otherwise. */
export const defaultConfidence = 0.95;

/** Resamples of a bootstrap: the ends of a 95 % interval then rest on 100 resamples each. */
export const bootstrapResamples = 4_000;

/** Arithmetic mean; 0 of nothing. */
export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Sample variance with Bessel's correction (n - 1); 0 below two values. */
export function sampleVariance(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const centre = mean(values);
  return values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1);
}

/** Standard error of the mean: sqrt(sample variance / n). */
export function standardError(values: readonly number[]): number {
  return values.length === 0 ? 0 : Math.sqrt(sampleVariance(values) / values.length);
}

/**
 * Standard error of a share of right answers, as the mean of zeros and ones with Bessel's correction: sqrt(p (1 - p) / (n - 1)), as
 * lm-evaluation-harness has it. One item says nothing about spread: then the largest possible, 0.5. 0 of nothing.
 */
export function standardErrorOfProportion(correct: number, n: number): number {
  if (n === 0) return 0;
  if (n === 1) return 0.5;
  const share = correct / n;
  return Math.sqrt((share * (1 - share)) / (n - 1));
}

/** Wilson's score interval of a share (Wilson 1927), without continuity correction. [0, 1] of nothing. */
export function wilsonInterval(correct: number, n: number, confidence: number = defaultConfidence): Interval {
  if (n === 0) return { low: 0, high: 1 };
  const z = normalQuantile(0.5 + confidence / 2);
  const share = correct / n;
  const scale = 1 + (z * z) / n;
  const centre = (share + (z * z) / (2 * n)) / scale;
  const half = (z / scale) * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n));
  // At the ends the formula gives 0 and 1 but for rounding.
  return {
    low: correct === 0 ? 0 : Math.max(0, centre - half),
    high: correct === n ? 1 : Math.min(1, centre + half),
  };
}

/** The `share` quantile by linear interpolation between order statistics (Hyndman and Fan's type 7, NumPy's default). NaN-free: 0 of nothing. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return quantileOfSorted(sorted, share);
}

function quantileOfSorted(sorted: Float64Array, share: number): number {
  if (sorted.length === 0) return 0;
  const place = Math.min(Math.max(share, 0), 1) * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below] as number;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] as number;
  return low + (high - low) * (place - below);
}

/**
 * Inverse of the standard normal distribution by Acklam's rational approximation, refined by one step of Halley's method on the
 * complementary error function; relative error about 1e-9 or better. -Infinity and Infinity at 0 and 1.
 */
export function normalQuantile(probability: number): number {
  if (!(probability > 0)) return -Infinity;
  if (probability >= 1) return Infinity;
  const a = [
    -39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716, 2.506628277459239,
  ];
  const b = [-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572];
  const c = [
    -0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968,
    2.938163982698783,
  ];
  const d = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416];
  const polynomial = (coefficients: readonly number[], x: number) =>
    coefficients.reduce((sum, term) => sum * x + term, 0);
  const tail = (p: number) => {
    const q = Math.sqrt(-2 * Math.log(p));
    return polynomial(c, q) / polynomial([...d, 1], q);
  };
  let x: number;
  if (probability < 0.02425) x = tail(probability);
  else if (probability > 1 - 0.02425) x = -tail(1 - probability);
  else {
    const q = probability - 0.5;
    x = (polynomial(a, q * q) * q) / polynomial([...b, 1], q * q);
  }
  const slack = (normalDistribution(x) - probability) * Math.sqrt(2 * Math.PI) * Math.exp((x * x) / 2);
  return x - slack / (1 + (x * slack) / 2);
}

/** The standard normal distribution, by the continued fraction and series of the error function; absolute error below 1e-12. */
export function normalDistribution(x: number): number {
  const size = Math.abs(x) / Math.SQRT2;
  let upper: number;
  if (size < 2.5) {
    // erf by its Maclaurin series.
    let term = size;
    let sum = size;
    for (let n = 1; n < 60; n += 1) {
      term *= (-size * size) / n;
      sum += term / (2 * n + 1);
    }
    upper = 0.5 - sum / Math.sqrt(Math.PI);
  } else {
    // erfc by its continued fraction, from the inside out.
    let fraction = size;
    for (let n = 60; n >= 1; n -= 1) fraction = size + n / 2 / fraction;
    upper = Math.exp(-size * size) / (2 * Math.sqrt(Math.PI) * fraction);
  }
  return x > 0 ? 1 - upper : upper;
}

/** Ranks from 1 for the smallest; equal values share the mean of theirs. */
export function averageRanks(values: readonly number[]): number[] {
  const order = values.map((_, at) => at).sort((one, other) => (values[one] as number) - (values[other] as number));
  const ranks: number[] = [];
  for (let first = 0, next = 0; first < order.length; first = next) {
    const value = values[order[first] as number];
    while (next < order.length && values[order[next] as number] === value) next += 1;
    for (let at = first; at < next; at += 1) ranks[order[at] as number] = (first + 1 + next) / 2;
  }
  return ranks;
}

/** Spearman's rank correlation; undefined as `correlation` is. */
export function rankCorrelation(one: readonly number[], other: readonly number[]): number | undefined {
  return correlation(averageRanks(one), averageRanks(other));
}

/** Pearson's correlation; undefined where a side does not vary or there are fewer than two pairs. */
export function correlation(one: readonly number[], other: readonly number[]): number | undefined {
  const n = Math.min(one.length, other.length);
  const [centreOne, centreOther] = [mean(one.slice(0, n)), mean(other.slice(0, n))];
  let [together, alone, beside] = [0, 0, 0];
  for (let at = 0; at < n; at += 1) {
    const left = (one[at] as number) - centreOne;
    const right = (other[at] as number) - centreOther;
    together += left * right;
    alone += left * left;
    beside += right * right;
  }
  // Rounding may leave a trace of variance in equal values.
  if (alone < 1e-18 || beside < 1e-18) return undefined;
  return Math.min(1, Math.max(-1, together / Math.sqrt(alone * beside)));
}

// ---- several answers to each item --------------------------------------------------------------------------------

/** How many of so many students answered each item right. */
export interface ItemRights {
  readonly rights: readonly number[];
  readonly students: number;
}

/**
 * Share of right answers where each of several students answered every item. The items are the sample: answers to one item are alike, and
 * counting each by itself would make the error too small by up to the root of their number. Standard error of the items' means (clustered
 * by item: Miller 2024, arXiv 2411.00640); Wilson's interval at the effective number of answers, p (1 - p) / SE^2 + 1 (Korn and Graubard
 * 1998), never more than there are. For one student: exactly `standardErrorOfProportion` and `wilsonInterval`. Students are taken as given:
 * what other training seeds would give is not in these figures.
 */
export function clusteredProportion({ rights, students }: ItemRights): Interval & { readonly stderr: number } {
  const n = rights.length;
  const means = rights.map((right) => right / students);
  const share = mean(means);
  const stderr = n === 1 ? 0.5 : standardError(means);
  const effective = stderr === 0 || n === 1 ? n : Math.min(n * students, (share * (1 - share)) / stderr ** 2 + 1);
  return { stderr, ...wilsonInterval(share * effective, effective) };
}

// ---- paired comparisons ------------------------------------------------------------------------------------------

export interface BootstrapOptions {
  readonly seed: number;
  readonly resamples?: number;
  readonly confidence?: number;
}

/**
 * Percentile bootstrap of the mean difference of paired values (Efron 1979): items are drawn with their pair, so what makes an item
 * hard cancels out.
 */
export function pairedBootstrap(
  mine: readonly number[],
  theirs: readonly number[],
  options: BootstrapOptions,
): Interval & { readonly difference: number } {
  const { seed, resamples = bootstrapResamples, confidence = defaultConfidence } = options;
  const n = pairCount(mine, theirs);
  if (n === 0) return { difference: 0, low: 0, high: 0 };
  const differences = Float64Array.from({ length: n }, (_, at) => (mine[at] as number) - (theirs[at] as number));
  const random = seededRandom(seed);
  const means = new Float64Array(resamples);
  for (let resample = 0; resample < resamples; resample += 1) {
    let sum = 0;
    for (let draw = 0; draw < n; draw += 1) sum += differences[floor(random() * n)] as number;
    means[resample] = sum / n;
  }
  means.sort();
  const outside = (1 - confidence) / 2;
  return {
    difference: differences.reduce((sum, value) => sum + value, 0) / n,
    low: quantileOfSorted(means, outside),
    high: quantileOfSorted(means, 1 - outside),
  };
}

/**
 * McNemar's exact test on the discordant pairs (McNemar 1947): two-sided binomial p of the smaller count under 1/2, doubled and at
 * most 1. `onlyMine`: right here, wrong there. 1 when nothing is discordant.
 */
export function mcnemarExact(onlyMine: number, onlyTheirs: number): number {
  const n = onlyMine + onlyTheirs;
  if (n === 0) return 1;
  const fewer = Math.min(onlyMine, onlyTheirs);
  // The tail is summed from its largest term down, in proportion to it, so that thousands of pairs do not underflow.
  let logLargest = -n * Math.LN2;
  for (let k = 0; k < fewer; k += 1) logLargest += Math.log((n - k) / (k + 1));
  let tail = 1;
  let term = 1;
  for (let k = fewer; k > 0; k -= 1) {
    term *= k / (n - k + 1);
    tail += term;
  }
  return Math.min(1, 2 * tail * Math.exp(logLargest));
}

/**
 * Exact sign-flip test of paired differences (Fisher 1935): were there no difference, each item's could as well have the other sign. Two-sided
 * p: the share of all sign assignments whose sum is at least as far from 0 as the one seen. Differences are whole numbers, so the
 * assignments are counted by their sums, not listed. With differences of 1 and -1 this is McNemar's exact test.
 */
export function signFlipExact(differences: readonly number[]): number {
  const sizes = differences.filter((difference) => difference !== 0).map(Math.abs);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  // By the sum of the positive ones, t: the sum of all is 2t - total. Each item doubles the assignments and halves their weight.
  const shares = new Float64Array(total + 1);
  shares[0] = 1;
  let reached = 0;
  for (const size of sizes) {
    reached += size;
    for (let t = reached; t >= 0; t -= 1)
      shares[t] = ((shares[t] as number) + (t < size ? 0 : (shares[t - size] as number))) / 2;
  }
  const seen = Math.abs(differences.reduce((sum, difference) => sum + difference, 0));
  return Math.min(
    1,
    shares.reduce((p, share, t) => (Math.abs(2 * t - total) >= seen ? p + share : p), 0),
  );
}

/** Paired answers of two students, counted: all items, and those that only one side has right. */
export interface PairedCounts {
  readonly n: number;
  readonly onlyMine: number;
  readonly onlyTheirs: number;
}

/**
 * Score statistic of a paired difference of proportions (Tango 1998, Statistics in Medicine 17, 891): how many standard errors the difference
 * seen lies above `difference`, the error taken where that difference is true. At 0 it is McNemar's. Unlike a bootstrap it does not take a
 * handful of items without a disagreement for certainty.
 */
export function pairedScore({ n, onlyMine, onlyTheirs }: PairedCounts, difference: number): number {
  if (n === 0) return 0;
  const a = 2 * n;
  const b = -(onlyMine + onlyTheirs) + (2 * n - onlyMine + onlyTheirs) * difference;
  const c = -onlyTheirs * difference * (1 - difference);
  const theirs = (Math.sqrt(Math.max(0, b * b - 4 * a * c)) - b) / (2 * a);
  const variance = n * (2 * theirs + difference * (1 - difference));
  const above = onlyMine - onlyTheirs - n * difference;
  // Nobody disagrees, and no difference is asked about: 0 of 0 says nothing.
  if (variance <= 0) return above === 0 ? 0 : Math.sign(above) * Infinity;
  return above / Math.sqrt(variance);
}

/** Lower confidence bound of a paired difference of proportions, one-sided, by the score statistic. -1 of nothing. */
export function pairedLowerBound(counts: PairedCounts, confidence: number = defaultConfidence): number {
  if (counts.n === 0) return -1;
  const wanted = normalQuantile(confidence);
  let [low, high] = [-1, (counts.onlyMine - counts.onlyTheirs) / counts.n];
  // The statistic falls as the difference grows: halved until the ends agree to a double's accuracy.
  for (let halving = 0; halving < 60; halving += 1) {
    const middle = (low + high) / 2;
    if (pairedScore(counts, middle) > wanted) low = middle;
    else high = middle;
  }
  return low;
}

/** Holm's step-down adjustment of p values (Holm 1979), in the order given: compare each with the level as it is. */
export function holmAdjusted(pValues: readonly number[]): number[] {
  const order = pValues.map((_, at) => at).sort((one, other) => (pValues[one] as number) - (pValues[other] as number));
  const adjusted = new Array<number>(pValues.length).fill(1);
  let largest = 0;
  order.forEach((at, rank) => {
    largest = Math.max(largest, Math.min(1, (pValues[at] as number) * (pValues.length - rank)));
    adjusted[at] = largest;
  });
  return adjusted;
}

export type Verdict = 'gain' | 'loss' | 'within noise';

/**
 * What may be claimed of a difference: a gain or loss only where its interval excludes zero *and* the test says so. Both, because a
 * percentile bootstrap of few discordant items is too narrow, and a test alone has no size.
 */
export function verdictOf(
  { low, high, p }: Interval & { readonly p: number },
  confidence: number = defaultConfidence,
): Verdict {
  if (p > 1 - confidence) return 'within noise';
  if (low > 0) return 'gain';
  return high < 0 ? 'loss' : 'within noise';
}

export interface PairedComparison extends Interval {
  /** Accuracy of mine less that of theirs. */
  readonly difference: number;
  /** Exact McNemar p; of several students, exact sign-flip p by item. */
  readonly p: number;
  readonly verdict: Verdict;
  /** Items compared, and those that one side has right (of several students: more often right) than the other. */
  readonly n: number;
  readonly onlyMine: number;
  readonly onlyTheirs: number;
}

/** Right and wrong answers of two models to the same items, item by item: difference, bootstrap interval, exact test, verdict. */
export function pairedComparison(
  mine: readonly boolean[],
  theirs: readonly boolean[],
  options: BootstrapOptions,
): PairedComparison {
  const n = pairCount(mine, theirs);
  const onlyMine = mine.filter((right, at) => right && !theirs[at]).length;
  const onlyTheirs = mine.filter((right, at) => !right && theirs[at]).length;
  const interval = pairedInterval(mine.map(Number), theirs.map(Number), { n, onlyMine, onlyTheirs }, options);
  const p = mcnemarExact(onlyMine, onlyTheirs);
  const verdict = verdictOf({ ...interval, p }, options.confidence);
  return { ...interval, p, verdict, n, onlyMine, onlyTheirs };
}

/**
 * As `pairedComparison`, for sides of several students each: every item counts once, with the mean of its students. The bootstrap draws
 * items with all their answers (cluster bootstrap: Miller 2024, arXiv 2411.00640), and the test flips the sign of an item's whole difference.
 */
export function pooledComparison(mine: ItemRights, theirs: ItemRights, options: BootstrapOptions): PairedComparison {
  const n = pairCount(mine.rights, theirs.rights);
  // Over the common denominator, so that differences are whole numbers.
  const differences = mine.rights.map(
    (right, at) => right * theirs.students - (theirs.rights[at] as number) * mine.students,
  );
  const p = signFlipExact(differences);
  const onlyMine = differences.filter((difference) => difference > 0).length;
  const onlyTheirs = differences.filter((difference) => difference < 0).length;
  const interval = pairedInterval(
    mine.rights.map((right) => right / mine.students),
    theirs.rights.map((right) => right / theirs.students),
    { n, onlyMine, onlyTheirs },
    options,
  );
  return { ...interval, p, verdict: verdictOf({ ...interval, p }, options.confidence), n, onlyMine, onlyTheirs };
}

/**
 * The bootstrap's interval; where no item differs, that of the score statistic (pairedScore). Every resample of such items has the difference 0, and an interval
 * from 0 to 0 would take twenty of them for certainty. Of several students an item counts once here, too: their answers to it are not independent.
 */
function pairedInterval(
  mine: readonly number[],
  theirs: readonly number[],
  counts: PairedCounts,
  options: BootstrapOptions,
): Interval & { readonly difference: number } {
  if (counts.n === 0 || counts.onlyMine + counts.onlyTheirs > 0) return pairedBootstrap(mine, theirs, options);
  const outside = (1 - (options.confidence ?? defaultConfidence)) / 2;
  const low = pairedLowerBound(counts, 1 - outside);
  return { difference: 0, low, high: -low };
}

function pairCount(mine: readonly unknown[], theirs: readonly unknown[]): number {
  if (mine.length !== theirs.length)
    throw new RangeError(`${mine.length} values cannot be paired with ${theirs.length}`);
  return mine.length;
}

/** A difference in words for a table: "+4.2 points (+1.1 to +7.3), gain". Points are hundredths of accuracy. */
export function describeDifference({
  difference,
  low,
  high,
  verdict,
}: Pick<PairedComparison, 'difference' | 'low' | 'high' | 'verdict'>): string {
  const points = (value: number): string => `${value >= 0 ? '+' : ''}${(100 * value).toFixed(1)}`;
  return `${points(difference)} points (${points(low)} to ${points(high)}), ${verdict}`;
}
