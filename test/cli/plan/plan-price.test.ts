/**
 * Goal: a plan rests on what the store's runs measured, says what a change makes anew and why, and a run's report lays the plan it began with beside
 * what came.
 * Method: a run of one round in the real S3 server (support/made-run.ts), started with its plan kept; then plans of the same and of changed configs.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLineage } from '../../../activities/lineage';
import { loadConfig, type LoadedConfig } from '../../../cli/config/load-config';
import type { ModelFinder } from '../../../cli/plan/look-into-store';
import { planAgainst, reasonOf } from '../../../cli/plan/plan-against';
import { againstLines, priceLines, priceTable } from '../../../cli/plan/plan-prices';
import { keepPlan, planForStart, planWithStore } from '../../../cli/plan/price-run';
import { readReport } from '../../../cli/report/read-report';
import { plannedRows } from '../../../cli/report/report-planned';
import { printReport } from '../../../cli/report/screen/report-view';
import { reportWidthMax } from '../../../cli/report/report-words';
import { openEta, type Eta } from '../../../cli/run/run-eta';
import type { LiveStage } from '../../../cli/run/run-progress';
import type { ArtifactStore } from '../../../drivers/store/store';
import type { JsonValue } from '../../../schemas/json';
import { noUsage } from '../../../schemas/manifest';
import { stageLabel } from '../../../schemas/stage-names';
import { writeScriptedLoop, type ScriptedLoop } from '../../support/loop-config';
import { baseModel, makeRun } from '../../support/made-run';
import { startTestS3, type TestS3 } from '../../support/s3';

jest.setTimeout(5 * 60_000);

const priced: ScriptedLoop['change'] = (config) => {
  const models = config['models'] as { [role: string]: Record<string, unknown> };
  models['student']!['price'] = { input: 1_000, output: 1_000, training_hour: 3_600 };
  // Slow enough to be measured.
  (models['student']!['endpoint'] as { options: object }).options = { latency_ms: 100, max_in_flight: 32 };
};
const find: ModelFinder = (name) => Promise.resolve(baseModel(name));

let s3: TestS3;
let store: ArtifactStore;
let folder: string;

async function load(name: string, change: ScriptedLoop['change'] = () => undefined): Promise<LoadedConfig> {
  const path = writeScriptedLoop(mkdtempSync(join(folder, 'config-')), {
    ...{ name, model: 'embedded:SmolLM2-135M-Instruct' },
    change: (config) => {
      priced!(config);
      change(config);
    },
  });
  return loadConfig(path, { env: {} });
}

beforeAll(async () => {
  s3 = await startTestS3();
  store = s3.fresh();
  folder = mkdtempSync(join(tmpdir(), 'arte-plan-'));
  const plan = await planForStart(store, await load('first'), 'first');
  await keepPlan(store, 'first', plan!);
  await makeRun(store, folder, { runId: 'first', change: priced });
});
afterAll(async () => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
  await s3.stop();
});

it('has nothing left to pay for what is there, and says so', async () => {
  const { plan } = await planWithStore(store, await load('again'), find);
  expect(plan.prices.left).toMatchObject({ calls: 0, cost: { low: 0, high: 0 } });
  expect(plan.prices.all.cost.high).toBeGreaterThan(0);
  expect(priceLines(plan, true).join('\n')).toContain('more are in the store');
  expect(await planForStart(store, await load('first'), 'first')).toBeUndefined();
});

it('takes times and tokens from the run, for what a change makes anew, and prices them near what it paid', async () => {
  const { plan } = await planWithStore(store, await load('changed', (config) => void (config['seed'] = 7)), find);
  const at = plan.stages.findIndex(({ name }) => name === 'score-drafts');
  const price = plan.prices.stages[at]!;
  expect(price.from.tokens.words).toContain('first');
  const paid = (await readReport(store, 'first')).stages.find(({ name }) => name === 'score-drafts')!;
  expect(price.cost.low).toBeLessThanOrEqual(paid.cost);
  expect(price.cost.high).toBeGreaterThanOrEqual(paid.cost);
  expect(price.cost.high / price.cost.low).toBeLessThan(1.5);
  const lines = priceTable(plan, true);
  for (const line of lines) expect(line).not.toMatch(/NaN|undefined|Infinity/);
  // What differs only in figures is told once.
  const legend = lines.filter((line) => /^[a-z] {2}/.test(line));
  expect(legend.length).toBeLessThanOrEqual(4);
  expect(legend).toContainEqual(
    expect.stringMatching(/^[a-z] {2}measured, in first; --json has the speed of each stage$/),
  );
});

it('says against the earlier run what is made again and why', async () => {
  const changed = await load('first', (config) => {
    config['rationales'] = { ...(config['rationales'] as object), max_tokens: 59 };
  });
  const { looked, plan } = await planWithStore(store, changed, find);
  const lineage = await openLineage(store, 'first');
  const before = lineage.bundle.config as unknown as JsonValue;
  const against = planAgainst(lineage, { before, now: changed.config as unknown as JsonValue }, looked, plan.stages);
  expect(against.config).toEqual([{ path: 'rationales.max_tokens', a: 60, b: 59 }]);
  const verdicts = new Map(against.stages.map((each) => [stageLabel(each.stage, each.arm), each]));
  expect(verdicts.get('sample-questions')).toMatchObject({ verdict: 'same', reused: true });
  expect(verdicts.get('sample-rationales')).toMatchObject({ verdict: 'changed', reused: false });
  expect(reasonOf(verdicts.get('sample-rationales')!)).toContain('60 -> 59');
  expect(verdicts.get('score-drafts')).toMatchObject({ verdict: 'follows', after: 'sample-rationales of round 1' });
  // The unaligned teacher's set does not depend on the drafts.
  expect(verdicts.get('tailor-rationales/original_teacher')).toMatchObject({ reused: true });
  expect(againstLines(against).join('\n')).toContain('sample-rationales of round 1');
  // The stages of the plan but the report, which is not looked for.
  expect(against.stages.filter(({ verdict }) => verdict !== 'dropped')).toHaveLength(plan.stages.length - 1);
});

it('lays the plan of the start beside what came, in the report', async () => {
  const report = await readReport(store, 'first');
  expect(report.planned?.left.calls).toBeGreaterThan(0);
  const scored = report.stages.find(({ name }) => name === 'score-drafts')!;
  expect(scored.planned).toMatchObject({ calls: scored.calls, reused: null });
  const rows = plannedRows(report);
  expect(rows.find(({ stage }) => stage === 'score-drafts')!.calls).toBe(`${scored.calls}: ${scored.calls}`);
  expect(rows.at(-1)!.stage).toBe('in all');
  const said: string[] = [];
  const spy = jest.spyOn(process.stdout, 'write').mockImplementation((chunk) => said.push(String(chunk)) > 0);
  printReport({ ...report, notes: [] }, { full: true });
  spy.mockRestore();
  const lines = said
    .join('')
    .replace(/\u001b\[\d+m/g, '')
    .split('\n');
  const from = lines.findIndex((line) => line.startsWith('Plan against actual'));
  expect(from).toBeGreaterThan(0);
  for (const line of lines.slice(from)) expect(line.length).toBeLessThanOrEqual(reportWidthMax);
});

it('knows when a run will be done while it works, and says nothing of one that does not, nor of one whose speeds nobody has measured', async () => {
  const { plan } = await planWithStore(store, await load('changed', (config) => void (config['seed'] = 7)), find);
  await keepPlan(store, 'changed', plan);
  const working = (runId: string): Parameters<Eta>[0] => {
    const startedAt = new Date().toISOString();
    return {
      progress: { runId, round: 1, rounds: 1, current: [], startedAt, status: 'RUNNING' },
      ...{ finished: [], live: [], engine: 'RUNNING' },
    };
  };
  const eta = await openEta(store, 'changed');
  const view = working('changed');
  expect(await eta(view, Date.now())).toBeGreaterThan(0);
  expect(await eta({ ...view, progress: { ...view.progress, status: 'PAUSED' } }, Date.now())).toBeUndefined();
  expect(await (await openEta(store, 'first'))(working('first'), Date.now())).toBeUndefined();

  // A stage that waits for its model has not become slow, and one that has it counts from then on.
  const since = new Date(Date.now() - 3_600_000).toISOString();
  const scoring = {
    ...{ label: 'score-drafts', since, unit: 'rows' as const, phase: 'model', done: 0, found: 0, total: 100 },
    ...{ inFlight: 0, usage: noUsage, metrics: {} },
  };
  const left = async (stage: Partial<LiveStage>): Promise<number> =>
    (await eta({ ...view, live: [{ ...scoring, ...stage }] }, Date.now())) ?? NaN;
  const waiting = await left({});
  expect(waiting).toBeCloseTo((await eta(view, Date.now()))!, 3);
  const works = { sinceMs: Date.now() - 60_000, done: 50 };
  const working50 = await left({ done: 50, works });
  expect(working50).toBeLessThan((await left({ done: 50 })) / 10);
});
