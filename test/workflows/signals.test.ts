/**
 * Goal: a run whose drafts are judged by the probability of texts, alone or joined with accuracy, goes from sampling to its decision, round by round, and says
 * by what it judged; and the agreement of the preference set with all validation items, where it is asked for, is what the rows say.
 * Method: the workflow and the activities as workers run them, on a real Temporal server and a real S3 store. The student is a tiny random Llama: the
 * project's own scorer (python/score.py, from the real pool) reads its weights, and what a server would answer is answered by script; the trainer is a stand-in.
 * Scores, ranks and agreement are worked out again from the rows.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { z } from 'zod';
import { readRows } from '../../activities/read-rows';
import { agreementRows, signalRows } from '../../cli/report/report-agreement';
import { ensurePythonEnv } from '../../drivers/local/python-env';
import { createMaterializer } from '../../drivers/model/materialize';
import { createModelPool, type ManagedModelPool } from '../../drivers/model/pool';
import { resolveModel } from '../../drivers/model/resolve';
import { createScriptedEndpoint } from '../../drivers/model/scripted';
import { packageRoot } from '../../drivers/package-root';
import type { ModelRef } from '../../schemas/model-ref';
import type { ReportStage, RunReport } from '../../schemas/report';
import { cellRowSchema, pairRowSchema, scoreRowSchema, type ScoreRow } from '../../schemas/rows';
import { modelConfigSchema } from '../../schemas/config/models';
import { runConfigSchema, type RunConfig } from '../../schemas/run-config';
import { MemoryStore } from '../activities/row-engine/memory-store';
import { makeTinyModel } from '../support/loop-config';
import { startWorkflowRuns, type WorkflowRuns } from '../support/workflow-run';

jest.setTimeout(15 * 60_000);

const questions = 6;
const techniques = 4;
const probes = 3;
const validation = 8;
const drafts = questions * techniques;

function configOf(change: Record<string, unknown>): RunConfig {
  const { probe, ...rest } = change;
  return runConfigSchema.parse({
    version: 1,
    name: 'signals',
    seed: 5,
    tasks: [{ source: 'builtin', family: 'larger-number', split: { seeds: 3, validation, test: 6 } }],
    models: {
      teacher: { source: 'folder/t', prompt_style: 'completion', endpoint: { kind: 'scripted', script: 'teacher' } },
      student: { source: 'folder/s', prompt_style: 'completion', endpoint: { kind: 'managed' } },
    },
    probe: { method: 'random', size: probes, ...(probe as object) },
    questions: { per_task: questions, per_call: 1, format: 'json', max_tokens: 100 },
    pairs: { question: { per_task: 2 }, minimum: 1 },
    tailor: { per_task: 4 },
    sft: { batch_size: 4 },
    align: { batch_size: 4 },
    evaluate: { shots: [0] },
    ...rest,
  });
}

let runs: WorkflowRuns;
let pool: ManagedModelPool;
let root: string;
/** What the real pool was asked for. */
const leased: { readonly kind: string; readonly model: string }[] = [];

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'arte-signal-runs-'));
  const env = await ensurePythonEnv({});
  const { python } = env;
  const [scriptDir, logDir, cacheDir] = [join(packageRoot(), 'python'), join(root, 'logs'), join(root, 'cache')];
  const source = await makeTinyModel(join(root, 'model'));
  const tiny: ModelRef = await resolveModel('student', modelConfigSchema.parse({ source }), {
    ...{ configDir: root, env, cacheDir },
  });
  pool = createModelPool({
    materializer: createMaterializer({ cacheDir, python, scriptDir, store: new MemoryStore(), logDir }),
    ...{ python, scriptDir, logDir, deviceLockPath: join(root, 'device.lock'), scripted: createScriptedEndpoint },
  });
  runs = await startWorkflowRuns('signals', {
    resolve: (role) => (role === 'student' ? tiny : undefined),
    lease: (model, settings, signal) => {
      if (settings.kind === 'scripted') return undefined;
      leased.push({ kind: settings.kind, model: model.contentSha256 });
      if (settings.kind === 'scorer') return pool.lease(model, settings, signal);
      return Promise.resolve({ endpoint: createScriptedEndpoint('prefers-short'), release: () => Promise.resolve() });
    },
  });
});

