/**
 * Goal: every figure that a claim rests on is the textbook's.
 * Method: golden values of SciPy and statsmodels (test/golden/statistics.py wrote them), hand-made edge cases, and the properties that
 * no data may break (no NaN, intervals hold their estimate, verdicts need both an interval and a test).
 */
import fc from 'fast-check';
import golden from '../golden/statistics.json';
import {
  clusteredProportion,
  correlation,
  describeDifference,
  holmAdjusted,
  mcnemarExact,
  mean,
  normalDistribution,
  normalQuantile,
  pairedBootstrap,
  pairedComparison,
  pairedLowerBound,
  pairedScore,
  pooledComparison,
  quantile,
  sampleVariance,
  signFlipExact,
  standardError,
  standardErrorOfProportion,
  verdictOf,
  wilsonInterval,
} from '../../method/statistics';

const bits = (text: string): boolean[] => Array.from(text, (bit) => bit === '1');

describe('against SciPy and statsmodels', () => {
  it.each(golden.sem)('standard error of $values', ({ values, stderr, variance }) => {
    expect(standardError(values)).toBeCloseTo(stderr, 12);
    expect(sampleVariance(values)).toBeCloseTo(variance, 12);
  });

  it('standard error of a share is that of its zeros and ones', () => {
    const values = [0, 1, 1, 0, 1, 1, 1];
    expect(standardErrorOfProportion(5, 7)).toBeCloseTo(standardError(values), 12);
  });

  it.each(golden.wilson)('Wilson interval of $correct of $n', ({ correct, n, confidence, low, high }) => {
    const interval = wilsonInterval(correct, n, confidence);
    expect(interval.low).toBeCloseTo(low, 9);
    expect(interval.high).toBeCloseTo(high, 9);
  });

  it.each(golden.normal)('normal distribution at $x', ({ x, cdf }) => {
    expect(Math.abs(normalDistribution(x) / cdf - 1)).toBeLessThan(1e-9);
  });

  it.each(golden.normalQuantile)('normal quantile at $p', ({ p, x }) => {
    expect(normalQuantile(p)).toBeCloseTo(x, 8);
  });

  it.each(golden.quantile)('quantile $share of $values', ({ values, share, value }) => {
    expect(quantile(values, share)).toBeCloseTo(value, 12);
  });

  it.each(golden.mcnemar)('exact McNemar, $mine against $theirs', ({ mine, theirs, p }) => {
    expect(Math.abs(mcnemarExact(mine, theirs) / p - 1)).toBeLessThan(1e-9);
    expect(mcnemarExact(theirs, mine)).toBe(mcnemarExact(mine, theirs));
  });

  it.each(golden.signFlip)('sign flips of $differences', ({ differences, p }) => {
    expect(signFlipExact(differences)).toBeCloseTo(p, 12);
  });

  it('the error of a share, clustered by item', () => {
    const { rights, students, share, stderr } = golden.clustered;
    const figures = clusteredProportion({ rights, students });
    expect(figures.stderr).toBeCloseTo(stderr, 12);
    // Between what the items alone and what every answer by itself would give.
    const width = (n: number): number => {
      const { low, high } = wilsonInterval(share * n, n);
      return high - low;
    };
    expect(figures.high - figures.low).toBeLessThan(width(rights.length));
    expect(figures.high - figures.low).toBeGreaterThan(width(rights.length * students));
  });

  it.each(golden.holm)('Holm of $p', ({ p, adjusted }) => {
    holmAdjusted(p).forEach((value, at) => expect(value).toBeCloseTo(adjusted[at] ?? NaN, 12));
  });

  it.each(golden.pearson)('Pearson, r = $r', ({ one, other, r }) => {
    expect(correlation(one, other)).toBeCloseTo(r, 12);
  });

  it('paired bootstrap, within the noise of its resampling', () => {
    const { mine, theirs, difference, low, high } = golden.bootstrap;
    const ours = pairedBootstrap(bits(mine).map(Number), bits(theirs).map(Number), { seed: 1 });
    expect(ours.difference).toBeCloseTo(difference, 12);
    expect(Math.abs(ours.low - low)).toBeLessThan(0.01);
    expect(Math.abs(ours.high - high)).toBeLessThan(0.01);
  });
});

