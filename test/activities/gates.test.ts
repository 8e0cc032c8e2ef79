/**
 * Goal: the stages that guard a run do it from what the run really left in the store: unreliable scores park before DPO, a failed gate parks
 * before SFT or rolls the round back, and the report and the exports say so.
 * Method: whole runs by every stage's own activity (support/made-run.ts) on a real S3 server; models answer by script, and limits are set where
 * this data must fail them or must hold.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportRun } from '../../cli/export/export-run';
import { agreementRows } from '../../cli/report/report-agreement';
import { readReport } from '../../cli/report/read-report';
import { gateRows, roundSteps } from '../../cli/report/report-rounds';
import type { ArtifactStore } from '../../drivers/store/store';
import type { Agreement } from '../../method/demonstrations';
import type { ErrorData } from '../../schemas/errors';
import type { ReportStage, RunReport } from '../../schemas/report';
import { makeRun } from '../support/made-run';
import { startTestS3, type TestS3 } from '../support/s3';

jest.setTimeout(3 * 60_000);

let s3: TestS3;
let store: ArtifactStore;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'arte-gates-'));
  s3 = await startTestS3();
  store = s3.fresh();
});
afterAll(async () => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
  await s3.stop();
});

type Section = Readonly<Record<string, unknown>>;

async function made(runId: string, sections: Readonly<Record<string, Section>>): Promise<RunReport> {
  const count = Number(sections['rounds']?.['count'] ?? 1);
  const change = (config: Record<string, unknown>): void => {
    for (const [name, section] of Object.entries(sections)) config[name] = { ...(config[name] as Section), ...section };
  };
  await makeRun(store, folder, { runId, rounds: count, change });
  return readReport(store, runId);
}

async function parked(runId: string, sections: Readonly<Record<string, Section>>): Promise<ErrorData> {
  const error: unknown = await made(runId, sections).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  // Activities fail as Temporal sees them: the data is in the details.
  const { data, details } = error as { data?: ErrorData; details?: readonly ErrorData[] };
  const found = data ?? details?.[0];
  if (!found) throw new Error(`${runId} did not park: ${String(error)}`);
  return found;
}

const stage = (report: RunReport, name: string, round = 1, arm = ''): ReportStage | undefined =>
  report.stages.find((one) => one.name === name && one.round === round && one.arm === arm);

it('unreliable scores park before DPO, with the items that would do; a lower limit goes on from there', async () => {
  const error = await parked('unreliable', { score: { reliability_min: 0.99 } });
  expect(error.code).toBe('ScoresUnreliable');
  expect(error.what).toMatch(/reliability of the drafts' scores is 0\.\d+, and score.reliability_min asks for 0.99/);
  expect(error.why).toMatch(/With 6 probe items .* by Spearman and Brown \d+ would reach it/);
  const report = await made('reliable', { score: { reliability_min: 0.01 } });
  expect(stage(report, 'score-drafts')?.reused).toBe(true);
  expect(stage(report, 'check-scores')?.facts).toMatchObject({ minimum: 0.01, items: 6 });
  expect(stage(report, 'build-pairs')?.facts['correctness']).toEqual({ chosen: 1, rejected: 1 });
});

it('a sample says what the student gains in context, and how far the preference set chooses as all items would', async () => {
  const report = await made('sampled', {
    probe: { size: 5, agreement_questions: 4 },
    rounds: { gates: { icl_examples: 3, icl_items: 2 } },
  });
  const gain = stage(report, 'score-sample', 1, 'gain');
  // Three examples and three drafts, on two of the three items that are left; the sample for the agreement has had two of these answers.
  expect(gain).toMatchObject({ calls: 10, facts: { purpose: 'gain', demonstrations: 6, cells: 12 } });
  const { difference, low, high } = gain?.facts['gain'] as unknown as Record<'difference' | 'low' | 'high', number>;
  expect(low).toBeLessThanOrEqual(difference);
  expect(high).toBeGreaterThanOrEqual(difference);
  expect(gateRows(report).find(({ gate }) => gate === 'icl_gain_min')?.value).toBe(high.toFixed(3));
  const agreement = stage(report, 'score-sample', 1, 'agreement')?.facts['agreement'] as unknown as Agreement;
  expect(agreement.questions).toBe(4);
  expect(agreement.best).toBeGreaterThan(0);
  expect(agreementRows(report).map(([round, questions]) => [round, questions])).toEqual([
    [1, 4],
    ['the paper', ''],
  ]);
});

// No set is twenty times as long as the drafts.
const failing = { length_ratio_min: 20, length_ratio_max: null };

it('a failed gate parks before the student is trained, and says what to look at', async () => {
  const error = await parked('gated', { rounds: { gates: failing } });
  expect(error).toMatchObject({ code: 'GateFailed', retryable: false });
  expect(error.what).toMatch(/rationales have \d\.\d\d times the length .* \(limit: 20\)/);
  expect(error.next).toContain('rounds.gates.length_ratio_min');
  expect(error.details).toHaveLength(3);
});

it('or rolls the round back: the next one draws drafts anew from the teacher before, and nothing is exported unasked', async () => {
  const gates = { ...failing, action: 'roll-back' };
  const report = await made('rolled-back', { rounds: { count: 2, gates }, pairs: { accumulate: 'all' } });
  expect(report.bestRound).toBe(0);
  expect(roundSteps(report).map(({ decision, next }) => [decision, next])).toEqual([
    ['rejected by a gate', 'goes back to the teacher as it came'],
    ['rejected by a gate', ''],
  ]);
  const [one, two] = [1, 2].map((round) => stage(report, 'sample-questions', round)?.key);
  expect(one).toBeDefined();
  expect(two).not.toBe(one);
  const questions = (round: number) => report.rounds[round - 1]?.artifacts['sample-questions/questions']?.sha256;
  expect(questions(2)).not.toBe(questions(1));
  // The pairs of a rejected round are the student's preferences all the same.
  const own = stage(report, 'build-pairs', 1)?.facts;
  expect(stage(report, 'build-pairs', 2)?.facts['earlierPairs']).toBe(
    Number(own?.['questionPairs']) + Number(own?.['rationalePairs']),
  );
  expect(report.rounds[1]?.artifacts['build-pairs/dpo']?.rows).toBeGreaterThan(
    report.rounds[1]?.artifacts['build-pairs/pairs']?.rows ?? Infinity,
  );
  expect(report.notes.join('\n')).toContain('No round was accepted');
  const target = join(folder, 'student');
  const asked = exportRun(store, report, { what: 'student', target, onProgress: () => undefined });
  await expect(asked).rejects.toMatchObject({
    data: { code: 'RoundNotFound', what: expect.stringContaining('accepted') as string },
  });
});

it('or is only recorded', async () => {
  const report = await made('recorded', { rounds: { gates: { ...failing, action: 'record' } } });
  expect(report.bestRound).toBe(1);
  expect(
    gateRows(report)
      .filter(({ verdict }) => verdict === 'failed')
      .map(({ gate }) => gate),
  ).toEqual(['length_ratio_min']);
  expect(report.notes.join('\n')).toMatch(/Round 1: The examples' rationales have/);
});
