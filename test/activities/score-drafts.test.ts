/**
 * Goal: the score-drafts stage races through the real functions of row stages: waves, plans, shards and commit; exhaustive scoring stays what
 * it was.
 * Method: a student by script, whose answers follow from draft and probe item, a store in memory, and the loop of workflows/shards.ts
 * driven by hand, each wave by a worker of its own.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { runShardOf } from '../../activities/row-stage-shard';
import { commitWave, openRowStage } from '../../activities/row-stage-wave';
import { scoreDrafts, type RacingFacts } from '../../activities/score-drafts';
import { writeReport } from '../../activities/report/write-report';
import { putStageRecord } from '../../activities/run-records';
import { readRows } from '../../activities/read-rows';
import { finishedStage } from '../../activities/stage';
import { llamaCppCapabilities } from '../../drivers/model/llama-cpp';
import type { ModelEndpoint, ModelPool } from '../../drivers/model/model';
import { seededRandom, seedFrom } from '../../method/keys';
import type { ArtifactRef } from '../../schemas/artifact-ref';
import type { JsonValue } from '../../schemas/json';
import { racingWavesMax, shardRowsMax } from '../../schemas/limits';
import type { CommittedWave, StageInput, WaveInput } from '../../schemas/messages';
import type { StageManifest } from '../../schemas/manifest';
import { cellRowSchema, raceAnswersRowSchema, raceAskRowSchema, scoreRowSchema } from '../../schemas/rows';
import type { RunReport } from '../../schemas/report';
import { MemoryStore } from './row-engine/memory-store';
import { bundleOf } from './stage-input';

/** The turns of the event loop in which the model of a race was fitted, as far as they are counted. */
const mockFits = { turn: 0, seen: [] as number[] };
jest.mock('../../method/racing', () => {
  const real: typeof import('../../method/racing') = jest.requireActual('../../method/racing');
  const noted =
    <Words extends unknown[], Result>(fit: (...words: Words) => Result) =>
    (...words: Words): Result => {
      mockFits.seen.push(mockFits.turn);
      return fit(...words);
    };
  return { ...real, nextCells: noted(real.nextCells), racedScores: noted(real.racedScores) };
});

const questions = 12;
const techniques = 4;
const probes = 30;
const drafts = questions * techniques;

const item = (id: string, question: string) => ({ id, question, target: 'yes' });
const task = {
  name: 'guess',
  category: 'test',
  description: 'Say yes or no.',
  answer: { type: 'exact', labels: [] },
  seeds: [item('s', 'seed question')],
  validation: Array.from({ length: probes }, (_, at) => item(`p${at}`, `probe ${at}`)),
  test: [item('t', 'test question')],
  techniques: [{ name: 'plain', instruction: 'Think.' }],
};

const draftRows = Array.from({ length: drafts }, (_, at) => ({
  id: `d${String(at).padStart(3, '0')}`,
  task: 'guess',
  questionId: `q${Math.floor(at / techniques)}`,
  question: `draft ${at}`,
  target: 'yes',
  technique: 'plain',
  rationale: `Thought ${at}. <ans>yes</ans>`,
  answer: 'yes',
  agrees: true,
  from: 'x',
}));

/** The better a draft, the more items are answered right after it; which ones follows from both. */
function isRight(draft: number, probe: number): boolean {
  const strength = 0.2 + 0.6 * seededRandom(seedFrom('draft', draft))();
  return seededRandom(seedFrom('cell', draft, probe))() < strength;
}

interface Asked {
  readonly draft: number;
  readonly probe: number;
}

/** A student that notes what it is asked. */
function studentOf(asked: Asked[]): ModelEndpoint {
  return {
    id: 'student',
    capabilities: llamaCppCapabilities,
    concurrency: { start: 8, max: 8 },
    complete: (request) => {
      const text = request.prompt.kind === 'completion' ? request.prompt.text : '';
      const draft = Number(/draft (\d+)/.exec(text)?.[1]);
      const probe = Number(/probe (\d+)/.exec(text)?.[1]);
      asked.push({ draft, probe });
      return Promise.resolve({
        text: `<ans>${isRight(draft, probe) ? 'yes' : 'no'}</ans>`,
        finish: 'stop',
        usage: { inputTokens: 10, cachedInputTokens: 0, outputTokens: 3 },
      });
    },
  };
}

class CountingStore extends MemoryStore {
  readonly streamed: string[] = [];

  override getLines(ref: { uri: string }): AsyncIterable<string> {
    this.streamed.push(ref.uri);
    return super.getLines(ref);
  }
}

const model = { source: 'embedded:SmolLM2-135M-Instruct', prompt_style: 'completion' };

async function lines(store: MemoryStore, rows: readonly unknown[]): Promise<ArtifactRef> {
  return store.putLines(rows.map((row) => JSON.stringify(row)));
}

