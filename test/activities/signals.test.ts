/**
 * Goal: the score-drafts stage scores by the probability of texts, and combine-scores joins signals, through the real functions of stages.
 * Method: the scripted student prefers-short, which finds right answers more probable after short rationales, and short rationales
 * themselves; a store in memory; rows, shards and commit as workflows/shards.ts drives them.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { combineScoreRows } from '../../activities/combine-scores';
import { readRows } from '../../activities/read-rows';
import { runShardOf } from '../../activities/row-stage-shard';
import { commitWave, openRowStage } from '../../activities/row-stage-wave';
import { scoreDrafts } from '../../activities/score-drafts';
import { runWholeStage } from '../../activities/stage';
import type { EndpointSettings, ModelPool } from '../../drivers/model/model';
import { createScriptedEndpoint } from '../../drivers/model/scripted';
import type { ArtifactRef } from '../../schemas/artifact-ref';
import type { JsonValue } from '../../schemas/json';
import type { CommittedWave, StageInput, StageResult, WaveInput } from '../../schemas/messages';
import { cellRowSchema, scoreRowSchema, type ModelRequest } from '../../schemas/rows';
import { MemoryStore } from './row-engine/memory-store';
import { bundleOf } from './stage-input';

const folder = mkdtempSync(join(tmpdir(), 'arte-signals-'));
const environment = new MockActivityEnvironment();
const store = new MemoryStore();
const asked: ModelRequest[] = [];
const leased: EndpointSettings[] = [];

const task = {
  name: 'larger-number',
  category: 'numbers',
  description: 'Say which number is larger.',
  answer: { type: 'number', labels: [] },
  ...Object.fromEntries(
    ['seeds', 'validation', 'test'].map((part) => [part, [{ id: part, question: 'Which, 1 or 2?', target: '2' }]]),
  ),
  techniques: [{ name: 'plain', instruction: 'Think.' }],
};
const probes = Array.from({ length: 5 }, (_, at) => ({
  id: `p${at}`,
  task: task.name,
  question: `Which number is larger, ${10 + at} or ${30 + at}?`,
  target: String(30 + at),
  discrimination: null,
}));
/** Every other one is short. */
const drafts = Array.from({ length: 8 }, (_, at) => ({
  id: `d${at}`,
  task: task.name,
  questionId: `q${Math.floor(at / 2)}`,
  question: `Which number is larger, 4${at} or 7${at}?`,
  target: `7${at}`,
  technique: 'plain',
  rationale: `${at % 2 === 0 ? 'Seven tens.' : 'We look at the first digits, and then '.repeat(5)} <ans>7${at}</ans>`,
  answer: `7${at}`,
  agrees: true,
  from: 'x',
}));

const lines = (rows: readonly unknown[]): Promise<ArtifactRef> =>
  store.putLines(rows.map((row) => JSON.stringify(row)));
let inputs: StageInput['inputs'];

