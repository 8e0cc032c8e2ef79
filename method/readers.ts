/**
 * Task files as people have them: text in, items out.
 *
 * Owns the formats (JSONL, BIG-Bench-Hard JSON, and the lines of GSM8K, ARC, CommonsenseQA and PIQA), the guess of how answers look, and what is said about a bad line.
 * Leaves opening files to the caller, duplicates and splitting to split.ts, whether targets fit a configured answer type to config/task-findings.ts.
 *
 * Invariants
 * 1. A file is read whole or refused: every bad line is named (the first `problemsShownMax`), none is dropped in silence.
 * 2. Ids follow from the content, so reordering a file renames nothing.
 * 3. A BIG-Bench-Hard file that nobody has seen before works: what is known by name is only the wording of its description.
 */
import { ArteError } from '../schemas/errors';
import type { AnswerSpec, TaskItem } from '../schemas/task';
import { whatIsMalformed } from '../schemas/well-formed';
import { labelsOf, optionsOf } from './answers';
import { contentId } from './families/family';

export interface LoadedItems {
  readonly items: TaskItem[];
  /** How answers look, guessed from the targets. A config's own `answer` goes before it. */
  readonly answer: AnswerSpec;
  /** What the student is asked to do; '' where the format cannot tell (JSONL). */
  readonly description: string;
  /** The description was put together from the name: nobody wrote it. */
  readonly describedByGuess?: boolean;
  readonly category?: string;
}

/** Bad lines shown at once: enough to see the pattern, few enough to read. */
export const problemsShownMax = 20;

/** Below the start of a line that a person will look for in the file. */
const excerptCharsMax = 60;

// ---- JSONL -------------------------------------------------------------------------------------------------------

export interface JsonlFields {
  readonly question: string;
  readonly target: string;
  /** The texts of an item's options, where they stand in a list of their own. */
  readonly choices?: string;
  /** A worked answer, where the file has one. */
  readonly rationale?: string;
}

/**
 * Lines `{"question": "...", "target": "..."}`; blank lines are skipped, other fields ignored. A target may be a number or true/false. Of options in a list of
 * their own it is one: as MMLU has them, `{"question": "...", "choices": ["...", ...], "answer": 2}`.
 * @param file How the file is called in messages.
 * @throws ArteError InvalidTaskFile that names every bad line.
 */
export function readJsonl(
  text: string,
  fields: JsonlFields = { question: 'question', target: 'target' },
  file = 'The task file',
): LoadedItems {
  const options = fields.choices === undefined ? '' : `, "${fields.choices}": ["4", "5"]`;
  const example = `{"${fields.question}": "What is 2 + 3?"${options}, "${fields.target}": ${options === '' ? '"5"' : '1'}}`;
  const items = readLines(text, file, example, (line) => {
    const record = parseObject(line);
    const problem = (why: string): Problem => ({ why, instead: `write ${example}` });
    const names = Object.keys(record);
    for (const field of [fields.question, fields.target]) {
      if (names.includes(field)) continue;
      const has = names.length === 0 ? 'no fields at all' : `the fields ${names.map((name) => `"${name}"`).join(', ')}`;
      return {
        why: `has no "${field}", it has ${has}`,
        instead: `add it, or name the right field with question_field and target_field`,
      };
    }
    const question = record[fields.question];
    if (typeof question !== 'string') return problem(`"${fields.question}" is ${kindOf(question)}, not text`);
    if (question.trim() === '') return problem(`"${fields.question}" is empty`);
    const target = targetText(record[fields.target]);
    if (target === undefined)
      return problem(`"${fields.target}" is ${kindOf(record[fields.target])}, not text or a number`);
    if (target === '') return problem(`"${fields.target}" is empty: an item without its answer cannot be used`);
    if (fields.choices !== undefined)
      return listedItem(question, record[fields.choices], record[fields.target], fields);
    const rationale = fields.rationale === undefined ? undefined : record[fields.rationale];
    return itemOf(question, target, typeof rationale === 'string' ? rationale : undefined);
  });
  return { items, answer: guessAnswer(items), description: '' };
}

