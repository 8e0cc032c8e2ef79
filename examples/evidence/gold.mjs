/**
 * Writes the gold examples of the experiment: worked answers to the naive prompt and in the style of every technique prompt, on questions that
 * stand in no split.
 *
 *   npm run build && node examples/evidence/gold.mjs
 *
 * The files it writes are committed: this is how they came about. Same families and seeds, same bytes.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { families } from '../../dist/method/families/index.js';
import { normaliseQuestion } from '../../dist/method/hygiene.js';
import { defaultTechniques } from '../../dist/method/prompts.js';
import { buildTaskRecord } from '../../dist/method/split.js';
import { taskConfigSchema } from '../../dist/schemas/config/tasks.js';

/**
 * Examples of a task: a fifth of them under each of four techniques, and a fifth under the naive prompt, every one on a question of its own. Drafts are
 * asked with techniques and the tailored set with the naive prompt: a teacher that was taught only one of them cannot do the other.
 */
const perTask = 150;
/** Not the seed of any split. */
const goldSeed = 20_240_619;

const folder = dirname(fileURLToPath(import.meta.url));
const ordinal = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh', 'eighth'];

/** A rationale by technique; the answer tag is added when it is taught. */
const styles = {
  'larger-number': ({ question, target }) => {
    const low = numbersIn(question).find((number) => number !== target);
    const [tens, lowTens] = [Math.floor(target / 10), Math.floor(low / 10)];
    const decides = tens === lowTens ? 'ones' : 'tens';
    const [digit, lowDigit] = tens === lowTens ? [target % 10, low % 10] : [tens, lowTens];
    return {
      'expert-role': `As an accountant I read the figures from the left: ${target} has ${digit} ${decides} and ${low} has ${lowDigit}, so ${target} is larger.`,
      'recall-rules': `Rule: the first digit that differs decides. ${digit} ${decides} is more than ${lowDigit} ${decides}, so ${target} is larger.`,
      'step-by-step': `${target} is larger than ${low}.`,
      'eliminate-options': `${low} cannot be the larger one because it has ${lowDigit} ${decides} and ${target} has ${digit}, so ${target} is left.`,
    };
  },
  'count-items': ({ question, target }) => {
    const items = question
      .replace(/^.*?: /, '')
      .replace(/[?.]$/, '')
      .split(', ');
    return {
      'expert-role': `As a clerk I tick off every entry: ${listed(items)} are on the shelf, so the stock is ${target} items.`,
      'recall-rules': `Rule: a list with commas has one more item than commas. There are ${target - 1} commas, so there are ${target} items.`,
      'step-by-step': `${items.map((item, place) => `${place + 1} ${item}`).join(', ')}.`,
      'eliminate-options': `It is not ${target - 1} because ${items.at(-1)} is the ${ordinal[target - 1]}, and not ${Number(target) + 1} because nothing comes after ${items.at(-1)}, so ${target} is left.`,
    };
  },
  'odd-one-out': ({ question, target, rationale }) => {
    const [, members, many, one] = /^(.*) are (.*)\. \S.* is (.*)\.$/.exec(rationale);
    const [first, second, third] = members.split(/, | and /);
    return {
      'expert-role': `As a librarian I shelve ${members} under ${many}. But ${target} is ${one}, so ${target} needs another shelf.`,
      'recall-rules': `Rule: find what most of the words share, then the word without it. Most are ${many}; ${target} is ${one}.`,
      'step-by-step': `${members} are ${many}. ${target} is not.`,
      'eliminate-options': `Not ${first}, it is like ${second} and ${third}: they are ${many}. Not ${second}, not ${third}. ${target} is left.`,
    };
  },
};

const numbersIn = (text) => text.match(/\d+/g) ?? [];
const listed = (words) => `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;

const config = parse(readFileSync(join(folder, 'evidence.yaml'), 'utf8'));
for (const written of config.tasks) {
  const task = buildTaskRecord(taskConfigSchema.parse(written), {}, defaultTechniques);
  const shown = task.techniques.map(({ demonstration }) => demonstration);
  const held = new Set(
    [...task.seeds, ...task.validation, ...task.test, ...shown].map(({ question }) => normaliseQuestion(question)),
  );
  const items = families
    .get(written.family)
    .generate(perTask + held.size, goldSeed)
    .filter(({ question }) => !held.has(normaliseQuestion(question)))
    .slice(0, perTask);
  const lines = items.map((item, index) => {
    const technique = task.techniques[index % (task.techniques.length + 1)]?.name;
    const rationale = technique ? styles[written.family](item)[technique] : item.rationale;
    return JSON.stringify({ question: item.question, target: item.target, rationale, technique });
  });
  writeFileSync(join(folder, written.gold), `${lines.join('\n')}\n`);
  console.log(`${written.gold}: ${lines.length} examples`);
}
