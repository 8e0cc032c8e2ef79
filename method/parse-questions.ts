/**
 * Reading what a teacher wrote when asked for questions: items with a usable target, and what was wrong with the rest.
 *
 * Owns the two formats and what makes an item usable. Leaves their wording to prompts.ts, duplicates and leaks of labelled items to
 * hygiene.ts.
 *
 * Invariants
 * 1. Total: any text gives items and problems, none throws. A half-written last item costs that item only, and is none: half of a target may be
 *    another target ("12" of "125").
 * 2. A target that comes out fits the task's answer type and labels, in canonical form.
 */
import type { AnswerChoice } from '../schemas/rows';
import type { TaskRecord } from '../schemas/task';
import { canonicalAnswer, labelsOf, optionsOf } from './answers';
import type { QuestionFormat, QuestionItem } from './prompts';

export interface ParsedQuestions {
  readonly questions: QuestionItem[];
  /** One line for each item that cannot be used, in order. */
  readonly problems: string[];
}

/** A question longer than this is no question of a task but a model that did not find an end. */
const questionCharsMax = 4_000;

/** @param finish How the answer ended: of one that was cut off (`length`) a last target without its closing tag is half of one. */
export function parseQuestions(
  text: string,
  format: QuestionFormat,
  task: Pick<TaskRecord, 'answer'>,
  finish: AnswerChoice['finish'] = 'stop',
): ParsedQuestions {
  const { items, problems } = format === 'tagged' ? taggedItems(text, finish === 'length') : jsonItems(text);
  const questions: QuestionItem[] = [];
  for (const item of items) {
    const usable = usableItem(item, task);
    if (typeof usable === 'string') problems.push(usable);
    else questions.push(usable);
  }
  if (questions.length === 0 && problems.length === 0) problems.push('holds no question');
  return { questions, problems };
}

function usableItem(item: QuestionItem, { answer }: Pick<TaskRecord, 'answer'>): QuestionItem | string {
  const question = item.question.trim();
  // "…" and "..." are the placeholders of the format's own description.
  if (!/[\p{L}\p{N}]/u.test(question)) return 'an item has an empty question';
  if (question.length > questionCharsMax) return `a question is longer than ${questionCharsMax} characters`;
  if (/<\/?(?:question|target)>/iu.test(question + item.target)) return 'a tag of the format stands inside an item';
  if (item.target.trim() === '') return 'an item has an empty target';
  const target = canonicalAnswer(item.target, answer, question);
  if (target === null) {
    const labels = labelsOf(answer);
    const wanted = labels.length > 0 ? `one of ${labels.join(', ')}` : `a ${answer.type}`;
    return `the target "${item.target.trim().slice(0, 40)}" is not ${wanted}`;
  }
  if (answer.type === 'choice') {
    const options = optionsOf(question);
    if (options.length > 0 && !options.some(({ label }) => label === target || label === `(${target})`)) {
      return `the target ${target} is not among the question's options`;
    }
  }
  return { question, target };
}

interface FoundItems {
  readonly items: readonly QuestionItem[];
  readonly problems: string[];
}

function taggedItems(text: string, isCutOff: boolean): FoundItems {
  const items: QuestionItem[] = [];
  const problems: string[] = [];
  const parts = text.split(/<question>/iu).slice(1);
  for (const [at, part] of parts.entries()) {
    const [question, rest] = splitOnce(part, /<\/question>/iu);
    const [, afterOpening] = splitOnce(rest ?? question, /<target>/iu);
    if (afterOpening === undefined) {
      problems.push('an item ends before its target');
      continue;
    }
    // A stop string swallows the last closing tag; a target that runs over lines was cut off or never closed.
    const [target, closed] = splitOnce(afterOpening, /<\/target>/iu);
    if (closed === undefined && isCutOff && at === parts.length - 1) problems.push('a target is cut off');
    else if (closed === undefined && target.trim().includes('\n')) problems.push('a target is never closed');
    else items.push({ question: rest === undefined ? splitOnce(question, /<target>/iu)[0] : question, target });
  }
  return { items, problems };
}

function splitOnce(text: string, separator: RegExp): [string, string | undefined] {
  const match = separator.exec(text);
  return match === null ? [text, undefined] : [text.slice(0, match.index), text.slice(match.index + match[0].length)];
}

/** Objects anywhere in the text: alone, in an array, one per line, in a code fence, before a half-written one. */
function jsonItems(text: string): FoundItems {
  const items: QuestionItem[] = [];
  const problems: string[] = [];
  for (const found of jsonObjects(text)) {
    if (found === 'unfinished') {
      problems.push('an item is cut off');
      continue;
    }
    const item = jsonItem(found);
    if (item === null) problems.push('an item is no object with "question" and "target"');
    else items.push(item);
  }
  return { items, problems };
}

function jsonItem(source: string): QuestionItem | null {
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { question, target } = value as { readonly [key: string]: unknown };
  if (typeof question !== 'string') return null;
  if (typeof target === 'string') return { question, target };
  // A model that is not held to a schema writes 5 and true where "5" and "True" are meant.
  return typeof target === 'number' || typeof target === 'boolean' ? { question, target: String(target) } : null;
}

/** Balanced {...} that hold no other object, strings and escapes respected, in one pass. */
function* jsonObjects(text: string): Generator<string> {
  let start = -1;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (inString) {
      if (character === '\\') at += 1;
      else if (character === '"') inString = false;
    } else if (character === '{') {
      start = at;
    } else if (start >= 0 && character === '"') {
      inString = true;
    } else if (character === '}' && start >= 0) {
      yield text.slice(start, at + 1);
      start = -1;
    }
  }
  if (start >= 0) yield 'unfinished';
}