/** The item of a question whose options are a list of texts, and whose target is one of them. */
function listedItem(question: string, listed: unknown, target: unknown, fields: JsonlFields): TaskItem | Problem {
  const name = `"${fields.choices ?? ''}"`;
  const instead = `write a list of 2 to 26 texts, and as "${fields.target}" the number of one, from 0 on, or its letter or text`;
  const isText = (each: unknown): each is string => typeof each === 'string' && each.trim() !== '';
  if (!Array.isArray(listed) || !listed.every(isText) || listed.length < 2 || listed.length > 26)
    return { why: `${name} is ${Array.isArray(listed) ? 'no list of 2 to 26 texts' : kindOf(listed)}`, instead };
  const texts = listed.map((each) => each.trim());
  const said = targetText(target) ?? '';
  const letter = /^\(?([A-Z])\)?$/.exec(said)?.[1];
  // A number is a place. A text may be more than one of the three.
  const places = [
    /^\d+$/.test(said) ? Number(said) : -1,
    ...(typeof target === 'number' ? [] : [letter === undefined ? -1 : letter.charCodeAt(0) - 65, texts.indexOf(said)]),
  ].filter((place) => place >= 0 && place < texts.length);
  const [place] = places;
  if (place === undefined)
    return { why: `"${fields.target}" ${clipped(JSON.stringify(target))} is none of ${name}`, instead };
  if (places.some((each) => each !== place))
    return {
      why: `"${fields.target}" ${clipped(JSON.stringify(target))} may be the number or letter of one of ${name}, and the text of another one`,
      instead: 'write numbers, without quotes',
    };
  return optionItem(
    question,
    texts.map((text) => ({ text })),
    place,
  );
}

// ---- gold examples -----------------------------------------------------------------------------------------------

/** A line of a gold file. */
export interface GoldLine {
  readonly question: string;
  readonly target: string;
  readonly rationale: string;
  readonly technique?: string;
}

/**
 * Lines `{"question", "target", "rationale"}`, and "technique" by name. One question may stand in several lines, under several techniques.
 * @throws ArteError InvalidTaskFile that names every bad line.
 */
export function readGold(text: string, file: string, techniques: readonly string[]): GoldLine[] {
  const example = '{"question": "...", "target": "...", "rationale": "..."}';
  return readLines<GoldLine>(text, file, example, (line) => {
    const record = parseObject(line);
    const problem = (why: string): Problem => ({ why, instead: `write ${example}` });
    const { question, rationale, technique } = record;
    const target = targetText(record['target']);
    if (typeof question !== 'string' || question.trim() === '') return problem(`"question" is ${kindOf(question)}`);
    if (target === undefined || target === '') return problem(`"target" is ${kindOf(record['target'])}`);
    if (typeof rationale !== 'string' || rationale.trim() === '') return problem(`"rationale" is ${kindOf(rationale)}`);
    const read = { question: question.trim(), target, rationale: oneLine(rationale) };
    if (technique === undefined) return read;
    if (typeof technique === 'string' && techniques.includes(technique)) return { ...read, technique };
    return {
      why: `"technique" is ${typeof technique === 'string' ? `"${clipped(technique)}"` : kindOf(technique)}, and the task's are ${techniques.join(', ')}`,
      instead: 'name one of them, or leave it out for the prompt without a technique',
    };
  });
}

// ---- GSM8K -------------------------------------------------------------------------------------------------------

/**
 * Lines `{"question", "answer"}` whose answer ends in `#### <number>`; the text before it becomes the worked answer, without the
 * calculator's `<<...>>` marks. The gold number has no `,` and `$` (lm-evaluation-harness, gsm8k).
 * @throws ArteError InvalidTaskFile that names every bad line.
 */
export function readGsm8k(text: string, file = 'The GSM8K file'): LoadedItems {
  const example = '{"question": "...", "answer": "2 + 3 = 5\\n#### 5"}';
  const items = readLines(text, file, example, (line) => {
    const record = parseObject(line);
    const { question, answer } = record;
    const problem = (why: string): Problem => ({ why, instead: `write ${example}` });
    if (typeof question !== 'string' || question.trim() === '') return problem(`"question" is ${kindOf(question)}`);
    if (typeof answer !== 'string') return problem(`"answer" is ${kindOf(answer)}`);
    const marker = answer.lastIndexOf('####');
    if (marker < 0) return problem('"answer" has no line "#### <number>"');
    const target = answer
      .slice(marker + 4)
      .trim()
      .replace(/[,$]/g, '')
      .replace(/\.$/, '');
    if (!/^-?\d+(?:\.\d+)?$/.test(target)) return problem(`"${clipped(target)}" after #### is not a number`);
    return itemOf(question, target, oneLine(answer.slice(0, marker)));
  });
  return {
    items,
    answer: { type: 'number', labels: [] },
    description: 'Solve a grade-school math word problem. The answer is a number.',
    category: 'numbers',
  };
}