describe('edges', () => {
  it('nothing and one item', () => {
    expect([mean([]), standardError([]), standardError([3]), quantile([], 0.5)]).toEqual([0, 0, 0, 0]);
    expect([standardErrorOfProportion(0, 0), standardErrorOfProportion(1, 1)]).toEqual([0, 0.5]);
    expect(wilsonInterval(0, 0)).toEqual({ low: 0, high: 1 });
    expect(mcnemarExact(0, 0)).toBe(1);
    expect(holmAdjusted([])).toEqual([]);
    expect(correlation([1, 1, 1], [1, 2, 3])).toBeUndefined();
    expect([normalQuantile(0), normalQuantile(1)]).toEqual([-Infinity, Infinity]);
    expect(pairedComparison([], [], { seed: 0 })).toMatchObject({ difference: 0, p: 1, verdict: 'within noise', n: 0 });
    expect(() => pairedBootstrap([1], [], { seed: 0 })).toThrow(RangeError);
  });

  it('same seed, same interval', () => {
    const mine = bits('0110101110');
    const theirs = bits('0100001010');
    expect(pairedComparison(mine, theirs, { seed: 4 })).toEqual(pairedComparison(mine, theirs, { seed: 4 }));
  });
});

describe('what may be claimed', () => {
  const repeated = (right: number, n: number): boolean[] => Array.from({ length: n }, (_, at) => at < right);

  it('a clear gain, a clear loss, and a difference within noise', () => {
    expect(pairedComparison(repeated(40, 60), repeated(10, 60), { seed: 1 })).toMatchObject({
      verdict: 'gain',
      onlyMine: 30,
    });
    expect(pairedComparison(repeated(10, 60), repeated(40, 60), { seed: 1 })).toMatchObject({
      verdict: 'loss',
      onlyTheirs: 30,
    });
    expect(pairedComparison(repeated(32, 60), repeated(30, 60), { seed: 1 }).verdict).toBe('within noise');
  });

  it('five items more and none less exclude zero in the bootstrap, but not in the exact test: within noise', () => {
    const comparison = pairedComparison(repeated(35, 100), repeated(30, 100), { seed: 1 });
    expect(comparison.low).toBeGreaterThan(0);
    expect(comparison.p).toBeCloseTo(0.0625, 12);
    expect(comparison.verdict).toBe('within noise');
    expect(describeDifference(comparison)).toMatch(/^\+5\.0 points \([+-]\d\.\d to \+\d+\.\d\), within noise$/);
  });

  it('that no item of a few differs is no certainty: the interval is that of the score test, at the items once each', () => {
    const [twenty, hundred] = [20, 100].map((n) => pairedComparison(repeated(5, n), repeated(5, n), { seed: 1 }));
    // z² / (n + z²): where the score statistic of no disagreement is the quantile.
    const bound = (n: number): number => 1.959964 ** 2 / (n + 1.959964 ** 2);
    expect(twenty).toMatchObject({ difference: 0, p: 1, verdict: 'within noise' });
    for (const [comparison, n] of [[twenty, 20] as const, [hundred, 100] as const]) {
      expect(comparison?.low).toBeCloseTo(-bound(n), 6);
      expect(comparison?.high).toBeCloseTo(bound(n), 6);
    }
    const rights = Array.from({ length: 20 }, (_, at) => at % 4);
    const doubled = { rights: rights.map((right) => 2 * right), students: 6 };
    expect(pooledComparison({ rights, students: 3 }, doubled, { seed: 1 })).toMatchObject({
      low: twenty?.low,
      high: twenty?.high,
    });
  });

  it('needs both the interval and the test', () => {
    expect(verdictOf({ low: 0.01, high: 0.1, p: 0.01 })).toBe('gain');
    expect(verdictOf({ low: -0.1, high: -0.01, p: 0.01 })).toBe('loss');
    expect(verdictOf({ low: -0.01, high: 0.1, p: 0.01 })).toBe('within noise');
    expect(verdictOf({ low: 0.01, high: 0.1, p: 0.06 })).toBe('within noise');
  });

  it('of noise alone, less than one in twenty claims is a gain or a loss', () => {
    let claims = 0;
    const random = fc.sample(fc.array(fc.tuple(fc.boolean(), fc.boolean()), { minLength: 60, maxLength: 60 }), {
      numRuns: 150,
      seed: 5,
    });
    for (const pairs of random) {
      const { verdict } = pairedComparison(
        pairs.map(([one]) => one),
        pairs.map(([, other]) => other),
        { seed: 1, resamples: 300 },
      );
      if (verdict !== 'within noise') claims += 1;
    }
    expect(claims / 150).toBeLessThanOrEqual(0.06);
  });
});

