/** Gold files: worked answers of a person, for the warm-up of the teacher. Leaves what an example may be and what it teaches to ../warm-up.ts. */
import { clipped, kindOf, oneLine, targetText, type Problem } from './items';
import { parseObject, readLines } from './lines';

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