// ---- multiple choice: ARC, CommonsenseQA, PIQA -------------------------------------------------------------------

/** What the reader of a known benchmark says about it. */
const benchmarks = {
  arc: {
    description: 'Answer a grade-school science question by choosing the right option.',
    category: 'science',
  },
  commonsenseqa: {
    description: 'Answer a question about everyday things by choosing the right option.',
    category: 'commonsense',
  },
  piqa: {
    description: 'Choose the option that is the better way to reach the goal.',
    category: 'commonsense',
  },
} as const;

/**
 * ARC or CommonsenseQA, line by line as published, `{"question": {"stem", "choices": [{"label", "text"}]}, "answerKey"}`, or as Hugging
 * Face has them, `{"question", "choices": {"label": [], "text": []}, "answerKey"}`. Options get the letters (A), (B), … in their order,
 * however the file labels them (some ARC items: 1 to 4), so that all items of a task are answered alike.
 * @throws ArteError InvalidTaskFile that names every bad line; lines without an answerKey (test splits that are kept secret) are bad.
 */
export function readMultipleChoice(
  text: string,
  benchmark: 'arc' | 'commonsenseqa',
  file = 'The multiple-choice file',
): LoadedItems {
  const example = '{"question": {"stem": "...", "choices": [{"label": "A", "text": "..."}, ...]}, "answerKey": "A"}';
  const items = readLines(text, file, example, (line) => {
    const record = parseObject(line);
    const problem = (why: string): Problem => ({ why, instead: `write ${example}` });
    const { stem, choices } = choicesOf(record);
    if (typeof stem !== 'string' || stem.trim() === '') return problem(`the question's text is ${kindOf(stem)}`);
    if (choices === undefined || choices.length < 2) return problem('it has no list of two or more choices');
    if (choices.length > 26) return problem('it has more choices than there are letters');
    const key = record['answerKey'];
    if (typeof key !== 'string' || key.trim() === '')
      return { why: `"answerKey" is ${kindOf(key)}`, instead: 'use a split that is published with its answers' };
    const at = choices.findIndex(({ label }) => label === key.trim());
    if (at < 0) return problem(`no choice has the label "${clipped(key)}" of "answerKey"`);
    return optionItem(stem, choices, at);
  });
  return { items, answer: guessAnswer(items), ...benchmarks[benchmark] };
}

interface Choice {
  readonly label: string;
  readonly text: string;
}

/** Both published forms; `choices` is undefined where a line has neither. */
function choicesOf(record: Readonly<Record<string, unknown>>): { stem: unknown; choices: Choice[] | undefined } {
  const { question } = record;
  const nested = typeof question === 'object' && question !== null ? (question as Record<string, unknown>) : undefined;
  const listed = nested ? nested['choices'] : record['choices'];
  const rows: unknown[] | undefined = Array.isArray(listed) ? listed : rowsOfColumns(listed);
  const choices = rows?.map((row) => {
    const { label, text } = (row ?? {}) as Record<string, unknown>;
    return typeof label === 'string' && typeof text === 'string' && text.trim() !== ''
      ? { label: label.trim(), text }
      : undefined;
  });
  const whole = choices?.every((choice) => choice !== undefined) === true ? choices : undefined;
  return { stem: nested ? nested['stem'] : question, choices: whole };
}

function rowsOfColumns(columns: unknown): unknown[] | undefined {
  const { label, text } = (columns ?? {}) as Record<string, unknown>;
  if (!Array.isArray(label) || !Array.isArray(text) || label.length !== text.length) return undefined;
  return label.map((name: unknown, at) => ({ label: name, text: (text as unknown[])[at] }));
}

/**
 * PIQA, line by line: `{"goal", "sol1", "sol2"}` with the label in the line ("label": 0 or 1, as Hugging Face has it) or in the file that is
 * published beside it, one 0 or 1 a line.
 * @param labels Content of the labels file, where there is one: it decides, line for line.
 * @throws ArteError InvalidTaskFile that names every bad line, or when the two files are not equally long.
 */