afterAll(async () => {
  await runs.stop();
  await pool.shutdown();
  rmSync(root, { recursive: true, force: true });
});

const stageOf = (report: RunReport, name: string, arm: string, round: number): ReportStage => {
  const stage = report.stages.find((one) => one.name === name && one.arm === arm && one.round === round);
  if (!stage) throw new Error(`round ${round} has no ${name} ${arm}`);
  return stage;
};
const rowsOf = <Row>(report: RunReport, round: number, artifact: string, schema: z.ZodType<Row>): Promise<Row[]> => {
  const ref = report.rounds[round - 1]?.artifacts[artifact];
  if (!ref) throw new Error(`round ${round} has no ${artifact}`);
  return readRows(runs.store, ref, schema);
};
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Shares of ranks from 0 to 1, equals at the mean of theirs: counted, not sorted. */
const ranks = (values: readonly number[]): number[] =>
  values.map((value) => {
    const below = values.filter((other) => other < value - 1e-12).length;
    const equal = values.filter((other) => Math.abs(other - value) <= 1e-12).length;
    return (below + (equal - 1) / 2) / (values.length - 1);
  });

describe('combined and icl_loglik, of two rounds', () => {
  const signals = { icl_accuracy: 1, icl_loglik: 1 };
  let combined: RunReport;
  beforeAll(async () => {
    combined = await runs.run(
      'combined',
      configOf({ score: { signal: 'combined', combine: signals }, rounds: { count: 2 } }),
    );
  });

  it('goes to its end, asks the student and the scorer about every cell, and only the untuned student’s weights are read', () => {
    expect(combined.status).toBe('DONE');
    expect(combined.rounds.map(({ decision }) => decision['round'])).toEqual([1, 2]);
    for (const round of [1, 2])
      for (const signal of Object.keys(signals)) {
        const stage = stageOf(combined, 'score-drafts', signal, round);
        expect([round, signal, stage.calls, stage.outcomes]).toEqual([
          ...[round, signal, drafts * probes],
          expect.objectContaining({ ok: drafts * probes }),
        ]);
      }
    const read = leased.filter(({ kind }) => kind === 'scorer').map(({ model }) => model);
    expect(new Set(read).size).toBe(1);
    // The second round's drafts are an aligned teacher's.
    expect(combined.rounds[0]?.teacher.layers).toHaveLength(1);
    expect(combined.rounds[1]?.teacher.layers).toHaveLength(2);
  });

  it.each([1, 2])('scores by the mean rank of both, worked out again from the cells (round %d)', async (round) => {
    const of = (signal: string) => rowsOf(combined, round, `score-drafts/${signal}/scores`, scoreRowSchema);
    const [accuracy, loglik] = [await of('icl_accuracy'), await of('icl_loglik')];
    const cells = await rowsOf(combined, round, 'score-drafts/icl_loglik/cells', cellRowSchema);
    expect(cells.every(({ value }) => value !== undefined && value < 0)).toBe(true);
    for (const { draftId, score } of loglik) {
      const own = cells.filter((cell) => cell.draftId === draftId).map(({ value = NaN }) => value);
      expect(own).toHaveLength(probes);
      expect(score).toBeCloseTo(mean(own), 12);
    }
    const scoreOf = (rows: readonly ScoreRow[], id: string): number =>
      rows.find(({ draftId }) => draftId === id)?.score ?? NaN;
    const ids = accuracy.map(({ draftId }) => draftId);
    const one = ranks(ids.map((id) => scoreOf(accuracy, id)));
    // What differs in the fourth decimal differs by the rounding of forward passes.
    const other = ranks(ids.map((id) => Math.round(scoreOf(loglik, id) * 10_000)));
    const joined = await rowsOf(combined, round, 'combine-scores/scores', scoreRowSchema);
    expect(joined.map(({ draftId }) => draftId)).toEqual(ids);
    joined.forEach(({ score }, at) => expect(score).toBeCloseTo(((one[at] ?? NaN) + (other[at] ?? NaN)) / 2, 9));
    // Pairs are of these scores: best against worst of a question.
    const pairs = await rowsOf(combined, round, 'build-pairs/pairs', pairRowSchema);
    const rationales = pairs.filter(({ kind }) => kind === 'rationale');
    expect(rationales.length).toBeGreaterThan(0);
    for (const { chosenId, rejectedId, chosenScore, rejectedScore } of rationales) {
      const question = joined.find(({ draftId }) => draftId === chosenId)?.questionId;
      const own = joined.filter(({ questionId }) => questionId === question).map(({ score }) => score);
      expect(joined.find(({ draftId }) => draftId === rejectedId)?.questionId).toBe(question);
      expect([chosenScore, rejectedScore]).toEqual([Math.max(...own), Math.min(...own)]);
    }
  });

  it('says in the report by what it judged, and how far the signals agree', () => {
    expect(combined.notes.join('\n')).toContain('Drafts were scored by combined (icl_accuracy, icl_loglik, by rank)');
    const rows = signalRows(combined);
    expect(rows.map(([round, names]) => [round, names])).toEqual([
      [1, 'icl_accuracy and icl_loglik'],
      [2, 'icl_accuracy and icl_loglik'],
    ]);
    expect(rows.every(([, , rho]) => Math.abs(Number(rho)) <= 1)).toBe(true);
  });

  it('by icl_loglik alone finds what the combination asked the scorer in the first round, and goes its own way', async () => {
    const alone = await runs.run('loglik', configOf({ score: { signal: 'icl_loglik' }, rounds: { count: 2 } }));
    expect(alone.status).toBe('DONE');
    expect(stageOf(alone, 'score-drafts', '', 1)).toMatchObject({
      ...{ reused: true, key: stageOf(combined, 'score-drafts', 'icl_loglik', 1).key },
      facts: { signal: 'icl_loglik' },
    });
    expect(stageOf(alone, 'score-drafts', '', 2)).toMatchObject({ reused: false, calls: drafts * probes });
    expect(alone.stages.some(({ name }) => name === 'combine-scores')).toBe(false);
    expect(alone.rounds[0]?.teacher.contentSha256).not.toBe(combined.rounds[0]?.teacher.contentSha256);
    expect(alone.notes.join('\n')).toContain("Drafts were scored by icl_loglik, not by the paper's icl_accuracy");
    expect(signalRows(alone)).toEqual([]);
  });
});

