/**
 * Goal: a round replaces the best so far only when it beats it by more than the margin, and the evidence says what is noise.
 * Method: made-up evaluations of up to three rounds.
 */
import { decideRound, type RoundEvidence } from '../../method/decide';

const evaluation = (arm: string, round: number, accuracy: number, shots = 0, n = 100): RoundEvidence => ({
  arm,
  round,
  shots,
  n,
  correct: Math.round(accuracy * n),
  accuracy,
  stderr: Math.sqrt((accuracy * (1 - accuracy)) / (n - 1)),
});
const baselines = [evaluation('untuned', 1, 0.1), evaluation('original_teacher', 1, 0.4)];

describe('decideRound', () => {
  it('promotes the first round, whatever it is', () => {
    const decision = decideRound([...baselines, evaluation('arte', 1, 0.3)], { round: 1, acceptMargin: 0.5 });
    expect(decision).toMatchObject({ decision: 'promote', bestRound: 1, previousBest: null, accuracy: 0.3 });
    expect(decision.against.map(({ arm, verdict }) => [arm, verdict])).toEqual([
      ['original_teacher', 'within noise'],
      ['untuned', 'gain'],
    ]);
  });

  it('promotes a better round, keeps the best against an equal or worse one', () => {
    const upTo = (...accuracies: number[]) => {
      const rounds = accuracies.map((accuracy, at) => evaluation('arte', at + 1, accuracy));
      const { decision, bestRound } = decideRound([...baselines, ...rounds], {
        round: accuracies.length,
        acceptMargin: 0,
      });
      return [decision, bestRound];
    };
    expect(upTo(0.4, 0.5)).toEqual(['promote', 2]);
    expect(upTo(0.4, 0.4)).toEqual(['keep-best', 1]);
    expect(upTo(0.4, 0.5, 0.45)).toEqual(['keep-best', 2]);
    expect(upTo(0.4, 0.3, 0.41)).toEqual(['promote', 3]);
  });

  it('asks for more than the margin, also of the rounds before', () => {
    const rounds = [0.4, 0.43, 0.46].map((accuracy, at) => evaluation('arte', at + 1, accuracy));
    const at = (round: number) => decideRound(rounds, { round, acceptMargin: 0.05 });
    expect(at(2)).toMatchObject({ decision: 'keep-best', bestRound: 1 });
    expect(at(3)).toMatchObject({ decision: 'promote', bestRound: 3, previousBest: { round: 1, accuracy: 0.4 } });
    expect(
      decideRound([rounds[0], evaluation('arte', 2, 0.45)] as RoundEvidence[], { round: 2, acceptMargin: 0.05 })
        .decision,
    ).toBe('keep-best');
    expect(at(2).reason).toBe(
      'Round 1 stays the best: 43.0 % against 40.0 % of round 1, and it takes more by over 5.0 points to replace it.',
    );
  });

  it('does not look at later rounds', () => {
    const rounds = [0.4, 0.5, 0.9].map((accuracy, at) => evaluation('arte', at + 1, accuracy));
    expect(decideRound(rounds, { round: 2, acceptMargin: 0 })).toEqual(
      decideRound(rounds.slice(0, 2), { round: 2, acceptMargin: 0 }),
    );
  });

  it('averages over shot counts, and compares equal ones only', () => {
    const evidence = [
      evaluation('untuned', 1, 0.2, 0),
      evaluation('untuned', 1, 0.4, 3),
      evaluation('half', 1, 0.9, 0),
      evaluation('arte', 1, 0.5, 0),
      evaluation('arte', 1, 0.7, 3),
    ];
    const decision = decideRound(evidence, { round: 1, acceptMargin: 0 });
    expect(decision.accuracy).toBeCloseTo(0.6, 12);
    expect(decision.against.map(({ arm }) => arm)).toEqual(['untuned']);
    expect(decision.against[0]?.difference).toBeCloseTo(0.3, 12);
  });

  it('cannot decide about a round that was not evaluated', () => {
    expect(() => decideRound(baselines, { round: 1, acceptMargin: 0 })).toThrow(RangeError);
  });

  it('is plain data', () => {
    const decision = decideRound([...baselines, evaluation('arte', 1, 0.3)], { round: 1, acceptMargin: 0 });
    expect(JSON.parse(JSON.stringify(decision))).toEqual(decision);
  });

  it('takes the mean over the students of an arm, where several seeds were trained', () => {
    const students = [0.3, 0.6].map((accuracy, at) => ({ ...evaluation('arte', 1, accuracy), student: at + 1 }));
    const decision = decideRound([...baselines, ...students], { round: 1, acceptMargin: 0 });
    expect(decision.accuracy).toBeCloseTo(0.45, 12);
    expect(decision.against.map(({ arm }) => arm)).toEqual(['original_teacher', 'untuned']);
    expect(decision.against[0]?.difference).toBeCloseTo(0.05, 12);
    expect(decision.against[1]?.difference).toBeCloseTo(0.35, 12);
  });
});
