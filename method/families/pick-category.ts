/** Which of four options is an animal, a tool, a color …. Answer: choice (A) to (D). */
import { combination, combinations, defineFamily, digits, fourTechniques, pick, product, wordingOf } from './family';
import type { Stratum } from './family';
import { wordCategories } from './words';
import type { WordCategory } from './words';

const labels = ['(A)', '(B)', '(C)', '(D)'] as const;
const perCategory = 16;
const others = labels.length - 1;
const radixes = [
  wordCategories.length,
  perCategory,
  combinations(wordCategories.length - 1, others),
  ...Array.from({ length: others }, () => perCategory),
];

const wordings: readonly ((category: WordCategory) => string)[] = [
  (category) => `Which of these is ${category.one}?`,
  (category) => `Which option is ${category.one}?`,
  (category) => `Only one of these is ${category.one}. Which one?`,
];

/** Every problem stands in exactly one stratum: the right option's place follows from its number. */
function stratum(place: number): Stratum {
  const all = product(radixes);
  return {
    size: Math.ceil((all - place) / labels.length),
    at(stratumIndex) {
      const index = stratumIndex * labels.length + place;
      const [group = 0, member = 0, otherGroups = 0, ...otherMembers] = digits(index, radixes);
      const category = wordCategories[group] as WordCategory;
      const right = category.words[member] as string;
      const rest = wordCategories.filter((other) => other !== category);
      const wrong = combination(rest, others, otherGroups).map(
        (other, at) => other.words[otherMembers[at] ?? 0] as string,
      );
      const options = [...wrong.slice(0, place), right, ...wrong.slice(place)];
      const target = labels[place] as string;
      return {
        question: `${pick(wordings, wordingOf(index))(category)}\nOptions:\n${options.map((option, at) => `${labels[at] ?? ''} ${option}`).join('\n')}`,
        target,
        rationale: `${right} is ${category.one}; ${wrong.join(', ')} are not. That is option ${target}.`,
      };
    },
  };
}

export const pickCategory = defineFamily({
  name: 'pick-category',
  category: 'words',
  description: 'Choose the option that belongs to the category that is asked for.',
  answer: { type: 'choice', labels: [...labels] },
  strata: labels.map((_, place) => stratum(place)),
  techniques: fourTechniques({
    question: 'Which of these is a tree?\nOptions:\n(A) ladder\n(B) birch\n(C) window\n(D) letter',
    answer: '(B)',
    expert: 'a librarian who puts everything in its class',
    asExpert:
      'As a librarian I know the class of every word: a birch grows in the forest and is shelved under trees, option (B).',
    byRule: 'Rule: a tree is a tall plant with a trunk. Only birch is a plant with a trunk, and birch is (B).',
    stepByStep: 'birch is a tree. birch is option (B).',
    byElimination:
      'A ladder is a tool, a window is part of a house, a letter is written. Only birch is left, option (B).',
  }),
});
