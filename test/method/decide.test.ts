/**
 * Goal: a round replaces the best so far only when it beats it on the items that both answered, by more than the margin and, where that is asked
 * for, beyond noise; and what a decision says against a baseline is what the report says.
 * Method: made-up answers of up to three rounds, written as ones and zeros, an item a character.
 */
import { compareArms, linesOf } from '../../method/comparisons';
import { decideRound, type RoundEvidence } from '../../method/decide';
import type { ArmName } from '../../schemas/arms';

const evaluation = (arm: ArmName, round: number, answers: string, shots = 0, student = 1): RoundEvidence => ({
  arm,
  round,
  shots,
  key: `${arm} ${round} ${shots} ${student}`,
  predictions: Array.from(answers, (right, at) => ({ task: 't', itemId: String(at), correct: right === '1' })),
});
/** So many items of a hundred right, the first ones. */
const right = (count: number): string => '1'.repeat(count) + '0'.repeat(100 - count);
const baselines = [evaluation('untuned', 1, right(10)), evaluation('original_teacher', 1, right(40))];
const plain = { accept: 'higher', accept_margin: 0 } as const;

it('promotes the first round, whatever it is', () => {
  const decision = decideRound([...baselines, evaluation('arte', 1, right(36))], { ...plain, round: 1 });
  expect(decision).toMatchObject({ decision: 'promote', bestRound: 1, previousBest: null, accuracy: 0.36 });
  expect(decision.against.map(({ against, verdict }) => [against, verdict])).toEqual([
    ['untuned', 'gain'],
    ['original_teacher', 'within noise'],
  ]);
});

it('promotes a better round, keeps the best against an equal or worse one', () => {
  const upTo = (...counts: number[]) => {
    const rounds = counts.map((count, at) => evaluation('arte', at + 1, right(count)));
    const { decision, bestRound } = decideRound([...baselines, ...rounds], { ...plain, round: counts.length });
    return [decision, bestRound];
  };
  expect(upTo(40, 50)).toEqual(['promote', 2]);
  expect(upTo(40, 40)).toEqual(['keep-best', 1]);
  expect(upTo(40, 50, 45)).toEqual(['keep-best', 2]);
  expect(upTo(40, 30, 41)).toEqual(['promote', 3]);
});

it('asks for more than the margin, also of the rounds before', () => {
  const rounds = [40, 43, 46].map((count, at) => evaluation('arte', at + 1, right(count)));
  const at = (round: number) => decideRound(rounds, { accept: 'higher', accept_margin: 0.05, round });
  expect(at(2)).toMatchObject({ decision: 'keep-best', bestRound: 1 });
  expect(at(3)).toMatchObject({ decision: 'promote', bestRound: 3, previousBest: { round: 1, accuracy: 0.4 } });
  const equal = [rounds[0]!, evaluation('arte', 2, right(45))];
  expect(decideRound(equal, { accept: 'higher', accept_margin: 0.05, round: 2 }).decision).toBe('keep-best');
  expect(at(2).reason).toMatch(
    /^Round 1 stays the best: 43\.0 % against 40\.0 % of round 1 \(\+3\.0 points, 95 % interval .*: within noise\), and it takes more by over 5\.0 points to replace it\.$/,
  );
});

it('with accept: gain promotes beyond noise only, by the paired test and not by the two errors', () => {
  // Seven items more of a hundred: unpaired errors would call that noise, the items themselves do not.
  const rounds = [evaluation('arte', 1, right(40)), evaluation('arte', 2, right(47))];
  const gain = { accept: 'gain', accept_margin: 0, round: 2 } as const;
  const decision = decideRound(rounds, gain);
  expect(decision).toMatchObject({
    decision: 'promote',
    previousBest: { onlyMine: 7, onlyTheirs: 0, verdict: 'gain' },
  });
  expect(decision.previousBest?.p).toBeCloseTo(2 / 2 ** 7, 12);
  // The same difference, made of eleven items gained and four lost.
  const mixed = [rounds[0]!, evaluation('arte', 2, `0000${right(51).slice(4)}`)];
  expect(decideRound(mixed, gain)).toMatchObject({
    ...{ decision: 'keep-best', bestRound: 1 },
    previousBest: { onlyMine: 11, onlyTheirs: 4, verdict: 'within noise' },
  });
  expect(decideRound(mixed, { ...plain, round: 2 }).decision).toBe('promote');
  expect(decideRound(mixed, gain).reason).toContain('it takes more, beyond noise, to replace it');
});

