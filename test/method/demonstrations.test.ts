/**
 * Goal: gain, agreement and the prophecy of items are what their definitions say, and their samples keep out of the preference set.
 * Method: statsmodels' interval, SciPy's root and NumPy's choices (test/golden/gates.py), a matrix worked out by hand, and a simulated student.
 */
import golden from '../golden/gates.json';
import { agreementOf, gainOf, heldOutItems, sampledQuestions, sampledRows } from '../../method/demonstrations';
import { itemsForReliability } from '../../method/score';
import { seededRandom } from '../../method/keys';
import type { ScoreRow } from '../../schemas/rows';

describe('itemsForReliability', () => {
  it.each(golden.prophecy)(
    '$items items with $reliability need $needed for $wanted',
    ({ items, reliability, wanted, needed }) => {
      expect(itemsForReliability(items, reliability, wanted)).toBe(Math.ceil(needed - 1e-6));
    },
  );

  it('is undefined where no number of items would do', () => {
    expect([
      itemsForReliability(40, 0, 0.7),
      itemsForReliability(40, -0.2, 0.7),
      itemsForReliability(40, 0.5, 1),
    ]).toEqual([undefined, undefined, undefined]);
  });
});

describe('gainOf', () => {
  it.each(golden.gain)(
    'is the difference of means with the interval of statsmodels',
    ({ examples, drafts, items, ...expected }) => {
      const asked = (rights: readonly number[]) => rights.map((correct) => ({ correct, n: items }));
      const gain = gainOf(asked(examples), asked(drafts));
      for (const name of ['difference', 'low', 'high'] as const) expect(gain?.[name]).toBeCloseTo(expected[name], 8);
    },
  );

  it('needs two demonstrations a side', () => {
    expect(
      gainOf(
        [{ correct: 1, n: 2 }],
        [
          { correct: 1, n: 2 },
          { correct: 0, n: 2 },
        ],
      ),
    ).toBeUndefined();
  });
});

describe('agreementOf', () => {
  const score = (draftId: string, questionId: string, right: number): ScoreRow => ({
    ...{ draftId, questionId, task: 't', score: right / 4, stderr: 0, n: 4 },
  });

  it.each(golden.agreement)('is that of NumPy for $items items in and outside of the preference set', (made) => {
    const [n = 0, m = 0] = made.items;
    const ids = (question: number, draft: number): [string, string] => [`q${question}d${draft}`, `q${question}`];
    const scores = made.probes.flatMap((drafts, question) =>
      drafts.map((correct, draft): ScoreRow => {
        const [draftId, questionId] = ids(question, draft);
        return { draftId, questionId, task: 't', score: correct / n, stderr: 0, n };
      }),
    );
    const asked = new Map(
      made.others.flatMap((drafts, question) =>
        drafts.map((correct, draft) => [ids(question, draft)[0], { correct, n: m }] as const),
      ),
    );
    const { questions, best, worst } = agreementOf([...scores].reverse(), asked);
    expect(questions).toBe(made.probes.length);
    expect(best).toBeCloseTo(made.best, 12);
    expect(worst).toBeCloseTo(made.worst, 12);
  });

  it('is the share of questions whose chosen draft no other one beats on all items', () => {
    const scores = [
      // Best and worst stay: 3 + 2 of 10, 1 + 1.
      ...[score('a', 'q1', 3), score('b', 'q1', 1)],
      // The best by preference set is not that of all items: 3 + 0 against 2 + 4; so the worst is not either.
      ...[score('c', 'q2', 3), score('d', 'q2', 2)],
      // A tie on the preference set: the smaller id is chosen for both; all items say that it is the better one.
      ...[score('e', 'q3', 2), score('f', 'q3', 2)],
      // One draft cannot be compared.
      score('g', 'q4', 2),
    ];
    const rights = { a: 2, b: 1, c: 0, d: 4, e: 5, f: 1, g: 0 };
    const asked = new Map(Object.entries(rights).map(([id, correct]) => [id, { correct, n: 6 }]));
    expect(agreementOf(scores, asked)).toEqual({ questions: 3, best: 2 / 3, worst: 1 / 3 });
    expect(agreementOf([], new Map())).toEqual({ questions: 0, best: null, worst: null });
  });
});

it('samples are drawn from all tasks, the same ones in any order, and no item of the preference set is asked', () => {
  const rows = ['one', 'other'].flatMap((task) =>
    Array.from({ length: 30 }, (_, at) => ({
      id: `${task}${at}`,
      task,
      questionId: `q${at % 10}`,
      rationale: at === 3 ? ' ' : 'x',
    })),
  );
  const random = seededRandom(4);
  const mixed = [...rows].sort(() => random() - 0.5);
  const drawn = sampledRows(rows, 5, 7).map(({ id }) => id);
  expect(sampledRows(mixed, 5, 7).map(({ id }) => id)).toEqual(drawn);
  expect(drawn).toHaveLength(10);
  expect(drawn).not.toContain('one3');
  expect(sampledRows(rows, 5, 8).map(({ id }) => id)).not.toEqual(drawn);
  const asked = sampledQuestions(rows, 2, 7);
  expect(asked).toHaveLength(12);
  expect(sampledQuestions(mixed, 2, 7)).toEqual(asked);
  const validation = Array.from({ length: 9 }, (_, at) => ({ id: `v${at}`, question: 'q', target: 't' }));
  const probes = new Set(['v0', 'v1', 'v2', 'v3']);
  const held = heldOutItems({ name: 'one', validation }, probes, 7, 3);
  expect(held).toHaveLength(3);
  expect(held.some(({ id }) => probes.has(id))).toBe(false);
  expect(heldOutItems({ name: 'one', validation }, probes, 7)).toHaveLength(5);
});
