/**
 * Goal: near duplicates are found, all of them and no others, and signs and numbers tell questions apart.
 * Method: SetSimilaritySearch's pairs over the same texts (test/golden/near_duplicates.py); the plain definition on random texts.
 */
import fc from 'fast-check';
import golden from '../golden/near-duplicates.json';
import { comparedWords, nearDuplicateSearch, shinglesOf } from '../../method/near-duplicates';

/** Every pair at least as similar as asked, by the search: each text against the kept ones before it, all of which are kept. */
function nearest(texts: readonly string[], shingle: number, jaccard: number): (number | undefined)[] {
  const search = nearDuplicateSearch(texts, { shingle, jaccard });
  return texts.map((_, at) => {
    const found = search.nearest(at);
    search.keep(at);
    return found;
  });
}

it.each(golden.cases.map((one) => [`runs of ${one.shingle}, ${one.jaccard}`, one] as const))(
  'agrees with SetSimilaritySearch: %s',
  (_, { shingle, jaccard, pairs }) => {
    const first = golden.texts.map((_, at) => pairs.find((pair) => pair[1] === at)?.[0]);
    expect(first.filter((earlier) => earlier !== undefined).length).toBeGreaterThan(5);
    expect(nearest(golden.texts, shingle, jaccard)).toEqual(first);
  },
);

it('is the definition, whatever the texts and the threshold', () => {
  const words = fc.array(fc.constantFrom('a', 'b', 'c', 'd', '+'), { maxLength: 9 }).map((list) => list.join(' '));
  const similarity = (one: string, other: string, size: number): number => {
    const [mine, theirs] = [shinglesOf(comparedWords(one), size), shinglesOf(comparedWords(other), size)];
    const shared = [...mine].filter((run) => theirs.has(run)).length;
    const all = new Set([...mine, ...theirs]).size;
    return all === 0 ? 0 : shared / all;
  };
  fc.assert(
    fc.property(
      fc.array(words, { maxLength: 14 }),
      fc.integer({ min: 1, max: 3 }),
      fc.constantFrom(0.2, 0.3, 0.5, 0.55, 0.7, 0.8, 1),
      (texts, size, jaccard) => {
        const expected = texts.map((text, at) => {
          const earlier = texts.slice(0, at).findIndex((other) => similarity(text, other, size) >= jaccard);
          return earlier < 0 ? undefined : earlier;
        });
        expect(nearest(texts, size, jaccard)).toEqual(expected);
      },
    ),
    { numRuns: 500, seed: 5 },
  );
});

it('keeps signs, alphabets and compatibility forms apart or together as a reader would', () => {
  expect(comparedWords('What is ２ + 3 - x?')).toEqual(['what', 'is', '2', '+', '3', '-', 'x']);
  expect(nearest(['What is 2 + 3', 'What is 2 - 3?', 'what is 2 + 3 ?'], 2, 0.9)).toEqual([undefined, undefined, 0]);
  expect(comparedWords('Сколько будет 2×3?')).toEqual(['сколько', 'будет', '2', '×', '3']);
});

it('compares with what is kept only', () => {
  const search = nearDuplicateSearch(['a b c d', 'a b c e', 'a b c e'], { shingle: 1, jaccard: 0.6 });
  search.keep(0);
  expect(search.nearest(1)).toBe(0);
  expect(search.nearest(2)).toBe(0);
  search.keep(1);
  expect(search.nearest(2)).toBe(0);
});

it('goes through twenty thousand questions of one template in seconds', () => {
  const texts = Array.from(
    { length: 20_000 },
    (_, at) => `Ann has ${at} coins and finds ${(at * 7) % 9_973} more. How many coins does she have now?`,
  );
  const started = Date.now();
  expect(nearest(texts, 3, 0.8).filter((earlier) => earlier !== undefined)).toHaveLength(0);
  expect(Date.now() - started).toBeLessThan(20_000);
});
