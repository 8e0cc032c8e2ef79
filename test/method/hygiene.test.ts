/**
 * Goal: questions that are the same, or nearly, are told apart from those that are not.
 * Method: ROUGE-L against rouge-score's own values (test/golden/statistics.py), normalisation and the filter by examples and properties.
 */
import fc from 'fast-check';
import golden from '../golden/rouge-l.json';
import { isDuplicateQuestion, normaliseQuestion, rougeTokensMax, type QuestionFilter } from '../../method/hygiene';

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

  it('takes no long time over a long row of dots in the middle', () => {
    const row = '.'.repeat(60_000);
    const began = performance.now();
    expect(normaliseQuestion(`Fill in ${row} here.`)).toBe(`fill in ${row} here`);
    // From each of its places it took many seconds.
    expect(performance.now() - began).toBeLessThan(1_000);
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

/** Whether the second question is a duplicate of the first from this similarity on. */
function similar(first: string, second: string, rougeLMax: number): boolean {
  const seen = filter();
  isDuplicateQuestion(first, seen, { dedupe: 'rouge-l', rougeLMax });
  return isDuplicateQuestion(second, seen, { dedupe: 'rouge-l', rougeLMax });
}

describe('ROUGE-L', () => {
  it('agrees with rouge-score, whichever question came first', () => {
    for (const [one, other, f] of golden.pairs as [number, number, number][]) {
      const [a, b] = [golden.texts[one] ?? '', golden.texts[other] ?? ''];
      // What is the same after normalisation is a duplicate at any threshold.
      const beyond = normaliseQuestion(a) === normaliseQuestion(b);
      for (const [first, second] of [
        [a, b],
        [b, a],
      ] as const) {
        expect({ a, b, f, at: similar(first, second, f - 1e-10) }).toEqual({ a, b, f, at: true });
        expect({ a, b, f, beyond: similar(first, second, f + 1e-10) }).toEqual({ a, b, f, beyond });
      }
    }
  });

  it('counts letters of every alphabet', () => {
    const [one, other] = ['Сколько будет два и три', 'сколько будет два плюс три'];
    expect([similar(one, other, 0.8 - 1e-10), similar(one, other, 0.8 + 1e-10)]).toEqual([true, false]);
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
    // The definition, over words of one letter: the longest common subsequence by recursion.
    const rougeL = (a: string, b: string): number => {
      const known = new Map<string, number>();
      const common = (one: string, other: string): number => {
        if (one === '' || other === '') return 0;
        const key = `${one} ${other}`;
        const length =
          known.get(key) ??
          (one[0] === other[0]
            ? 1 + common(one.slice(1), other.slice(1))
            : Math.max(common(one.slice(1), other), common(one, other.slice(1))));
        known.set(key, length);
        return length;
      };
      const [one, other] = [a.replaceAll(' ', ''), b.replaceAll(' ', '')];
      return (2 * common(one, other)) / (one.length + other.length);
    };
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
    expect(similar(`${long} and one end`, `${long} another`, 1)).toBe(true);
    expect(similar(`x ${long}`, long, 1)).toBe(false);
  });
});
