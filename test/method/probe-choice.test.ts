/**
 * Goal: the preference set keeps the shares of right answers, and within them takes the most discriminating items.
 * Method: fits made by hand, whose most discriminating items want the same answer.
 */
import { chooseProbes, commonestShare } from '../../method/probe-choice';

/** The earlier an item, the more it discriminates. */
const fitOf = (count: number, flat: readonly number[] = []) => ({
  discrimination: Array.from({ length: count }, (_, at) => count - at),
  varies: Array.from({ length: count }, (_, at) => !flat.includes(at)),
});
const answersOf = (text: string): string[] => Array.from(text);

describe('chooseProbes', () => {
  it('takes the most discriminating without answers', () => {
    expect(chooseProbes(fitOf(6), 3)).toEqual([0, 1, 2]);
  });

  it('gives each right answer its share, and each share its most discriminating items', () => {
    expect(chooseProbes(fitOf(8), 4, answersOf('yyyynnnn'))).toEqual([0, 1, 4, 5]);
    // A quarter of the items wants n: one place of four.
    expect(chooseProbes(fitOf(8), 4, answersOf('yyyyyynn'))).toEqual([0, 1, 2, 6]);
  });

  it('rounds by the largest remainder, and of equal ones for the class that comes first', () => {
    // Shares of 5 places: y 5 * 5 / 8 = 3.125, n 1.875.
    expect(chooseProbes(fitOf(8), 5, answersOf('yyyyynnn'))).toEqual([0, 1, 2, 5, 6]);
    // 1.5 and 1.5.
    expect(chooseProbes(fitOf(4), 3, answersOf('nnyy'))).toEqual([0, 1, 2]);
  });

  it('holds answers together that no place would fall to: open answers are chosen by discrimination alone', () => {
    expect(chooseProbes(fitOf(8), 3, answersOf('abcdefgh'))).toEqual([0, 1, 2]);
    // Half of the items want y, all others something else each.
    expect(chooseProbes(fitOf(8), 4, answersOf('yyyyabcd'))).toEqual([0, 1, 4, 5]);
  });

  it('fills a share with items that do not vary only when no other is left', () => {
    expect(chooseProbes(fitOf(6, [0, 3]), 4, answersOf('yyynnn'))).toEqual([1, 2, 4, 5]);
    expect(chooseProbes(fitOf(6, [3, 4]), 4, answersOf('yyynnn'))).toEqual([0, 1, 5, 3]);
  });

  it('chooses as many as are asked for, or all', () => {
    const answers = answersOf('aaabbbbccccccddddddd');
    for (let size = 0; size <= 22; size += 1)
      expect(new Set(chooseProbes(fitOf(20), size, answers)).size).toBe(Math.min(size, 20));
  });
});

it('says what share wants the commonest answer', () => {
  expect(commonestShare(answersOf('yyyn'))).toBe(0.75);
  expect(commonestShare([])).toBeUndefined();
});
