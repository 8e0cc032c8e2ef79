/**
 * Goal: questions that are the same, or nearly, are told apart from those that are not.
 * Method: ROUGE-L against rouge-score's own values (test/golden/statistics.py), normalisation and the filter by examples and properties.
 */
import fc from 'fast-check';
import golden from '../golden/rouge-l.json';
import {
  isDuplicateQuestion,
  normaliseQuestion,
  rougeL,
  rougeTokensMax,
  type QuestionFilter,
} from '../../method/hygiene';

const filter = (): QuestionFilter => ({ seen: new Set(), kept: [] });

describe('normaliseQuestion', () => {
  it.each([
    ['  What is\n2 + 3 ?', 'what is 2 + 3'],
    ['WHAT IS 2 + 3', 'what is 2 + 3'],
    ['ｗｈａｔ is ２ + 3?!', 'what is 2 + 3'],
    ['What is 2 - 3?', 'what is 2 - 3'],
    ['(A) or (B)', '(a) or (b)'],
    ['...', ''],
  ])('%j is %j', (question, normal) => {
    expect(normaliseQuestion(question)).toBe(normal);
  });

  it('is idempotent', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(normaliseQuestion(normaliseQuestion(text))).toBe(normaliseQuestion(text));
      }),
      { seed: 4 },
    );
  });
});

describe('rougeL', () => {
  it('agrees with rouge-score', () => {
    for (const [one, other, f] of golden.pairs as [number, number, number][]) {
      const [a, b] = [golden.texts[one] ?? '', golden.texts[other] ?? ''];
      expect({ a, b, f: rougeL(a, b).toFixed(10) }).toEqual({ a, b, f: f.toFixed(10) });
      expect(rougeL(b, a)).toBeCloseTo(f, 12);
    }
  });

  it('counts letters of every alphabet', () => {
    expect(rougeL('Сколько будет два и три', 'сколько будет два плюс три')).toBeCloseTo(0.8, 12);
  });
});

describe('isDuplicateQuestion', () => {
  it('none: never', () => {
    const seen = filter();
    const settings = { dedupe: 'none', rougeLMax: 0 } as const;
    expect([isDuplicateQuestion('a', seen, settings), isDuplicateQuestion('a', seen, settings)]).toEqual([
      false,
      false,
    ]);
  });

  it('exact: after normalisation', () => {
    const seen = filter();
    const settings = { dedupe: 'exact', rougeLMax: 0 } as const;
    const questions = ['What is 2 + 3?', 'what is  2 + 3', 'What is 2 + 4?', 'What is 2 - 3?'];
    expect(questions.map((question) => isDuplicateQuestion(question, seen, settings))).toEqual([
      false,
      true,
      false,
      false,
    ]);
  });

  it('rouge-l: at least as similar as rouge_l_max to one that was kept', () => {
    const seen = filter();
    const settings = { dedupe: 'rouge-l', rougeLMax: 0.8 } as const;
    const questions = [
      'police killed the gunman today', // kept
      'police killed the gunman now', // 0.8 with the first
      'the gunman was killed by police', // far
      'police killed the gunman', // 8 / 9 with the first
      'now today', // kept
    ];
    expect(questions.map((question) => isDuplicateQuestion(question, seen, settings))).toEqual([
      false,
      true,
      false,
      true,
      false,
    ]);
    expect(seen.kept).toHaveLength(3);
  });

  it('rouge-l: its shortcuts change nothing', () => {
    const words = fc
      .array(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1, maxLength: 12 })
      .map((list) => list.join(' '));
    fc.assert(
      fc.property(
        fc.array(words, { minLength: 1, maxLength: 12 }),
        fc.double({ min: 0.3, max: 1, noNaN: true }),
        (questions, rougeLMax) => {
          const seen = filter();
          const kept: string[] = [];
          for (const question of questions) {
            const expected = kept.some((earlier) => earlier === question || rougeL(question, earlier) >= rougeLMax);
            expect(isDuplicateQuestion(question, seen, { dedupe: 'rouge-l', rougeLMax })).toBe(expected);
            if (!expected) kept.push(question);
          }
        },
      ),
      { numRuns: 200, seed: 6 },
    );
  });

  it('rouge-l: very long questions are compared by their beginning', () => {
    const long = Array.from({ length: rougeTokensMax }, (_, at) => `w${at % 7}`).join(' ');
    expect(rougeL(`${long} and one end`, `${long} another`)).toBe(1);
    expect(rougeL(`x ${long}`, long)).toBeLessThan(1);
  });
});
