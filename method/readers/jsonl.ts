/** JSONL as people write it: a question and a target a line, under field names of their own. Leaves how a bad line is told to lines.ts and items.ts. */
import type { TaskItem } from '../../schemas/task';
import { guessAnswer } from './guess-answer';
import { clipped, itemOf, kindOf, optionItem, targetText, type LoadedItems, type Problem } from './items';
import { parseObject, readLines } from './lines';

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
  let unread: readonly string[] | undefined;
  const items = readLines(text, file, example, (line) => {
    const record = parseObject(line);
    unread = (unread ?? Object.keys(record)).filter((name) => isOptionList(record[name]));
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
  const [unreadOptions] = fields.choices === undefined ? (unread ?? []) : [];
  return {
    items,
    answer: guessAnswer(items),
    description: '',
    ...(unreadOptions !== undefined && { unreadOptions }),
  };
}

/** 2 to 26 texts: so many have letters. */
function isOptionList(value: unknown): value is string[] {
  const isText = (each: unknown): boolean => typeof each === 'string' && each.trim() !== '';
  return Array.isArray(value) && value.every(isText) && value.length >= 2 && value.length <= 26;
}

/** The item of a question whose options are a list of texts, and whose target is one of them. */
function listedItem(question: string, listed: unknown, target: unknown, fields: JsonlFields): TaskItem | Problem {
  const name = `"${fields.choices ?? ''}"`;
  const instead = `write a list of 2 to 26 texts, and as "${fields.target}" the number of one, from 0 on, or its letter or text`;
  if (!isOptionList(listed))
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
