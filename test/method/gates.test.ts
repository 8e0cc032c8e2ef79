/**
 * Goal: the gates catch a teacher that has collapsed to bare answers, a test item that leaked into its examples, and one that was rewarded for
 * length alone; a teacher that is well passes at the defaults. What follows a round is the step that its decision and history say.
 * Method: simulated teachers, each with one thing wrong with it, that write sets of some hundred examples from a seed.
 */
import {
  containedWordsMin,
  judgeGates,
  nextRound,
  tailoredEvidence,
  type GateName,
  type GateSettings,
  type RoundEvidenceOfGates,
} from '../../method/gates';
import { decideRound, type RoundEvidence } from '../../method/decide';
import { seededRandom, sha256Hex } from '../../method/keys';
import type { DraftRow, TailoredRow } from '../../schemas/rows';
import { runConfigSchema } from '../../schemas/run-config';

const defaults = runConfigSchema.parse({
  version: 1,
  name: 'gates',
  tasks: [{ source: 'builtin', family: 'navigate' }],
  models: { teacher: { source: 'hf:a/b' }, student: { source: 'hf:a/c' } },
}).rounds.gates;

const testQuestion = 'If you walk 3 steps north, 4 steps east and 3 steps south, how far are you from the start?';
const tasks = [
  {
    name: 'walk',
    test: [
      { id: 't1', question: testQuestion, target: '4' },
      { id: 't2', question: 'Is 7 prime?', target: 'yes' },
    ],
    validation: [
      { id: 'v1', question: 'Take 9 steps left, then 2 steps right: how many steps away are you now?', target: '7' },
    ],
  },
];

const places = [
  'north',
  'south',
  'east',
  'west',
  'left',
  'right',
  'home',
  'away',
  'back',
  'around',
  'uphill',
  'downhill',
];

/** A teacher's habits; those of the first drafts where nothing is said. */
interface Habits {
  readonly sentences?: readonly [number, number];
  readonly bare?: number;
  readonly tagged?: number;
  readonly repeats?: number;
  /** Words that it has left. */
  readonly words?: number;
}

function written(seed: number, habits: Habits = {}, count = 120): TailoredRow[] {
  const { sentences = [2, 5], bare = 0.02, tagged = 0.97, repeats = 0, words = places.length } = habits;
  const random = seededRandom(seed);
  const pick = (below: number): number => Math.floor(random() * below);
  const sentence = (): string =>
    `From step ${pick(40)} we go ${places[pick(words)] ?? ''} and then ${places[pick(words)] ?? ''}, which makes ${pick(90)}.`;
  return Array.from({ length: count }, (_, at) => {
    const answer = String(pick(50));
    const length = sentences[0] + pick(sentences[1] - sentences[0] + 1);
    const reasoning = random() < bare ? '' : Array.from({ length }, sentence).join(' ');
    const hasTag = random() < tagged;
    const question =
      random() < repeats ? 'How far is it after 5 steps?' : `Question ${seed} ${at}: how far after ${pick(90)} steps?`;
    return {
      id: sha256Hex(`${seed} ${at}`).slice(0, 16),
      task: 'walk',
      question,
      target: answer,
      rationale: `${reasoning} ${hasTag ? `<ans>${answer}</ans>` : ''}`.trim(),
      answer: hasTag ? answer : null,
      agrees: hasTag,
      from: 'row',
    };
  });
}

const firstDrafts: DraftRow[] = written(1, {}, 400).map((row) => ({ ...row, questionId: row.id, technique: 'plain' }));

function evidenceOf(tailored: readonly TailoredRow[], more: Partial<RoundEvidenceOfGates> = {}): RoundEvidenceOfGates {
  return {
    tailored: tailoredEvidence(tailored, firstDrafts, tasks, { open: '<ans>' }),
    rewardMargin: null,
    rewardAccuracy: null,
    iclGain: null,
    ...more,
  };
}

function failed(evidence: RoundEvidenceOfGates, settings: Partial<GateSettings> = {}): GateName[] {
  return judgeGates(evidence, { ...defaults, ...settings })
    .filter(({ verdict }) => verdict === 'failed')
    .map(({ gate }) => gate);
}

