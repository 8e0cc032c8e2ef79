/**
 * Goal: preferences follow the paper's rules and the config's, and what is left out is counted by reason.
 * Method: small tables worked out by hand; properties over random scores (order of rows, quarters, no pair twice).
 */
import fc from 'fast-check';
import { shuffled } from '../../method/keys';
import { buildQuestionPairs, buildRationalePairs, type PairSettings } from '../../method/pairs';
import { runConfigSchema } from '../../schemas/run-config';

type Input = {
  question?: Partial<PairSettings['question']>;
  rationale?: Partial<PairSettings['rationale']>;
  ties?: PairSettings['ties'];
  minimum_gap?: number;
};
const settings = (input: Input = {}): PairSettings => runConfigSchema.shape.pairs.parse(input);

const question = (id: string, task = 't', text = `question ${id}`) => ({ id, task, question: text, target: 'x' });
const scored = (scores: Readonly<Record<string, number>>, task = 't') =>
  Object.entries(scores).map(([questionId, score]) => ({ questionId, task, score }));

describe('question pairs by quartiles', () => {
  const scores = { a: 0.9, b: 0.8, c: 0.6, d: 0.5, e: 0.5, f: 0.4, g: 0.2, h: 0.1 };
  const questions = Object.keys(scores).map((id) => question(id));

  it('are of the top quarter against the bottom quarter, each pair once', () => {
    const { pairs, dropped } = buildQuestionPairs(questions, scored(scores), settings(), 1);
    expect(pairs.map(({ chosenId, rejectedId }) => chosenId + rejectedId).sort()).toEqual(['ag', 'ah', 'bg', 'bh']);
    expect(dropped).toEqual({});
    const ag = pairs.find((pair) => pair.chosenId === 'a' && pair.rejectedId === 'g');
    expect(ag).toEqual({ task: 't', chosenId: 'a', rejectedId: 'g', chosenScore: 0.9, rejectedScore: 0.2 });
  });

  it('use every question of a quarter once before one is used twice', () => {
    const { pairs } = buildQuestionPairs(questions, scored(scores), settings({ question: { per_task: 2 } }), 1);
    expect(pairs.map((pair) => pair.chosenId).sort()).toEqual(['a', 'b']);
    expect(pairs.map((pair) => pair.rejectedId).sort()).toEqual(['g', 'h']);
  });

  it('are the same for rows in any order, within quarters, at most per_task, never twice', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 10 }), { minLength: 2, maxLength: 60 }),
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 0, max: 99 }),
        (values, perTask, seed) => {
          const all = Object.fromEntries(values.map((value, at) => [`q${String(at).padStart(2, '0')}`, value / 10]));
          const rows = Object.keys(all).map((id) => question(id));
          const config = settings({ question: { per_task: perTask } });
          const { pairs } = buildQuestionPairs(rows, scored(all), config, seed);
          expect(buildQuestionPairs(shuffled(rows, seed), shuffled(scored(all), seed + 1), config, seed).pairs).toEqual(
            pairs,
          );
          expect(pairs.length).toBeLessThanOrEqual(perTask);
          expect(new Set(pairs.map((pair) => `${pair.chosenId} ${pair.rejectedId}`)).size).toBe(pairs.length);
          const sorted = [...values].sort((one, other) => other - one).map((value) => value / 10);
          const quarter = Math.max(1, Math.floor(values.length / 4));
          for (const { chosenScore, rejectedScore } of pairs) {
            expect(chosenScore).toBeGreaterThanOrEqual(sorted[quarter - 1] ?? NaN);
            expect(rejectedScore).toBeLessThanOrEqual(sorted[sorted.length - quarter] ?? NaN);
            expect(chosenScore).toBeGreaterThan(rejectedScore);
          }
        },
      ),
      { numRuns: 100, seed: 3 },
    );
  });

  it('give the paper its 50 pairs out of 250 questions', () => {
    const many = Object.fromEntries(Array.from({ length: 250 }, (_, at) => [`q${at}`, ((at * 37) % 161) / 160]));
    const { pairs } = buildQuestionPairs(
      Object.keys(many).map((id) => question(id)),
      scored(many),
      settings(),
      0,
    );
    expect(pairs).toHaveLength(50);
    expect(new Set(pairs.flatMap((pair) => [pair.chosenId, pair.rejectedId])).size).toBe(100);
  });

  it('count ties, small gaps, equal texts and missing scores', () => {
    const same = { a: 0.5, b: 0.5 };
    const rows = [question('a'), question('b')];
    expect(buildQuestionPairs(rows, scored(same), settings(), 1)).toEqual({ pairs: [], dropped: { tie: 1 } });
    expect(buildQuestionPairs(rows, scored(same), settings({ ties: 'keep-first' }), 1).pairs).toMatchObject([
      { chosenId: 'a', rejectedId: 'b' },
    ]);
    const apart = settings({ ties: 'keep-first', minimum_gap: 0.1 });
    expect(buildQuestionPairs(rows, scored(same), apart, 1)).toEqual({ pairs: [], dropped: { gap: 1 } });
    const close = { a: 0.3, b: 0.2 };
    expect(buildQuestionPairs(rows, scored(close), settings({ minimum_gap: 0.1 }), 1).pairs).toHaveLength(1);
    expect(buildQuestionPairs(rows, scored(close), settings({ minimum_gap: 0.11 }), 1).dropped).toEqual({ gap: 1 });
    const twins = [question('a', 't', 'same'), question('b', 't', ' same ')];
    expect(buildQuestionPairs(twins, scored(close), settings(), 1).dropped).toEqual({ identical: 1 });
    expect(buildQuestionPairs([...rows, question('c')], scored(close), settings(), 1).dropped).toEqual({ unscored: 1 });
    expect(buildQuestionPairs([question('a')], scored(close), settings(), 1).dropped).toEqual({
      'too few questions': 1,
    });
    expect(buildQuestionPairs(rows, scored(close), settings({ question: { per_task: 0 } }), 1)).toEqual({
      pairs: [],
      dropped: {},
    });
  });

  it('keep tasks apart', () => {
    const rows = [question('a', 't'), question('b', 't'), question('c', 'u'), question('d', 'u')];
    const all = [...scored({ a: 0.9, b: 0.1 }, 't'), ...scored({ c: 0.3, d: 0.6 }, 'u')];
    expect(
      buildQuestionPairs(rows, all, settings(), 1).pairs.map(({ task, chosenId, rejectedId }) => [
        task,
        chosenId,
        rejectedId,
      ]),
    ).toEqual([
      ['t', 'a', 'b'],
      ['u', 'd', 'c'],
    ]);
  });

  it('put lists of questions against each other', () => {
    const many = Object.fromEntries(
      Array.from({ length: 24 }, (_, at) => [`q${String(at).padStart(2, '0')}`, 1 - at / 24]),
    );
    const rows = Object.keys(many).map((id) => question(id));
    const { pairs } = buildQuestionPairs(
      rows,
      scored(many),
      settings({ question: { response: 'list', per_task: 5 } }),
      1,
      3,
    );
    expect(pairs).toHaveLength(5);
    for (const { chosenIds = [], rejectedIds = [], chosenId, chosenScore } of pairs) {
      expect([new Set(chosenIds).size, new Set(rejectedIds).size]).toEqual([3, 3]);
      expect(chosenIds[0]).toBe(chosenId);
      expect(chosenScore).toBeCloseTo(chosenIds.reduce((sum, id) => sum + (many[id] ?? 0), 0) / 3, 12);
      expect(chosenIds.every((id) => id < 'q06') && rejectedIds.every((id) => id >= 'q18')).toBe(true);
    }
    const few = buildQuestionPairs(rows.slice(0, 8), scored(many), settings({ question: { response: 'list' } }), 1, 3);
    expect(few).toEqual({ pairs: [], dropped: { 'too few questions': 8 } });
  });
});

