/**
 * Item response theory: which items of a task tell strong respondents from weak ones.
 *
 * The two-parameter logistic model (Birnbaum 1968): a respondent of ability t answers an item right with probability
 * 1 / (1 + exp(-a (t - b))), a its discrimination, b its difficulty.
 *
 * Owns both estimators and the choice by discrimination. Leaves who responded to what to the select-probes stage.
 *
 * Invariants
 * 1. Deterministic: no random start; the same matrix gives the same numbers on every machine.
 * 2. Total: tiny, empty, separable and constant data give finite numbers; every step is checked to raise its objective.
 * 3. Discriminations are positive. An item that stronger respondents get wrong comes out low, and is not chosen.
 */

/** One row per respondent, one entry per item: 1 right, 0 wrong, anything else (null) not answered. */
export type ResponseMatrix = readonly ArrayLike<number | null>[];

export interface IrtOptions {
  /**
   * map: item parameters at the mode of their marginal posterior, abilities integrated out (Bock and Aitkin 1981, Mislevy 1986).
   * mle: abilities and items together at their joint maximum likelihood within bounds; needs more respondents to make sense.
   */
  readonly estimator: 'map' | 'mle';
  readonly maxIterations?: number;
}

export interface IrtFit {
  /** Per respondent: posterior mean (map) or maximum likelihood estimate, standardised (mle). */
  readonly ability: number[];
  readonly discrimination: number[];
  readonly difficulty: number[];
  /** Per item: whether it was answered both right and wrong. Without that nothing is known of its discrimination. */
  readonly varies: boolean[];
  /** Of the responses: marginal (map) or joint (mle), without the priors. */
  readonly logLik: number;
  readonly iterations: number;
  readonly converged: boolean;
}

/** Priors of map, the defaults of BILOG-MG: ability N(0, 1), log discrimination N(0, 0.5), difficulty N(0, 2). */
const logDiscriminationSd = 0.5;
const difficultySd = 2;

/** Bounds of mle, beyond which a curve is a step or a line and data cannot tell. */
const discriminationBounds = [0.1, 6] as const;
const locationBound = 5;

/** Points at which the ability distribution is represented; 0.2 apart, so that a curve of discrimination 6 is still followed. */
const nodeCount = 41;
const nodeBound = 4;

/** Iterations at most; map needs some tens. */
const iterationsMax = { map: 500, mle: 100 };
/**
 * Stop when an iteration raises the log-likelihood by less than this. The joint likelihood goes on rising by traces while scale and
 * bounds settle, without moving any item past another; a thousandth is far below what data can tell.
 */
const tolerance = { map: 1e-7, mle: 1e-3 };

/** Fit the model. @throws RangeError for a ragged matrix. */
export function fitIrt(matrix: ResponseMatrix, options: IrtOptions): IrtFit {
  const items = matrix[0]?.length ?? 0;
  if (matrix.some((row) => row.length !== items))
    throw new RangeError('every respondent needs an entry for every item');
  const data = matrix.map((row) => Array.from(row, (value) => (value === 1 ? 1 : value === 0 ? 0 : -1)));
  const varies = Array.from({ length: items }, (_, item) => {
    const answers = new Set(data.map((row) => row[item]));
    return answers.has(0) && answers.has(1);
  });
  const fit = options.estimator === 'map' ? fitMarginal(data, items, options) : fitJoint(data, items, options);
  return { ...fit, varies };
}

/** Indexes of the `k` most discriminating items, best first. Items that do not vary come last; of equal ones the first counts. */
export function selectByDiscrimination(fit: Pick<IrtFit, 'discrimination' | 'varies'>, k: number): number[] {
  const { discrimination, varies } = fit;
  return discrimination
    .map((_, item) => item)
    .sort(
      (one, other) =>
        Number(varies[other]) - Number(varies[one]) ||
        (discrimination[other] as number) - (discrimination[one] as number) ||
        one - other,
    )
    .slice(0, Math.max(0, k));
}

// ---- the model ---------------------------------------------------------------------------------------------------

interface Item {
  /** Logarithm of the discrimination. */
  readonly slope: number;
  readonly difficulty: number;
}

// Taken out once: the innermost loops call nothing else, and a lookup on the global object is slow in sandboxed contexts.
const { exp, log1p, min, max } = Math;

