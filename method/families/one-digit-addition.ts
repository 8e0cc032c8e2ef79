/** Add two one-digit numbers. Answer: number. Only a hundred sums exist, so a run that asks for more is refused. */
import { defineFamily, digits, fourTechniques, pick, wordingOf } from './family';

const wordings: readonly ((first: number, second: number) => string)[] = [
  (first, second) => `What is ${first} + ${second}?`,
  (first, second) => `What is ${first} plus ${second}?`,
  (first, second) => `Add ${first} and ${second}.`,
];

export const oneDigitAddition = defineFamily({
  name: 'one-digit-addition',
  category: 'numbers',
  description: 'Add two numbers of one digit.',
  answer: { type: 'number', labels: [] },
  verifier: { kind: 'arithmetic' },
  strata: [
    {
      size: 100,
      at(index) {
        const [first = 0, second = 0] = digits(index, [10, 10]);
        return {
          question: pick(wordings, wordingOf(index))(first, second),
          target: String(first + second),
          rationale: `${first} + ${second} = ${first + second}.`,
        };
      },
    },
  ],
  techniques: fourTechniques({
    question: 'What is 7 + 5?',
    answer: '12',
    expert: 'a patient teacher of arithmetic',
    asExpert: 'As a teacher I fill up the ten first: 7 needs 3 to make 10, and 2 of the 5 are left, so it is 12.',
    byRule: 'Rule: count on from the larger number. From 7 count five more: 8, 9, 10, 11, 12.',
    stepByStep: '7 + 5 = 12.',
    byElimination: 'It is more than 11 because 7 + 4 is 11, and less than 13 because 7 + 6 is 13, so 12 is left.',
  }),
});
