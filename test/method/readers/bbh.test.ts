/**
 * Goal: BIG-Bench-Hard files are read whole or refused with every bad item named, also those that nobody has seen before.
 * Method: small files with every kind of answer that the real ones have, and one vice per bad file.
 */
import { readBbhJson } from '../../../method/readers/bbh';
import { refusal } from '../../support/refusal';

const bbh = (...examples: readonly (readonly [input: string, target: string])[]): string =>
  JSON.stringify({ canary: 'canary GUID', examples: examples.map(([input, target]) => ({ input, target })) });

describe('readBbhJson', () => {
  it.each([
    ['boolean_expressions', bbh(['not True is', 'False']), { type: 'boolean', labels: ['True', 'False'] }],
    ['navigate', bbh(['Do you return?\nOptions:\n- Yes\n- No', 'No']), { type: 'yes-no', labels: ['Yes', 'No'] }],
    ['sports_understanding', bbh(['Is it plausible?', 'yes']), { type: 'yes-no', labels: ['yes', 'no'] }],
    [
      'date_understanding',
      bbh(['What date?\nOptions:\n(A) 1\n(B) 2\n(C) 3', '(B)'], ['What date?\nOptions:\n(A) 1\n(B) 2', '(A)']),
      { type: 'choice', labels: ['(A)', '(B)', '(C)'] },
    ],
    [
      'formal_fallacies',
      bbh(['Is it valid?\nOptions:\n- valid \n- invalid', 'invalid']),
      { type: 'choice', labels: ['valid', 'invalid'] },
    ],
    ['object_counting', bbh(['How many?', '8'], ['How many?', '12']), { type: 'number', labels: [] }],
    ['multistep_arithmetic_two', bbh(['((1 - 25)) =', '-24']), { type: 'number', labels: [] }],
    ['word_sorting', bbh(['Sort: b a', 'a b']), { type: 'text', labels: [] }],
    ['dyck_languages', bbh(['Complete: [ [', '] ]']), { type: 'exact', labels: [] }],
  ])('%s', (name, text, answer) => {
    const loaded = readBbhJson(text, name);
    expect(loaded.answer).toEqual(answer);
    expect(loaded.description).not.toContain('Answer questions about');
    expect(['algorithmic', 'language']).toContain(loaded.category);
  });

  it('describes the three sizes of a task alike, by file name or path', () => {
    const text = bbh(['q\nOptions:\n(A) a\n(B) b', '(A)']);
    const three = readBbhJson(text, 'data/logical_deduction_three_objects.json').description;
    expect(readBbhJson(text, 'logical_deduction_seven_objects').description).toBe(three);
  });

  it('takes a name that every object has for that of no known task', () => {
    const text = bbh(['Is the glass full?', 'yes']);
    expect(readBbhJson(text, 'constructor.json')).toMatchObject({ category: 'general', describedByGuess: true });
  });

  it('reads a file it has never seen before', () => {
    const text = bbh(
      ['Is the glass full?\nOptions:\n- full\n- empty\n- half', 'full'],
      ['Is the glass empty?\nOptions:\n- full\n- empty\n- half', 'empty'],
    );
    expect(readBbhJson(text, 'glass_states.json')).toMatchObject({
      answer: { type: 'choice', labels: ['full', 'empty', 'half'] },
      description: 'Answer questions about glass states. The answer is one of: full, empty, half.',
      category: 'general',
    });
  });

  it.each([
    ['{"examples": [', 'is not JSON'],
    ['[]', 'holds no items'],
    ['null', 'holds no items'],
    ['{"examples": []}', 'holds no items'],
    ['{"examples": [{"input": "q", "target": "a"}, {"input": "q"}, 5]}', '2 of 3 items are bad'],
  ])('refuses %s', (text, what) => {
    const data = refusal(() => readBbhJson(text, 'some_task'));
    expect(data.code).toBe('InvalidTaskFile');
    expect(data.what).toContain(what);
    expect(data.next).toContain('examples');
  });

  it('names the bad items', () => {
    const text = '{"examples": [{"input": "q", "target": "a"}, {"input": "q"}, 5, {"target": "a"}]}';
    expect(refusal(() => readBbhJson(text, 'some_task')).details).toEqual([
      'examples[1] (item 2): "target" is missing: an item without its answer cannot be used; write {"input": "...", "target": "..."}',
      'examples[2] (item 3): is a number; write {"input": "...", "target": "..."}',
      'examples[3] (item 4): "input" is missing; write {"input": "...", "target": "..."}',
    ]);
  });
});
