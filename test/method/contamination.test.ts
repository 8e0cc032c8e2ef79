/**
 * Goal: a leaked item is caught, copied, reworded a little or hidden in a longer text; a fresh question of the same template is not.
 * Method: planted leaks; fresh items of every built-in family against its own validation and test items.
 */
import { contaminationCheck } from '../../method/contamination';
import { families } from '../../method/families';
import type { TaskItem } from '../../schemas/task';

const settings = { ngram: 8, overlap: 0.7 };
const item = (id: string, question: string): TaskItem => ({ id, question, target: '1' });
const story = (name: string, thing: string, many: number): string =>
  `${name} the baker put ${many} ${thing} on the windowsill before dawn, and by noon the crows had carried off all but three of them to the old mill.`;

const task = {
  seeds: [item('s', 'Which is larger, 3 or 8?')],
  validation: [item('v', 'Which is larger, 5 or 9?'), item('v-long', story('Otto', 'rolls', 12))],
  test: [item('t', 'Which is larger, 4 or 7?'), item('t-long', story('Mira', 'tarts', 30).replaceAll('crows', 'jays'))],
};
const check = contaminationCheck(task, settings);

describe('a question', () => {
  it.each([
    ['which is larger, 4 or 7', { split: 'test', rule: 'exact', itemId: 't' }],
    ['Which is larger, 5 or 9 ?', { split: 'validation', rule: 'exact', itemId: 'v' }],
    ['WHICH IS LARGER, 3 OR 8?', { split: 'seeds', rule: 'exact', itemId: 's' }],
    ['Which is larger, 4 or 6?', undefined],
    [
      `Read this. ${story('Otto', 'rolls', 12)} How many are left?`,
      { split: 'validation', rule: 'overlap', itemId: 'v-long' },
    ],
    [
      story('Mira', 'tarts', 30).replaceAll('crows', 'jays').replace('old', 'new'),
      { split: 'test', rule: 'overlap', itemId: 't-long' },
    ],
    ['A baker had 30 tarts and the birds took all but three. How many were taken?', undefined],
  ])('%s', (question, expected) => {
    expect(check.question(question)).toEqual(expected);
  });
});

it('finds an item in a rationale, and none in a short text', () => {
  expect(check.text(`Let me recall. ${story('Otto', 'rolls', 12)} So nine are gone.`)?.itemId).toBe('v-long');
  expect(check.text('Which is larger, 4 or 7?')).toBeUndefined();
});

it('does not count the wording that many items share', () => {
  const opening = 'The following sentences describe a row of books on a shelf from the left to the right end.';
  const books = ['red', 'blue', 'green', 'grey'].map((colour, at) =>
    item(`b${at}`, `${opening} The ${colour} book stands somewhere between the atlas and volume ${at} of the almanac.`),
  );
  const shelf = contaminationCheck({ seeds: [], validation: books, test: [] }, settings);
  expect(shelf.question(`${opening} The black one stands first.`)).toBeUndefined();
  expect(shelf.question(books[2]?.question ?? '')?.itemId).toBe('b2');
});

describe('fresh items of the built-in families are not taken for leaks', () => {
  it.each([...families.values()].map((family) => [family.name, family] as const))('%s', (_, family) => {
    const items = family.generate(Math.min(400, family.distinct), 3);
    const part = Math.floor(items.length / 4);
    const known = { seeds: [], validation: items.slice(0, part), test: items.slice(part, 2 * part) };
    const fresh = items.slice(2 * part);
    const checkOf = contaminationCheck(known, settings);
    const flagged = fresh.filter(({ question }) => checkOf.question(question) !== undefined);
    expect(flagged.length / fresh.length).toBeLessThanOrEqual(0.02);
    expect(known.test.every(({ question }) => checkOf.question(question)?.split === 'test')).toBe(true);
  });
});
