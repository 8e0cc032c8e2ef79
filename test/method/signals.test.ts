/**
 * Goal: every signal ranks drafts as a student with known preferences would have them, and a combination joins rankings, not units.
 * Method: simulated students whose tokens' probabilities follow from a draft's planted quality; the rank correlation of scores and quality.
 * Formulas are checked against numbers worked out by hand.
 */
import { buildRationalePairs, tieTolerance } from '../../method/pairs';
import { seededRandom, seedFrom } from '../../method/keys';
import { scoreDraftsByValue, scoreQuality } from '../../method/score';
import { signals } from '../../method/signals';
import { combineScores, signalAgreement } from '../../method/signals/combined';
import type { TextSignal } from '../../method/signals/signal';
import { averageRanks, normalQuantile, rankCorrelation } from '../../method/statistics';
import { sftRow } from '../../method/training-rows';
import type { CellRow, ScoredToken, ScoreRow } from '../../schemas/rows';
import { runConfigSchema, type RunConfig } from '../../schemas/run-config';
import { signalsOf, type SignalName } from '../../schemas/signals';
import type { TaskRecord } from '../../schemas/task';

function config(score: object = {}, style: 'chat' | 'completion' = 'completion'): RunConfig {
  const model = { source: 'embedded:x', prompt_style: style };
  return runConfigSchema.parse({
    version: 1,
    name: 'signals',
    tasks: [{ source: 'builtin', family: 'larger-number' }],
    models: { teacher: model, student: model },
    score,
  });
}

const text = (name: Exclude<SignalName, 'icl_accuracy'>): TextSignal => signals[name] as TextSignal;
const tokens = (...pairs: readonly (readonly [number, number])[]): ScoredToken[] =>
  pairs.map(([probability, rank]) => ({ logprob: Math.log(probability), rank }));

const task: TaskRecord = {
  name: 'larger',
  category: 'numbers',
  description: 'Say which number is larger.',
  answer: { type: 'number', labels: [] },
  seeds: [],
  validation: [],
  test: [],
  techniques: [],
};
const draft = { question: 'Which is larger, 3 or 5?', rationale: '5 comes after 3. <ans>5</ans>' };
const probe = { question: 'Which is larger, 7 or 9?', target: '9' };

