/**
 * Goal: files as people have them are read whole or refused with every bad line named.
 * Method: small fixtures in the shape of the real files (all 27 kinds of BIG-Bench-Hard answers, GSM8K, lines of ARC, CommonsenseQA and PIQA), and one vice per bad file.
 */
import { ArteError } from '../../schemas/errors';
import { canonicalAnswer, optionsOf } from '../../method/answers';
import {
  guessAnswer,
  problemsShownMax,
  readBbhJson,
  readGsm8k,
  readJsonl,
  readMultipleChoice,
  readPiqa,
} from '../../method/readers';

function refusal(read: () => unknown): ArteError['data'] {
  try {
    read();
  } catch (error) {
    if (error instanceof ArteError) return error.data;
    throw error;
  }
  throw new Error('was not refused');
}

const bbh = (...examples: readonly (readonly [input: string, target: string])[]): string =>
  JSON.stringify({ canary: 'canary GUID', examples: examples.map(([input, target]) => ({ input, target })) });

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

describe('readGsm8k', () => {
  it('takes the number after #### and the worked answer before it, on one line, without calculator marks', () => {
    const line = {
      question: 'How much?',
      answer: 'A robe takes 2/2=<<2/2=1>>1 bolt\nSo it is 1,200*2=$<<1200*2=2400>>2,400.\n#### $2,400',
    };
    const { items, answer } = readGsm8k(JSON.stringify(line));
    expect(items[0]).toMatchObject({ target: '2400', rationale: 'A robe takes 2/2=1 bolt. So it is 1,200*2=$2,400.' });
    expect(answer).toEqual({ type: 'number', labels: [] });
    const negative = JSON.stringify({ question: 'q', answer: '#### -5.' });
    expect(readGsm8k(negative).items[0]).toMatchObject({ target: '-5' });
    expect(readGsm8k(negative).items[0]).not.toHaveProperty('rationale');
  });

  it('names lines without a gold answer', () => {
    const { details } = refusal(() =>
      readGsm8k('{"question":"q","answer":"18"}\n{"question":"q","answer":"#### many"}\n{"question":"q","answer":7}'),
    );
    expect(details?.map((line) => line.split(';')[0])).toEqual([
      'line 1: "answer" has no line "#### <number>"',
      'line 2: "many" after #### is not a number',
      'line 3: "answer" is a number',
    ]);
  });
});

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

describe('guessAnswer', () => {
  const items = (targets: readonly string[], question = 'q') => targets.map((target) => ({ question, target }));
  it.each([
    [items(['true', 'TRUE']), { type: 'boolean', labels: ['true', 'false'] }],
    [items(['NO']), { type: 'yes-no', labels: ['YES', 'NO'] }],
    [items(['1,000', '$5', '-2.5']), { type: 'number', labels: [] }],
    [items(['1,00']), { type: 'text', labels: [] }],
    [items(['B', 'A'], 'Which?\n(A) x\n(B) y\n(C) z'), { type: 'choice', labels: ['A', 'B', 'C'] }],
    [items(['B', 'A']), { type: 'exact', labels: [] }],
    [
      items(Array.from({ length: 40 }, (_, at) => ['spam', 'ham'][at % 2] as string)),
      { type: 'choice', labels: ['ham', 'spam'] },
    ],
    [items(['spam', 'ham']), { type: 'text', labels: [] }],
    [items(['x', '3']), { type: 'exact', labels: [] }],
    [items(['Paris', '3']), { type: 'text', labels: [] }],
  ])('%j', (given, answer) => {
    expect(guessAnswer(given)).toEqual(answer);
  });
});

/** First lines of ARC-Challenge (test), CommonsenseQA (train) and PIQA (train), as their authors publish them. */
const arcLine = {
  id: 'Mercury_7175875',
  question: {
    stem: 'An astronomer observes that a planet rotates faster after a meteorite impact. Which is the most likely effect of this increase in rotation?',
    choices: [
      { text: 'Planetary density will decrease.', label: 'A' },
      { text: 'Planetary years will become longer.', label: 'B' },
      { text: 'Planetary days will become shorter.', label: 'C' },
      { text: 'Planetary gravity will become stronger.', label: 'D' },
    ],
  },
  answerKey: 'C',
};
const commonsenseLine = {
  answerKey: 'A',
  id: '1afa02df02c908a558b4036e80242fac',
  question: {
    question_concept: 'revolving door',
    choices: [
      { label: 'A', text: 'bank' },
      { label: 'B', text: 'library' },
      { label: 'C', text: 'department store' },
      { label: 'D', text: 'mall' },
      { label: 'E', text: 'new york' },
    ],
    stem: 'A revolving door is convenient for two direction travel, but it also serves as a security measure at a what?',
  },
};
const piqaLine = {
  goal: "When boiling butter, when it's ready, you can",
  sol1: 'Pour it onto a plate',
  sol2: 'Pour it into a jar',
};
const jsonLines = (...records: readonly unknown[]): string =>
  records.map((record) => JSON.stringify(record)).join('\n');

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

