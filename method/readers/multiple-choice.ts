/**
 * ARC, CommonsenseQA and PIQA, as published and as Hugging Face has them: a question, its options, and which of them is right.
 *
 * Owns the shapes of their lines. Leaves how options are written into a question to items.ts, and how a bad line is told to lines.ts and it.
 */
import { ArteError } from '../../schemas/errors';
import { guessAnswer } from './guess-answer';
import { clipped, kindOf, optionItem, type LoadedItems, type Problem } from './items';
import { linesOf, parseObject, readLines } from './lines';

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
