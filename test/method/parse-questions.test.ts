/**
 * Goal: whatever a teacher writes, what can be used is used, what cannot is named, and nothing half-written becomes training data.
 * Method: a table of answers as models write them, in both formats; seeded cuts of a good answer at every place.
 */
import { parseQuestions } from '../../method/parse-questions';
import { questionResponse } from '../../method/prompts';
import type { AnswerSpec } from '../../schemas/task';

const number = { answer: { type: 'number', labels: [] } satisfies AnswerSpec };
const boolean = { answer: { type: 'boolean', labels: ['True', 'False'] } satisfies AnswerSpec };
const choice = { answer: { type: 'choice', labels: ['(A)', '(B)', '(C)'] } satisfies AnswerSpec };

describe('tagged', () => {
  it.each([
    [
      'two items',
      '<question>1 + 1?</question>\n<target>2</target>\n\n<question>2 + 2?</question>\n<target>4</target>',
      ['2', '4'],
      0,
    ],
    [
      'the last target not closed',
      '<question>1 + 1?</question><target>2</target> <question>2 + 2?</question>\n<target>4',
      ['2', '4'],
      0,
    ],
    ['the last item half-written', '<question>1 + 1?</question><target>2</target>\n<question>2 + ', ['2'], 1],
    ['no closing of the question', '<question>1 + 1?\n<target>2</target>', ['2'], 0],
    ['a target that rambles on', '<question>1 + 1?</question><target>2\nbecause one and one', [], 1],
    ['upper case, text around', 'Sure!\n<Question>1 + 1?</Question> <TARGET> 2. </TARGET> Done.', ['2'], 0],
    ['the format itself', '<question>…</question>\n<target>…</target>', [], 1],
    ['no target', '<question>1 + 1?</question>', [], 1],
    ['a target that does not fit', '<question>1 + 1?</question><target>two or so, I would say 2 or 3</target>', [], 1],
    ['prose', 'I cannot do that.', [], 1],
    ['nothing', '', [], 1],
  ])('%s', (_, text, targets, problems) => {
    const parsed = parseQuestions(text, 'tagged', number);
    expect(parsed.questions.map(({ target }) => target)).toEqual(targets);
    expect(parsed.problems).toHaveLength(problems);
  });
});

it('a target that the cut at max_tokens ends is half of one, and none; one that a stop string ends is whole', () => {
  const text = '<question>1 + 1?</question>\n<target>2</target>\n\n<question>100 + 25?</question>\n<target>12';
  const targets = (finish: 'stop' | 'length') =>
    parseQuestions(text, 'tagged', number, finish).questions.map(({ target }) => target);
  expect(targets('stop')).toEqual(['2', '12']);
  expect(targets('length')).toEqual(['2']);
  expect(parseQuestions(text, 'tagged', number, 'length').problems).toEqual(['a target is cut off']);
  expect(parseQuestions(`${text}5</target>`, 'tagged', number, 'length').questions).toHaveLength(2);
});

describe('json', () => {
  it.each([
    ['one object', '{"question": "1 + 1?", "target": "2"}', ['2'], 0],
    [
      'an object of many',
      '{"questions": [{"question": "1 + 1?", "target": "2"}, {"question": "2 + 2?", "target": "4"}]}',
      ['2', '4'],
      0,
    ],
    ['an array', '[{"question": "1 + 1?", "target": "2"},\n {"question": "2 + 2?", "target": "4"}]', ['2', '4'], 0],
    ['lines', '{"question": "1 + 1?", "target": "2"}\n{"question": "2 + 2?", "target": "4"}', ['2', '4'], 0],
    ['a fence and prose', 'Here:\n```json\n{"question": "1 + 1?", "target": 2}\n```', ['2'], 0],
    ['braces and quotes inside', '{"question": "What is \\"{1}\\" + 1?", "target": "2"}', ['2'], 0],
    ['the last item cut off', '[{"question": "1 + 1?", "target": "2"}, {"question": "2 + 2', ['2'], 1],
    ['another key', '{"question": "1 + 1?", "answer": "2"}', [], 1],
    ['not JSON', "{'question': '1 + 1?', 'target': '2'}", [], 1],
    ['an empty question', '{"question": " ", "target": "2"}', [], 1],
    ['an empty target', '{"question": "1 + 1?", "target": ""}', [], 1],
    ['nothing', '', [], 1],
  ])('%s', (_, text, targets, problems) => {
    const parsed = parseQuestions(text, 'json', number);
    expect(parsed.questions.map(({ target }) => target)).toEqual(targets);
    expect(parsed.problems).toHaveLength(problems);
  });
});

describe('targets', () => {
  it('come out in canonical form', () => {
    expect(parseQuestions('{"question": "not False is?", "target": true}', 'json', boolean).questions).toEqual([
      { question: 'not False is?', target: 'True' },
    ]);
    expect(
      parseQuestions('<question>cost?</question><target>$1,000</target>', 'tagged', number).questions[0]?.target,
    ).toBe('1000');
  });

  it('must be among the labels, and among the options that the question has', () => {
    const options = 'Which is a tree?\nOptions:\n(A) oak\n(B) chair';
    const read = (target: string) =>
      parseQuestions(`<question>${options}</question><target>${target}</target>`, 'tagged', choice);
    expect(read('A').questions[0]?.target).toBe('(A)');
    expect(read('oak').questions[0]?.target).toBe('(A)');
    expect(read('(C)').problems).toEqual(["the target (C) is not among the question's options"]);
    const inline = '<question>Which is a tree? (A) cup (B) oak (C) pen</question><target>(B)</target>';
    expect(parseQuestions(inline, 'tagged', choice).questions[0]?.target).toBe('(B)');
    expect(read('(D)').problems[0]).toContain('is not one of (A), (B), (C)');
    expect(parseQuestions('{"question": "not False is?", "target": "Yes"}', 'json', boolean).problems).toHaveLength(1);
  });

  it('a tag of the format inside an item spoils that item only', () => {
    const text = '{"question": "<target>1", "target": "1"}\n{"question": "2 + 2?", "target": "4"}';
    expect(parseQuestions(text, 'json', number)).toEqual({
      questions: [{ question: '2 + 2?', target: '4' }],
      problems: ['a tag of the format stands inside an item'],
    });
  });
});

describe('cut anywhere', () => {
  const items = [
    { question: 'What is "1" + 1?', target: '2' },
    { question: 'What is {2} + 2?', target: '4' },
    { question: 'What is 10 + 10?', target: '20' },
  ];

  it.each(['tagged', 'json'] as const)('%s: whole items before the cut survive, in order', (format) => {
    const text = questionResponse(items, format, items.length);
    const whole = items.map((_, index) => questionResponse(items.slice(0, index + 1), format, items.length).length);
    for (let cut = 0; cut <= text.length; cut += 1) {
      const { questions } = parseQuestions(text.slice(0, cut), format, number);
      const survivors = whole.filter((length) => length <= cut).length;
      expect(questions.length).toBeGreaterThanOrEqual(survivors);
      expect(questions.slice(0, survivors)).toEqual(items.slice(0, survivors));
      // Told that it was cut off, nothing half-written comes out.
      const told = parseQuestions(text.slice(0, cut), format, number, 'length').questions;
      expect(items.slice(0, told.length)).toEqual(told);
    }
  });
});
