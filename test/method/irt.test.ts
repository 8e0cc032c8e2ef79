/**
 * Goal: the fit finds the discriminating items, agrees with an independent optimiser, and survives any data.
 * Method: SciPy's optimum of the same objective (test/golden/irt.py); girth's estimates of the same answers; recovery of simulated parameters; tiny, constant, separable, empty
 * and ragged matrices.
 */
import fc from 'fast-check';
import girth from '../golden/irt-girth.json';
import golden from '../golden/irt.json';
import { fitIrt, selectByDiscrimination, type IrtFit } from '../../method/irt';
import { seededRandom } from '../../method/keys';
import { correlation, normalQuantile } from '../../method/statistics';

const matrixOf = (rows: readonly string[]): (0 | 1 | null)[][] =>
  rows.map((row) => Array.from(row, (answer) => (answer === '1' ? 1 : answer === '0' ? 0 : null)));

const ranks = (values: readonly number[]): number[] => {
  const order = values.map((_, at) => at).sort((one, other) => (values[one] ?? 0) - (values[other] ?? 0));
  const result = new Array<number>(values.length).fill(0);
  order.forEach((at, rank) => (result[at] = rank));
  return result;
};
const rankCorrelation = (one: readonly number[], other: readonly number[]): number =>
  correlation(ranks(one), ranks(other)) ?? 0;

function simulate(respondents: number, items: number, seed: number) {
  const random = seededRandom(seed);
  const normal = () => normalQuantile(random() * 0.999 + 0.0005);
  const ability = Array.from({ length: respondents }, normal);
  const discrimination = Array.from({ length: items }, () => Math.exp(0.5 * normal()));
  const difficulty = Array.from({ length: items }, normal);
  const matrix = ability.map((t) =>
    Uint8Array.from(discrimination, (a, item) =>
      random() < 1 / (1 + Math.exp(-a * (t - (difficulty[item] ?? 0)))) ? 1 : 0,
    ),
  );
  return { ability, discrimination, difficulty, matrix };
}

function expectFinite(fit: IrtFit): void {
  const numbers = [...fit.ability, ...fit.discrimination, ...fit.difficulty, fit.logLik];
  expect(numbers.every(Number.isFinite)).toBe(true);
  expect(fit.discrimination.every((a) => a > 0)).toBe(true);
}

describe('against SciPy', () => {
  it.each(golden.cases.map((one) => [`${one.matrix.length} x ${one.discrimination.length}`, one] as const))(
    'map, %s',
    (_, one) => {
      const fit = fitIrt(matrixOf(one.matrix), { estimator: 'map' });
      expect(fit.converged).toBe(true);
      expect(fit.logLik).toBeCloseTo(one.logLik, 3);
      fit.discrimination.forEach((a, item) => expect(a).toBeCloseTo(one.discrimination[item] ?? NaN, 3));
      fit.difficulty.forEach((b, item) => expect(b).toBeCloseTo(one.difficulty[item] ?? NaN, 3));
    },
  );

  it("mle comes within a tenth of the best of SciPy's starts", () => {
    for (const { matrix, jointLogLik } of golden.cases) {
      if (jointLogLik === undefined) continue;
      expect(fitIrt(matrixOf(matrix), { estimator: 'mle' }).logLik).toBeGreaterThan(jointLogLik - 0.1);
    }
  });
});

describe('against girth, an IRT package of its own (test/golden/irt_girth.py)', () => {
  const fits = girth.cases.map((one) => ({ one, fit: fitIrt(matrixOf(one.matrix), { estimator: 'map' }) }));
  const rms = (mine: readonly number[], theirs: readonly number[]): number =>
    Math.sqrt(mine.reduce((sum, value, at) => sum + (value - (theirs[at] ?? NaN)) ** 2, 0) / mine.length);

  /** The largest distance of two items' curves where respondents are. */
  const apart = (fit: IrtFit, one: (typeof girth.cases)[number], item: number): number => {
    const curve = (a = NaN, b = NaN, ability = NaN): number => 1 / (1 + Math.exp(-a * (ability - b)));
    const abilities = [-2, -1, 0, 1, 2];
    const mine = abilities.map((t) => curve(fit.discrimination[item], fit.difficulty[item], t));
    const theirs = abilities.map((t) => curve(one.discrimination[item], one.difficulty[item], t));
    return Math.max(...mine.map((p, at) => Math.abs(p - (theirs[at] ?? NaN))));
  };

  it('gives the same curves, discriminations, abilities and choice, but for what our priors draw in', () => {
    for (const { one, fit } of fits) {
      for (const item of fit.discrimination.keys()) expect(apart(fit, one, item)).toBeLessThan(0.04);
      expect(rms(fit.discrimination, one.discrimination)).toBeLessThan(0.05);
      expect(correlation(fit.difficulty, one.difficulty)).toBeGreaterThan(0.995);
      expect(rms(fit.ability, one.ability)).toBeLessThan(0.05);
      const chosen = new Set(selectByDiscrimination(fit, 10));
      expect(new Set(selectByDiscrimination({ ...fit, discrimination: one.discrimination }, 10))).toEqual(chosen);
    }
  });

  it('recovers what was simulated: root mean square errors of 0.15 with 1,000 respondents, 0.22 with 400', () => {
    for (const [at, most] of [0.15, 0.22].entries()) {
      const { one, fit } = fits[at]!;
      expect(rms(fit.discrimination, one.simulated.discrimination)).toBeLessThan(most);
      expect(rms(fit.difficulty, one.simulated.difficulty)).toBeLessThan(most);
    }
  });
});

