/** Goal: each judge drops what it should, says why, and keeps what it cannot tell. Method: small rows with known answers. */
import { judgeAnswer, majorityAnswer, type AnswerFilter } from '../../method/answer-filter';
import type { AnswerSpec } from '../../schemas/task';

const number: AnswerSpec = { type: 'number', labels: [] };
const task = { answer: number, verifier: { kind: 'arithmetic' as const } };
const row = (answer: string | null, more: object = {}) => ({
  question: 'What is 2 + 3?',
  target: '6',
  answer,
  agrees: answer === '6',
  ...more,
});

it.each<[AnswerFilter, ReturnType<typeof row>, object]>([
  ['off', row(null), { keep: true }],
  ['target', row('6'), { keep: true }],
  ['target', row('5'), { keep: false, reason: 'disagrees with the target' }],
  ['target', row(null), { keep: false, reason: 'no answer to judge' }],
  ['verifier', row('5'), { keep: true }],
  ['verifier', row('6'), { keep: false, reason: 'wrong by the verifier' }],
  ['verifier', row('6', { question: 'What is the meaning of it?' }), { keep: true, unjudged: true }],
  ['majority', row('5', { votes: ['5', '5.0', '7'] }), { keep: true }],
  ['majority', row('7', { votes: ['5', '5', '7'] }), { keep: false, reason: 'disagrees with the majority' }],
  ['majority', row('5', { votes: ['5', '7', null] }), { keep: false, reason: 'no majority' }],
  ['majority', row('5', { votes: [null, null] }), { keep: false, reason: 'no majority' }],
  ['majority', row('5'), { keep: false, reason: 'no majority' }],
])('%s: %o', (filter, judged, verdict) => {
  expect(judgeAnswer(judged, task, filter)).toEqual(verdict);
});

it('counts answers as one that the answer type takes for one', () => {
  const text: AnswerSpec = { type: 'text', labels: [] };
  expect(majorityAnswer(['a b', 'A  B.', 'c', 'c d'], text)).toBe('a b');
  expect(majorityAnswer(['1,000', '1000', '7'], number)).toBe('1,000');
  expect(majorityAnswer([], number)).toBeNull();
});
