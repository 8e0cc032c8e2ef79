/**
 * Goal: s_r, s_q and the quality of the score matrix are what their definitions say.
 * Method: a matrix worked out by hand; the split-half reliability against NumPy's value over every split (test/golden/statistics.py).
 */
import golden from '../golden/statistics.json';
import { questionScores, scoreDrafts, scoreQuality } from '../../method/score';
import type { CellRow, RowOutcome } from '../../schemas/rows';

const draft = (id: string, questionId: string, task = 't') => ({ id, task, questionId });
const row = (draftId: string, right: string, outcome: RowOutcome = 'ok'): CellRow[] =>
  Array.from(right, (bit, at) => ({ draftId, probeId: `p${at}`, correct: bit === '1', tagged: true, outcome }));

// Two questions of two drafts, four probe items.
const drafts = [draft('a', 'q1'), draft('b', 'q1'), draft('c', 'q2'), draft('d', 'q2')];
const cells = [...row('a', '1110'), ...row('b', '1000'), ...row('c', '1100'), ...row('d', '0011')];

describe('scoreDrafts', () => {
  it('is the share of right answers with its standard error, in the order of the drafts', () => {
    const scores = scoreDrafts([...cells].reverse(), drafts);
    expect(scores.map(({ draftId, score, n }) => [draftId, score, n])).toEqual([
      ['a', 0.75, 4],
      ['b', 0.25, 4],
      ['c', 0.5, 4],
      ['d', 0.5, 4],
    ]);
    // sqrt(.75 * .25 / 3) and sqrt(.5 * .5 / 3)
    expect(scores[0]?.stderr).toBeCloseTo(0.25, 12);
    expect(scores[2]?.stderr).toBeCloseTo(0.28867513459, 9);
  });

  it('reaches the largest error of the paper at 40 items: half right, about 8 points', () => {
    expect(scoreDrafts(row('a', '10'.repeat(20)), [draft('a', 'q')])[0]?.stderr).toBeCloseTo(0.08006407690254358, 12);
  });

  it('counts what ended badly as wrong, and gives a draft without cells no score', () => {
    const mixed = [
      ...row('a', '11'),
      { ...row('a', '0', 'failed')[0], probeId: 'x' } as CellRow,
      { ...row('a', '0', 'truncated')[0], probeId: 'y' } as CellRow,
    ];
    const scores = scoreDrafts(mixed, drafts);
    expect(scores).toHaveLength(1);
    expect(scores[0]).toMatchObject({ draftId: 'a', score: 0.5, n: 4 });
    expect(scoreQuality(scores, mixed).answers).toEqual({
      tagged: 2,
      untagged: 0,
      truncated: 1,
      unreadable: 0,
      refused: 0,
      failed: 1,
    });
  });
});

describe('scoreQuality with gaps', () => {
  it('compares drafts that were asked different items by their distance from the items, not by their luck with them', () => {
    // Equal drafts but for the items: each was asked one easy half or one hard half.
    const alike = Array.from({ length: 12 }, (_, at) => draft(`d${at}`, `q${at}`));
    const gaps = alike.flatMap(({ id }, at) =>
      Array.from({ length: 8 }, (_, probe) => ({
        draftId: id,
        probeId: `${at % 2 === 0 ? 'easy' : 'hard'}${probe}`,
        correct: at % 2 === 0,
        tagged: true,
        outcome: 'ok' as const,
      })),
    );
    expect(scoreQuality(scoreDrafts(gaps, alike), gaps).reliability).toBeNull();
  });
});

describe('questionScores', () => {
  it('is the mean of its rationales', () => {
    expect(questionScores(scoreDrafts(cells, drafts))).toEqual([
      { questionId: 'q1', task: 't', score: 0.5 },
      { questionId: 'q2', task: 't', score: 0.5 },
    ]);
  });
});

describe('scoreQuality', () => {
  it('counts tied questions, errors and spread', () => {
    const quality = scoreQuality(scoreDrafts(cells, drafts), cells);
    expect(quality).toMatchObject({ drafts: 4, cells: 16, tiedShare: 0.5 });
    expect(quality.meanStderr).toBeCloseTo((0.25 + 0.25 + 2 * Math.sqrt(0.25 / 3)) / 4, 12);
    // Scores .75 .25 .5 .5: variance (2 * .25^2) / 3.
    expect(quality.spread).toBeCloseTo(Math.sqrt(0.125 / 3), 12);
  });

  it('has nothing to say of nothing', () => {
    expect(scoreQuality([], [])).toMatchObject({
      drafts: 0,
      meanStderr: 0,
      spread: 0,
      tiedShare: null,
      reliability: null,
    });
    const alike = [...row('a', '1010'), ...row('b', '1010'), ...row('c', '1010')];
    const same = [draft('a', 'q1'), draft('b', 'q2'), draft('c', 'q3')];
    expect(scoreQuality(scoreDrafts(alike, same), alike)).toMatchObject({ tiedShare: null, reliability: null });
  });

  it('has the reliability that NumPy finds over all splits', () => {
    const { matrix, value } = golden.reliability;
    const ids = matrix.map((_, at) => `d${at}`);
    const all = matrix.flatMap((bits, at) => row(ids[at] ?? '', bits));
    const scores = scoreDrafts(
      all,
      ids.map((id) => draft(id, id)),
    );
    const { reliability } = scoreQuality(scores, all);
    expect(Math.abs((reliability ?? 0) - value)).toBeLessThan(0.02);
    expect(scoreQuality(scores, all).reliability).toBe(reliability);
  });

  it('looks within tasks: an easy and a hard task do not make noise reliable', () => {
    const ids = Array.from({ length: 40 }, (_, at) => `d${at}`);
    // Answers without any sense, right ones frequent in one task and rare in the other.
    const bit = (at: number, probe: number) => ((at * 7919 + probe * 104_729 + ((at * probe * 31) ^ 77)) % 97) / 97;
    const noisy = ids.flatMap((id, at) =>
      row(id, Array.from({ length: 10 }, (_, probe) => (bit(at, probe) < (at < 20 ? 0.9 : 0.1) ? '1' : '0')).join('')),
    );
    const inTasks = scoreDrafts(
      noisy,
      ids.map((id, at) => draft(id, id, at < 20 ? 'easy' : 'hard')),
    );
    const asOne = scoreDrafts(
      noisy,
      ids.map((id) => draft(id, id, 'one')),
    );
    expect(scoreQuality(asOne, noisy).reliability ?? 0).toBeGreaterThan(0.9);
    expect(scoreQuality(inTasks, noisy).reliability ?? 0).toBeLessThan(0.6);
  });
});