describe('judgeGates', () => {
  it.each(Array.from({ length: 20 }, (_, seed) => seed + 100))('lets a teacher that is well pass (seed %i)', (seed) => {
    // Somewhat terser than its drafts, as the naive prompt makes it.
    const evidence = evidenceOf(written(seed, { sentences: [1, 4] }), { rewardMargin: 0.04, rewardAccuracy: 0.7 });
    expect(failed(evidence)).toEqual([]);
  });

  it('catches a collapsed teacher by its bare answers', () => {
    const evidence = evidenceOf(written(2, { bare: 0.95 }));
    expect(evidence.tailored.bare).toBeGreaterThan(0.85);
    expect(failed(evidence)).toEqual(expect.arrayContaining(['bare_rise_max', 'length_ratio_min']));
    expect(failed(evidence, { bare_rise_max: null, length_ratio_min: null })).not.toContain('bare_rise_max');
  });

  it('does not call a teacher collapsed whose drafts were bare before', () => {
    const bare = written(3, { bare: 0.9 }, 400).map((row) => ({ ...row, questionId: row.id, technique: 'plain' }));
    const own = tailoredEvidence(written(4, { bare: 0.9 }), bare, tasks, { open: '<ans>' });
    expect(failed({ ...evidenceOf([]), tailored: own })).toEqual([]);
  });

  it.each([
    [
      'as the question, whatever its case and spacing',
      (row: TailoredRow) => ({ ...row, question: ` ${testQuestion.toUpperCase()}  ` }),
    ],
    [
      'inside a rationale',
      (row: TailoredRow) => ({ ...row, rationale: `First: ${testQuestion} It is 4. ${row.rationale}` }),
    ],
    ['as a short question', (row: TailoredRow) => ({ ...row, question: 'is 7 prime' })],
    [
      'from the validation items',
      (row: TailoredRow) => ({ ...row, question: `Example. ${tasks[0]?.validation[0]?.question ?? ''} Say it.` }),
    ],
  ])('catches one leaked item %s', (_, leak) => {
    const rows = written(5).map((row, at) => (at === 60 ? leak(row) : row));
    const evidence = evidenceOf(rows);
    expect(evidence.tailored).toMatchObject({ contaminated: 1, contaminatedIds: [rows[60]?.id] });
    expect(failed(evidence)).toEqual(['contaminated_max']);
    expect(failed(evidence, { contaminated_max: null })).toEqual([]);
  });

  it('takes no short question for a leak because its words stand in a text', () => {
    expect('is 7 prime'.split(' ').length).toBeLessThan(containedWordsMin);
    const rows = written(6).map((row) => ({ ...row, rationale: `We ask: is 7 prime? ${row.rationale}` }));
    expect(evidenceOf(rows).tailored.contaminated).toBe(0);
  });

  it('bears a rationale of more words than a call takes arguments', () => {
    const [first, ...rest] = written(6, {}, 50);
    const endless = { ...first!, rationale: 'on and '.repeat(100_000) };
    expect(evidenceOf([endless, ...rest]).tailored).toMatchObject({ examples: rest.length + 1 });
  });

  it('catches a teacher that was rewarded for length', () => {
    const evidence = evidenceOf(written(7, { sentences: [12, 20] }), { rewardMargin: 2, rewardAccuracy: 1 });
    expect(evidence.tailored.lengthRatio).toBeGreaterThan(3);
    expect(failed(evidence)).toEqual(['length_ratio_max']);
  });

  it('catches lost variety, lost tags and repeated questions, each by its own gate', () => {
    expect(
      failed(
        evidenceOf(written(8, { words: 1 }).map((row) => ({ ...row, rationale: row.rationale.replace(/\d+/g, '5') }))),
      ),
    ).toEqual(['diversity_ratio_min']);
    expect(failed(evidenceOf(written(9, { tagged: 0.4 })))).toEqual(['tag_drop_max']);
    expect(failed(evidenceOf(written(10, { repeats: 0.8 })))).toEqual(['duplicates_max']);
  });

  it('judges the training by its margin, and a gain only by its whole interval', () => {
    const well = written(11);
    expect(failed(evidenceOf(well, { rewardMargin: -0.2 }))).toEqual(['reward_margin_min']);
    expect(failed(evidenceOf(well, { rewardAccuracy: 0.4 }))).toEqual([]);
    expect(failed(evidenceOf(well, { rewardAccuracy: 0.4 }), { reward_accuracy_min: 0.5 })).toEqual([
      'reward_accuracy_min',
    ]);
    expect(failed(evidenceOf(well, { iclGain: { difference: -0.1, low: -0.22, high: 0.02 } }))).toEqual([]);
    expect(failed(evidenceOf(well, { iclGain: { difference: -0.2, low: -0.3, high: -0.1 } }))).toEqual([
      'icl_gain_min',
    ]);
  });

  it('says of what was not measured that it was not, and leaves out what is off', () => {
    const verdicts = judgeGates(evidenceOf(written(12)), { ...defaults, duplicates_max: null });
    expect(verdicts.filter(({ verdict }) => verdict === 'not measured').map(({ gate }) => gate)).toEqual([
      'reward_margin_min',
      'icl_gain_min',
    ]);
    expect(verdicts.map(({ gate }) => gate)).not.toContain('duplicates_max');
    // Without any draft to compare with, drift is not known.
    const alone = tailoredEvidence(written(13), [], tasks, { open: '<ans>' });
    expect(alone).toMatchObject({ bareBefore: null, tagRateBefore: null, lengthRatio: null, diversityRatio: null });
  });
});

