/** Count the items of a list. Answer: number, 2 to 8. */
import { arrangement, arrangements, defineFamily, fourTechniques, pick, wordingOf } from './family';
import type { Stratum } from './family';
import { countableWords } from './words';

const shortest = 2;
const longest = 8;

const wordings: readonly ((items: string) => string)[] = [
  (items) => `How many items are in this list: ${items}?`,
  (items) => `Count the items in this list: ${items}.`,
  (items) => `How many things are listed here: ${items}?`,
];

function stratum(length: number): Stratum {
  return {
    size: arrangements(countableWords.length, length),
    at(index) {
      const items = arrangement(countableWords, length, index);
      return {
        question: pick(wordings, wordingOf(index))(items.join(', ')),
        target: String(length),
        rationale: `${items.map((item, place) => `${place + 1} ${item}`).join(', ')}. That makes ${length}.`,
      };
    },
  };
}

export const countItems = defineFamily({
  name: 'count-items',
  category: 'numbers',
  description: 'Count how many items a list has.',
  answer: { type: 'number', labels: [] },
  verifier: { kind: 'counting' },
  strata: Array.from({ length: longest - shortest + 1 }, (_, step) => stratum(shortest + step)),
  techniques: fourTechniques({
    question: 'How many items are in this list: rope, candle, mirror, ticket?',
    answer: '4',
    expert: 'a store clerk who takes stock',
    asExpert:
      'As a clerk I tick off every entry: rope, candle, mirror and ticket are on the shelf, so the stock is 4 items.',
    byRule: 'Rule: a list with commas has one more item than commas. There are 3 commas, so there are 4 items.',
    stepByStep: '1 rope, 2 candle, 3 mirror, 4 ticket.',
    byElimination:
      'It is not 3 because ticket comes after mirror, and not 5 because nothing comes after ticket, so 4 is left.',
  }),
});