describe('what the student is asked', () => {
  it.each([
    ['answer', 'completion', { lead: ' <ans>', text: '9</ans>' }],
    ['tagged', 'completion', { lead: '', text: ' <ans>9</ans>' }],
    ['answer', 'chat', { lead: '<ans>', text: '9</ans>' }],
  ] as const)('icl_loglik: the gold answer (%s, %s) after the draft as the one demonstration', (gold, style, given) => {
    const signal = text('icl_loglik');
    if (signal.per !== 'cell') throw new Error('it asks probe items');
    const question = signal.question(task, draft, probe, config({ gold }, style));
    expect(question.given).toEqual(given);
    expect(JSON.stringify(question.prompt)).toContain('5 comes after 3.');
    expect(JSON.stringify(question.prompt)).toMatch(/7 or 9\?\\nAnswer: Let's think step by step\.[^5]*$/);
  });

  it.each(['completion', 'chat'] as const)(
    'student_prob and rank_surprisal: the very text that the student would be trained on (%s)',
    (style) => {
      const settings = config({}, style);
      const row = sftRow(draft, task, settings);
      for (const signal of [text('student_prob'), text('rank_surprisal')]) {
        if (signal.per !== 'draft') throw new Error('it asks the draft alone');
        const { prompt, given } = signal.question(task, draft, settings);
        expect(prompt.kind === 'chat' ? prompt.messages : prompt.text).toEqual(row.prompt);
        const said = typeof row.completion === 'string' ? row.completion : row.completion[0]?.content;
        expect(given).toEqual({ lead: '', text: said });
      }
    },
  );
});

describe('the formulas', () => {
  const { score } = config();
  const two = tokens([0.5, 1], [0.125, 3]);

  it('icl_loglik is the mean of the log-probabilities, or their sum', () => {
    expect(text('icl_loglik').value(two, score).value).toBeCloseTo(Math.log(0.25), 12);
    expect(text('icl_loglik').value(two, { ...score, loglik: 'sum' }).value).toBeCloseTo(Math.log(0.0625), 12);
    // Sample deviation of ln 1/2 and ln 1/8 is ln 4 / sqrt 2; over sqrt 2 tokens.
    expect(text('icl_loglik').value(two, score).stderr).toBeCloseTo(Math.log(4) / 2, 12);
  });

  it('student_prob does not fall with length', () => {
    const once = text('student_prob').value(two, score).value;
    expect(text('student_prob').value([...two, ...two], score).value).toBeCloseTo(once, 12);
  });

  it('rank_surprisal is minus the sum of ranks over that of surprisals, ranks cut at the ceiling', () => {
    expect(text('rank_surprisal').value(two, score).value).toBeCloseTo(-4 / Math.log(16), 12);
    const far = tokens([0.5, 1], [0.125, 9_000]);
    expect(text('rank_surprisal').value(far, score).value).toBeCloseTo(-101 / Math.log(16), 12);
    expect(text('rank_surprisal').value(far, { ...score, rank_ceiling: 10 }).value).toBeCloseTo(-11 / Math.log(16), 12);
  });

  it('rank_surprisal has the standard error of resampled tokens', () => {
    const random = seededRandom(3);
    const drawn = Array.from({ length: 200 }, () => {
      const surprisal = 0.2 + 3 * random();
      return { logprob: -surprisal, rank: 1 + Math.floor(surprisal * 4 * random()) };
    });
    const { stderr } = text('rank_surprisal').value(drawn, score);
    const resampled = Array.from({ length: 2_000 }, () => {
      const sample = drawn.map(() => drawn[Math.floor(random() * drawn.length)] as ScoredToken);
      return text('rank_surprisal').value(sample, score).value;
    });
    const centre = resampled.reduce((sum, value) => sum + value, 0) / resampled.length;
    const spread = Math.sqrt(resampled.reduce((sum, value) => sum + (value - centre) ** 2, 0) / resampled.length);
    expect(Math.abs(stderr / spread - 1)).toBeLessThan(0.1);
  });
});

// ---- students with known preferences -----------------------------------------------------------------------------

const drafts = Array.from({ length: 60 }, (_, at) => ({
  id: `d${String(at).padStart(2, '0')}`,
  task: 'larger',
  questionId: `q${String(Math.floor(at / 4)).padStart(2, '0')}`,
  rationale: `words ${at}`,
  agrees: true,
}));
const probes = 20;
/** From 0 to 1, in no order. */
const quality = drafts.map((_, at) => ((at * 37) % 60) / 59);

const noise = (...of: readonly (string | number)[]): number =>
  normalQuantile(0.001 + 0.998 * seededRandom(seedFrom(...of))());

/** A student whose log-odds of a text rise with the draft's quality; probe items differ in ease. */
function cellsOf(name: Exclude<SignalName, 'icl_accuracy'>, strength: number, length = 12): CellRow[] {
  const signal = text(name);
  const { score } = config();
  const ofDraft = (at: number, item: number): CellRow => {
    const drawn = Array.from({ length }, (_, token) => {
      const ease = item < 0 ? 0 : noise('item', item);
      const odds = strength * (quality[at] as number) + ease + noise(name, at, item, token);
      const logprob = -Math.log1p(Math.exp(-odds));
      // Informative and yet familiar: the better a draft, the nearer its improbable tokens are to the student's first choices.
      const rank = 1 + Math.round(30 * (1 - (quality[at] as number)) * seededRandom(seedFrom('rank', at, token))());
      return { logprob: name === 'rank_surprisal' ? -1 - Math.abs(noise('same', at, token)) : logprob, rank };
    });
    const read = signal.value(drawn, score);
    const draftId = (drafts[at] as (typeof drafts)[number]).id;
    return { draftId, probeId: item < 0 ? null : `p${item}`, ...read, tokens: length, outcome: 'ok' };
  };
  const items = signal.per === 'draft' ? [-1] : Array.from({ length: probes }, (_, item) => item);
  return drafts.flatMap((_, at) => items.map((item) => ofDraft(at, item)));
}

const agreementWithQuality = (scores: readonly ScoreRow[]): number =>
  rankCorrelation(
    scores.map(({ score }) => score),
    scores.map(({ draftId }) => quality[drafts.findIndex(({ id }) => id === draftId)] as number),
  ) ?? Number.NaN;

describe('students with known preferences', () => {
  it.each([
    ['icl_loglik', 1, 0.9],
    ['student_prob', 4, 0.9],
    ['rank_surprisal', 1, 0.85],
  ] as const)('%s ranks their drafts', (name, strength, least) => {
    const cells = cellsOf(name, strength);
    const scores = scoreDraftsByValue(cells, drafts);
    expect(agreementWithQuality(scores)).toBeGreaterThan(least);
    const { reliability, tiedShare } = scoreQuality(scores, cells, 1e-4);
    expect(reliability ?? 0).toBeGreaterThan(0.7);
    expect(tiedShare).toBe(0);
    // The same student with no preference: nothing to rank, and the quality says so.
    if (name === 'rank_surprisal') return;
    const blind = cellsOf(name, 0);
    const unranked = scoreDraftsByValue(blind, drafts);
    expect(Math.abs(agreementWithQuality(unranked))).toBeLessThan(0.3);
    expect(scoreQuality(unranked, blind, 1e-4).reliability ?? 0).toBeLessThan(0.5);
  });

  it('split halves and standard errors come to the same reliability where both can be told', () => {
    const cells = cellsOf('icl_loglik', 0.6);
    const scores = scoreDraftsByValue(cells, drafts);
    // Items of one ease for all drafts: what is left of a standard error then is the error of comparing drafts.
    const eased = cells.map((cell) => {
      const same = cells.filter(({ probeId }) => probeId === cell.probeId);
      const ease = same.reduce((sum, { value = 0 }) => sum + value, 0) / same.length;
      return { ...cell, value: (cell.value ?? 0) - ease };
    });
    const byErrors = scoreQuality(scoreDraftsByValue(eased, drafts), []).reliability ?? 0;
    const byHalves = scoreQuality(scores, cells).reliability ?? 0;
    expect(Math.abs(byErrors - byHalves)).toBeLessThan(0.1);
  });

  it('a combination of noisy signals ranks better than each, whatever their units', () => {
    const noisy = (name: SignalName, unit: number): ScoreRow[] =>
      drafts.map(({ id, task: of, questionId }, at) => ({
        draftId: id,
        task: of,
        questionId,
        score: unit * ((quality[at] as number) + 0.4 * noise('noisy', name, at)) - 3 * unit,
        stderr: unit * 0.4,
        n: 10,
      }));
    const own = { icl_loglik: noisy('icl_loglik', 10), student_prob: noisy('student_prob', 1_000) };
    const weights = { icl_loglik: 1, student_prob: 1 };
    const joined = combineScores(own, weights);
    const alone = Object.values(own).map(agreementWithQuality);
    expect(agreementWithQuality(joined)).toBeGreaterThan(Math.max(...alone) + 0.03);
    for (const { score, stderr } of joined) {
      expect(score).toBeGreaterThanOrEqual(0);
      expect(score).toBeLessThanOrEqual(1);
      expect(stderr).toBeGreaterThan(0);
    }
    // All weight on one: its ranking, in shares of ranks.
    const first = combineScores(own, { icl_loglik: 1, student_prob: 1e-9 });
    const scores = own.icl_loglik.map(({ score }) => score);
    expect(first.map(({ score }) => Math.round(1 + 59 * score))).toEqual(averageRanks(scores));
    const rho = rankCorrelation(
      scores,
      own.student_prob.map(({ score }) => score),
    );
    expect(signalAgreement(own)).toEqual({ 'icl_loglik ~ student_prob': rho });
  });
});

describe('cells that failed, and ties', () => {
  const cell = (draftId: string, probeId: string, value?: number): CellRow => ({
    draftId,
    probeId,
    ...(value === undefined ? {} : { value }),
    outcome: value === undefined ? 'failed' : 'ok',
  });
  const pair = drafts.slice(0, 2);

  it('a cell without a value counts as the lowest on its item, not as if it had not been asked', () => {
    const cells = [cell('d00', 'easy', -1), cell('d00', 'hard', -8), cell('d01', 'easy', -2), cell('d01', 'hard')];
    expect(scoreDraftsByValue(cells, pair).map(({ score }) => score)).toEqual([-4.5, -5]);
    expect(scoreQuality([], cells).answers).toMatchObject({ untagged: 3, failed: 1 });
  });

  it('a draft without a value of its own has no score', () => {
    const alone: CellRow[] = [{ draftId: 'd00', probeId: null, outcome: 'failed' }];
    expect(scoreDraftsByValue(alone, pair)).toEqual([]);
  });

  it('differences within the rounding of forward passes make no pair; accuracies are told apart to the last digit', () => {
    const scores = pair.map(({ id }, at) => ({ draftId: id, score: -1 - at * 5e-5 }));
    const loglik = config({ signal: 'icl_loglik' });
    const pairsOf = ({ pairs, score }: RunConfig) =>
      buildRationalePairs(pair, scores, { ...pairs, tolerance: tieTolerance(score) });
    expect(pairsOf(loglik)).toMatchObject({ pairs: [], dropped: { tie: 1 } });
    expect(pairsOf(config()).pairs).toHaveLength(1);
    const apart = buildRationalePairs(
      pair,
      pair.map(({ id }, at) => ({ draftId: id, score: -1 - at * 5e-4 })),
      { ...loglik.pairs, tolerance: tieTolerance(loglik.score) },
    );
    expect(apart.pairs).toHaveLength(1);
  });
});

it('a combination has its members in a fixed order, whatever the order they are written in', () => {
  const { score } = config({ signal: 'combined', combine: { rank_surprisal: 1, icl_accuracy: 2 } });
  expect(signalsOf(score)).toEqual(['icl_accuracy', 'rank_surprisal']);
});
