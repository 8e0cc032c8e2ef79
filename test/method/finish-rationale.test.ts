/**
 * Goal: a raw rationale becomes one that can be shown, and its answer is the one that was meant.
 * Method: answers as models write them, in both forms of the tag, whole and cut off.
 */
import { finishRationale } from '../../method/finish-rationale';
import { runConfigSchema, type RunConfigInput } from '../../schemas/run-config';
import type { TaskRecord } from '../../schemas/task';

const task: Pick<TaskRecord, 'answer'> = { answer: { type: 'number', labels: [] } };
const bare = { source: 'embedded:tiny' };
const input: RunConfigInput = {
  version: 1,
  name: 'test',
  tasks: [{ source: 'builtin', family: 'larger-number' }],
  models: { teacher: bare, student: bare },
};
const tagged = runConfigSchema.parse(input);
const words = runConfigSchema.parse({ ...input, prompts: { answer_open: 'The answer is ', answer_close: '.' } });

describe('finishRationale', () => {
  const finish = (raw: string, mode: 'free' | 'given' = 'free', config = tagged) =>
    finishRationale(raw, task, config, mode, { question: '3 or 8?', target: '8' });

  it.each([
    // [raw, finished, answer]
    [' 8 is more. <ans>8', '8 is more. <ans>8</ans>', '8'],
    ['8 is more. <ans>8</ans> And so on.', '8 is more. <ans>8</ans>', '8'],
    ['8 is more. <ans> 8 apples </ans>', '8 is more. <ans>8 apples</ans>', '8'],
    ['8 is more.', '8 is more.', null],
    ['8 is more. <ans>that</ans>', '8 is more. <ans>that</ans>', null],
    ['8 is more.\n\nQuestion: 1 or 2?\nAnswer: <ans>2</ans>', '8 is more.', null],
    ['  ', '', null],
  ])('free: %j', (raw, rationale, answer) => {
    expect(finish(raw)).toEqual({ rationale, answer });
  });

  it.each([
    ['8 is more. The answer is 8. The answer is 9.', '8 is more. The answer is 8.', '8'],
    ['8 is more, so the answer is 8', '8 is more, so the answer is 8.', '8'],
    ['so the answer is  3.5 apples.', 'so the answer is 3.5 apples.', '3.5'],
  ])('free, words as tags: %j', (raw, rationale, answer) => {
    expect(finish(raw, 'free', words)).toEqual({ rationale, answer });
  });

  it.each([
    ['3 is more. <ans>3</ans>', '3 is more. <ans>8</ans>'],
    ['3 is more.', '3 is more. <ans>8</ans>'],
    ['', '<ans>8</ans>'],
    ['3 is more.\nQuestion: 1 or 2?', '3 is more. <ans>8</ans>'],
  ])('given: %j', (raw, rationale) => {
    expect(finish(raw, 'given')).toEqual({ rationale, answer: '8' });
  });

  it('free: a choice that is given by its text is an answer, and its tag is closed', () => {
    const choice = { ...task, answer: { type: 'choice' as const, labels: ['(A)', '(B)'] } };
    const item = { question: 'Which day?\nOptions:\n(A) 12/24/1937\n(B) 12/25/1937', target: '(B)' };
    expect(finishRationale('A day later. <ans>12/25/1937', choice, tagged, 'free', item)).toEqual({
      rationale: 'A day later. <ans>12/25/1937</ans>',
      answer: '(B)',
    });
  });

  it.each([
    ['6 times 12 is <ans>7', tagged, null],
    ['6 times 12 is <ans>72</ans> as', tagged, '72'],
    ['so the answer is 7', words, null],
    ['so the answer is 7. That', words, '7'],
    ['8 is more. <ans>8</ans>\nQuestion: 1 or', tagged, '8'],
  ])('of a text that was cut off believes closed tags only: %j', (raw, config, answer) => {
    expect(finishRationale(raw, task, config, 'free', { question: '6 x 12?', target: '8' }, 'length').answer).toBe(
      answer,
    );
  });

  it.each([
    ['3 is more, since', 'length', true],
    ['3 is more, so <ans>3', 'length', false],
    ['3 is more.\nQuestion: 1 or', 'length', false],
    ['3 is more, since', 'stop', false],
  ] as const)('given says which were cut off before an answer: %j, %s', (raw, ended, cut) => {
    const finished = finishRationale(raw, task, tagged, 'given', { question: '3 or 8?', target: '8' }, ended);
    expect(finished.answer).toBe('8');
    expect(finished.cut).toBe(cut ? true : undefined);
  });

  it('given keeps the words that lead up to the answer', () => {
    expect(finish('3 is more, so the answer is 3. Or 4.', 'given', words).rationale).toBe(
      '3 is more, so the answer is 8.',
    );
  });
});
