/**
 * A model of a task's draft x probe matrix with gaps: what a draft would score on the probe items it was not asked (racing.ts).
 *
 * Linear factor analysis of the rows: answer = item mean + loadings . factors of the draft + noise of the item, factors N(0, 1). The first factor
 * is drawn towards one loading for all items, which makes it the draft's general strength; the others are drawn towards 0 and take what
 * drafts do to groups of items, above all leading the student to one answer, which is right for some items and wrong for others. Item response
 * theory (irt.ts) has no place for that, and on recorded matrices went astray by it.
 * Fitted by EM with gaps (Rubin and Thayer 1982, Psychometrika 47), loadings at their posterior mode. Answers are 0 or 1 and the noise is not
 * normal; sums over items, which is all that is asked of it, nearly are.
 *
 * Invariants
 * 1. Deterministic: no random start. Rows and columns in the same order give the same numbers.
 * 2. Total: empty, constant and tiny matrices give finite numbers.
 */

/** A row's answers by item: 1 right, 0 wrong, -1 not asked. A byte a cell. */
export type Answers = Int8Array;

/** What is known of a row. */
export interface Prediction {
  /** Right answers over all items, those not asked as predicted. */
  readonly counted: number;
  /** Of what is counted; 0 when every item was answered. */
  readonly countedVariance: number;
  /**
   * Right answers expected were all items asked afresh: what the row is good for, without the luck of the answers it gave. Between rows it is
   * drawn together as far as the answers do not tell them apart.
   */
  readonly strength: number;
  /** By how much asking the rest would lower the variance of the strength: how far it may still move. 0 when every item was answered. */
  readonly resolvable: number;
  /** Per item: by how much asking it would lower that variance; 0 where it was asked. */
  readonly gain: Float64Array;
}

/** General strength, and two more: as many as a choice of three answers has directions to lean to. */
const factorCount = 3;

/** Loadings are in shares of right answers per standard deviation of a factor: a strong effect moves an item by 0.2. */
const loadingSd = 0.1;

/** Of the other factors, which have to earn their place against the first. */
const startingLoading = 0.05;

/** An item's mean is drawn towards that of all by so many answers, its noise by so many. */
const meanAnswers = 2;
const noiseAnswers = 8;

/** An item that all got right so far may still be got wrong. */
const noiseMin = 0.005;

/** EM has settled for sums over items long before the last digits have. */
const iterations = 25;

interface Item {
  readonly mean: number;
  readonly loadings: Float64Array;
  readonly noise: number;
}

interface Factors {
  readonly mean: Float64Array;
  /** Row-major factorCount x factorCount. */
  readonly covariance: Float64Array;
}

/** Fit to all rows, and predict each of them. */
export function predictRows(rows: readonly Answers[]): Prediction[] {
  const itemCount = rows[0]?.length ?? 0;
  let items = startingItems(rows, itemCount);
  const overall = items.reduce((sum, { mean }) => sum + mean, 0) / Math.max(1, itemCount);
  for (let iteration = 0; iteration < iterations; iteration += 1) {
    const factors = rows.map((row) => factorsOf(row, items));
    const general = items.reduce((sum, { loadings }) => sum + (loadings[0] as number), 0) / Math.max(1, itemCount);
    const noise = items.reduce((sum, item) => sum + item.noise, 0) / Math.max(1, itemCount);
    items = items.map((item, at) => updatedItem(item, at, rows, factors, { overall, general, noise }));
  }
  return rows.map((row) => predictionOf(row, items));
}

function startingItems(rows: readonly Answers[], count: number): Item[] {
  const asked = rows.flatMap((row) => Array.from(row).filter((answer) => answer >= 0));
  const overall = (asked.reduce((sum, answer) => sum + answer, 0) + 1) / (asked.length + 2);
  return Array.from({ length: count }, (_, at) => {
    const own = rows.map((row) => row[at] as number).filter((answer) => answer >= 0);
    const mean = (own.reduce((sum, answer) => sum + answer, 0) + meanAnswers * overall) / (own.length + meanAnswers);
    // Waves of different length over the items: any start does that is not symmetric.
    const loadings = Float64Array.from({ length: factorCount }, (__, factor) =>
      factor === 0 ? loadingSd : startingLoading * Math.cos((at + 1) * factor * Math.SQRT2),
    );
    return { mean, loadings, noise: Math.max(noiseMin, mean * (1 - mean)) };
  });
}

/** Posterior of a row's factors. */
function factorsOf(row: Answers, items: readonly Item[]): Factors {
  const precision = identity();
  const weighted = new Float64Array(factorCount);
  items.forEach(({ mean, loadings, noise }, at) => {
    const answer = row[at] as number;
    if (answer < 0) return;
    for (let one = 0; one < factorCount; one += 1) {
      const scaled = (loadings[one] as number) / noise;
      (weighted[one] as number) += scaled * (answer - mean);
      for (let other = 0; other < factorCount; other += 1)
        (precision[one * factorCount + other] as number) += scaled * (loadings[other] as number);
    }
  });
  const covariance = inverse(precision, factorCount);
  return { mean: times(covariance, weighted), covariance };
}

