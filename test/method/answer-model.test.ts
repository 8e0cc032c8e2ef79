/**
 * Goal: predictions of answers not asked are right on average, as uncertain as they say, and sane on any matrix.
 * Method: simulated matrices with half of their cells hidden, among them drafts that only lean to one answer, which item response theory
 * takes for strength; random small matrices.
 */
import fc from 'fast-check';
import { predictRows, type Answers, type Kin, type Prediction } from '../../method/answer-model';
import { seededRandom, shuffled } from '../../method/keys';
import { correlation, mean } from '../../method/statistics';

const itemCount = 40;
const rowCount = 200;

/** A matrix by the probability of each cell, and the same with half of every row hidden. */
function halfHidden(probabilityOf: (row: number, item: number) => number, seed: number) {
  const random = seededRandom(seed);
  const whole = Array.from({ length: rowCount }, (_, row) =>
    Int8Array.from({ length: itemCount }, (__, item) => (random() < probabilityOf(row, item) ? 1 : 0)),
  );
  const known = whole.map((row, at) => {
    const hidden = new Set(shuffled([...row.keys()], 7_919 * seed + at).slice(0, itemCount / 2));
    return row.map((answer, item) => (hidden.has(item) ? -1 : answer));
  });
  return { known, totals: whole.map((row) => row.reduce((sum, answer) => sum + answer, 0)) };
}

/** Rows that have nothing in common. */
const strangers = (rows: readonly Answers[]): Kin[] => rows.map((_, question) => ({ question, technique: 0 }));

const shareWithin = (predictions: readonly Prediction[], totals: readonly number[], deviations: number): number =>
  mean(
    predictions.map(({ counted, countedVariance }, row) =>
      Math.abs((totals[row] as number) - counted) <= deviations * Math.sqrt(countedVariance) ? 1 : 0,
    ),
  );

describe('predictRows', () => {
  it('follows strength, and is as uncertain as it says', () => {
    const { known, totals } = halfHidden((row, item) => 0.15 + 0.5 * (row / rowCount) + 0.3 * (item / itemCount), 1);
    const predictions = predictRows(known, strangers(known));
    expect(
      correlation(
        predictions.map(({ counted }) => counted),
        totals,
      ),
    ).toBeGreaterThan(0.85);
    expect(mean(predictions.map(({ counted }, row) => counted - (totals[row] as number)))).toBeCloseTo(0, 0);
    expect(shareWithin(predictions, totals, 1)).toBeGreaterThan(0.58);
    expect(shareWithin(predictions, totals, 2)).toBeGreaterThan(0.9);
  });

  it('does not take a lean to one answer for strength', () => {
    // Odd rows say yes, even rows no; half of the items are answered by yes: all are right half of the time, wherever they were asked.
    const { known, totals } = halfHidden((row, item) => (row % 2 === item % 2 ? 0.9 : 0.1), 2);
    const predictions = predictRows(known, strangers(known));
    const errors = predictions.map(({ counted }, row) => Math.abs(counted - (totals[row] as number)));
    // Twenty open items of variance 0.09 each: a mean absolute error of about 1.07 is all that nobody can avoid.
    expect(mean(errors)).toBeLessThan(1.3);
    expect(mean(predictions.map(({ countedVariance }) => countedVariance))).toBeLessThan(3);
  });

  it('is certain of a row without gaps, and gains most where the answer tells strong rows from weak ones', () => {
    const { known } = halfHidden((row, item) => (item === 1 ? 0.9 : 0.1 + (0.8 * row) / rowCount), 3);
    const [first] = known;
    const whole = (first as Int8Array).map((answer) => Math.max(0, answer));
    const gap = whole.map((answer, item) => (item < 2 ? -1 : answer));
    const [complete, open] = predictRows([whole, gap, ...known], strangers([whole, gap, ...known]));
    const right = whole.reduce((sum, answer) => sum + answer, 0);
    expect(complete).toMatchObject({ counted: right, countedVariance: 0, resolvable: 0 });
    expect(open?.gain[0]).toBeGreaterThan(open?.gain[1] ?? Infinity);
    expect(open?.gain.slice(2).every((gain) => gain === 0)).toBe(true);
  });

  it('expects of a row what its technique does, and leaves techniques that answers do not tell apart alike', () => {
    const predicted = (gap: number) => {
      const { known } = halfHidden((row, item) => 0.2 + 0.3 * (item / itemCount) + (row % 2) * gap, 4);
      const kin = known.map((_, row) => ({ question: row >> 1, technique: row % 2 }));
      const silent = new Int8Array(itemCount).fill(-1);
      const rows = [silent, silent, ...known];
      const [one, other] = predictRows(rows, [
        { question: 200, technique: 0 },
        { question: 200, technique: 1 },
        ...kin,
      ]) as [Prediction, Prediction];
      return other.strength - one.strength;
    };
    expect(predicted(0.2)).toBeCloseTo(0.2 * itemCount, -0.5);
    expect(Math.abs(predicted(0))).toBeLessThan(0.02 * itemCount);
  });

  it('is finite, within bounds and repeatable for whatever was answered', () => {
    const matrices = fc
      .integer({ min: 0, max: 6 })
      .chain((items) =>
        fc.array(fc.array(fc.constantFrom(-1, 0, 1), { minLength: items, maxLength: items }), { maxLength: 6 }),
      )
      .map((rows) => rows.map((row) => Int8Array.from(row)));
    fc.assert(
      fc.property(matrices, (rows) => {
        const kin = strangers(rows).map(({ question }) => ({ question: question >> 1, technique: question % 3 }));
        const predictions = predictRows(rows, kin);
        expect(predictRows(rows, kin)).toEqual(predictions);
        predictions.forEach(({ counted, countedVariance, strength, resolvable, gain }, row) => {
          const answers = rows[row] as Int8Array;
          const right = answers.filter((answer) => answer === 1).length;
          const open = answers.filter((answer) => answer < 0).length;
          expect(counted).toBeGreaterThanOrEqual(right);
          expect(counted).toBeLessThanOrEqual(right + open + 1e-9);
          expect(open === 0 ? countedVariance === 0 : countedVariance > 0).toBe(true);
          expect(strength).toBeGreaterThanOrEqual(0);
          expect(strength).toBeLessThanOrEqual(answers.length);
          expect(resolvable).toBeGreaterThanOrEqual(0);
          for (const value of gain) expect(value).toBeGreaterThanOrEqual(0);
          expect(Math.max(0, ...gain)).toBeLessThanOrEqual(resolvable + 1e-9);
        });
      }),
    );
  });
});