interface Run {
  readonly asked: Asked[];
  readonly waves: WaveInput[];
  readonly manifest: StageManifest;
  readonly store: CountingStore;
  /** Results of earlier waves that a shard, or a commit after which there was another wave, read again. */
  readonly readAgain: number;
  /** Times the results of each wave were read, by its last commit and those before. */
  readonly reads: readonly number[];
}

/** As workflows/shards.ts does it. */
async function run(score: { readonly [name: string]: JsonValue }): Promise<Run> {
  const store = new CountingStore();
  const folder = mkdtempSync(join(tmpdir(), 'arte-score-'));
  const environment = new MockActivityEnvironment();
  const config = {
    version: 1,
    name: 'trial',
    tasks: [{ source: 'builtin', family: 'navigate' }],
    models: { teacher: model, student: model },
    score,
  };
  const bundle = await bundleOf(store, config);
  const stage: StageInput = {
    stage: 'score-drafts',
    bundle,
    inputs: {
      tasks: await lines(store, [task]),
      drafts: await lines(store, draftRows),
      probes: await lines(
        store,
        task.validation.map((probe) => ({ ...probe, task: 'guess', discrimination: null })),
      ),
    },
    model: {
      name: 'student',
      source: { kind: 'embedded', name: 'student' },
      baseSha256: '0'.repeat(64),
      layers: [],
      contentSha256: '0'.repeat(64),
    },
  };
  const asked: Asked[] = [];
  const waves: WaveInput[] = [];
  let readAgain = 0;
  const reads = new Map<string, number>();
  try {
    const opened = await openRowStage(scoreDrafts, { store }, stage);
    if (opened.done) throw new Error('an empty store holds no finished stage');
    let wave: WaveInput = { stage, key: opened.key, wave: 0, waves: [], rows: opened.rows, startedAtMs: Date.now() };
    for (;;) {
      waves.push(wave);
      for (let offset = 0; offset < wave.rows; offset += shardRowsMax) {
        const shard = { ...wave, offset, length: Math.min(shardRowsMax, wave.rows - offset) };
        const pool: ModelPool = {
          lease: () => Promise.resolve({ endpoint: studentOf(asked), release: () => Promise.resolve() }),
          reserve: () => Promise.reject(new Error('nothing trains here')),
        };
        store.streamed.length = 0;
        await environment.run(() =>
          runShardOf(
            scoreDrafts,
            {
              store,
              pool,
              journalDir: join(folder, String(waves.length)),
              stallDumps: { dir: join(folder, 'stalls'), secrets: [] },
              environment: {},
              resolveModel: () => Promise.reject(new Error('no model is resolved here')),
            },
            shard,
          ),
        );
        readAgain += wave.waves.filter(({ uri }) => store.streamed.includes(uri)).length;
      }
      const current = wave;
      store.streamed.length = 0;
      const committed = await environment.run<[], CommittedWave, () => Promise<CommittedWave>>(() =>
        commitWave(scoreDrafts, { store }, current),
      );
      for (const uri of store.streamed) reads.set(uri, (reads.get(uri) ?? 0) + 1);
      if (committed.done) break;
      readAgain += wave.waves.filter(({ uri }) => store.streamed.includes(uri)).length;
      const { plan, soFar } = committed;
      wave = {
        ...wave,
        wave: wave.wave + 1,
        waves: [...wave.waves, committed.wave],
        rows: committed.rows,
        ...(plan && { plan }),
        ...(soFar && { soFar }),
      };
    }
    const manifest = await finishedStage(store, opened.key);
    if (!manifest) throw new Error('the stage has no manifest');
    const results = waves.at(-1)?.waves ?? [];
    return { asked, waves, manifest, store, readAgain, reads: results.map(({ uri }) => reads.get(uri) ?? 0) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe('racing', () => {
  it('lets heartbeats pass between one fit and the next', async () => {
    let counting = true;
    const count = (): void => {
      mockFits.turn += 1;
      if (counting) setImmediate(count);
    };
    mockFits.seen = [];
    count();
    const { waves } = await run({ mode: 'racing', confidence: 0.9 });
    counting = false;
    // One after each wave, and one more for the scores.
    expect(mockFits.seen).toHaveLength(waves.length + 1);
    expect(new Set(mockFits.seen).size).toBe(mockFits.seen.length);
  });

  let raced: Run;

  beforeAll(async () => {
    raced = await run({ mode: 'racing', confidence: 0.9 });
  });

  it('asks each cell once, in waves, and fewer than all', () => {
    expect(raced.waves.length).toBeGreaterThan(2);
    expect(raced.waves.length).toBeLessThanOrEqual(racingWavesMax);
    expect(new Set(raced.asked.map(({ draft, probe }) => `${draft}/${probe}`)).size).toBe(raced.asked.length);
    expect(raced.asked.length).toBeLessThan(0.8 * drafts * probes);
    expect(raced.waves[0]?.rows).toBe(drafts * 8);
  });

  it('says in its facts what was saved, and why drafts were decided', () => {
    const racing = raced.manifest.facts['racing'] as unknown as RacingFacts;
    expect(racing).toMatchObject({ asked: raced.asked.length, exhaustive: drafts * probes });
    expect(Object.values(racing.places).reduce((sum, count) => sum + count, 0)).toBe(drafts);
    expect(racing.places).not.toHaveProperty('racing');
    expect(raced.manifest.usage.calls).toBe(raced.asked.length);
  });

  it('keeps the cells that were asked, and a score for every draft in their order', async () => {
    const cells = await readRows(raced.store, raced.manifest.outputs['cells'] as ArtifactRef, cellRowSchema);
    expect(cells).toHaveLength(raced.asked.length);
    const scores = await readRows(raced.store, raced.manifest.outputs['scores'] as ArtifactRef, scoreRowSchema);
    expect(scores.map(({ draftId }) => draftId)).toEqual(draftRows.map(({ id }) => id));
    expect(scores.reduce((sum, { n }) => sum + n, 0)).toBe(raced.asked.length);
    for (const { score, stderr } of scores) {
      expect(score).toBeGreaterThanOrEqual(0);
      expect(score).toBeLessThanOrEqual(1);
      expect(stderr).toBeGreaterThan(0);
    }
  });

  it('lists and commits a wave without the results of earlier ones, which are read once more at the end', () => {
    expect(raced.readAgain).toBe(0);
    expect(raced.reads.length).toBeGreaterThan(1);
    expect(new Set(raced.reads)).toEqual(new Set([2]));
  });

  it('hands on what is asked next and what was answered, a line a draft', async () => {
    let known = 0;
    for (const { soFar } of raced.waves.slice(1)) {
      const rows = await readRows(raced.store, soFar as ArtifactRef, raceAnswersRowSchema);
      expect(rows.map(({ draftId }) => draftId)).toEqual(draftRows.map(({ id }) => id));
      const answered = rows.reduce((sum, { answers }) => sum + answers.replaceAll('-', '').length, 0);
      expect(rows.every(({ answers }) => answers.length === probes)).toBe(true);
      expect(answered).toBeGreaterThan(known);
      known = answered;
    }
    for (const { plan, rows } of raced.waves.slice(1)) {
      const asks = await readRows(raced.store, plan as ArtifactRef, raceAskRowSchema);
      expect(new Set(asks.map(({ draftId }) => draftId)).size).toBe(asks.length);
      expect(asks.reduce((sum, ask) => sum + ask.probes.length, 0)).toBe(rows);
    }
  });

  it('is told in the report: calls made, calls saved, and why', async () => {
    const { store, manifest, asked, waves } = raced;
    const { key, seconds, usage } = manifest;
    const stage = { stage: 'score-drafts', round: 1, arm: '', key, reused: false, seconds, usage } as const;
    await putStageRecord(store, 'run', stage);
    const bundle = waves[0]?.stage.bundle as ArtifactRef;
    const report = await writeReport(store, { runId: 'run', bundle, rounds: 1, status: 'CANCELLED' });
    const { notes } = (await store.getJson(report)) as unknown as RunReport;
    const all = drafts * probes;
    expect(notes.filter((note) => note.startsWith('score-drafts'))).toEqual([
      expect.stringContaining(`raced: ${asked.length} of ${all} calls, ${all - asked.length} saved`),
    ]);
  });

  it('comes to the same bytes again', async () => {
    const again = await run({ mode: 'racing', confidence: 0.9 });
    expect(again.manifest.key).toBe(raced.manifest.key);
    expect(again.manifest.outputs).toEqual(raced.manifest.outputs);
  });
});

describe('exhaustive scoring', () => {
  let exhaustive: Run;

  beforeAll(async () => {
    exhaustive = await run({});
  });

  it('is one wave of every cell, under a key that no setting of racing enters', async () => {
    expect(exhaustive.waves).toHaveLength(1);
    expect(exhaustive.asked).toHaveLength(drafts * probes);
    expect(exhaustive.manifest.facts).not.toHaveProperty('racing');
    const other = await run({ confidence: 0.7, first_block: 2, block: 1 });
    expect(other.manifest.key).toBe(exhaustive.manifest.key);
    expect(JSON.stringify(exhaustive.manifest.settings)).not.toMatch(/racing|mode|confidence|block/);
  });

  it('is what racing at confidence 1 comes to', async () => {
    const certain = await run({ mode: 'racing', confidence: 1 });
    expect(certain.manifest.key).not.toBe(exhaustive.manifest.key);
    expect(certain.manifest.outputs).toEqual(exhaustive.manifest.outputs);
    expect(certain.manifest.facts['racing']).toMatchObject({ asked: drafts * probes, places: { whole: drafts } });
  });
});