describe('recovery', () => {
  const truth = simulate(300, 40, 8);

  it.each([
    ['map', 0.8],
    ['mle', 0.75],
  ] as const)('%s finds 300 x 40 simulated parameters', (estimator, least) => {
    const fit = fitIrt(truth.matrix, { estimator });
    expectFinite(fit);
    expect(rankCorrelation(fit.discrimination, truth.discrimination)).toBeGreaterThan(least);
    expect(rankCorrelation(fit.difficulty, truth.difficulty)).toBeGreaterThan(0.95);
    expect(rankCorrelation(fit.ability, truth.ability)).toBeGreaterThan(0.9);
  });

  it("with the paper's 20 respondents x 100 items, chooses better items than chance", () => {
    const small = simulate(20, 100, 5);
    const chosen = selectByDiscrimination(fitIrt(small.matrix, { estimator: 'map' }), 40);
    const meanOf = (items: readonly number[]) =>
      items.reduce((sum, item) => sum + (small.discrimination[item] ?? 0), 0) / items.length;
    expect(chosen).toHaveLength(40);
    expect(meanOf(chosen)).toBeGreaterThan(1.15 * meanOf([...small.discrimination.keys()]));
  });

  it('puts noise and reversed items below items that discriminate', () => {
    const { matrix, ability } = simulate(200, 10, 3);
    const random = seededRandom(1);
    const widened = matrix.map((row, at) => [...row, random() < 0.5 ? 1 : 0, (ability[at] ?? 0) > 0 ? 0 : 1]);
    for (const estimator of ['map', 'mle'] as const) {
      const { discrimination } = fitIrt(widened, { estimator });
      expect(ranks(discrimination)[10]).toBeLessThan(3);
      expect(ranks(discrimination)[11]).toBeLessThan(3);
    }
  });
});

describe('any data', () => {
  it.each(['map', 'mle'] as const)(
    '%s does not blow up on 4 x 8, all right, all wrong, steps, gaps and nothing',
    (estimator) => {
      const cases = [
        ['10110010', '11110111', '00010000', '10110110'],
        ['11111111', '11111111', '11111111', '11111111'],
        ['00000000', '00000000', '00000000', '00000000'],
        ['00000000', '00001111', '00111111', '11111111'],
        ['1...0...', '....1...', '........', '.1.....0'],
        ['1'],
        ['', ''],
        [],
      ];
      for (const rows of cases) {
        const fit = fitIrt(matrixOf(rows), { estimator });
        expectFinite(fit);
        expect(fit.discrimination).toHaveLength(rows[0]?.length ?? 0);
        expect(fit.ability).toHaveLength(rows.length);
      }
    },
  );

  it('is finite and repeatable for whatever is answered', () => {
    const answer = fc.constantFrom<(0 | 1 | null)[]>(0, 1, 1, 0, null);
    const matrices = fc
      .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 8 }))
      .chain(([rows, columns]) =>
        fc.array(fc.array(answer, { minLength: columns, maxLength: columns }), { minLength: rows, maxLength: rows }),
      );
    fc.assert(
      fc.property(matrices, fc.constantFrom('map' as const, 'mle' as const), (matrix, estimator) => {
        const fit = fitIrt(matrix, { estimator, maxIterations: 50 });
        expectFinite(fit);
        expect(fitIrt(matrix, { estimator, maxIterations: 50 })).toEqual(fit);
      }),
      { numRuns: 60, seed: 9 },
    );
  });

  it('knows more with a missing answer left out than with it taken for wrong', () => {
    const rows = ['111.', '110.', '1000', '0000', '1111', '1101'];
    const [left, wrong] = [rows, rows.map((row) => row.replace('.', '0'))].map((matrix) =>
      fitIrt(matrixOf(matrix), { estimator: 'map' }),
    );
    expect(left?.difficulty[3] ?? NaN).toBeLessThan(wrong?.difficulty[3] ?? NaN);
  });

  it('refuses a ragged matrix', () => {
    expect(() => fitIrt([[1, 0], [1]], { estimator: 'map' })).toThrow(RangeError);
  });
});

describe('selectByDiscrimination', () => {
  it('takes the best first, items that do not vary last, the earlier of equal ones', () => {
    const fit = { discrimination: [1, 3, 2, 2, 9], varies: [true, true, true, true, false] };
    expect(selectByDiscrimination(fit, 3)).toEqual([1, 2, 3]);
    expect(selectByDiscrimination(fit, 9)).toEqual([1, 2, 3, 0, 4]);
    expect(selectByDiscrimination(fit, 0)).toEqual([]);
  });
});
