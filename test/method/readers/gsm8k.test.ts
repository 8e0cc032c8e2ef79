/** Goal: GSM8K is read as it is published. Method: lines with the marks of the real file, and one vice per bad line. */
import { readGsm8k } from '../../../method/readers/gsm8k';
import { refusal } from '../../support/refusal';

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
