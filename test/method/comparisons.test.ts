/**
 * Goal: arms are compared on the items they share, and what may be claimed is corrected for every comparison a reader looks through.
 * Method: a report's worth of answers judged by statsmodels (test/golden/statistics.py: exact McNemar, Holm over a column), and cases by hand.
 */
import type { ArmName } from '../../schemas/arms';
import { compareAnswers, compareArms, linesOf, type EvaluatedArm } from '../../method/comparisons';
import golden from '../golden/statistics.json';

const evaluated = (arm: ArmName, shots: number, answers: string, round = 1, students = 1): EvaluatedArm => ({
  arm,
  round,
  shots,
  key: `${arm} ${shots} ${round}`,
  students,
  predictions: Array.from(answers, (right, at) => {
    const item = at % (answers.length / students);
    return { task: 't', itemId: String(item), correct: right === '1' };
  }),
});

const column = Object.entries(golden.family.answers).flatMap(([shots, arms]) =>
  Object.entries(arms).map(([arm, answers]) => evaluated(arm as ArmName, Number(shots), answers)),
);

describe('a family of comparisons', () => {
  const comparisons = compareArms(column);

  it.each(['untuned', 'original_teacher'] as const)(
    'against %s is adjusted as statsmodels adjusts the column',
    (against) => {
      const adjusted = comparisons.flatMap((own, at) =>
        own
          .filter((comparison) => comparison.against === against)
          .map(({ p }) => [`${column[at]?.arm ?? ''} ${column[at]?.shots ?? ''}`, p] as const),
      );
      const expected = golden.family.adjusted[against] as Readonly<Record<string, number>>;
      expect(adjusted.map(([name]) => name).sort()).toEqual(Object.keys(expected).sort());
      for (const [name, p] of adjusted) expect(p).toBeCloseTo(expected[name] as number, 12);
    },
  );

  it('makes a claim depend on what else is compared', () => {
    // Six items more, right in one arm and wrong in the other: p = 2 / 2^6 alone, five times that among five.
    const base = '0'.repeat(6) + '1'.repeat(20);
    const better = '1'.repeat(26);
    const alone = compareArms([evaluated('original_teacher', 0, base), evaluated('arte', 0, better)]);
    expect(alone[1]).toMatchObject([{ against: 'original_teacher', verdict: 'gain' }]);
    expect(alone[1]?.[0]?.p).toBeCloseTo(2 / 2 ** 6, 12);
    const others = (['random_rationale', 'most_preferred', 'task_consistent', 'self_instruct'] as const).map((arm) =>
      evaluated(arm, 0, base),
    );
    const among = compareArms([evaluated('original_teacher', 0, base), ...others, evaluated('arte', 0, better)]);
    expect(among.at(-1)).toMatchObject([{ verdict: 'within noise' }]);
    expect(among.at(-1)?.[0]?.p).toBeCloseTo((5 * 2) / 2 ** 6, 12);
  });
});

it('one evaluation on both sides differs in nothing; two that happen to agree may', () => {
  const own = evaluated('arte', 0, '1010');
  expect(compareAnswers(own, own)).toMatchObject({ difference: 0, low: 0, high: 0 });
  expect(compareAnswers(own, evaluated('arte', 0, '1010', 2)).low).toBeLessThan(-0.4);
});

it('the floor and the ceiling are compared with nothing, and do not make the family larger', () => {
  const [untuned, teacher, original, arte] = compareArms([
    evaluated('untuned', 0, '0000'),
    evaluated('teacher', 0, '1111'),
    evaluated('original_teacher', 0, '0011'),
    evaluated('arte', 0, '0111'),
  ]);
  expect([untuned, teacher]).toEqual([[], []]);
  expect(original?.map(({ against }) => against)).toEqual(['untuned']);
  expect(arte?.map(({ against, difference }) => [against, difference])).toEqual([
    ['untuned', 0.75],
    ['original_teacher', 0.25],
  ]);
});

it('compares within a shot count, every round with the baselines of the first, on the items that both answered', () => {
  const short = evaluated('original_teacher', 0, '00');
  const arms = [
    short,
    evaluated('original_teacher', 3, '11'),
    evaluated('arte', 0, '1101'),
    evaluated('arte', 0, '01', 2),
  ];
  expect(compareArms(arms).map((own) => own.map(({ difference }) => difference))).toEqual([[], [], [1], [0.5]]);
});

it('does not take the answers of three students who agree for three times as many items', () => {
  const [base, better] = ['0'.repeat(6) + '1'.repeat(14), '1'.repeat(20)];
  const one = compareArms([evaluated('original_teacher', 0, base), evaluated('arte', 0, better)])[1]?.[0];
  const thrice = (answers: string, arm: ArmName) => evaluated(arm, 0, answers.repeat(3), 1, 3);
  const three = compareArms([thrice(base, 'original_teacher'), thrice(better, 'arte')])[1]?.[0];
  for (const name of ['difference', 'low', 'high', 'p'] as const)
    expect(three?.[name]).toBeCloseTo(one?.[name] ?? NaN, 12);
});

it('of a transfer compares what has one target, in one family over all of them', () => {
  const towards = (to: 'tasks' | 'student-1', arm: EvaluatedArm): EvaluatedArm => ({ ...arm, to });
  // Six items more, right in one arm and wrong in the other: p = 2 / 2^6 alone, twice that beside another target.
  const base = '0'.repeat(6) + '1'.repeat(20);
  const better = '1'.repeat(26);
  const original = (answers: string) => evaluated('original_teacher', 0, answers);
  const arte = (answers: string) => evaluated('arte', 0, answers);
  const alone = compareArms([towards('tasks', original(base)), towards('tasks', arte(better))]);
  expect(alone[1]?.[0]?.p).toBeCloseTo(2 / 2 ** 6, 12);
  const both = compareArms([
    ...[towards('student-1', original(better)), towards('student-1', arte(better))],
    ...[towards('tasks', original(base)), towards('tasks', arte(better))],
  ]);
  expect(both[1]).toMatchObject([{ against: 'original_teacher', difference: 0, p: 1 }]);
  expect(both[3]?.[0]?.difference).toBeCloseTo(6 / 26, 12);
  expect(both[3]?.[0]?.p).toBeCloseTo((2 * 2) / 2 ** 6, 12);
  // Another target's baseline is none.
  expect(compareArms([original(base), towards('tasks', arte(better))])).toEqual([[], []]);
});

it('takes the students of one target together, and those of another apart', () => {
  const key = { key: 'k', predictions: [{ task: 't', itemId: '1', correct: true }] };
  const of = (to?: 'tasks') => ({ arm: 'arte' as const, round: 1, shots: 0, ...key, ...(to && { to }) });
  expect(linesOf([of(), of('tasks'), of('tasks')]).map(({ to, students }) => [to, students])).toEqual([
    [undefined, 1],
    ['tasks', 2],
  ]);
});
