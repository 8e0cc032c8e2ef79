/**
 * Goal: lines as people write them are read whole or refused with every bad one named.
 * Method: small files in the shapes that occur, and one vice per bad line; what lines.ts and items.ts say of any format is asked here.
 */
import { problemsShownMax } from '../../../method/readers/items';
import { readJsonl } from '../../../method/readers/jsonl';
import { jsonLines } from '../../support/json-lines';
import { refusal } from '../../support/refusal';

describe('readJsonl', () => {
  it('reads lines, skips blank ones, takes numbers and truth values, other field names, a byte order mark and CRLF', () => {
    const text =
      '\uFEFF{"q": " How many? ", "a": 3, "why": "1, 2, 3"}\r\n\r\n{"q": "Is it?", "a": true, "extra": [1]}\r\n';
    const { items, description } = readJsonl(text, { question: 'q', target: 'a', rationale: 'why' });
    expect(items.map(({ question, target, rationale }) => [question, target, rationale])).toEqual([
      ['How many?', '3', '1, 2, 3'],
      ['Is it?', 'True', undefined],
    ]);
    expect(new Set(items.map((item) => item.id)).size).toBe(2);
    expect(description).toBe('');
  });

  it('gives an item the same id wherever it stands', () => {
    const [one, two] = ['{"question":"a","target":"b"}', '{"question":"c","target":"d"}'];
    const ids = (text: string) => readJsonl(text).items.map((item) => item.id);
    expect(ids(`${one}\n${two}`)).toEqual(ids(`${two}\n${one}`).reverse());
  });

  it('names every bad line with what to write instead', () => {
    const lines = [
      '{"question": "fine", "target": "yes"}',
      'not json',
      '[1]',
      '{"question": "a seed without target"}',
      '{"question": "", "target": "x"}',
      '{"question": 5, "target": "x"}',
      '{"question": "q", "target": null}',
      '{"question": "q", "target": "  "}',
      '{"input": "q", "output": "x"}',
    ];
    const { code, what, details } = refusal(() => readJsonl(lines.join('\n'), undefined, 'tasks.jsonl'));
    expect(code).toBe('InvalidTaskFile');
    expect(what).toBe('tasks.jsonl cannot be used: 8 of 9 lines are bad.');
    expect(details?.map((line) => line.split(';')[0])).toEqual([
      'line 2: is not JSON: not json',
      'line 3: is not a JSON object: [1]',
      'line 4: has no "target", it has the fields "question"',
      'line 5: "question" is empty',
      'line 6: "question" is a number, not text',
      'line 7: "target" is null, not text or a number',
      'line 8: "target" is empty: an item without its answer cannot be used',
      'line 9: has no "question", it has the fields "input", "output"',
    ]);
    expect(details?.every((line) => line.includes('write {') || line.includes('question_field'))).toBe(true);
  });

  it('refuses what no tokenizer takes: half a character, and NUL', () => {
    const lines = [
      '{"question": "What is 2 + 3? \\ud83d\\ude00", "target": "5", "ignored": "\\u0000"}',
      '{"question": "What is \\ud800 2 + 4?", "target": "6"}',
      '{"question": "What is 2 + 5?", "target": "7\\u0000"}',
    ];
    const error = refusal(() => readJsonl(lines.join('\n')));
    expect(error.details).toEqual([
      expect.stringContaining(
        'line 2: the question has half of a surrogate pair (\\ud800) without its other half; take',
      ),
      expect.stringContaining('line 3: the target has the character NUL (\\u0000); take'),
    ]);
    expect(readJsonl(lines[0] ?? '').items).toHaveLength(1);
  });

  it('shows at most twenty bad lines and says how many more there are', () => {
    const { details } = refusal(() => readJsonl('x\n'.repeat(50)));
    expect(details).toHaveLength(problemsShownMax + 1);
    expect(details?.at(-1)).toBe('and 30 more');
  });

  it('refuses an empty file', () => {
    expect(refusal(() => readJsonl('\n \n')).what).toBe('The task file holds no items.');
  });
});

describe('JSONL whose options are a list of texts', () => {
  const fields = { question: 'question', target: 'answer', choices: 'choices' };
  const line = (answer: unknown, choices: unknown = ['0', '4', '2', '6']): object => ({
    ...{ question: 'Find the degree of Q(sqrt(2), sqrt(3)) over Q.', subject: 'abstract_algebra', choices, answer },
  });
  const read = (...records: readonly object[]) => readJsonl(jsonLines(...records), fields);

  it('shows them in the question, and takes the number of one from 0 on, as MMLU has it', () => {
    const { items, answer } = read(line(1));
    expect(items[0]).toMatchObject({
      question: 'Find the degree of Q(sqrt(2), sqrt(3)) over Q.\nOptions:\n(A) 0\n(B) 4\n(C) 2\n(D) 6',
      target: '(B)',
    });
    expect(answer).toEqual({ type: 'choice', labels: ['(A)', '(B)', '(C)', '(D)'] });
  });

  it('takes the letter or the text of one, too, and its number in quotes where that is no option itself', () => {
    for (const said of ['B', '(B)', '4', ' 4 ']) expect(read(line(said)).items[0]?.target).toBe('(B)');
    expect(read(line('1')).items[0]?.target).toBe('(B)');
    expect(read(line(2)).items[0]?.target).toBe('(C)');
  });

  it('says which field would hold them where none is named: a list of texts in every line', () => {
    const unnamed = (...records: readonly object[]) =>
      readJsonl(jsonLines(...records), { question: 'question', target: 'answer' }).unreadOptions;
    expect(unnamed(line('4'), line('0', ['0', '1']))).toBe('choices');
    for (const other of ['4', ['4'], [], ['4', ''], [4, 0]])
      expect(unnamed(line('4'), line('4', other))).toBeUndefined();
    expect(read(line(1))).not.toHaveProperty('unreadOptions');
  });

  it('names every line that cannot be used', () => {
    const { details } = refusal(() =>
      read(
        line(1),
        line(4),
        line(-1),
        line('E'),
        line('2'),
        line('A', ['B', 'A']),
        line(0, 'one'),
        line(0, ['one']),
        line(true),
      ),
    );
    expect(details?.map((each) => each.split(';')[0])).toEqual([
      'line 2: "answer" 4 is none of "choices"',
      'line 3: "answer" -1 is none of "choices"',
      'line 4: "answer" "E" is none of "choices"',
      'line 6: "answer" "A" may be the number or letter of one of "choices", and the text of another one',
      'line 7: "choices" is text',
      'line 8: "choices" is no list of 2 to 26 texts',
      'line 9: "answer" true is none of "choices"',
    ]);
  });
});
