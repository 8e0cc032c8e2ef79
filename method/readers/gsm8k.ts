/** GSM8K as it is published: where its answers have the number and the worked answer. Leaves how a bad line is told to lines.ts and items.ts. */
import { clipped, itemOf, kindOf, oneLine, type LoadedItems, type Problem } from './items';
import { parseObject, readLines } from './lines';

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