describe('the step after a round', () => {
  const evidence = (accuracies: readonly number[]): RoundEvidence[] =>
    accuracies.map((accuracy, at) => ({
      ...{ arm: 'arte', round: at + 1, shots: 0, key: String(at) },
      predictions: Array.from({ length: 100 }, (_, item) => ({
        ...{ task: 't', itemId: String(item), correct: item < Math.round(100 * accuracy) },
      })),
    }));
  const step = (
    accuracies: readonly number[],
    rejected: readonly number[] = [],
    settings: { patience?: number; on_worse?: 'roll-back' | 'go-on' } = {},
  ) => {
    const round = accuracies.length;
    const decision = decideRound(evidence(accuracies), { round, accept: 'higher', accept_margin: 0, rejected });
    const next = nextRound(decision, rejected.includes(round), { patience: 0, on_worse: 'roll-back', ...settings });
    return { decision: decision.decision, best: decision.bestRound, from: next.from, stop: next.stop };
  };

  it.each([
    ['the first round is promoted', [0.5], [], {}, { decision: 'promote', best: 1, from: 1, stop: false }],
    ['a better one too', [0.5, 0.6], [], {}, { decision: 'promote', best: 2, from: 2, stop: false }],
    ['a worse one rolls back', [0.5, 0.4], [], {}, { decision: 'keep-best', best: 1, from: 1, stop: false }],
    ['or goes on', [0.5, 0.4], [], { on_worse: 'go-on' }, { decision: 'keep-best', best: 1, from: 2, stop: false }],
    [
      'a rejected one never goes on',
      [0.5, 0.9],
      [2],
      { on_worse: 'go-on' },
      { decision: 'reject', best: 1, from: 1, stop: false },
    ],
    [
      'a rejected first one goes back to the start',
      [0.9],
      [1],
      {},
      { decision: 'reject', best: 0, from: 0, stop: false },
    ],
    [
      'after it any accepted one is the best',
      [0.9, 0.2],
      [1],
      {},
      { decision: 'promote', best: 2, from: 2, stop: false },
    ],
    [
      'patience is not over too soon',
      [0.5, 0.6, 0.5],
      [],
      { patience: 2 },
      { decision: 'keep-best', best: 2, from: 2, stop: false },
    ],
    [
      'and stops on a plateau',
      [0.5, 0.6, 0.5, 0.6],
      [],
      { patience: 2 },
      { decision: 'keep-best', best: 2, from: 2, stop: true },
    ],
    [
      'rejected rounds count as a plateau',
      [0.9, 0.9],
      [1, 2],
      { patience: 2 },
      { decision: 'reject', best: 0, from: 0, stop: true },
    ],
  ] as const)('%s', (_, accuracies, rejected, settings, expected) => {
    expect(step(accuracies, rejected, settings)).toEqual(expected);
  });
});