/** Ridge regression of an item's answers on the factors and 1, by their posterior moments; then its noise. */
function updatedItem(
  item: Item,
  at: number,
  rows: readonly Answers[],
  factors: readonly Factors[],
  prior: { readonly overall: number; readonly general: number; readonly noise: number },
): Item {
  const size = factorCount + 1;
  const matrix = new Float64Array(size * size);
  const vector = new Float64Array(size);
  let squares = 0;
  let n = 0;
  rows.forEach((row, index) => {
    const answer = row[at] as number;
    if (answer < 0) return;
    const { mean, covariance } = factors[index] as Factors;
    n += 1;
    squares += answer * answer;
    for (let one = 0; one < size; one += 1) {
      const x = one < factorCount ? (mean[one] as number) : 1;
      (vector[one] as number) += x * answer;
      for (let other = 0; other < size; other += 1) {
        const y = other < factorCount ? (mean[other] as number) : 1;
        const together =
          one < factorCount && other < factorCount ? (covariance[one * factorCount + other] as number) : 0;
        (matrix[one * size + other] as number) += x * y + together;
      }
    }
  });
  const ridged = matrix.slice();
  const target = vector.slice();
  const ridge = item.noise / loadingSd ** 2;
  for (let factor = 0; factor < factorCount; factor += 1) {
    (ridged[factor * size + factor] as number) += ridge;
    if (factor === 0) (target[factor] as number) += ridge * prior.general;
  }
  (ridged[size * size - 1] as number) += meanAnswers;
  (target[factorCount] as number) += meanAnswers * prior.overall;
  const solution = times(inverse(ridged, size), target);
  let residual = squares;
  for (let one = 0; one < size; one += 1) {
    residual -= 2 * (solution[one] as number) * (vector[one] as number);
    for (let other = 0; other < size; other += 1)
      residual += (solution[one] as number) * (solution[other] as number) * (matrix[one * size + other] as number);
  }
  const noise = (Math.max(0, residual) + noiseAnswers * prior.noise) / (n + noiseAnswers);
  return {
    mean: solution[factorCount] as number,
    loadings: solution.slice(0, factorCount),
    noise: Math.max(noiseMin, noise),
  };
}

function predictionOf(row: Answers, items: readonly Item[]): Prediction {
  const { mean, covariance } = factorsOf(row, items);
  const open: number[] = [];
  const openLoadings = new Float64Array(factorCount);
  const loadings = new Float64Array(factorCount);
  let right = 0;
  let expected = 0;
  let noise = 0;
  let strength = 0;
  items.forEach((item, at) => {
    const chance = item.mean + dot(item.loadings, mean);
    strength += chance;
    add(loadings, item.loadings);
    const answer = row[at] as number;
    if (answer >= 0) {
      right += answer;
      return;
    }
    open.push(at);
    noise += item.noise;
    expected += chance;
    add(openLoadings, item.loadings);
  });
  const within = Math.min(items.length, Math.max(0, strength));
  const gain = new Float64Array(items.length);
  if (open.length === 0) return { counted: right, countedVariance: 0, strength: within, resolvable: 0, gain };
  const spread = times(covariance, loadings);
  // What the answers will be does not matter to how much they tell.
  const whole = factorsOf(new Int8Array(items.length), items).covariance;
  for (const at of open) {
    const { loadings: own, noise: ofItem } = items[at] as Item;
    // Cov(answer, strength)^2 / Var(answer): what an observation takes off a normal variable's variance.
    gain[at] = dot(own, spread) ** 2 / (ofItem + dot(own, times(covariance, own)));
  }
  return {
    counted: right + Math.min(open.length, Math.max(0, expected)),
    countedVariance: noise + dot(openLoadings, times(covariance, openLoadings)),
    strength: within,
    resolvable: Math.max(0, dot(loadings, spread) - dot(loadings, times(whole, loadings))),
    gain,
  };
}

// ---- small symmetric matrices ------------------------------------------------------------------------------------

function identity(): Float64Array {
  const matrix = new Float64Array(factorCount * factorCount);
  for (let at = 0; at < factorCount; at += 1) matrix[at * factorCount + at] = 1;
  return matrix;
}

function add(sum: Float64Array, other: Float64Array): void {
  for (let at = 0; at < sum.length; at += 1) (sum[at] as number) += other[at] as number;
}

function dot(one: Float64Array, other: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < one.length; at += 1) sum += (one[at] as number) * (other[at] as number);
  return sum;
}

function times(matrix: Float64Array, vector: Float64Array): Float64Array {
  const size = vector.length;
  return Float64Array.from({ length: size }, (_, row) => dot(matrix.subarray(row * size, (row + 1) * size), vector));
}

/** Inverse of a positive definite matrix by Gauss and Jordan; every use here has a ridge on its diagonal. */
function inverse(matrix: Float64Array, size: number): Float64Array {
  const left = matrix.slice();
  const result = new Float64Array(size * size);
  for (let at = 0; at < size; at += 1) result[at * size + at] = 1;
  for (let pivot = 0; pivot < size; pivot += 1) {
    const scale = left[pivot * size + pivot] as number;
    for (let column = 0; column < size; column += 1) {
      (left[pivot * size + column] as number) /= scale;
      (result[pivot * size + column] as number) /= scale;
    }
    for (let row = 0; row < size; row += 1) {
      const factor = left[row * size + pivot] as number;
      if (row === pivot || factor === 0) continue;
      for (let column = 0; column < size; column += 1) {
        (left[row * size + column] as number) -= factor * (left[pivot * size + column] as number);
        (result[row * size + column] as number) -= factor * (result[pivot * size + column] as number);
      }
    }
  }
  return result;
}