beforeAll(async () => {
  inputs = { tasks: await lines([task]), drafts: await lines(drafts), probes: await lines(probes) };
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function bundleFor(score: JsonValue, endpoint: JsonValue): Promise<ArtifactRef> {
  const model = { source: 'embedded:SmolLM2-135M-Instruct', prompt_style: 'completion' };
  const config = {
    version: 1,
    name: 'trial',
    tasks: [{ source: 'builtin', family: 'larger-number' }],
    models: { teacher: model, student: { ...model, endpoint } },
    score,
  };
  return bundleOf(store, config);
}

async function scored(
  signal: string | undefined,
  score: JsonValue,
  endpoint: JsonValue = { kind: 'scripted', script: 'prefers-short' },
): Promise<StageResult> {
  const student = createScriptedEndpoint('prefers-short');
  const pool: ModelPool = {
    lease: (_, settings) => {
      leased.push(settings);
      const complete: typeof student.complete = (request, signal_) => {
        asked.push(request);
        return student.complete(request, signal_);
      };
      return Promise.resolve({ endpoint: { ...student, complete }, release: () => Promise.resolve() });
    },
    reserve: () => Promise.reject(new Error('nothing trains here')),
  };
  const contentSha256 = '0'.repeat(64);
  const stage: StageInput = {
    stage: 'score-drafts',
    bundle: await bundleFor(score, endpoint),
    inputs,
    model: {
      name: 'student',
      source: { kind: 'embedded', name: 'x' },
      baseSha256: contentSha256,
      layers: [],
      contentSha256,
    },
    ...(signal === undefined ? {} : { extra: { signal } }),
  };
  const opened = await openRowStage(scoreDrafts, { store }, stage);
  if (opened.done) return opened.result;
  const wave: WaveInput = { stage, key: opened.key, wave: 0, waves: [], rows: opened.rows, startedAtMs: Date.now() };
  const resolve = () => Promise.reject(new Error('no model is resolved here'));
  const stallDumps = { dir: join(folder, 'stalls'), secrets: [] };
  const dependencies = { store, pool, journalDir: folder, environment: {}, resolveModel: resolve, stallDumps };
  await environment.run(() => runShardOf(scoreDrafts, dependencies, { ...wave, offset: 0, length: opened.rows }));
  const committed = await environment.run<[], CommittedWave, () => Promise<CommittedWave>>(() =>
    commitWave(scoreDrafts, { store }, wave),
  );
  if (!committed.done) throw new Error('one wave is all there is');
  return committed.result;
}

const scoresOf = ({ outputs }: StageResult) => readRows(store, outputs['scores'] as ArtifactRef, scoreRowSchema);

describe('a signal of texts', () => {
  it('icl_loglik: a row a cell, drafts by the mean over their probe items, short ones first', async () => {
    asked.length = 0;
    const result = await scored('icl_loglik', { signal: 'icl_loglik' });
    expect(asked).toHaveLength(40);
    expect(new Set(asked.map(({ given }) => given?.text))).toEqual(
      new Set(probes.map(({ target }) => `${target}</ans>`)),
    );
    const cells = await readRows(store, result.outputs['cells'] as ArtifactRef, cellRowSchema);
    expect(cells.map(({ draftId, probeId }) => `${draftId} ${probeId ?? ''}`)).toEqual(
      drafts.flatMap(({ id }) => probes.map((probe) => `${id} ${probe.id}`)),
    );
    const scores = await scoresOf(result);
    for (const { draftId, score, n } of scores) {
      const own = cells.filter((cell) => cell.draftId === draftId).map(({ value = Number.NaN }) => value);
      expect(n).toBe(5);
      expect(score).toBeCloseTo(own.reduce((sum, value) => sum + value, 0) / 5, 12);
    }
    const ranked = [...scores].sort((one, other) => other.score - one.score).map(({ draftId }) => draftId);
    expect(ranked.slice(0, 4).sort()).toEqual(['d0', 'd2', 'd4', 'd6']);
    expect(result.facts).toMatchObject({ signal: 'icl_loglik', cells: 40, quality: { tiedShare: 0 } });
    expect(result.usage).toMatchObject({ calls: 40, outputTokens: 0 });
  });

  it('student_prob and rank_surprisal: a row a draft', async () => {
    for (const signal of ['student_prob', 'rank_surprisal']) {
      asked.length = 0;
      const result = await scored(signal, { signal });
      expect(asked.map(({ given }) => given?.text)).toEqual(drafts.map(({ rationale }) => ` ${rationale}`));
      const cells = await readRows(store, result.outputs['cells'] as ArtifactRef, cellRowSchema);
      expect(cells.map(({ probeId }) => probeId)).toEqual(drafts.map(() => null));
      expect((await scoresOf(result)).every(({ score, stderr }) => score < 0 && stderr > 0)).toBe(true);
    }
  });

  it('a managed student is asked at the scorer, and its own key is not that of another precision', async () => {
    leased.length = 0;
    const settings = (dtype: string) => ({ signal: 'icl_loglik', scorer: { dtype, batch_rows: 4 } });
    const first = await scored('icl_loglik', settings('float32'), { kind: 'managed' });
    expect(leased).toEqual([{ kind: 'scorer', dtype: 'float32', batchRows: 4 }]);
    expect((await scored('icl_loglik', settings('bfloat16'), { kind: 'managed' })).key).not.toBe(first.key);
    const again = await scored(
      'icl_loglik',
      { ...settings('float32'), temperature: 1, gold: 'answer' },
      { kind: 'managed' },
    );
    expect(again).toMatchObject({ key: first.key, reused: true });
  });
});

describe('several signals', () => {
  const combined = { signal: 'combined', combine: { icl_loglik: 1, icl_accuracy: 3 } };

  it('find what runs by one of them have made, the paper’s own included', async () => {
    const alone = await scored(undefined, {});
    expect(await scored(undefined, combined)).toMatchObject({ key: alone.key, reused: true });
    const loglik = await scored('icl_loglik', { signal: 'icl_loglik' });
    expect(await scored('icl_loglik', combined)).toMatchObject({ key: loglik.key, reused: true });
  });

  it('are joined by rank, with their agreement among the facts', async () => {
    const parts = { icl_accuracy: await scored(undefined, combined), icl_loglik: await scored('icl_loglik', combined) };
    const stage: StageInput = {
      stage: 'combine-scores',
      bundle: await bundleFor(combined, { kind: 'scripted', script: 'prefers-short' }),
      inputs: Object.fromEntries(
        Object.entries(parts).map(([name, { outputs }]) => [name, outputs['scores'] as ArtifactRef]),
      ),
    };
    const result = await environment.run<[], StageResult, () => Promise<StageResult>>(() =>
      runWholeStage(combineScoreRows, { store })(stage),
    );
    const scores = await scoresOf(result);
    expect(scores.map(({ draftId }) => draftId)).toEqual(drafts.map(({ id }) => id));
    expect(scores.every(({ score, n }) => score >= 0 && score <= 1 && n === 2)).toBe(true);
    const short = scores.filter((_, at) => at % 2 === 0).map(({ score }) => score);
    const long = scores.filter((_, at) => at % 2 === 1).map(({ score }) => score);
    expect(Math.min(...short)).toBeGreaterThan(Math.max(...long));
    expect(result.facts).toMatchObject({
      signal: 'combined',
      agreement: { 'icl_accuracy ~ icl_loglik': expect.any(Number) as number },
      quality: { drafts: 8 },
    });
  });
});
