/** Goal: the narrowest answer type that all targets fit. Method: sets of targets on either side of each border. */
import { guessAnswer } from '../../../method/readers/guess-answer';

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
