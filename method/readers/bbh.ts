/**
 * BIG-Bench-Hard files: one JSON object with the items of one task, whose name says what it is.
 *
 * Owns the shape of a file and the description of a task by its name. Leaves how answers look to guess-answer.ts, how a bad item is told to items.ts.
 *
 * Invariant: a file that nobody has seen before works; what is known by name is only the wording of its description.
 */
import { ArteError } from '../../schemas/errors';
import type { AnswerSpec, TaskItem } from '../../schemas/task';
import { labelsOf } from '../answers';
import { guessAnswer } from './guess-answer';
import { itemOf, kindOf, refuseIfBad, soundOr, targetText, withoutMark, type LoadedItems, type Problem } from './items';

/**
 * A BIG-Bench-Hard file `{"canary": "...", "examples": [{"input", "target"}]}`.
 * @param name Of the task, for its description (`logical_deduction_three_objects`); a path or `.json` around it does no harm.
 * @throws ArteError InvalidTaskFile that names every bad example.
 */
export function readBbhJson(text: string, name: string, file = `The BIG-Bench-Hard file ${name}`): LoadedItems {
  const next =
    'The file must look like {"examples": [{"input": "...", "target": "..."}]}. For lines of JSON use source: jsonl.';
  let parsed: unknown;
  try {
    parsed = JSON.parse(withoutMark(text));
  } catch (error) {
    throw new ArteError('InvalidTaskFile', {
      what: `${file} is not JSON.`,
      why: `${error instanceof Error ? error.message : String(error)}.`,
      next,
    });
  }
  const examples = (parsed as { examples?: unknown } | null)?.examples;
  if (!Array.isArray(examples) || examples.length === 0) {
    throw new ArteError('InvalidTaskFile', {
      what: `${file} holds no items.`,
      why: Array.isArray(examples) ? 'Its "examples" list is empty.' : 'It has no list "examples".',
      next,
    });
  }
  const items: TaskItem[] = [];
  const problems: string[] = [];
  examples.forEach((example: unknown, index) => {
    const read = soundOr(bbhItem(example));
    if ('why' in read) problems.push(`examples[${index}] (item ${index + 1}): ${read.why}; ${read.instead}`);
    else items.push(read);
  });
  refuseIfBad(problems, examples.length, 'items', file, next);
  const answer = guessAnswer(items);
  return { items, answer, ...describeBbh(name, answer) };
}

function bbhItem(example: unknown): TaskItem | Problem {
  const instead = 'write {"input": "...", "target": "..."}';
  if (typeof example !== 'object' || example === null) return { why: `is ${kindOf(example)}`, instead };
  const { input, target } = example as Record<string, unknown>;
  if (typeof input !== 'string' || input.trim() === '') return { why: `"input" is ${kindOf(input)}`, instead };
  const text = targetText(target);
  if (text === undefined || text === '') {
    return { why: `"target" is ${kindOf(target)}: an item without its answer cannot be used`, instead };
  }
  return itemOf(input, text);
}

interface Described {
  readonly description: string;
  readonly describedByGuess?: boolean;
  readonly category: string;
}

/** The 23 tasks by name, with the two groups of the BIG-Bench-Hard paper (arXiv 2210.09261). */
const bbhTasks: Readonly<Record<string, readonly [category: 'algorithmic' | 'language', description: string]>> = {
  boolean_expressions: ['algorithmic', 'Evaluate an expression of True, False, and, or, not and brackets.'],
  causal_judgement: [
    'language',
    'Read a short story and say how a typical person would answer a question about what caused what.',
  ],
  date_understanding: ['language', 'Work out a date from the facts given and choose the right option.'],
  disambiguation_qa: [
    'language',
    'Say what the pronoun of a sentence refers to, or that it is ambiguous, and choose the right option.',
  ],
  dyck_languages: ['algorithmic', 'Complete the sequence so that every bracket is closed in the right order.'],
  formal_fallacies: ['language', 'Say whether the conclusion follows logically from the premises.'],
  geometric_shapes: ['algorithmic', 'Name the shape that an SVG path draws and choose the right option.'],
  hyperbaton: ['language', 'Choose the sentence whose adjectives are in the right order.'],
  logical_deduction: [
    'algorithmic',
    'Work out the order of a set of objects from the clues and choose the right option.',
  ],
  movie_recommendation: ['language', 'Choose the movie that goes best with the movies of a list.'],
  multistep_arithmetic_two: ['algorithmic', 'Work out the value of an arithmetic expression with several steps.'],
  navigate: ['algorithmic', 'Say whether following the instructions leads back to the starting point.'],
  object_counting: ['algorithmic', 'Count the objects of the kind that is asked for.'],
  penguins_in_a_table: ['language', 'Answer a question about a table of penguins and choose the right option.'],
  reasoning_about_colored_objects: [
    'language',
    'Answer a question about the colors of objects and choose the right option.',
  ],
  ruin_names: ['language', 'Choose the funniest edit of the name of an artist, band or movie.'],
  salient_translation_error_detection: [
    'language',
    'Name the kind of error in a translation from German and choose the right option.',
  ],
  snarks: ['language', 'Choose the sentence that is sarcastic.'],
  sports_understanding: ['language', 'Say whether a made-up sentence about sports is plausible.'],
  temporal_sequences: ['algorithmic', 'Work out when a person was free for an activity and choose the right option.'],
  tracking_shuffled_objects: [
    'algorithmic',
    'Follow a series of swaps and choose the option that tells who ends up with what.',
  ],
  web_of_lies: ['algorithmic', 'Work out whether a person tells the truth from what the others say.'],
  word_sorting: ['algorithmic', 'Sort a list of words alphabetically and give them with single spaces between.'],
};

function describeBbh(name: string, answer: AnswerSpec): Described {
  const stem = (name.split(/[/\\]/).at(-1) ?? name)
    .replace(/\.[^.]*$/, '')
    .toLowerCase()
    .replaceAll('-', '_');
  const task = [stem, stem.replace(/_(?:three|five|seven)_objects$/, '')].find((each) => Object.hasOwn(bbhTasks, each));
  const known = task === undefined ? undefined : bbhTasks[task];
  if (known) return { category: known[0], description: known[1] };
  const title = stem.replaceAll('_', ' ').trim();
  return {
    category: 'general',
    describedByGuess: true,
    description: `Answer questions about ${title === '' ? 'the task' : title}. ${askFor(answer)}`,
  };
}

function askFor(answer: AnswerSpec): string {
  const labels = labelsOf(answer);
  switch (answer.type) {
    case 'number':
      return 'The answer is a number.';
    case 'choice':
      if (labels.every((label) => /^\(?[A-Z]\)?$/.test(label))) return 'Choose the right option.';
      return `The answer is one of: ${labels.join(', ')}.`;
    case 'boolean':
    case 'yes-no':
      return `The answer is ${labels.join(' or ')}.`;
    case 'text':
    case 'exact':
      return 'Give the answer and nothing else.';
  }
}
