/** Sort words alphabetically. Answer: text, the words with single spaces, as in BIG-Bench-Hard's word_sorting. */
import { arrangement, arrangements, defineFamily, fourTechniques } from './family';
import type { Stratum } from './family';
import { plainWords } from './words';

const fewest = 3;
const most = 7;
/** 160 words keep the number of ordered lists of seven below 2^53. */
const vocabulary = plainWords.filter((_, place) => place % 2 === 0).slice(0, 160);

/** By code unit, which for a-z is the order of the alphabet on every machine. */
export function sortedWords(words: readonly string[]): string[] {
  return [...words].sort((one, other) => (one < other ? -1 : one > other ? 1 : 0));
}

function stratum(length: number): Stratum {
  return {
    size: arrangements(vocabulary.length, length),
    at(index) {
      const words = arrangement(vocabulary, length, index);
      const sorted = sortedWords(words);
      return {
        question: `Sort the following words alphabetically: List: ${words.join(' ')}`,
        target: sorted.join(' '),
        rationale: `In the order of the alphabet: ${sorted.join(', ')}.`,
      };
    },
  };
}

export const wordSorting = defineFamily({
  name: 'word-sorting',
  category: 'words',
  description: 'Sort a list of words alphabetically and give them with single spaces between.',
  answer: { type: 'text', labels: [] },
  strata: Array.from({ length: most - fewest + 1 }, (_, step) => stratum(fewest + step)),
  techniques: fourTechniques({
    question: 'Sort the following words alphabetically: List: pumpkin basin fiddle',
    answer: 'basin fiddle pumpkin',
    expert: 'the editor of a dictionary',
    asExpert:
      'As a dictionary editor I open the volumes in turn: basin is in volume B, fiddle in volume F, pumpkin in volume P.',
    byRule:
      'Rule: compare first letters, and where they agree the next ones. b comes before f, f before p: basin fiddle pumpkin.',
    stepByStep: 'b, f, p: basin fiddle pumpkin.',
    byElimination:
      'pumpkin cannot be first because b and f come before p; fiddle cannot because of basin. So basin, fiddle, pumpkin.',
  }),
});
