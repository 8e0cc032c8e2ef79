/**
 * Goal: how an answer ended and what it says make one outcome, the same in scoring and evaluation, and every outcome has its own count.
 * Method: a text of each kind, with both settings of extraction.
 */
import { readRationale, readStudentAnswer, type StudentAnswer } from '../../activities/reading';
import { countAnswers } from '../../method/answer-counts';
import { runConfigSchema } from '../../schemas/run-config';
import type { ModelAnswer } from '../../schemas/rows';
import type { TaskRecord } from '../../schemas/task';

const configOf = (extraction: 'strict' | 'flexible') =>
  runConfigSchema.parse({
    ...{ version: 1, name: 'reading', evaluate: { extraction } },
    tasks: [{ source: 'declared', name: 't', description: 'Add.', test_items: 1 }],
    models: { teacher: { source: 'hf:a/b' }, student: { source: 'hf:a/b' } },
  });
const task: TaskRecord = {
  ...{ name: 't', category: 'c', description: 'Add.', answer: { type: 'number', labels: [] } },
  ...{ seeds: [], validation: [], test: [], techniques: [] },
};
const answer = (text: string, finish: ModelAnswer['finish'] = 'stop'): ModelAnswer => ({
  ...{ text, finish, usage: { inputTokens: 1, cachedInputTokens: 0, outputTokens: 1 } },
});

// Each is right, were it believed.
const answers = [
  answer('1 + 1 = 2. <ans>2'),
  answer('<ans>2</ans> since 1 + 1 is', 'length'),
  answer('1 + 1 = 2.'),
  answer('1 + 1 = 2', 'length'),
  answer('1 + 1 is <ans>2', 'length'),
  answer('I do not know.'),
  answer('', 'refused'),
];
const read = (extraction: 'strict' | 'flexible') =>
  answers.map((one) => {
    const reading = readStudentAnswer(one, task, { question: '1 + 1?', target: '2' }, configOf(extraction));
    return { tagged: false, correct: false, ...(reading.value as StudentAnswer | undefined), outcome: reading.outcome };
  });

it.each([
  ['flexible', { tagged: 2, untagged: 1, truncated: 2, unreadable: 1, refused: 1, failed: 0 }],
  ['strict', { tagged: 2, untagged: 0, truncated: 2, unreadable: 2, refused: 1, failed: 0 }],
] as const)('%s: only an answer that was given is graded, and the others are told apart', (extraction, counts) => {
  const rows = read(extraction);
  expect(countAnswers(rows)).toEqual(counts);
  for (const { outcome, correct } of rows) expect(correct).toBe(outcome === 'ok');
});

it('a rationale that was cut off inside its tag has no answer', () => {
  const of = (text: string, finish: ModelAnswer['finish']) =>
    readRationale(answer(text, finish), '', task, configOf('flexible'), 'free', { question: '', target: '2' });
  expect(of('6 times 12 is <ans>7', 'length')).toMatchObject({ outcome: 'truncated', value: { answer: null } });
  expect(of('6 times 12 is <ans>72', 'stop')).toMatchObject({ outcome: 'ok', value: { answer: '72' } });
});

it('a rationale whose answer is given is used where it was cut off, and says so', () => {
  const of = (text: string) =>
    readRationale(answer(text, 'length'), '', task, configOf('flexible'), 'given', { question: '', target: '2' });
  expect(of('6 times 12')).toEqual({
    outcome: 'ok',
    value: { rationale: '6 times 12 <ans>2</ans>', answer: '2', cut: true },
  });
  expect(of('so <ans>7')).toEqual({ outcome: 'ok', value: { rationale: 'so <ans>2</ans>', answer: '2' } });
});