describe('readMultipleChoice', () => {
  const columns = ({ question, answerKey }: typeof arcLine): unknown => ({
    question: question.stem,
    choices: { text: question.choices.map(({ text }) => text), label: question.choices.map(({ label }) => label) },
    answerKey,
  });

  it.each([
    ['as published', arcLine],
    ['as Hugging Face has it', columns(arcLine)],
  ])('reads a line of ARC %s', (_, record) => {
    const { items, answer, description, category } = readMultipleChoice(jsonLines(record), 'arc');
    expect(items[0]).toMatchObject({
      question: [
        arcLine.question.stem,
        'Options:',
        '(A) Planetary density will decrease.',
        '(B) Planetary years will become longer.',
        '(C) Planetary days will become shorter.',
        '(D) Planetary gravity will become stronger.',
      ].join('\n'),
      target: '(C)',
    });
    expect(answer).toEqual({ type: 'choice', labels: ['(A)', '(B)', '(C)', '(D)'] });
    expect(description).toContain('science');
    expect(category).toBe('science');
  });

  it('reads CommonsenseQA, and the answer by its letter or by its text', () => {
    const { items, answer } = readMultipleChoice(jsonLines(commonsenseLine), 'commonsenseqa');
    const { question, target } = items[0] ?? { question: '', target: '' };
    expect(target).toBe('(A)');
    expect(optionsOf(question).map(({ text }) => text)).toEqual(
      commonsenseLine.question.choices.map(({ text }) => text),
    );
    for (const said of ['A', '(A)', 'bank', '(A) bank']) expect(canonicalAnswer(said, answer, question)).toBe('(A)');
  });

  it('gives options the letters of their order, where the file numbers them', () => {
    const choices = arcLine.question.choices.map(({ text }, at) => ({ text, label: String(at + 1) }));
    const numbered = { ...arcLine, question: { ...arcLine.question, choices }, answerKey: '3' };
    expect(readMultipleChoice(jsonLines(numbered), 'arc').items).toEqual(
      readMultipleChoice(jsonLines(arcLine), 'arc').items,
    );
  });

  it('names every line that cannot be used', () => {
    const { answerKey: _, ...secret } = arcLine;
    const { details } = refusal(() =>
      readMultipleChoice(
        jsonLines(
          arcLine,
          secret,
          { ...arcLine, answerKey: '' },
          { ...arcLine, answerKey: 'F' },
          { ...arcLine, question: { stem: arcLine.question.stem, choices: [{ text: 'one', label: 'A' }] } },
          { ...arcLine, question: { ...arcLine.question, stem: ' ' } },
          { question: 'Which?', choices: { text: ['a', 'b'], label: ['A'] }, answerKey: 'A' },
        ),
        'arc',
      ),
    );
    expect(details?.map((line) => line.split(';')[0])).toEqual([
      'line 2: "answerKey" is missing',
      'line 3: "answerKey" is empty',
      'line 4: no choice has the label "F" of "answerKey"',
      'line 5: it has no list of two or more choices',
      "line 6: the question's text is empty",
      'line 7: it has no list of two or more choices',
    ]);
  });
});

describe('readPiqa', () => {
  const second = { ...piqaLine, goal: 'another goal' };

  it('takes the label from the line, or from the file that is published beside it', () => {
    const own = readPiqa(jsonLines({ ...piqaLine, label: 1 }, { ...second, label: '0' }), undefined);
    expect(own.items.map(({ question, target }) => [question, target])).toEqual([
      [`${piqaLine.goal}\nOptions:\n(A) Pour it onto a plate\n(B) Pour it into a jar`, '(B)'],
      [`another goal\nOptions:\n(A) Pour it onto a plate\n(B) Pour it into a jar`, '(A)'],
    ]);
    expect(readPiqa(jsonLines(piqaLine, second), '1\n0\n')).toEqual(own);
    expect(own.answer).toEqual({ type: 'choice', labels: ['(A)', '(B)'] });
  });

  it('names every line that cannot be used, and refuses labels of another split', () => {
    const { details } = refusal(() =>
      readPiqa(jsonLines(piqaLine, { ...piqaLine, label: -1 }, { ...piqaLine, sol2: '' }), undefined),
    );
    expect(details?.map((line) => line.split(';')[0])).toEqual([
      'line 1: has no "label"',
      'line 2: its label -1 is neither 0 nor 1',
      'line 3: "sol2" is empty',
    ]);
    expect(refusal(() => readPiqa(jsonLines(piqaLine), '1\n0\n')).what).toBe(
      'The PIQA file has 1 items, but its labels file has 2 lines.',
    );
    expect(refusal(() => readPiqa(jsonLines(piqaLine, second), '1\n')).details?.[0]).toContain(
      'line 2: has no "label"',
    );
  });
});