it('never leaves the range or gives NaN', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.boolean()), { maxLength: 40 }), fc.integer(), (pairs, seed) => {
      const mine = pairs.map(([one]) => one);
      const theirs = pairs.map(([, other]) => other);
      const { low, high, difference, p } = pairedComparison(mine, theirs, { seed, resamples: 100 });
      expect(p).toBeGreaterThanOrEqual(0);
      expect(p).toBeLessThanOrEqual(1);
      expect(low).toBeLessThanOrEqual(high);
      expect([low, high, difference].every((value) => value >= -1 && value <= 1)).toBe(true);
      const right = mine.filter(Boolean).length;
      const interval = wilsonInterval(right, mine.length);
      const share = mine.length === 0 ? 0.5 : right / mine.length;
      expect(interval.low - 1e-12 <= share && share <= interval.high + 1e-12).toBe(true);
    }),
    { numRuns: 100, seed: 2 },
  );
});

describe('several students', () => {
  it('of one each are compared as McNemar compares them', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.boolean()), { minLength: 1, maxLength: 60 }), (pairs) => {
        const [mine, theirs] = [pairs.map(([one]) => one), pairs.map(([, other]) => other)];
        const one = pairedComparison(mine, theirs, { seed: 1, resamples: 50 });
        const sides = [mine, theirs].map((side) => ({ rights: side.map(Number), students: 1 }));
        const pooled = pooledComparison(sides[0]!, sides[1]!, { seed: 1, resamples: 50 });
        expect(pooled).toMatchObject({ difference: one.difference, low: one.low, high: one.high, n: one.n });
        expect(pooled.p).toBeCloseTo(one.p, 10);
        const alone = clusteredProportion(sides[0]!);
        const correct = mine.filter(Boolean).length;
        expect(alone.stderr).toBeCloseTo(standardErrorOfProportion(correct, mine.length), 12);
        expect(alone.low).toBeCloseTo(wilsonInterval(correct, mine.length).low, 12);
      }),
    );
  });

  it('may be more on one side than on the other', () => {
    // Means 1, 2/3, 0 against 0, 1, 0: differences 3, -1, 0 in thirds; of the four signs of two, all are as far off or further than 2.
    const [mine, theirs] = [
      { rights: [3, 2, 0], students: 3 },
      { rights: [0, 1, 0], students: 1 },
    ];
    expect(pooledComparison(mine, theirs, { seed: 1 })).toMatchObject({
      difference: expect.closeTo(2 / 9, 12) as number,
      p: 1,
    });
  });

  it('are judged in good time and without underflow on as many items as BIG-Bench-Hard has', () => {
    const differences = Array.from({ length: 6_261 }, (_, at) => (at % 7) - 3 + (at % 50 === 0 ? 1 : 0));
    const started = performance.now();
    const p = signFlipExact(differences);
    expect(performance.now() - started).toBeLessThan(5_000);
    // Normal approximation: sum over the root of the sum of squares.
    const z = differences.reduce((sum, d) => sum + d, 0) / Math.sqrt(differences.reduce((sum, d) => sum + d * d, 0));
    expect(p).toBeCloseTo(2 * (1 - normalDistribution(Math.abs(z))), 2);
  });
});

