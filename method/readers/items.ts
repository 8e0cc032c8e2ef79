/**
 * What every reader of task files gives and says: items, and what is wrong with a bad one.
 *
 * Owns the making of an item, the words for a value that is none, and the refusal of a file with bad ones. Leaves where items stand to the
 * format's own file, files of one item a line to lines.ts, opening files to the caller, duplicates and splitting to ../split.ts.
 *
 * Invariants
 * 1. A file is read whole or refused: every bad item is named (the first `problemsShownMax`), none is dropped in silence.
 * 2. Ids follow from the content, so reordering a file renames nothing.
 */
import { ArteError } from '../../schemas/errors';
import type { AnswerSpec, TaskItem } from '../../schemas/task';
import { whatIsMalformed } from '../../schemas/well-formed';
import { contentId } from '../families/family';

/** What a reader makes of a whole file. */
export interface LoadedItems {
  readonly items: TaskItem[];
  /** How answers look, guessed from the targets. A config's own `answer` goes before it. */
  readonly answer: AnswerSpec;
  /** What the student is asked to do; '' where the format cannot tell (JSONL). */
  readonly description: string;
  /** The description was put together from the name: nobody wrote it. */
  readonly describedByGuess?: boolean;
  /** A field that is a list of texts in every line, and that nobody named as the options: the student is not shown it. */
  readonly unreadOptions?: string;
  readonly category?: string;
}

/** Why an item cannot be used, and what to write instead of it. */
export interface Problem {
  readonly why: string;
  readonly instead: string;
}

/** Bad lines shown at once: enough to see the pattern, few enough to read. */
export const problemsShownMax = 20;

/** Below the start of a line that a person will look for in the file. */
const excerptCharsMax = 60;

/**
 * @param of How many items there are, good and bad.
 * @throws ArteError InvalidTaskFile that names the bad ones, unless there are none.
 */
export function refuseIfBad(problems: readonly string[], of: number, unit: string, file: string, next: string): void {
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

/** An item as it is, or what is wrong with the characters of a text of it. */
export function soundOr<Item extends object>(item: Item | Problem): Item | Problem {
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

/** Texts without the white space around them, under the id that follows from question and target. */
export function itemOf(question: string, target: string, rationale?: string): TaskItem {
  const trimmed = { question: question.trim(), target: target.trim() };
  const worked = rationale === undefined ? '' : rationale.trim();
  return { id: contentId(trimmed.question, trimmed.target), ...trimmed, ...(worked !== '' && { rationale: worked }) };
}

/** A question with its options as BIG-Bench-Hard writes them, and the letter of the right one. */
export function optionItem(stem: string, choices: readonly { readonly text: string }[], right: number): TaskItem {
  const letter = (at: number): string => `(${String.fromCharCode(65 + at)})`;
  const options = choices.map(({ text }, at) => `${letter(at)} ${text.replace(/\s+/g, ' ').trim()}`);
  return itemOf(`${stem.trim()}\nOptions:\n${options.join('\n')}`, letter(right));
}

/** Text, a number or a truth value as a target; undefined for anything else. */
export function targetText(value: unknown): string | undefined {
  if (typeof value === 'string') return value.trim();
  if (typeof value === 'number' && Number.isFinite(value)) return String(value);
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return undefined;
}

/** What a value is, in words of a message, where text was wanted. */
export function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'string') return value.trim() === '' ? 'empty' : 'text';
  return typeof value === 'number' ? 'a number' : 'true or false';
}

/** A worked answer of several lines as sentences of one line, which is how small models are shown one. */
export function oneLine(text: string): string {
  return text
    .replace(/<<[^<>]*>>/g, '')
    .split('\n')
    .map((line) => line.replace(/\s+/g, ' ').trim())
    .filter((line) => line !== '')
    .map((line) => (/[.!?:]$/.test(line) ? line : `${line}.`))
    .join(' ');
}

/** The start of a text that is too long for a message. */
export const clipped = (text: string): string =>
  text.length > excerptCharsMax ? `${text.slice(0, excerptCharsMax)}…` : text;

/** Files from some editors begin with a byte order mark. */
export const withoutMark = (text: string): string => text.replace(/^\uFEFF/, '');
