/**
 * Goal: accuracy and how answers were read stay apart, per task, per category and in all.
 * Method: a handful of predictions counted by hand.
 */
import { evaluatePredictions } from '../../method/evaluate';
import type { RowOutcome } from '../../schemas/rows';

let items = 0;
const prediction = (
  task: string,
  answer: string | null,
  correct: boolean,
  outcome: RowOutcome = 'ok',
  tagged = answer !== null,
  itemId = `item ${(items += 1)}`,
) => ({
  task,
  itemId,
  answer,
  correct,
  tagged,
  outcome,
});

const predictions = [
  prediction('a', '1', true),
  prediction('a', '2', true, 'ok', false),
  prediction('a', '3', false),
  prediction('a', null, false, 'malformed'),
  prediction('b', null, false, 'truncated'),
  prediction('b', '5', true),
  prediction('c', null, false, 'refused'),
  prediction('c', null, false, 'failed'),
];

describe('evaluatePredictions', () => {
  const metrics = evaluatePredictions(
    predictions,
    new Map([
      ['a', 'numbers'],
      ['b', 'numbers'],
      ['c', 'words'],
    ]),
  );

  it('counts in all', () => {
    expect(metrics.overall).toMatchObject({ n: 8, correct: 3, accuracy: 0.375 });
    const counts = { tagged: 3, untagged: 1, truncated: 1, unreadable: 1, refused: 1, failed: 1 };
    expect(metrics.overall.answers).toEqual(counts);
    expect(metrics.overall.stderr).toBeCloseTo(Math.sqrt((0.375 * 0.625) / 7), 12);
    expect(metrics.overall.low).toBeLessThan(0.375);
    expect(metrics.overall.high).toBeGreaterThan(0.375);
  });

  it('counts every answer once', () => {
    for (const { n, answers } of [metrics.overall, ...Object.values(metrics.byTask)])
      expect(Object.values(answers).reduce((sum: number, count: number) => sum + count, 0)).toBe(n);
  });

  it('counts by task and by category', () => {
    expect(Object.keys(metrics.byTask)).toEqual(['a', 'b', 'c']);
    expect(metrics.byTask.a).toMatchObject({ n: 4, accuracy: 0.5, answers: { tagged: 2, untagged: 1, unreadable: 1 } });
    expect(metrics.byCategory.numbers).toMatchObject({ n: 6, correct: 3, accuracy: 0.5 });
    expect(metrics.byCategory.words).toMatchObject({
      n: 2,
      accuracy: 0,
      answers: { unreadable: 0, failed: 1, refused: 1 },
    });
    expect(evaluatePredictions(predictions, new Map()).byCategory).toEqual({});
  });

  it('averages over tasks as well as over items', () => {
    expect(metrics.macro.accuracy).toBeCloseTo((0.5 + 0.5 + 0) / 3, 12);
    const [a, b] = [Math.sqrt(0.25 / 3), Math.sqrt(0.25 / 1)];
    expect(metrics.macro.stderr).toBeCloseTo(Math.sqrt(a * a + b * b) / 3, 12);
  });

  it('has finite figures for nothing', () => {
    const nothing = evaluatePredictions([], new Map());
    expect(nothing.overall).toMatchObject({ n: 0, accuracy: 0, stderr: 0, low: 0, high: 1 });
    expect(nothing.macro).toEqual({ tasks: 0, accuracy: 0, stderr: 0 });
  });
});

describe('several students of one arm', () => {
  const answers = (...rights: string[]) =>
    rights.flatMap((row) =>
      Array.from(row, (right, at) => prediction('a', right, right === '1', 'ok', true, `item ${at}`)),
    );

  it('have the mean of their accuracies, and the error of their items', () => {
    const { overall } = evaluatePredictions(answers('1100', '1010'), new Map(), 2);
    expect(overall).toMatchObject({ n: 8, correct: 4, accuracy: 0.5 });
    // Items' means 1, 1/2, 1/2, 0: sample variance 1/6.
    expect(overall.stderr).toBeCloseTo(Math.sqrt(1 / 6 / 4), 12);
  });

  it('that answer alike say no more than one of them', () => {
    const one = evaluatePredictions(answers('110100'), new Map()).overall;
    const three = evaluatePredictions(answers('110100', '110100', '110100'), new Map(), 3).overall;
    for (const name of ['accuracy', 'stderr', 'low', 'high'] as const) expect(three[name]).toBeCloseTo(one[name], 12);
    expect(three.n).toBe(18);
  });
});
