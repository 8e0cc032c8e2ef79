/**
 * What the best policy could keep: dynamic programming over one question of four drafts, a yardstick for racing.
 *
 * The policy knows what a race does not: every item's parameters, the question's own ability and the spread between its drafts. It asks a
 * draft a block of items at a time, the most telling first, whichever draft it likes, and stops when it likes. What its answers say about
 * a draft is one number, the expected score, which moves by steps of known variance (answers taken as normal). The calls are pooled over
 * endlessly many questions: each call has a price, and the least over prices of (value at that price + price x budget) bounds what any policy that
 * asks by such blocks keeps with the budget (Lagrange). Finer blocks bind the policy less: compare two numbers of blocks before a figure is taken
 * for the limit.
 *
 * Observed: the pair's gap in all answers, of the gap that all answers show. True: in expected answers, of what the pairs of exhaustive scoring
 * have; it may be more than 1, because counting right answers is not the best use of them.
 *
 * Run: npm run bench:racing-bound -- [--spreads 0,0.25,0.5,0.75,1,1.5] [--blocks 5] [--calls 0.55] [--difficulties 1.2]. A minute a spread on a
 * quiet core. Last line: one JSON object.
 */
import { parseArgs } from 'node:util';
import { seededRandom } from '../method/keys';

const { values: options } = parseArgs({
  options: {
    spreads: { type: 'string', default: '0,0.25,0.5,0.75,1,1.5' },
    blocks: { type: 'string', default: '5' },
    calls: { type: 'string', default: '0.55' },
    difficulties: { type: 'string', default: '1.2' },
  },
});

const drafts = 4;
const items = 40;
const questionSpread = 0.5;
/** Items and questions that the steps are averaged over. */
const draws = 60;

/** The lattice that differences to the fourth draft's score live on, in standard deviations of a score: as wide as any of them gets. */
const mesh = 0.25;
const reach = 17;
const side = 2 * reach + 1;
const strides = [side * side, side, 1] as const;

/** Expected means of a few normal points and weights: Gauss and Hermite's rule of five. */
const nodes = [
  [-2.856970013872805, 0.011257411327720691],
  [-1.355626179974266, 0.22207592200561263],
  [0, 0.5333333333333333],
  [1.355626179974266, 0.22207592200561263],
  [2.856970013872805, 0.011257411327720691],
] as const;

interface Steps {
  /** Variance that each block takes off a draft's score, the total being what there is to know. */
  readonly observed: readonly number[];
  readonly true: readonly number[];
  /** Squared correlation of the number of right answers with the ability, within a question. */
  readonly reliability: number;
}

function stepsOf(spread: number, blocks: number, difficultySpread: number): Steps {
  const normal = normals(7);
  const observed = new Array<number>(blocks).fill(0);
  const truth = new Array<number>(blocks).fill(0);
  let reliability = 0;
  for (let draw = 0; draw < draws; draw += 1) {
    const question = questionSpread * normal();
    const asked = Array.from({ length: items }, () => {
      const a = Math.exp(0.4 * normal());
      const b = difficultySpread * normal();
      let slope = 0;
      let noise = 0;
      for (const [deviation, weight] of nodes) {
        const right = 1 / (1 + Math.exp(-a * (question + spread * deviation - b)));
        slope += weight * right * deviation;
        noise += weight * right * (1 - right);
      }
      return { slope, noise };
    });
    const sum = (rest: typeof asked, of: 'slope' | 'noise') => rest.reduce((total, item) => total + item[of], 0);
    const total = sum(asked, 'noise') + sum(asked, 'slope') ** 2;
    const share = sum(asked, 'slope') ** 2 / total;
    reliability += share / draws;
    // The ability's own unit is its standard deviation: its variance is 1 before anything is asked.
    const left = {
      observed: (rest: typeof asked, precision: number) =>
        (sum(rest, 'noise') + sum(rest, 'slope') ** 2 / precision) / total,
      true: (_: typeof asked, precision: number) => 1 / precision,
    };
    for (const [into, variance] of [
      [observed, left.observed],
      [truth, left.true],
    ] as const) {
      let rest = asked;
      let precision = 1;
      for (let count = 0; count < items; count += 1) {
        const before = variance(rest, precision);
        const after = rest.map(({ slope, noise }, at) => {
          const others = rest.filter((__, other) => other !== at);
          return { others, precision: precision + slope ** 2 / noise };
        });
        const best = after.reduce((one, other) =>
          variance(other.others, other.precision) < variance(one.others, one.precision) ? other : one,
        );
        ({ others: rest, precision } = best);
        const block = Math.floor((count * blocks) / items);
        into[block] = (into[block] as number) + (before - variance(rest, precision)) / draws;
      }
    }
  }
  return { observed, true: truth, reliability };
}

