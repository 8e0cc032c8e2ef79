/**
 * The script teacher: questions of the built-in family larger-number in every format that is asked for, and short and long rationales.
 *
 * Owns what the teacher says. Leaves reading prompts to scripted-prompt.ts, filling a schema to scripted-json.ts.
 */
import type { ScriptCall } from './scripted-call';
import { instanceOf } from './scripted-json';
import { numbersIn, readPrompt, tagsOf } from './scripted-prompt';

export function teacher(call: ScriptCall): string {
  // A prompt for a rationale ends where the answer begins; one for questions does not.
  const last = call.prompt.trimEnd().split('\n').at(-1) ?? '';
  return call.request.jsonSchema === undefined && /^\s*(answer|a):/i.test(last)
    ? teacherRationale(call)
    : teacherQuestions(call);
}

const largerWordings: readonly ((first: number, second: number) => string)[] = [
  (first, second) => `Which number is larger, ${String(first)} or ${String(second)}?`,
  (first, second) => `Which of these two numbers is larger: ${String(first)} or ${String(second)}?`,
  (first, second) => `Which is the larger number, ${String(first)} or ${String(second)}?`,
];

function teacherQuestions({ prompt, request, options, draw }: ScriptCall): string {
  if (draw('malformed') < Number(options.p_malformed)) {
    return request.jsonSchema === undefined ? 'I would rather talk about the weather.' : '{}';
  }
  const item = (index: number): { question: string; target: string } => {
    const largest = Number(options.numbers_up_to);
    const first = 1 + Math.floor(draw(`first ${String(index)}`) * largest);
    const other = 1 + Math.floor(draw(`second ${String(index)}`) * (largest - 1));
    const second = other < first ? other : other + 1;
    const wording = largerWordings[Math.floor(draw(`wording ${String(index)}`) * largerWordings.length)];
    const right = draw(`right ${String(index)}`) < Number(options.p_right);
    return {
      question: wording?.(first, second) ?? '',
      target: String(right ? Math.max(first, second) : Math.min(first, second)),
    };
  };
  if (request.jsonSchema !== undefined) {
    return JSON.stringify(instanceOf(request.jsonSchema, draw, '', item));
  }
  const count = Number(/write (\d+) more questions/i.exec(prompt)?.[1] ?? (/write one more/i.test(prompt) ? 1 : 5));
  const items = Array.from({ length: count }, (_, index) => item(index));
  if (!/<question>/i.test(prompt)) {
    return items.map((each) => JSON.stringify(each)).join('\n');
  }
  const text = items
    .map(({ question, target }) => `<question>${question}</question>\n<target>${target}</target>`)
    .join('\n\n');
  // A raw prompt that ends in the opening tag has said it already.
  return prompt.trimEnd().endsWith('<question>') ? text.slice('<question>'.length) : text;
}

function teacherRationale({ prompt, options, draw }: ScriptCall): string {
  const { open, close } = tagsOf(prompt, options);
  const { question } = readPrompt(prompt);
  const asked = numbersIn(question);
  if (asked === undefined) {
    return ' I cannot tell what is asked.';
  }
  const right = draw('right') < Number(options.p_right);
  const said = right ? asked.answer : asked.other;
  const against = right ? asked.other : asked.answer;
  const opening =
    options.varied === true ? ` Rationale ${String(Math.floor(draw('varied') * 1_000_000))} goes so:` : '';
  const lead =
    opening +
    (draw('short') < Number(options.p_short)
      ? ` ${String(said)} is ${asked.word} than ${String(against)}.`
      : ` Both numbers are on the number line, so I look where each of them stands. I begin with ${String(against)} and walk on until I come to ${String(said)}, which tells me that ${String(said)} is ${asked.word} than ${String(against)}.`);
  return draw('tag') < Number(options.tag_rate) ? `${lead} ${open}${String(said)}${close}` : lead;
}
