/**
 * Goal: ARC, CommonsenseQA and PIQA are read in both published forms, or refused with every bad line named.
 * Method: the first lines of the real files, and one vice per bad line.
 */
import { canonicalAnswer, optionsOf } from '../../../method/answers';
import { readMultipleChoice, readPiqa } from '../../../method/readers/multiple-choice';
import { jsonLines } from '../../support/json-lines';
import { refusal } from '../../support/refusal';

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