it('the preference set agrees with all validation items as the rows say, and the paper stands beside it', async () => {
  const asked = 5;
  const report = await runs.run('agreement', configOf({ probe: { agreement_questions: asked } }));
  const sample = stageOf(report, 'score-sample', 'agreement', 1);
  expect(sample.calls).toBe(asked * techniques * (validation - probes));
  const inside = await rowsOf(report, 1, 'score-drafts/cells', cellRowSchema);
  const outside = await rowsOf(report, 1, 'score-sample/agreement/cells', cellRowSchema);
  const scores = await rowsOf(report, 1, 'score-drafts/scores', scoreRowSchema);
  const right = (cells: readonly { draftId: string; correct?: boolean | undefined }[], id: string): number =>
    cells.filter(({ draftId, correct }) => draftId === id && correct === true).length;
  // No item is asked twice.
  const items = (cells: readonly { probeId: string | null }[]) => new Set(cells.map(({ probeId }) => probeId));
  expect([...items(inside)].filter((id) => items(outside).has(id))).toEqual([]);
  expect(items(inside).size + items(outside).size).toBe(validation);
  const sampled = new Set(outside.map(({ draftId }) => draftId));
  const byQuestion = new Map<string, string[]>();
  for (const { draftId, questionId } of scores)
    if (sampled.has(draftId)) byQuestion.set(questionId, [...(byQuestion.get(questionId) ?? []), draftId].sort());
  let [best, worst] = [0, 0];
  for (const ids of byQuestion.values()) {
    expect(ids).toHaveLength(techniques);
    const few = ids.map((id) => right(inside, id));
    const all = ids.map((id) => right(inside, id) + right(outside, id));
    best += Number(all[few.indexOf(Math.max(...few))] === Math.max(...all));
    worst += Number(all[few.indexOf(Math.min(...few))] === Math.min(...all));
  }
  expect(byQuestion.size).toBe(asked);
  expect(sample.facts['agreement']).toEqual({ questions: asked, best: best / asked, worst: worst / asked });
  expect(agreementRows(report)).toEqual([
    [1, asked, expect.stringMatching(`^${((100 * best) / asked).toFixed(1)} \\(`), expect.any(String)],
    ['the paper', '', '93.0', '87.0'],
  ]);
});