/** log(1 / (1 + exp(-x))), without overflow. */
const logSigmoid = (x: number): number => (x >= 0 ? -log1p(exp(-x)) : x - log1p(exp(x)));
const sigmoid = (x: number): number => (x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)));
const clamp = (value: number, low: number, high: number): number => min(high, max(low, value));

/** What an item was answered at each of some abilities: trials and right answers, whole or expected. */
interface ItemData {
  readonly abilities: ArrayLike<number>;
  readonly trials: ArrayLike<number>;
  readonly right: ArrayLike<number>;
}

/** Precisions of an item's prior (0: none) and bounds. */
interface ItemLimits {
  readonly slopePrecision: number;
  readonly difficultyPrecision: number;
  readonly slope: readonly [number, number];
  readonly difficulty: readonly [number, number];
}

const mapLimits: ItemLimits = {
  slopePrecision: 1 / logDiscriminationSd ** 2,
  difficultyPrecision: 1 / difficultySd ** 2,
  slope: [-10, 10],
  difficulty: [-50, 50],
};

const mleLimits: ItemLimits = {
  slopePrecision: 0,
  difficultyPrecision: 0,
  slope: [Math.log(discriminationBounds[0]), Math.log(discriminationBounds[1])],
  difficulty: [-locationBound, locationBound],
};

function itemObjective({ slope, difficulty }: Item, data: ItemData, limits: ItemLimits): number {
  const a = exp(slope);
  let sum = logPrior({ slope, difficulty }, limits);
  for (let at = 0; at < data.abilities.length; at += 1) {
    const trials = data.trials[at] as number;
    if (trials === 0) continue;
    const x = a * ((data.abilities[at] as number) - difficulty);
    const right = data.right[at] as number;
    sum += right * logSigmoid(x) + (trials - right) * logSigmoid(-x);
  }
  return sum;
}

function logPrior({ slope, difficulty }: Item, limits: ItemLimits): number {
  return -0.5 * (limits.slopePrecision * slope ** 2 + limits.difficultyPrecision * difficulty ** 2);
}

/** One step of Fisher scoring for (log a, b), halved until it raises the objective. */
function improvedItem(item: Item, data: ItemData, limits: ItemLimits): Item {
  const a = exp(item.slope);
  let slopeGradient = -limits.slopePrecision * item.slope;
  let difficultyGradient = -limits.difficultyPrecision * item.difficulty;
  // A trace of ridge keeps the information matrix invertible where the data say nothing.
  let slopes = limits.slopePrecision + 1e-6;
  let mixed = 0;
  let difficulties = limits.difficultyPrecision + 1e-6;
  for (let at = 0; at < data.abilities.length; at += 1) {
    const trials = data.trials[at] as number;
    if (trials === 0) continue;
    const x = a * ((data.abilities[at] as number) - item.difficulty);
    const p = sigmoid(x);
    const surplus = (data.right[at] as number) - trials * p;
    slopeGradient += surplus * x;
    difficultyGradient -= surplus * a;
    const weight = trials * p * (1 - p);
    slopes += weight * x * x;
    mixed -= weight * x * a;
    difficulties += weight * a * a;
  }
  const determinant = slopes * difficulties - mixed * mixed;
  const slopeStep = (difficulties * slopeGradient - mixed * difficultyGradient) / determinant;
  const difficultyStep = (slopes * difficultyGradient - mixed * slopeGradient) / determinant;
  const before = itemObjective(item, data, limits);
  for (let length = 1; length > 1e-4; length /= 2) {
    const candidate = {
      slope: clamp(item.slope + clamp(length * slopeStep, -1, 1), ...limits.slope),
      difficulty: clamp(item.difficulty + clamp(length * difficultyStep, -2, 2), ...limits.difficulty),
    };
    if (itemObjective(candidate, data, limits) > before) return candidate;
  }
  return item;
}

/** Scoring steps per item and iteration: the maximum need not be exact before the next expectation. */
const itemSteps = 3;

function updatedItem(item: Item, data: ItemData, limits: ItemLimits): Item {
  let current = item;
  for (let step = 0; step < itemSteps; step += 1) {
    const next = improvedItem(current, data, limits);
    if (next === current) break;
    current = next;
  }
  return current;
}

