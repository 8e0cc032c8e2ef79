/** Which of four words does not belong with the others. Answer: text, the word. */
import { combination, combinations, defineFamily, digits, fourTechniques, pick, product, wordingOf } from './family';
import type { Stratum } from './family';
import { wordCategories } from './words';
import type { WordCategory } from './words';

const groupSize = 3;
const perCategory = 16;
const groups = combinations(perCategory, groupSize);
const radixes = [wordCategories.length, wordCategories.length - 1, perCategory, groups];
const places = groupSize + 1;

const wordings: readonly ((words: string) => string)[] = [
  (words) => `Which word is the odd one out: ${words}?`,
  (words) => `Which of these words does not belong with the others: ${words}?`,
  (words) => `Find the word that does not fit: ${words}.`,
];

/** Every problem stands in exactly one stratum: the place of the odd word follows from its number. */
function stratum(place: number): Stratum {
  const all = product(radixes);
  return {
    size: Math.ceil((all - place) / places),
    at(stratumIndex) {
      const index = stratumIndex * places + place;
      const [group = 0, step = 0, odd = 0, members = 0] = digits(index, radixes);
      const random = wordingOf(index);
      const category = wordCategories[group] as WordCategory;
      const other = wordCategories[(group + 1 + step) % wordCategories.length] as WordCategory;
      const target = other.words[odd] as string;
      const chosen = combination(category.words, groupSize, members);
      const words = [...chosen.slice(0, place), target, ...chosen.slice(place)];
      return {
        question: pick(wordings, random)(words.join(', ')),
        target,
        rationale: `${listed(chosen)} are ${category.many}. ${target} is ${other.one}.`,
      };
    },
  };
}

const listed = (words: readonly string[]): string => `${words.slice(0, -1).join(', ')} and ${words.at(-1) ?? ''}`;

export const oddOneOut = defineFamily({
  name: 'odd-one-out',
  category: 'words',
  description: 'Name the word that does not belong with the others.',
  answer: { type: 'text', labels: [] },
  strata: Array.from({ length: places }, (_, place) => stratum(place)),
  techniques: fourTechniques({
    question: 'Which word is the odd one out: oak, pine, ladder, birch?',
    answer: 'ladder',
    expert: 'a librarian who puts everything in its class',
    asExpert:
      'As a librarian I shelve oak, pine and birch under trees. A ladder grows nowhere, so ladder needs another shelf.',
    byRule:
      'Rule: find what most of the words share, then the word without it. Most are trees; a ladder is not a tree.',
    stepByStep: 'oak, pine and birch are trees. ladder is not.',
    byElimination: 'Not oak, it is a tree like pine and birch. Not pine, not birch. ladder is left.',
  }),
});
