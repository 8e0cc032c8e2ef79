/** The last letter of a word. Answer: exact, one lower-case letter. As many items as the vocabulary has words. */
import { defineFamily, fourTechniques, pick, wordingOf } from './family';
import { plainWords, wordCategories } from './words';

const demonstrated = 'planter';
const words = [...new Set([...plainWords, ...wordCategories.flatMap((category) => category.words)])].filter(
  (word) => word !== demonstrated,
);

const wordings: readonly ((word: string) => string)[] = [
  (word) => `What is the last letter of the word "${word}"?`,
  (word) => `Which letter does the word "${word}" end with?`,
  (word) => `Give the last letter of "${word}".`,
];

export const lastLetter = defineFamily({
  name: 'last-letter',
  category: 'words',
  description: 'Give the last letter of a word, as one lower-case letter.',
  answer: { type: 'exact', labels: [] },
  strata: [
    {
      size: words.length,
      at(index) {
        const word = words[index] as string;
        const last = word.slice(-1);
        return {
          question: pick(wordings, wordingOf(index))(word),
          target: last,
          rationale: `${word} is spelled ${Array.from(word).join('-')}. It ends with ${last}.`,
        };
      },
    },
  ],
  techniques: fourTechniques({
    question: `What is the last letter of the word "${demonstrated}"?`,
    answer: 'r',
    expert: 'a spelling teacher',
    asExpert:
      'As a spelling teacher I say the word slowly from start to end: plan, ter. The sound and the letter that close it are r.',
    byRule: 'Rule: the last letter is the one with nothing after it. Spelled p-l-a-n-t-e-r, nothing follows r.',
    stepByStep: 'p-l-a-n-t-e-r ends with r.',
    byElimination: 'It is not t because e and r come after it, and not e because r comes after it, so r is left.',
  }),
});
