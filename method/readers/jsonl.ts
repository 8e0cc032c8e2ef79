/** JSONL as people write it: a question and a target a line, under field names of their own. Leaves how a bad line is told to lines.ts and items.ts. */
import { guessAnswer } from './guess-answer';
import { itemOf, kindOf, targetText, type LoadedItems, type Problem } from './items';
import { parseObject, readLines } from './lines';

export interface JsonlFields {
  readonly question: string;
  readonly target: string;
  /** A worked answer, where the file has one. */
  readonly rationale?: string;
}

/**
 * Lines `{"question": "...", "target": "..."}`; blank lines are skipped, other fields ignored. A target may be a number or true/false.
 * @param file How the file is called in messages.
 * @throws ArteError InvalidTaskFile that names every bad line.
 */
export function readJsonl(
  text: string,
  fields: JsonlFields = { question: 'question', target: 'target' },
  file = 'The task file',
): LoadedItems {
  const example = `{"${fields.question}": "What is 2 + 3?", "${fields.target}": "5"}`;
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
    const rationale = fields.rationale === undefined ? undefined : record[fields.rationale];
    return itemOf(question, target, typeof rationale === 'string' ? rationale : undefined);
  });
  return { items, answer: guessAnswer(items), description: '' };
}
