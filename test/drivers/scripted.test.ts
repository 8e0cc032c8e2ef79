/**
 * Endpoints that answer by rule. Goal: they are model endpoints like any other, their answers are read by our own prompts and
 * readers, and the planted preference is there to be found. Method: the conformance suite for every script; then prompts
 * built by method/prompts.ts, and shares over many of them.
 */
import { CallFailure } from '../../drivers/model/model';
import { createScriptedEndpoint, rationaleWords, scriptedScripts } from '../../drivers/model/scripted';
import { extractAnswer } from '../../method/answers';
import { finishRationale } from '../../method/finish-rationale';
import { parseQuestions } from '../../method/parse-questions';
import { questionPrompt, rationalePrompt, studentPrompt, type PromptStyle } from '../../method/prompts';
import { families } from '../../method/families';
import { ArteError } from '../../schemas/errors';
import type { ModelRequest, Prompt } from '../../schemas/rows';
import { runConfigSchema, type RunConfig, type RunConfigInput } from '../../schemas/run-config';
import type { TaskRecord } from '../../schemas/task';
import { chat, completion, greedy, modelConformance } from './model.conformance';

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

describe('the student', () => {
  const ask = (options: Record<string, string | number | boolean>, text: string): Promise<string> =>
    say('prefers-short', options, { kind: 'completion', text });

  it('has no preference to show without a demonstration, and a mean one after several', async () => {
    const shares: number[] = [];
    for (const demonstrations of [
      '',
      'Question: Which is larger, 3 or 5?\nAnswer: short <ans>5</ans>\n\n',
      `Question: Which is larger, 3 or 5?\nAnswer: short <ans>5</ans>\n\nQuestion: Which is larger, 3 or 5?\nAnswer: ${'long '.repeat(20)}<ans>5</ans>\n\n`,
    ]) {
      let right = 0;
      for (let low = 1; low <= 300; low += 1) {
        const text = await ask({}, `${demonstrations}Question: Which is larger, ${low} or ${low + 3}?\nAnswer:`);
        right += text.includes(`<ans>${low + 3}</ans>`) ? 1 : 0;
      }
      shares.push(right / 300);
    }
    const [none = 0, short = 0, mixed = 0] = shares;
    expect(Math.abs(none - 0.2)).toBeLessThan(0.08);
    expect(Math.abs(short - 0.9)).toBeLessThan(0.08);
    expect(Math.abs(mixed - 0.55)).toBeLessThan(0.08);
  });

  it('reads other wordings, and the answer form that options name', async () => {
    expect(await ask({ p_without: 1 }, 'Q: Which is smaller: 12 or 47?\nA:')).toContain('<ans>12</ans>');
    expect(await ask({ p_without: 1 }, 'Q: 12 or 47?\nA:')).toContain('<ans>47</ans>');
    expect(await ask({ p_without: 1, answer_open: '#### ', answer_close: '' }, 'Q: 1 or 2?\nA:')).toContain('#### 2');
    expect(await ask({ p_without: 1, tag_rate: 0 }, 'Q: 1 or 2?\nA:')).not.toContain('<ans>');
    expect(await ask({}, 'Question: True and False is\nAnswer:')).not.toContain('<ans>');
  });
});

describe('the ruler of the planted preference', () => {
  it.each([
    ['5 is larger than 3. <ans>5</ans>', 5],
    ["Let's think step by step. 5 is larger than 3. <ans>5</ans>", 5],
    ['no tag at all', 4],
    ['<ans>5</ans>', 0],
    ['', 0],
    ['one two <ans>5', 2],
  ])('%p has %i words', (rationale, words) => {
    expect(rationaleWords(rationale, { open: '<ans>', close: '</ans>' })).toBe(words);
  });

  it('knows tags that are words', () => {
    expect(rationaleWords('5 is more. So the answer is 5.', { open: 'The answer is ', close: '.' })).toBe(4);
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

describe('faults', () => {
  it.each([
    [{ rate_429: 1 }, 'overloaded', undefined],
    [{ rate_429: 1, retry_after_ms: 70 }, 'rate-limited', 70],
    [{ rate_500: 1 }, 'server-error', undefined],
    [{ rate_reset: 1 }, 'reset', undefined],
    [{ rate_timeout: 1 }, 'timeout', undefined],
    [{ rate_garbage: 1 }, 'garbage', undefined],
    [{ fail_with: 'unauthorized' }, 'unauthorized', undefined],
  ])('%p fails as %s', async (options, cause, retryAfterMs) => {
    const call = createScriptedEndpoint('faulty', options).complete(chat('x'), never);
    await expect(call).rejects.toBeInstanceOf(CallFailure);
    await expect(call).rejects.toMatchObject({ callCause: cause, retryAfterMs });
  });

  it('come at their rates, the same ones for the same seed, and a second try has a new chance', async () => {
    const run = async (fault_seed: number): Promise<{ failed: number[]; tries: number }> => {
      const options = { script: 'prefers-short', p_with: 1, rate_500: 0.1, rate_429: 0.05, fault_seed };
      const endpoint = createScriptedEndpoint('faulty', options);
      const failed: number[] = [];
      let tries = 0;
      for (let index = 0; index < 1_000; index += 1) {
        for (let answered = false; !answered;) {
          tries += 1;
          answered = await endpoint.complete(chat(`Question: ${index} or 5?`), never).then(
            () => true,
            () => (failed.push(index), false),
          );
        }
      }
      return { failed, tries };
    };
    const first = await run(1);
    expect(await run(1)).toEqual(first);
    expect((await run(2)).failed).not.toEqual(first.failed);
    expect(first.tries).toBeGreaterThan(1_120);
    expect(first.tries).toBeLessThan(1_240);
  });

  it('can be answers too', async () => {
    const at = (options: Record<string, number>) =>
      createScriptedEndpoint('faulty', options).complete(chat('x'), never);
    expect(await at({ rate_refused: 1 })).toMatchObject({ text: '', finish: 'refused' });
    expect((await at({ rate_malformed: 1 })).text).toBe('mumble mumble');
  });
});

describe('options', () => {
  it.each<[string, Record<string, string | number | boolean>, RegExp]>([
    ['nobody', {}, /no script nobody.*echo, prefers-short, teacher, faulty/s],
    ['toString', {}, /no script toString/],
    ['echo', { texts: 'x' }, /no option texts.*latency_ms, max_in_flight, text/s],
    ['prefers-short', { max_words: '15' }, /is a number, not a string/],
    ['faulty', { script: 'faulty' }, /behind itself/],
    ['faulty', { script: 'echo', texts: 'x' }, /echo has no option texts/],
  ])('%s %p is refused with what there is', (script, options, expected) => {
    let thrown: unknown;
    try {
      createScriptedEndpoint(script, options);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ArteError);
    const { code, what, next } = (thrown as ArteError).data;
    expect(code).toBe('InvalidConfig');
    expect(`${what} ${next}`).toMatch(expected);
  });

  it('are all told', () => {
    for (const doc of Object.values(scriptedScripts)) {
      expect(doc.summary).toMatch(/\.$/);
      for (const option of Object.values(doc.options)) {
        expect(option.describe).not.toBe('');
      }
    }
  });
});
