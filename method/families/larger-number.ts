/** Which of two numbers is larger. Answer: number. The easiest family: a 135M model learns it from a hundred examples. */
import { defineFamily, fourTechniques, pick, wordingOf } from './family';

const highest = 99;
const pairs = (highest * (highest - 1)) / 2;

const wordings: readonly ((first: number, second: number) => string)[] = [
  (first, second) => `Which number is larger, ${first} or ${second}?`,
  (first, second) => `Which of these two numbers is larger: ${first} or ${second}?`,
  (first, second) => `Which is the larger number, ${first} or ${second}?`,
];

/** Pairs low < high numbered by high, then low; each pair is asked in one order only. */
function pairAt(index: number): { low: number; high: number } {
  let high = 2;
  let before = 0;
  while (before + high - 1 <= index) {
    before += high - 1;
    high += 1;
  }
  return { low: index - before + 1, high };
}

function stratum(largerFirst: boolean) {
  const offset = largerFirst ? 0 : 1;
  return {
    size: Math.ceil((pairs - offset) / 2),
    at(index: number) {
      const { low, high } = pairAt(2 * index + offset);
      const question = largerFirst ? ([high, low] as const) : ([low, high] as const);
      return {
        question: pick(wordings, wordingOf(2 * index + offset))(...question),
        target: String(high),
        rationale: `${high} is larger than ${low}.`,
      };
    },
  };
}

export const largerNumber = defineFamily({
  name: 'larger-number',
  category: 'numbers',
  description: 'Say which of two numbers is larger.',
  answer: { type: 'number', labels: [] },
  verifier: { kind: 'comparison' },
  strata: [stratum(true), stratum(false)],
  techniques: fourTechniques({
    question: 'Which number is larger, 58 or 85?',
    answer: '85',
    expert: 'an accountant who compares figures all day',
    asExpert:
      'As an accountant I read the figures from the left: 85 has eight tens and 58 has only five, so 85 is larger.',
    byRule:
      'Rule: with the same number of digits, the first digit that differs decides. 8 is more than 5, so 85 is larger.',
    stepByStep: '85 is larger than 58.',
    byElimination: '58 cannot be the larger one because its tens digit 5 is below 8, so 85 is left.',
  }),
});