it('has the intervals of the report, to the last digit', () => {
  const evidence = [
    ...baselines,
    evaluation('untuned', 1, right(20), 3),
    evaluation('original_teacher', 1, right(45), 3),
    evaluation('random_rationale', 1, right(41)),
    evaluation('arte', 1, right(42)),
    evaluation('arte', 1, right(44), 3),
    evaluation('arte', 2, right(44)),
    evaluation('arte', 2, right(47), 3),
  ];
  const lines = linesOf(evidence);
  const comparisons = compareArms(lines);
  const expected = lines.flatMap(({ arm, round, shots }, at) =>
    arm === 'arte' && round === 2 ? comparisons[at]!.map((one) => ({ shots, ...one })) : [],
  );
  expect(expected).toHaveLength(4);
  expect(decideRound(evidence, { ...plain, round: 2 }).against).toEqual(expected);
});

it('does not look at later rounds', () => {
  const rounds = [40, 50, 90].map((count, at) => evaluation('arte', at + 1, right(count)));
  const of = (evidence: readonly RoundEvidence[]) => decideRound([...baselines, ...evidence], { ...plain, round: 2 });
  expect(of(rounds)).toEqual(of(rounds.slice(0, 2)));
});

it('takes shot counts together by item, and compares equal ones only', () => {
  const first = [evaluation('arte', 1, right(50)), evaluation('arte', 1, right(70), 3)];
  const second = [evaluation('arte', 2, right(60)), evaluation('arte', 2, right(80), 3)];
  const decision = decideRound([...first, ...second], { ...plain, round: 2 });
  expect(decision.accuracy).toBeCloseTo(0.7, 12);
  expect(decision.previousBest?.difference).toBeCloseTo(0.1, 12);
  expect(decision.previousBest?.n).toBe(100);
  // A round with one of the shot counts cannot be compared.
  expect(decideRound([first[0]!, ...second], { ...plain, round: 2 }).previousBest).toBeNull();
});

it('compares with the baselines over the same shot counts as its accuracy, and says which', () => {
  const both = (arm: ArmName, zero: number, three: number) => [
    evaluation(arm, 1, right(zero)),
    evaluation(arm, 1, right(three), 3),
  ];
  const unaligned = both('original_teacher', 40, 60);
  const decision = decideRound([...both('untuned', 10, 10), ...unaligned, ...both('arte', 60, 50)], {
    ...plain,
    round: 1,
  });
  expect(decision.shots).toEqual([0, 3]);
  expect(decision.overall.map(({ against, n }) => [against, n])).toEqual([
    ['untuned', 100],
    ['original_teacher', 100],
  ]);
  expect(decision.overall[0]).toMatchObject({ difference: 0.45, verdict: 'gain' });
  // +20 points without shots, -10 with three.
  expect(decision.overall[1]?.difference).toBeCloseTo(0.05, 12);
  expect(decision.reason).toContain('an accuracy of 55.0 % over 0 and 3 shots.');
  const single = decideRound([...baselines, evaluation('arte', 1, right(60))], { ...plain, round: 1 });
  expect(single.overall).toEqual(single.against.map(({ shots: _, ...comparison }) => comparison));
  expect(single.reason).toContain('an accuracy of 60.0 %.');
});

it('takes the mean over the students of an arm, where several seeds were trained', () => {
  const students = [30, 60].map((count, at) => evaluation('arte', 1, right(count), 0, at + 1));
  const decision = decideRound([...baselines, ...students], { ...plain, round: 1 });
  expect(decision.accuracy).toBeCloseTo(0.45, 12);
  expect(decision.against.map(({ against }) => against)).toEqual(['untuned', 'original_teacher']);
  expect(decision.against[0]?.difference).toBeCloseTo(0.35, 12);
  expect(decision.against[1]?.difference).toBeCloseTo(0.05, 12);
});

it('cannot decide about a round that was not evaluated', () => {
  expect(() => decideRound(baselines, { ...plain, round: 1 })).toThrow(RangeError);
});

it('is plain data', () => {
  const decision = decideRound([...baselines, evaluation('arte', 1, right(30))], { ...plain, round: 1 });
  expect(JSON.parse(JSON.stringify(decision))).toEqual(decision);
});
