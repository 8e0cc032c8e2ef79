/**
 * Endpoints that answer by rule. Goal: they are model endpoints like any other, their answers are read by our own prompts and
 * readers, and the planted preference is there to be found. Method: the conformance suite for every script; then prompts
 * built by method/prompts.ts, and shares over many of them.
 */
import { createScriptedEndpoint } from '../../drivers/model/scripted';
import { rationaleWords } from '../../drivers/model/scripted-student';
import { extractAnswer } from '../../method/answers';
import { finishRationale } from '../../method/finish-rationale';
import { parseQuestions } from '../../method/parse-questions';
import { questionPrompt, rationalePrompt, studentPrompt, type PromptStyle } from '../../method/prompts';
import { families } from '../../method/families';
import type { ModelRequest, Prompt } from '../../schemas/rows';
import { runConfigSchema, type RunConfig, type RunConfigInput } from '../../schemas/run-config';
import type { TaskRecord } from '../../schemas/task';
import { completion, greedy, modelConformance } from './model.conformance';

const never = new AbortController().signal;

for (const [name, options] of [
  ['echo', {}],
  ['prefers-short', {}],
  ['teacher', {}],
  ['faulty', { script: 'prefers-short' }],
] as const) {
  modelConformance(`the script ${name}`, () =>
    Promise.resolve({
      endpoint: createScriptedEndpoint(name, options),
      question: 'Question: Which is larger, 12 or 47?\nAnswer:',
      opening: 'Once upon a time there was a cat, and the cat said:',
      slowDown: () => createScriptedEndpoint(name, { ...options, latency_ms: 5_000 }),
    }),
  );
}

const family = families.get('larger-number');
const task: TaskRecord = {
  name: 'larger-number',
  category: 'numbers',
  description: family?.description ?? '',
  answer: { type: 'number', labels: [] },
  seeds: family?.generate(3, 1) ?? [],
  validation: [],
  test: [],
  techniques: [...(family?.techniques ?? [])],
};
const technique = task.techniques[0] as TaskRecord['techniques'][number];

function config(change: Partial<RunConfigInput> = {}): RunConfig {
  return runConfigSchema.parse({
    version: 1,
    name: 'scripted',
    tasks: [{ source: 'builtin', family: 'larger-number' }],
    models: { teacher: { source: 'embedded:x' }, student: { source: 'embedded:x' } },
    ...change,
  });
}

async function say(
  script: string,
  options: Record<string, string | number | boolean>,
  prompt: Prompt,
  stop: readonly string[] = [],
  extra: Partial<ModelRequest> = {},
): Promise<string> {
  const sampling = { ...greedy, maxTokens: 200, stop: [...stop], ...extra.sampling };
  return (await createScriptedEndpoint(script, options).complete({ ...extra, prompt, sampling }, never)).text;
}

describe.each([
  ['<ans>', '</ans>'],
  ['The answer is ', '.'],
])('with the answer between %p and %p', (answer_open, answer_close) => {
  const tags = { open: answer_open, close: answer_close };
  describe.each<PromptStyle>(['chat', 'completion'])('and %s prompts', (style) => {
    it.each([
      ['tagged', 1],
      ['tagged', 4],
      ['json', 1],
      ['json', 4],
    ] as const)('the teacher writes questions (%s, %i a call) that our reader takes', async (format, count) => {
      const settings = config({ prompts: { answer_open, answer_close }, questions: { format, per_call: count } });
      const seen = new Set<string>();
      for (let variation = 0; variation < 6; variation += 1) {
        const built = questionPrompt(task, settings, style, count, variation);
        const schema = built.jsonSchema === undefined ? {} : { jsonSchema: built.jsonSchema };
        const sampling = { ...greedy, maxTokens: 200, stop: [...built.stop], temperature: 1, seed: variation };
        const text = await say('teacher', {}, built.prompt, built.stop, { ...schema, sampling });
        const { questions, problems } = parseQuestions(built.assistantPrefix + text, format, task);
        expect(problems).toEqual([]);
        expect(questions.length).toBeGreaterThanOrEqual(count);
        for (const { question, target } of questions) {
          const [first = 0, second = 0] = (question.match(/\d+/g) ?? []).map(Number);
          expect(Number(target)).toBe(Math.max(first, second));
          seen.add(question);
        }
      }
      expect(seen.size).toBeGreaterThan(4);
    });

    it('the teacher writes short and long rationales that end in the right answer', async () => {
      const settings = config({ prompts: { answer_open, answer_close } });
      const lengths: number[] = [];
      for (let low = 1; low <= 60; low += 1) {
        const built = rationalePrompt(task, technique, `Which is larger, ${low} or ${low + 7}?`, settings, style);
        const raw = await say('teacher', {}, built.prompt, built.stop);
        const { rationale, answer } = finishRationale(raw, task, settings, 'free', { question: '', target: '0' });
        expect(answer).toBe(String(low + 7));
        lengths.push(rationaleWords(rationale, tags));
      }
      expect(lengths.filter((words) => words <= 15).length).toBeGreaterThan(15);
      expect(lengths.filter((words) => words > 20).length).toBeGreaterThan(15);
      expect(lengths.filter((words) => words > 15 && words <= 20)).toEqual([]);
    });

    it.each([
      [false, 0.9, 0.2],
      [true, 0.2, 0.9],
    ])('the student answers better after rationales it prefers (invert %p)', async (invert, afterShort, afterLong) => {
      const settings = config({ prompts: { answer_open, answer_close } });
      const share = async (rationale: string): Promise<number> => {
        let right = 0;
        for (let low = 1; low <= 200; low += 1) {
          const [first, second] = low % 2 === 0 ? [low, low + 9] : [low + 9, low];
          const shown = {
            question: 'Which is larger, 3 or 5?',
            rationale: `${rationale} ${answer_open}5${answer_close}`,
          };
          const question = `Which number is larger, ${first} or ${second}?`;
          const built = studentPrompt(task, [shown], question, settings, style);
          const text = await say('prefers-short', { invert }, built.prompt, built.stop);
          const read = extractAnswer(text, task.answer, { ...tags, mode: 'strict' });
          expect(read.kind).toBe('tagged');
          right += read.kind === 'tagged' && read.value === String(low + 9) ? 1 : 0;
        }
        return right / 200;
      };
      expect(Math.abs((await share('5 is larger than 3.')) - afterShort)).toBeLessThan(0.08);
      expect(Math.abs((await share('We count and count. '.repeat(5))) - afterLong)).toBeLessThan(0.08);
    });
  });
});

describe('sampling', () => {
  it('greedy answers do not look at the seed, sampled ones do', async () => {
    const endpoint = createScriptedEndpoint('teacher', {});
    const text = 'Write 1 more question.\n<question>a</question>';
    const at = async (temperature: number, seed: number): Promise<string> =>
      (await endpoint.complete(completion(text, { temperature, seed, maxTokens: 99 }), never)).text;
    expect(await at(0, 1)).toBe(await at(0, 2));
    expect(await at(1, 1)).toBe(await at(1, 1));
    expect(await at(1, 1)).not.toBe(await at(1, 2));
  });
});