describe('the score statistic of paired proportions', () => {
  const tables = fc
    .tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 300 }))
    .map(([onlyMine, onlyTheirs, others]) => ({ onlyMine, onlyTheirs, n: onlyMine + onlyTheirs + others }));

  it("is McNemar's at no difference", () => {
    expect(pairedScore({ n: 100, onlyMine: 14, onlyTheirs: 6 }, 0)).toBeCloseTo((14 - 6) / Math.sqrt(20), 12);
  });

  it('takes its error where the likelihood is greatest under the difference asked for', () => {
    // By search instead of by formula: the multinomial likelihood over the share that only they have right.
    fc.assert(
      fc.property(
        tables,
        fc.double({ min: -0.4, max: 0.4, noNaN: true }),
        ({ n, onlyMine, onlyTheirs }, difference) => {
          const [low, high] = [Math.max(0, -difference), (1 - difference) / 2];
          const log = (count: number, share: number): number =>
            count === 0 ? 0 : count * Math.log(Math.max(share, 1e-300));
          const likelihood = (theirs: number): number =>
            log(onlyTheirs, theirs) +
            log(onlyMine, theirs + difference) +
            log(n - onlyMine - onlyTheirs, 1 - 2 * theirs - difference);
          let [left, right] = [low, high];
          for (let step = 0; step < 200; step += 1) {
            const [one, other] = [left + (right - left) / 3, right - (right - left) / 3];
            if (likelihood(one) < likelihood(other)) left = one;
            else right = other;
          }
          const theirs = (left + right) / 2;
          const variance = n * (2 * theirs + difference - difference ** 2);
          fc.pre(variance > 1e-3);
          const expected = (onlyMine - onlyTheirs - n * difference) / Math.sqrt(variance);
          expect(pairedScore({ n, onlyMine, onlyTheirs }, difference)).toBeCloseTo(expected, 3);
        },
      ),
      { seed: 7, numRuns: 200 },
    );
  });

  it('has its bound at a root of the quartic of Yang, Sun and Hardin (2012)', () => {
    fc.assert(
      fc.property(tables, ({ n, onlyMine: b, onlyTheirs: c }) => {
        const x = pairedLowerBound({ n, onlyMine: b, onlyTheirs: c });
        const g = normalQuantile(0.95) ** 2;
        const terms = [
          n ** 2 * (n / g + 1) ** 2 * x ** 4,
          -n * (b - c) * (n / g + 1) * ((4 * n) / g + 1) * x ** 3,
          ((2 * n * (b - c) ** 2 * ((3 * n) / g + 2)) / g - n ** 2 * ((b + c) / g + 1)) * x ** 2,
          (n * (b - c) * ((2 * (b + c)) / g + 1) - ((b - c) ** 3 * ((4 * n) / g + 1)) / g) * x,
          ((b - c) ** 2 * ((b - c) ** 2 / g - (b + c))) / g,
        ];
        const size = terms.reduce((sum, term) => sum + Math.abs(term), 0);
        expect(Math.abs(terms.reduce((sum, term) => sum + term, 0))).toBeLessThanOrEqual(1e-6 * size);
      }),
      { seed: 8, numRuns: 200 },
    );
  });

  it('is not sure of few items that do not disagree, and says nothing of none', () => {
    expect(pairedLowerBound({ n: 10, onlyMine: 0, onlyTheirs: 0 })).toBeLessThan(-0.2);
    expect(pairedLowerBound({ n: 0, onlyMine: 0, onlyTheirs: 0 })).toBe(-1);
    expect(pairedScore({ n: 0, onlyMine: 0, onlyTheirs: 0 }, -0.05)).toBe(0);
    expect(pairedScore({ n: 9, onlyMine: 0, onlyTheirs: 0 }, 0)).toBe(0);
  });
});