export function readPiqa(text: string, labels: string | undefined, file = 'The PIQA file'): LoadedItems {
  const example = '{"goal": "...", "sol1": "...", "sol2": "...", "label": 0}';
  const beside = labels === undefined ? undefined : linesOf(labels).filter((line) => line.trim() !== '');
  let line = 0;
  const items = readLines(text, file, example, (content) => {
    const own = beside?.[line];
    line += 1;
    const record = parseObject(content);
    const problem = (why: string): Problem => ({ why, instead: `write ${example}` });
    for (const field of ['goal', 'sol1', 'sol2'] as const) {
      const value = record[field];
      if (typeof value !== 'string' || value.trim() === '') return problem(`"${field}" is ${kindOf(value)}`);
    }
    const label = beside === undefined ? record['label'] : own?.trim();
    if (label === undefined)
      return { why: 'has no "label"', instead: 'name the file that is published beside it with "labels: PATH"' };
    const given = typeof label === 'number' ? String(label) : label;
    if (given !== '0' && given !== '1')
      return {
        why: `its label ${clipped(JSON.stringify(label))} is neither 0 nor 1`,
        instead: 'use a split that is published with its labels',
      };
    const { goal, sol1, sol2 } = record as { goal: string; sol1: string; sol2: string };
    return optionItem(goal, [{ text: sol1 }, { text: sol2 }], Number(given));
  });
  if (beside !== undefined && beside.length !== items.length) {
    throw new ArteError('InvalidTaskFile', {
      what: `${file} has ${items.length} items, but its labels file has ${beside.length} lines.`,
      why: 'A label belongs to the line of the same number.',
      next: 'Name the labels file of the same split.',
    });
  }
  return { items, answer: guessAnswer(items), ...benchmarks.piqa };
}

/** A question with its options as BIG-Bench-Hard writes them, and the letter of the right one. */
function optionItem(stem: string, choices: readonly Pick<Choice, 'text'>[], right: number): TaskItem {
  const letter = (at: number): string => `(${String.fromCharCode(65 + at)})`;
  const options = choices.map(({ text }, at) => `${letter(at)} ${text.replace(/\s+/g, ' ').trim()}`);
  return itemOf(`${stem.trim()}\nOptions:\n${options.join('\n')}`, letter(right));
}

// ---- BIG-Bench-Hard ----------------------------------------------------------------------------------------------

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

// ---- how answers look --------------------------------------------------------------------------------------------

/** A set of targets is taken for closed when it is small and each of its members is met again and again. */
const closedSetMax = 6;
const closedSetRepeats = 10;

/** How the answers of a file look: the narrowest type that every target fits. Labels are written as the file writes them. */
export function guessAnswer(items: readonly Pick<TaskItem, 'question' | 'target'>[]): AnswerSpec {
  const targets = [...new Set(items.map((item) => item.target.trim()))];
  const all = (pattern: RegExp): boolean => targets.length > 0 && targets.every((target) => pattern.test(target));
  if (all(/^(?:true|false)$/i)) return { type: 'boolean', labels: pairOf(targets, 'True', 'False') };
  if (all(/^(?:yes|no)$/i)) return { type: 'yes-no', labels: pairOf(targets, 'Yes', 'No') };
  const options = new Set(items.flatMap((item) => optionsOf(item.question).map(({ label }) => label)));
  if (all(/^\([A-Z]\)$/)) return { type: 'choice', labels: letters([...options, ...targets], true) };
  if (all(/^[A-Z]$/) && [...options].some((label) => /^\([A-Z]\)$/.test(label))) {
    return { type: 'choice', labels: letters([...options, ...targets], false) };
  }
  if (all(/^-?\$?(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d+)?$/)) return { type: 'number', labels: [] };
  if (options.size > 0 && options.size <= closedSetMax * 2 && targets.every((target) => options.has(target))) {
    return { type: 'choice', labels: [...options] };
  }
  if (targets.length > 1 && targets.length <= closedSetMax && items.length >= closedSetRepeats * targets.length) {
    return { type: 'choice', labels: targets.sort() };
  }
  // Brackets and other signs, or one character: every sign counts. Words: case and spacing do not.
  if (targets.every((target) => target.length === 1 || !/[\p{L}\p{N}]/u.test(target)))
    return { type: 'exact', labels: [] };
  return { type: 'text', labels: [] };
}

/** Both labels of a pair, spelled the way the targets spell the one or two that occur. */
function pairOf(targets: readonly string[], yes: string, no: string): string[] {
  const spelled = (wanted: string): string => {
    const written = targets.find((target) => target.toLowerCase() === wanted.toLowerCase());
    if (written !== undefined) return written;
    const [other = wanted] = targets;
    if (other === other.toLowerCase()) return wanted.toLowerCase();
    return other === other.toUpperCase() ? wanted.toUpperCase() : wanted;
  };
  return [spelled(yes), spelled(no)];
}