/** A step on the lattice with exactly that variance: probabilities of -radius to +radius. */
function stepKernel(variance: number): Float64Array {
  const unit = variance / mesh ** 2;
  if (unit <= 1) return Float64Array.of(unit / 2, 1 - unit, unit / 2);
  const radius = Math.ceil(3.2 * Math.sqrt(unit));
  const at = (width: number): Float64Array => {
    const raw = Float64Array.from({ length: 2 * radius + 1 }, (_, k) => Math.exp(-((k - radius) ** 2) / (2 * width)));
    const total = raw.reduce((sum, weight) => sum + weight, 0);
    return raw.map((weight) => weight / total);
  };
  let [low, high] = [0, 4 * unit];
  for (let halving = 0; halving < 50; halving += 1) {
    const middle = (low + high) / 2;
    const has = at(middle).reduce((sum, weight, k) => sum + weight * (k - radius) ** 2, 0);
    if (has < unit) low = middle;
    else high = middle;
  }
  return at(low);
}

/** The expected gap of the pair, less the price of the blocks asked, under the best policy. Scores start equal. */
function valueAt(price: number, steps: readonly number[]): number {
  const blocks = steps.length;
  const kernels = steps.map(stepKernel);
  const stop = new Float64Array(side ** 3);
  for (let at = 0; at < stop.length; at += 1) {
    const differences = strides.map((stride) => ((Math.floor(at / stride) % side) - reach) * mesh);
    stop[at] = Math.max(0, ...differences) - Math.min(0, ...differences);
  }
  const named = (counts: readonly number[]): string => counts.join();
  let after = new Map<string, Float64Array>();
  // The first three drafts stand in the order of their counts: what differs by a permutation has the same value, permuted.
  for (let asked = drafts * blocks; asked >= 0; asked -= 1) {
    const now = new Map<string, Float64Array>();
    for (let one = 0; one <= blocks; one += 1)
      for (let two = one; two <= blocks; two += 1)
        for (let three = two; three <= blocks; three += 1) {
          const counts = [one, two, three, asked - one - two - three];
          const last = counts[3] as number;
          if (last < 0 || last > blocks) continue;
          const best = stop.slice();
          counts.forEach((count, draft) => {
            if (count === blocks) return;
            const next = counts.map((of, at) => (at === draft ? of + 1 : of));
            const order = [0, 1, 2].sort((x, y) => (next[x] as number) - (next[y] as number) || x - y);
            const sorted = [...order.map((at) => next[at] as number), next[3] as number];
            const own = order.reduce<number[]>((all, at, place) => {
              all[at] = strides[place] as number;
              return all;
            }, []);
            const value = after.get(named(sorted)) as Float64Array;
            raise(best, value, own, draft, kernels[count] as Float64Array, price);
          });
          now.set(named(counts), best);
        }
    after = now;
  }
  return (after.get(named([0, 0, 0, 0])) as Float64Array)[reach * (strides[0] + strides[1] + strides[2])] as number;
}

