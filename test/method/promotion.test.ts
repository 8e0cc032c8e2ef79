/**
 * Goal: an alignment becomes current only where its test shows that it is no worse; what cannot be shown or compared keeps it back, with a reason
 * that says what it would take.
 * Method: made answers with known disagreements; the rule's own size by simulation.
 */
import { judgePromotion, testItemsMin, type PromotionSide } from '../../method/promotion';
import { seededRandom } from '../../method/keys';

const settings = { margin: 0.05, floor: {}, drop: null };

/** Answers by task, as a string of 1 and 0. */
function side(tasks: Record<string, string>, change: Partial<PromotionSide> = {}): PromotionSide {
  const answers = Object.entries(tasks).flatMap(([task, rights]) =>
    Array.from(rights).map((right, item) => ({ task, itemId: String(item), correct: right === '1' })),
  );
  return { name: 'that of before', testItemsSha256: 'items', answers: new Map([[0, answers]]), ...change };
}

const rights = (right: number, of: number): string => '1'.repeat(right) + '0'.repeat(of - right);

it('promotes what is shown to be no worse, and says by how much at worst', () => {
  const verdict = judgePromotion(side({ one: rights(150, 200) }), side({ one: rights(148, 200) }), settings, 1);
  expect(verdict).toMatchObject({ promoted: true, fallen: [] });
  expect(verdict.why).toMatch(
    /^No worse than that of before: \+1\.0 points, at worst \S+ \(95 %\), with a margin of 5\.$/,
  );
});

it('keeps back a loss, and a draw that too few items could show', () => {
  const loss = judgePromotion(side({ one: rights(120, 200) }), side({ one: rights(150, 200) }), settings, 1);
  expect(loss.promoted).toBe(false);
  expect(loss.why).toContain('-15.0');
  const draw = judgePromotion(side({ one: rights(15, 20) }), side({ one: rights(15, 20) }), settings, 1);
  expect(draw).toMatchObject({ promoted: false, checks: [{ difference: 0, passed: false }] });
  expect(draw.why).toContain('20 test items cannot show it; a margin of 5 takes at least 52.');
});

it.each([0.02, 0.05, 0.1, 0.3])('with no disagreement passes from exactly testItemsMin on (margin %p)', (margin) => {
  const least = testItemsMin(margin);
  const judged = (n: number): boolean =>
    judgePromotion(side({ one: rights(n, n) }), side({ one: rights(n, n) }), { ...settings, margin }, 1).promoted;
  expect([judged(least - 1), judged(least)]).toEqual([false, true]);
});

it('promotes a student that is worse by the margin in about one case of twenty', () => {
  const random = seededRandom(5);
  let promoted = 0;
  const trials = 1_000;
  for (let trial = 0; trial < trials; trial += 1) {
    // Of 400 items 10 % are right only before and 5 % only now: worse by 5 points, the margin itself.
    const drawn = Array.from({ length: 400 }, () => random());
    const mine = drawn.map((draw) => (draw < 0.5 || (draw >= 0.6 && draw < 0.65) ? '1' : '0')).join('');
    const theirs = drawn.map((draw) => (draw < 0.6 ? '1' : '0')).join('');
    if (judgePromotion(side({ one: mine }), side({ one: theirs }), settings, 1).promoted) promoted += 1;
  }
  expect(promoted / trials).toBeGreaterThan(0.03);
  expect(promoted / trials).toBeLessThan(0.07);
});

it('holds the level for the best of several rounds, which was chosen by the items that judge it', () => {
  const random = seededRandom(6);
  const [trials, rounds] = [300, 5];
  let [corrected, single] = [0, 0];
  for (let trial = 0; trial < trials; trial += 1) {
    const drawn = Array.from({ length: 400 }, () => random());
    const theirs = drawn.map((draw) => (draw < 0.6 ? '1' : '0')).join('');
    // Every round is worse by 5 points, the margin itself; each for itself, and the best of them is put forward.
    const students = Array.from({ length: rounds }, () =>
      drawn.map((draw) => (random() < 1 / 6 && draw < 0.6 ? '0' : draw < 0.6 || random() < 0.125 ? '1' : '0')),
    );
    const right = (answers: readonly string[]): number => answers.filter((one) => one === '1').length;
    const best = students.reduce((one, other) => (right(other) > right(one) ? other : one)).join('');
    if (judgePromotion(side({ one: best }), side({ one: theirs }), settings, rounds).promoted) corrected += 1;
    if (judgePromotion(side({ one: best }), side({ one: theirs }), settings, 1).promoted) single += 1;
  }
  expect(single / trials).toBeGreaterThan(0.1);
  expect(corrected / trials).toBeLessThan(0.07);
  const draw = judgePromotion(side({ one: rights(15, 20) }), side({ one: rights(15, 20) }), settings, rounds);
  expect(draw.why).toContain('over the 5 rounds');
});

it('keeps back what is better in all but lets a task fall below its floor, or drop', () => {
  const mine = side({ big: rights(280, 300), small: rights(5, 10) });
  const before = side({ big: rights(240, 300), small: rights(7, 10) });
  expect(judgePromotion(mine, before, settings, 1).promoted).toBe(true);
  const dropped = judgePromotion(mine, before, { ...settings, drop: 0.1 }, 1);
  expect(dropped).toMatchObject({ promoted: false, fallen: [{ task: 'small', accuracy: 0.5, by: 'drop' }] });
  const fallen = judgePromotion(mine, before, { ...settings, floor: { small: 0.6, big: 0.5 } }, 1);
  expect(fallen).toMatchObject({ promoted: false, fallen: [{ task: 'small', floor: 0.6, by: 'floor' }] });
  expect(fallen.why).toContain('small (0-shot) is at 50.0 %, below 60.0 %, its floor.');
  // As far as it may drop, and no further.
  expect(judgePromotion(mine, before, { ...settings, drop: 0.2 }, 1).promoted).toBe(true);
});

it('asks every shot count that both have, and compares nothing else', () => {
  const answersOf = (right: number) => side({ one: rights(right, 200) }).answers.get(0) ?? [];
  const mine = side(
    {},
    {
      answers: new Map([
        [0, answersOf(150)],
        [3, answersOf(100)],
        [5, answersOf(0)],
      ]),
    },
  );
  const before = side(
    {},
    {
      answers: new Map([
        [0, answersOf(150)],
        [3, answersOf(150)],
      ]),
    },
  );
  const verdict = judgePromotion(mine, before, settings, 1);
  expect(verdict.checks.map(({ shots, passed }) => [shots, passed])).toEqual([
    [0, true],
    [3, false],
  ]);
  expect(verdict.promoted).toBe(false);
});

it.each([
  ['other test items', { testItemsSha256: 'others' }, 'The test items are not those'],
  ['no shot count in common', { answers: new Map([[3, []]]) }, 'other shot counts'],
  ['an item that only one answered', side({ one: rights(150, 199) }), 'Not every test item was answered'],
])('compares nothing over %s', (_, change, why) => {
  const verdict = judgePromotion(side({ one: rights(150, 200) }), side({ one: rights(100, 200) }, change), settings, 1);
  expect(verdict).toMatchObject({ promoted: false, checks: [] });
  expect(verdict.why).toContain(why);
});
