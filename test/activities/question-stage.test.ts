/**
 * Several answers in one call. Goal: fewer calls, every readable answer used, and keys of runs that do not ask for it untouched.
 * Method: the stage's own functions over one task; what a server does with `n` is test/drivers' business.
 */
import { sampleQuestions } from '../../activities/sample-questions';
import type { ModelAnswer, RowRequest } from '../../schemas/rows';
import { runConfigSchema, type RunConfig } from '../../schemas/run-config';
import type { StageInput } from '../../schemas/messages';
import type { TaskRecord } from '../../schemas/task';

const task: TaskRecord = {
  name: 'larger-number',
  category: 'numbers',
  description: 'Say which of two numbers is larger.',
  answer: { type: 'number', labels: [] },
  seeds: [{ id: 's1', question: 'Which is larger, 3 or 8?', target: '8' }],
  validation: [],
  test: [],
  techniques: [],
};

function configOf(questions: Record<string, unknown>): RunConfig {
  return runConfigSchema.parse({
    version: 1,
    name: 'test',
    tasks: [{ source: 'builtin', family: 'larger-number' }],
    models: { teacher: { source: 'embedded:tiny' }, student: { source: 'embedded:tiny' } },
    questions: { per_task: 10, per_call: 1, format: 'json', ...questions },
  });
}

const loadedFor = (config: RunConfig) => ({
  config,
  tasks: [task],
  settings: config.questions,
  name: 'sample-questions' as const,
  bootstrap: false,
});
const settingsFor = (config: RunConfig): unknown =>
  sampleQuestions.settings({ config, files: {} }, { stage: 'sample-questions' } as StageInput);
const json = (question: string): string => JSON.stringify({ question, target: '9' });
const usage = { inputTokens: 1, cachedInputTokens: 0, outputTokens: 1 };

function read(answer: Omit<ModelAnswer, 'usage'>): ReturnType<typeof sampleQuestions.read> {
  const loaded = loadedFor(configOf({ answers_per_call: 3 }));
  const row: RowRequest = { key: 'k', ...sampleQuestions.rows(loaded, []).row(0) };
  return sampleQuestions.read(loaded, row, { ...answer, usage });
}

it('asks for as many calls as answers of several bring', () => {
  expect(sampleQuestions.rows(loadedFor(configOf({})), []).length).toBe(10);
  const rows = sampleQuestions.rows(loadedFor(configOf({ answers_per_call: 3 })), []);
  expect(rows.length).toBe(4);
  expect(rows.row(0).request.answers).toBe(3);
});

it('uses every answer that can be read', () => {
  const read3 = read({
    text: json('Is 9 or 1 larger?'),
    finish: 'stop',
    others: [
      { text: 'mumble', finish: 'stop' },
      { text: json('Is 9 or 2 larger?'), finish: 'stop' },
    ],
  });
  expect(read3).toMatchObject({
    outcome: 'ok',
    value: [{ question: 'Is 9 or 1 larger?' }, { question: 'Is 9 or 2 larger?' }],
  });
});

it('is malformed, truncated or refused only when all of them are', () => {
  const others = (text: string, finish: ModelAnswer['finish']) => [{ text, finish }];
  expect(read({ text: 'mumble', finish: 'stop', others: others('mumble', 'stop') }).outcome).toBe('malformed');
  expect(read({ text: 'mumble', finish: 'stop', others: others('{"quest', 'length') }).outcome).toBe('truncated');
  expect(read({ text: '', finish: 'refused', others: others('', 'refused') }).outcome).toBe('refused');
  expect(read({ text: '', finish: 'refused', others: others(json('Is 9 or 3 larger?'), 'stop') }).outcome).toBe('ok');
});

it('takes no target that was cut off at max_tokens, and is truncated where there was no other', () => {
  const loaded = loadedFor(configOf({ per_call: 5, format: 'tagged' }));
  const row: RowRequest = { key: 'k', ...sampleQuestions.rows(loaded, []).row(0) };
  const readTagged = (text: string) => sampleQuestions.read(loaded, row, { text, finish: 'length', usage });
  const whole = '<question>Is 9 or 1 larger?</question>\n<target>9</target>\n\n';
  const half = '<question>Is 98 or 97 larger?</question>\n<target>9';
  expect(readTagged(whole + half)).toMatchObject({ outcome: 'ok', value: [{ question: 'Is 9 or 1 larger?' }] });
  expect(readTagged(half)).toEqual({ outcome: 'truncated', why: 'a target is cut off' });
});

it('leaves the key of a run that asks for one answer as it was, and changes it with the number', () => {
  const one = settingsFor(configOf({}));
  expect(one).not.toHaveProperty('answers_per_call');
  expect(one).toEqual(settingsFor(configOf({ answers_per_call: 1 })));
  expect(settingsFor(configOf({ answers_per_call: 2 }))).not.toEqual(settingsFor(configOf({ answers_per_call: 3 })));
});