/** Every letter from A to the highest one seen: a label that happens to be no target is still an option. */
function letters(seen: readonly string[], bracketed: boolean): string[] {
  const codes = seen.map((label) => /^\(?([A-Z])\)?$/.exec(label)?.[1]?.charCodeAt(0) ?? 65);
  const highest = codes.reduce((most, code) => Math.max(most, code), 65);
  return Array.from({ length: highest - 64 }, (_, step) => {
    const letter = String.fromCharCode(65 + step);
    return bracketed ? `(${letter})` : letter;
  });
}

// ---- lines -------------------------------------------------------------------------------------------------------

interface Problem {
  readonly why: string;
  readonly instead: string;
}

class NotAnObject extends Error {}

function readLines<Item extends object>(
  text: string,
  file: string,
  example: string,
  read: (line: string) => Item | Problem,
): Item[] {
  const items: Item[] = [];
  const problems: string[] = [];
  let lines = 0;
  linesOf(text).forEach((line, index) => {
    if (line.trim() === '') return;
    lines += 1;
    const where = `line ${index + 1}`;
    try {
      const result = soundOr(read(line));
      if ('why' in result) problems.push(`${where}: ${result.why}; ${result.instead}`);
      else items.push(result);
    } catch (error) {
      if (!(error instanceof NotAnObject)) throw error;
      problems.push(`${where}: ${error.message}: ${clipped(line)}; write ${example}`);
    }
  });
  const next = `Every line is one item: ${example}.`;
  if (lines === 0) {
    throw new ArteError('InvalidTaskFile', { what: `${file} holds no items.`, why: 'It is empty.', next });
  }
  refuseIfBad(problems, lines, 'lines', file, next);
  return items;
}

function refuseIfBad(problems: readonly string[], of: number, unit: string, file: string, next: string): void {
  if (problems.length === 0) return;
  const shown = problems.slice(0, problemsShownMax);
  const rest = problems.length - shown.length;
  throw new ArteError('InvalidTaskFile', {
    what: `${file} cannot be used: ${problems.length} of ${of} ${unit} ${problems.length === 1 ? 'is' : 'are'} bad.`,
    why: `The first is ${shown[0] ?? ''}.`,
    next,
    details: rest > 0 ? [...shown, `and ${rest} more`] : shown,
  });
}

function linesOf(text: string): string[] {
  return withoutMark(text).split(/\r\n|\n|\r/);
}

function parseObject(line: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new NotAnObject('is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new NotAnObject('is not a JSON object');
  return value as Record<string, unknown>;
}

/** An item as it is, or what is wrong with the characters of a text of it. */
function soundOr<Item extends object>(item: Item | Problem): Item | Problem {
  if ('why' in item) return item;
  for (const [name, text] of Object.entries(item)) {
    const wrong = typeof text === 'string' ? whatIsMalformed(text) : undefined;
    if (wrong !== undefined) {
      return {
        why: `the ${name} has ${wrong}`,
        instead: 'take it out, or write the whole character: tokenizers refuse it',
      };
    }
  }
  return item;
}

function itemOf(question: string, target: string, rationale?: string): TaskItem {
  const trimmed = { question: question.trim(), target: target.trim() };
  const worked = rationale === undefined ? '' : rationale.trim();
  return { id: contentId(trimmed.question, trimmed.target), ...trimmed, ...(worked !== '' && { rationale: worked }) };
}

/** Text, a number or a truth value as a target; undefined for anything else. */
function targetText(value: unknown): string | undefined {
  if (typeof value === 'string') return value.trim();
  if (typeof value === 'number' && Number.isFinite(value)) return String(value);
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return undefined;
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'string') return value.trim() === '' ? 'empty' : 'text';
  return typeof value === 'number' ? 'a number' : 'true or false';
}

/** A worked answer of several lines as sentences of one line, which is how small models are shown one. */
function oneLine(text: string): string {
  return text
    .replace(/<<[^<>]*>>/g, '')
    .split('\n')
    .map((line) => line.replace(/\s+/g, ' ').trim())
    .filter((line) => line !== '')
    .map((line) => (/[.!?:]$/.test(line) ? line : `${line}.`))
    .join(' ');
}

const clipped = (text: string): string => (text.length > excerptCharsMax ? `${text.slice(0, excerptCharsMax)}…` : text);
/** Files from some editors begin with a byte order mark. */
const withoutMark = (text: string): string => text.replace(/^\uFEFF/, '');