/** best = max(best, expected value after a step of one draft, less the price). A step of the fourth moves all differences the other way. */
function raise(
  best: Float64Array,
  value: Float64Array,
  own: readonly number[],
  draft: number,
  kernel: Float64Array,
  price: number,
): void {
  const radius = (kernel.length - 1) / 2;
  const moves = [0, 1, 2].map((axis) => (draft === 3 ? -1 : draft === axis ? 1 : 0));
  const place = (at: number, axis: number, by: number): number =>
    Math.min(side - 1, Math.max(0, at + (moves[axis] as number) * by)) * (own[axis] as number);
  const table = [0, 1, 2].map((axis) =>
    Int32Array.from({ length: side * kernel.length }, (_, at) =>
      place(Math.floor(at / kernel.length), axis, (at % kernel.length) - radius),
    ),
  ) as [Int32Array, Int32Array, Int32Array];
  const [xs, ys, zs] = table;
  const width = kernel.length;
  let at = 0;
  for (let x = 0; x < side; x += 1)
    for (let y = 0; y < side; y += 1)
      for (let z = 0; z < side; z += 1) {
        let expected = -price;
        for (let k = 0; k < width; k += 1)
          expected +=
            (kernel[k] as number) *
            (value[
              (xs[x * width + k] as number) + (ys[y * width + k] as number) + (zs[z * width + k] as number)
            ] as number);
        if (expected > (best[at] as number)) best[at] = expected;
        at += 1;
      }
}

/** Least over prices of what the price leaves plus what the budget is worth at it: a bound at any price, so a coarse search does. */
function bound(steps: readonly number[], budget: number): number {
  const total = steps.reduce((sum, step) => sum + step, 0);
  const unit = steps.map((step) => step / total);
  const at = (price: number): number => valueAt(price, unit) + price * budget;
  let [low, high] = [0, 1 / steps.length];
  const golden = (Math.sqrt(5) - 1) / 2;
  let [one, other] = [high - golden * (high - low), low + golden * (high - low)];
  let [ofOne, ofOther] = [at(one), at(other)];
  for (let narrowing = 0; narrowing < 8; narrowing += 1) {
    if (ofOne < ofOther) {
      [high, other, ofOther] = [other, one, ofOne];
      one = high - golden * (high - low);
      ofOne = at(one);
    } else {
      [low, one, ofOne] = [one, other, ofOther];
      other = low + golden * (high - low);
      ofOther = at(other);
    }
  }
  return Math.min(ofOne, ofOther) * Math.sqrt(total);
}

/** Standard normals by Box and Muller. */
function normals(seed: number): () => number {
  const random = seededRandom(seed);
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

const rounded = (value: number): number => Math.round(value * 1000) / 1000;

function main(): void {
  const blocks = Number(options.blocks);
  const calls = Number(options.calls);
  const budget = calls * drafts * blocks;
  const everything = valueAt(0, [1]);
  const bounds = options.spreads.split(',').map((words) => {
    // With no spread at all there is no true gap; a trace of it has the same limit.
    const steps = stepsOf(Math.max(Number(words), 0.01), blocks, Number(options.difficulties));
    const row = {
      draftSpread: Number(words),
      reliabilityWithinQuestions: rounded(steps.reliability),
      observedGapKept: rounded(bound(steps.observed, budget) / everything),
      trueGapKept: rounded(bound(steps.true, budget) / everything / Math.sqrt(steps.reliability)),
    };
    process.stderr.write(
      `spread ${words} (reliability within questions ${row.reliabilityWithinQuestions}): the best policy that asks ${items / blocks} items at a time ` +
        `keeps ${row.observedGapKept} of the observed gap, ${row.trueGapKept} of the true one, for ${calls} of the calls\n`,
    );
    return row;
  });
  process.stdout.write(`${JSON.stringify({ bench: 'racing-bound', blocks, calls, bounds })}\n`);
}

main();