type Responses = readonly (readonly number[])[];
type Fit = Omit<IrtFit, 'varies'>;

// ---- map: expectation-maximisation over abilities ----------------------------------------------------------------

function fitMarginal(data: Responses, items: number, { maxIterations = iterationsMax.map }: IrtOptions): Fit {
  const nodes = Float64Array.from(
    { length: nodeCount },
    (_, at) => -nodeBound + (2 * nodeBound * at) / (nodeCount - 1),
  );
  const density = nodes.map((node) => exp(-0.5 * node * node));
  const total = density.reduce((sum, value) => sum + value, 0);
  const logWeights = density.map((value) => Math.log(value / total));
  let parameters = startingItems(data, items);
  let expected = expectation(data, parameters, nodes, logWeights);
  let objective = expected.logLik + priorOf(parameters);
  let iterations = 0;
  let converged = false;
  while (iterations < maxIterations && !converged) {
    iterations += 1;
    const { trials, right } = expected;
    parameters = parameters.map((item, at) =>
      updatedItem(
        item,
        { abilities: nodes, trials: trials[at] as Float64Array, right: right[at] as Float64Array },
        mapLimits,
      ),
    );
    expected = expectation(data, parameters, nodes, logWeights);
    const next = expected.logLik + priorOf(parameters);
    converged = next - objective < tolerance.map;
    objective = next;
  }
  return { ability: expected.ability, ...namesOf(parameters), logLik: expected.logLik, iterations, converged };
}

const priorOf = (items: readonly Item[]): number => items.reduce((sum, item) => sum + logPrior(item, mapLimits), 0);

interface Expectation {
  readonly ability: number[];
  readonly logLik: number;
  /** Per item and node: expected answers, and expected right ones. */
  readonly trials: readonly Float64Array[];
  readonly right: readonly Float64Array[];
}

function expectation(
  data: Responses,
  items: readonly Item[],
  nodes: Float64Array,
  logWeights: Float64Array,
): Expectation {
  const logRight = items.map(({ slope, difficulty }) =>
    nodes.map((node) => logSigmoid(exp(slope) * (node - difficulty))),
  );
  const logWrong = items.map(({ slope, difficulty }) =>
    nodes.map((node) => logSigmoid(-exp(slope) * (node - difficulty))),
  );
  const trials = items.map(() => new Float64Array(nodes.length));
  const right = items.map(() => new Float64Array(nodes.length));
  const ability: number[] = [];
  let logLik = 0;
  for (const row of data) {
    const posterior = Float64Array.from(logWeights);
    row.forEach((answer, item) => {
      const table = answer === 1 ? logRight[item] : answer === 0 ? logWrong[item] : undefined;
      if (table) for (let at = 0; at < posterior.length; at += 1) (posterior[at] as number) += table[at] as number;
    });
    const largest = posterior.reduce((most, value) => Math.max(most, value), -Infinity);
    let sum = 0;
    for (let at = 0; at < posterior.length; at += 1) {
      posterior[at] = exp((posterior[at] as number) - largest);
      sum += posterior[at] as number;
    }
    logLik += largest + Math.log(sum);
    let meanAbility = 0;
    for (let at = 0; at < posterior.length; at += 1) {
      posterior[at] = (posterior[at] as number) / sum;
      meanAbility += (posterior[at] as number) * (nodes[at] as number);
    }
    ability.push(meanAbility);
    row.forEach((answer, item) => {
      if (answer < 0) return;
      const [tried, won] = [trials[item] as Float64Array, right[item] as Float64Array];
      for (let at = 0; at < posterior.length; at += 1) {
        tried[at] = (tried[at] as number) + (posterior[at] as number);
        if (answer === 1) won[at] = (won[at] as number) + (posterior[at] as number);
      }
    });
  }
  return { ability, logLik, trials, right };
}

/** Discrimination 1, difficulty from the share of right answers, moved off 0 and 1 by half an answer. */
function startingItems(data: Responses, items: number): Item[] {
  return Array.from({ length: items }, (_, item) => {
    const answers = data.map((row) => row[item] as number).filter((answer) => answer >= 0);
    const right = answers.filter((answer) => answer === 1).length;
    return { slope: 0, difficulty: -Math.log((right + 0.5) / (answers.length - right + 0.5)) };
  });
}