describe('question pairs by extremes', () => {
  it('are the best against the worst, inwards', () => {
    const scores = { a: 0.1, b: 0.9, c: 0.5, d: 0.7, e: 0.3 };
    const rows = Object.keys(scores).map((id) => question(id));
    const { pairs } = buildQuestionPairs(rows, scored(scores), settings({ question: { method: 'extremes' } }), 1);
    expect(pairs.map(({ chosenId, rejectedId }) => chosenId + rejectedId)).toEqual(['ba', 'de']);
  });
});

describe('rationale pairs', () => {
  type Draft = readonly [id: string, score: number | undefined, rationale?: string, agrees?: boolean];
  const build = (drafts: Readonly<Record<string, readonly Draft[]>>, input: Input = {}) => {
    const rows = Object.entries(drafts).flatMap(([questionId, group]) =>
      group.map(([id, , rationale = `because ${id}`, agrees = true]) => ({
        id,
        task: 't',
        questionId,
        rationale,
        agrees,
      })),
    );
    const scores = Object.values(drafts)
      .flat()
      .flatMap(([draftId, score]) => (score === undefined ? [] : [{ draftId, score }]));
    const result = buildRationalePairs(rows, scores, settings(input));
    expect(buildRationalePairs([...rows].reverse(), [...scores].reverse(), settings(input))).toEqual(result);
    return result;
  };
  const ids = ({ pairs }: ReturnType<typeof build>) => pairs.map(({ chosenId, rejectedId }) => chosenId + rejectedId);

  it('are argmax against argmin of each question; smaller ids go first among equals', () => {
    const result = build({
      q1: [
        ['a', 0.2],
        ['b', 0.7],
        ['c', 0.5],
      ],
      q2: [
        ['f', 0.4],
        ['e', 0.4],
        ['d', 0.1],
      ],
    });
    expect(ids(result)).toEqual(['ba', 'ed']);
    expect(result.pairs[0]).toEqual({
      task: 't',
      chosenId: 'b',
      rejectedId: 'a',
      chosenScore: 0.7,
      rejectedScore: 0.2,
    });
    expect(result.dropped).toEqual({});
  });

  it('drop ties, or keep the first', () => {
    const tied = {
      q1: [
        ['b', 0.5],
        ['a', 0.5],
      ] as const,
    };
    expect(build(tied)).toEqual({ pairs: [], dropped: { tie: 1 } });
    expect(ids(build(tied, { ties: 'keep-first' }))).toEqual(['ab']);
    expect(build(tied, { ties: 'keep-first', minimum_gap: 0.1 }).dropped).toEqual({ gap: 1 });
  });

  it('drop gaps that are too small, and count what has no score or no word', () => {
    expect(
      build(
        {
          q1: [
            ['a', 0.5],
            ['b', 0.6],
          ],
        },
        { minimum_gap: 0.2 },
      ).dropped,
    ).toEqual({ gap: 1 });
    expect(
      build({
        q1: [
          ['a', 0.5],
          ['b', undefined],
        ],
      }).dropped,
    ).toEqual({ unscored: 1, 'too few drafts': 1 });
    expect(
      build({
        q1: [
          ['a', 0.9, '  '],
          ['b', 0.5],
        ],
      }).dropped,
    ).toEqual({ 'too few drafts': 1 });
  });

  it('take equal texts once', () => {
    expect(
      build({
        q1: [
          ['a', 0.5, 'same'],
          ['b', 0.5, 'same '],
        ],
      }).dropped,
    ).toEqual({ identical: 1 });
    expect(
      ids(
        build({
          q1: [
            ['a', 0.5, 'same'],
            ['b', 0.5, 'same'],
            ['c', 0.1],
          ],
        }),
      ),
    ).toEqual(['ac']);
  });

  it('may ask that the chosen one is right', () => {
    const drafts = {
      q1: [
        ['a', 0.9, 'wrong', false],
        ['b', 0.5],
        ['c', 0.3],
      ] as const,
    };
    expect(ids(build(drafts))).toEqual(['ac']);
    expect(ids(build(drafts, { rationale: { wrong_chosen: false } }))).toEqual(['bc']);
    const none = {
      q1: [
        ['a', 0.9, 'x', false],
        ['b', 0.5, 'y', false],
      ] as const,
    };
    expect(build(none, { rationale: { wrong_chosen: false } }).dropped).toEqual({ 'none right': 1 });
    const worst = {
      q1: [
        ['a', 0.9, 'x', false],
        ['b', 0.5],
      ] as const,
    };
    expect(build(worst, { rationale: { wrong_chosen: false } })).toEqual({ pairs: [], dropped: { tie: 1 } });
  });

  it('keep at most per_task of a task', () => {
    const drafts = Object.fromEntries(
      ['q1', 'q2', 'q3'].map((id) => [
        id,
        [
          [`${id}a`, 0.9],
          [`${id}b`, 0.1],
        ] as const,
      ]),
    );
    const result = build(drafts, { rationale: { per_task: 2 } });
    expect(result.pairs.map((pair) => pair.chosenId)).toEqual(['q1a', 'q2a']);
    expect(result.dropped).toEqual({ 'over per_task': 1 });
    expect(build(drafts, { rationale: { per_task: 0 } }).pairs).toEqual([]);
  });
});
