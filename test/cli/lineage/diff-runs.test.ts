/**
 * Goal: a difference is named where it begins, what follows from it as following, and accuracies are compared only on equal items.
 * Method: runs on the real S3 server (support/made-run.ts) that differ in one thing each, known beforehand.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLineage } from '../../../activities/lineage';
import { differences, diffRuns, type RunDiff } from '../../../cli/lineage/diff-runs';
import { printDiff } from '../../../cli/lineage/diff-view';
import { roundIn } from '../../../cli/report/report-round';
import type { ArtifactStore } from '../../../drivers/store/store';
import { makeRun } from '../../support/made-run';
import { startTestS3, type TestS3 } from '../../support/s3';

jest.setTimeout(10 * 60_000);

let s3: TestS3;
let store: ArtifactStore;
let folder: string;

beforeAll(async () => {
  s3 = await startTestS3();
  store = s3.fresh();
  folder = mkdtempSync(join(tmpdir(), 'arte-diff-'));
  await makeRun(store, folder, { runId: 'one' });
  await makeRun(store, folder, {
    runId: 'other-pairs',
    change: (config) => {
      config['pairs'] = { question: { per_task: 3 }, rationale: { per_task: 4 }, minimum: 2 };
    },
  });
  await makeRun(store, folder, { runId: 'other-student', student: { p_without: 0.95 } });
  await makeRun(store, folder, {
    runId: 'other-items',
    rounds: 2,
    change: (config) => {
      (config['tasks'] as { split_seed: number }[])[0]!.split_seed = 2;
    },
  });
});
afterAll(async () => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
  await s3.stop();
});

async function diff(a: string, b: string, round?: number): Promise<RunDiff> {
  return diffRuns(store, await openLineage(store, a), await openLineage(store, b), round);
}

const stage = ({ stages }: RunDiff, name: string, arm = '') =>
  stages.find((each) => each.stage === name && each.arm === arm)!;

it('finds nothing between a run and itself', async () => {
  const same = await diff('one', 'one');
  expect(same.config).toEqual([]);
  expect(same.stages.length).toBeGreaterThan(10);
  expect(same.stages.map(({ verdict }) => verdict).filter((verdict) => verdict !== 'same')).toEqual([]);
  for (const { comparison } of same.arms) expect(comparison).toMatchObject({ difference: 0, p: 1, n: 10 });
});

it('names the setting where it begins, and what follows by its inputs', async () => {
  const found = await diff('one', 'other-pairs');
  expect(found.config.map(({ path }) => path)).toEqual(['name', 'pairs.rationale.per_task']);
  expect(stage(found, 'score-drafts').verdict).toBe('same');
  const pairs = stage(found, 'build-pairs');
  expect(pairs).toMatchObject({
    verdict: 'differs',
    inputs: [],
    a: { rows: { pairs: 12 } },
    b: { rows: { pairs: 7 } },
  });
  expect(pairs.settings).toEqual([{ path: 'rationale.per_task', a: 12, b: 4 }]);
  expect(stage(found, 'train-dpo')).toMatchObject({ verdict: 'differs', settings: [], inputs: ['dpo'] });
  expect(stage(found, 'tailor-questions', 'arte')).toMatchObject({ settings: [], inputs: ['model'] });
  expect(stage(found, 'tailor-questions', 'original_teacher').verdict).toBe('same');
});

it('compares accuracies item by item: a better student is a gain beyond noise only where the test says so', async () => {
  const found = await diff('one', 'other-student');
  expect(stage(found, 'evaluate', 'untuned-0shot').settings.map(({ path }) => path)).toEqual([
    'served.options.p_without',
  ]);
  const untuned = found.arms.find(({ arm }) => arm === 'untuned-0shot')!;
  expect(untuned.comparison!.n).toBe(10);
  expect(untuned.comparison!.difference).toBeCloseTo(untuned.accuracyB - untuned.accuracyA);
  expect(untuned.comparison!.onlyMine - untuned.comparison!.onlyTheirs).toBe(
    Math.round(10 * untuned.comparison!.difference),
  );
  expect(untuned.comparison!.difference).toBeGreaterThan(0.4);
  // Holm over three arms: none is below its own exact p.
  expect(untuned.comparison!.p).toBeGreaterThanOrEqual(0.5 ** untuned.comparison!.onlyMine);
});

it('does not pair items that are not the same, and knows stages that only one run has', async () => {
  const found = await diff('one', 'other-items');
  expect(found.config.map(({ path }) => path)).toEqual(['name', 'tasks[0].split_seed', 'rounds.count']);
  for (const { comparison } of found.arms) expect(comparison?.n ?? 0).toBeLessThan(10);
  expect(found.stages.filter(({ round }) => round === 2).map(({ verdict }) => verdict)).toEqual(
    expect.arrayContaining(['only in b']),
  );
});

it('compares the best round of each, or the one that is asked for', async () => {
  const lineage = await openLineage(store, 'other-items');
  const decided = lineage.rounds.map(({ decision }) => decision['bestRound']);
  const [own, other] = [1, 2].map((round) => diff('other-items', 'other-items', round));
  const { rounds } = await diff('other-items', 'other-items');
  expect(rounds.a).toEqual({ round: decided.at(-1), as: 'best' });
  for (const [round, found] of [
    [1, await own],
    [2, await other],
  ] as const) {
    expect(found?.rounds).toEqual({ a: { round, as: 'asked' }, b: { round, as: 'asked' } });
    expect(found?.arms.find(({ arm }) => arm === 'arte-0shot')).toMatchObject({ roundA: round, roundB: round });
    // Made in the first round alone.
    expect(found?.arms.find(({ arm }) => arm === 'untuned-0shot')).toMatchObject({ roundA: 1, roundB: 1 });
  }
  await expect(diff('one', 'other-items', 2)).rejects.toMatchObject({ data: { code: 'RoundNotFound' } });
  expect(roundIn({ runId: 'r', rounds: [{ round: 1, decision: { bestRound: 0 } }] }, undefined)).toEqual({
    ...{ round: 1, as: 'last' },
  });
});

it('says when a manifest has gone instead of guessing', async () => {
  const copy = s3.fresh();
  try {
    await makeRun(copy, folder, { runId: 'one' });
    await makeRun(copy, folder, { runId: 'two', student: { p_without: 0.95 } });
    const key = stage(await diff('one', 'one'), 'score-drafts').a!.key;
    await copy.remove(`stages/${key}.json`);
    const found = await diffRuns(copy, await openLineage(copy, 'one'), await openLineage(copy, 'two'));
    expect(stage(found, 'score-drafts')).toMatchObject({ verdict: 'unknown', settings: [], inputs: [] });
  } finally {
    copy.close();
  }
});

it('leaves are compared by their path, lists by position, and what one side lacks is undefined', () => {
  expect(differences({ a: 1, b: [{ c: 1 }], e: {}, g: [] }, { a: 1, b: [{ c: 2 }, 3], e: { f: null }, g: {} })).toEqual(
    [
      { path: 'b[0].c', a: 1, b: 2 },
      { path: 'b[1]', b: 3 },
      { path: 'e.f', b: null },
      { path: 'g', a: [], b: {} },
    ],
  );
});

it('prints tables', async () => {
  const lines: string[] = [];
  const spy = jest.spyOn(process.stdout, 'write').mockImplementation((chunk) => lines.push(String(chunk)) > 0);
  try {
    printDiff(await diff('one', 'other-pairs'));
  } finally {
    spy.mockRestore();
  }
  const printed = lines.join('');
  expect(printed).toMatch(/build-pairs.*rationale\.per_task: 12 → 4.*pairs 12 → 7/);
  expect(printed).toMatch(/train-dpo.*input dpo/);
  expect(printed).toContain('Compared: round 1 of one (its best), round 1 of other-pairs (its best); another with');
});