function namesOf(items: readonly Item[]): Pick<IrtFit, 'discrimination' | 'difficulty'> {
  return {
    discrimination: items.map(({ slope }) => exp(slope)),
    difficulty: items.map(({ difficulty }) => difficulty),
  };
}

// ---- mle: abilities and items in turn ----------------------------------------------------------------------------

function fitJoint(data: Responses, items: number, { maxIterations = iterationsMax.mle }: IrtOptions): Fit {
  let parameters = startingItems(data, items).map((item) => ({
    ...item,
    difficulty: clamp(item.difficulty, ...mleLimits.difficulty),
  }));
  const answers = parameters.map((_, item) => ({
    trials: Float64Array.from(data, (row) => ((row[item] as number) < 0 ? 0 : 1)),
    right: Float64Array.from(data, (row) => (row[item] === 1 ? 1 : 0)),
  }));
  let abilities = data.map((row) => {
    const right = row.filter((answer) => answer === 1).length;
    const wrong = row.filter((answer) => answer === 0).length;
    return Math.log((right + 0.5) / (wrong + 0.5));
  });
  let objective = jointLogLik(data, parameters, abilities);
  let iterations = 0;
  let converged = false;
  while (iterations < maxIterations && !converged) {
    iterations += 1;
    abilities = abilities.map((ability, at) => updatedAbility(ability, data[at] as readonly number[], parameters));
    parameters = parameters.map((item, at) => {
      const { trials, right } = answers[at] as Omit<ItemData, 'abilities'>;
      return updatedItem(item, { abilities, trials, right }, mleLimits);
    });
    const next = jointLogLik(data, parameters, abilities);
    converged = next - objective < tolerance.mle;
    objective = next;
  }
  return { ...standardised(abilities, parameters), logLik: objective, iterations, converged };
}

function abilityLogLik(ability: number, row: readonly number[], items: readonly Item[]): number {
  let sum = 0;
  items.forEach(({ slope, difficulty }, item) => {
    const x = exp(slope) * (ability - difficulty);
    if (row[item] === 1) sum += logSigmoid(x);
    else if (row[item] === 0) sum += logSigmoid(-x);
  });
  return sum;
}

const jointLogLik = (data: Responses, items: readonly Item[], abilities: readonly number[]): number =>
  data.reduce((sum, row, at) => sum + abilityLogLik(abilities[at] as number, row, items), 0);

/** A step of Newton's method within the bounds; the likelihood of one ability is concave. */
function updatedAbility(ability: number, row: readonly number[], items: readonly Item[]): number {
  let gradient = 0;
  let information = 1e-6;
  items.forEach(({ slope, difficulty }, item) => {
    const answer = row[item] as number;
    if (answer < 0) return;
    const a = exp(slope);
    const p = sigmoid(a * (ability - difficulty));
    gradient += a * (answer - p);
    information += a * a * p * (1 - p);
  });
  const before = abilityLogLik(ability, row, items);
  const step = clamp(gradient / information, -1, 1);
  for (let length = 1; length > 1e-4; length /= 2) {
    const candidate = clamp(ability + length * step, -locationBound, locationBound);
    if (abilityLogLik(candidate, row, items) > before) return candidate;
  }
  return ability;
}

/** The likelihood does not know origin and unit of the scale: abilities get mean 0 and standard deviation 1, items follow. */
function standardised(
  abilities: readonly number[],
  items: readonly Item[],
): Pick<IrtFit, 'ability' | 'discrimination' | 'difficulty'> {
  const n = Math.max(1, abilities.length);
  const centre = abilities.reduce((sum, value) => sum + value, 0) / n;
  const spread = Math.sqrt(abilities.reduce((sum, value) => sum + (value - centre) ** 2, 0) / n);
  const unit = spread > 1e-9 ? spread : 1;
  const { discrimination, difficulty } = namesOf(items);
  return {
    ability: abilities.map((value) => (value - centre) / unit),
    discrimination: discrimination.map((value) => value * unit),
    difficulty: difficulty.map((value) => (value - centre) / unit),
  };
}
