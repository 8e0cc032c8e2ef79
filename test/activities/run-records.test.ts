/**
 * Goal: a round's record in the store is the best there is: what was paid for stays paid and is paid once, a whole round stays whole, and what
 * decide reads does not depend on which stage was finished first.
 * Method: stages recorded one after another into a store in memory.
 */
import {
  collectEvaluations,
  noSuchRunIn,
  readRounds,
  readStages,
  recordStage,
  saveRound,
  setRoundsAside,
} from '../../activities/run-records';
import { noCounts } from '../../activities/stage';
import { noUsage, type StageManifest } from '../../schemas/manifest';
import type { StagePlace, StageRecord } from '../../schemas/messages';
import type { ModelRef } from '../../schemas/model-ref';
import { MemoryStore } from './row-engine/memory-store';

const sha = 'a'.repeat(64);
const model: ModelRef = {
  name: 'teacher',
  source: { kind: 'embedded', name: 'teacher' },
  baseSha256: sha,
  layers: [],
  contentSha256: sha,
};
const models = { teacher: model, student: model };
const paid = { ...noUsage, calls: 7 };

/** A stage that these runs have paid for. */
function manifestOf(key: string, ...payers: readonly string[]): StageManifest {
  return {
    ...{ schemaVersion: 1, stage: 'evaluate', version: 1, key, inputs: {}, settings: null, outputs: {} },
    ...{ counts: noCounts, usage: paid, paidBy: Object.fromEntries(payers.map((runId) => [runId, paid])), facts: {} },
    ...{ seconds: 1, finishedAt: '2026-01-01T00:00:00.000Z' },
  };
}

function placeOf(arm: string, round = 1): StagePlace {
  return { round, arm };
}

const lines = (stages: readonly StageRecord[]): unknown[] =>
  stages.map(({ arm, key, reused, usage }) => [arm, key, reused, usage.calls]);

describe('a run that there is not', () => {
  it('is told the nearest one, and is told at all where nothing can be listed', async () => {
    const store = new MemoryStore();
    for (const runId of ['evidence', 'quickstart']) await store.putOnce(`runs/${runId}/run.json`, {});
    expect((await noSuchRunIn(store, 'evidnce')).data).toMatchObject({
      code: 'RunNotFound',
      what: 'There is no run evidnce.',
      next: expect.stringMatching(/^The nearest is evidence, if that is what was meant\. arte status lists/) as string,
    });
    expect((await noSuchRunIn(store, 'xyz')).data.next).toMatch(/^arte status lists/);
    const broken = {
      folders: () => {
        throw new Error('no');
      },
    };
    expect((await noSuchRunIn(broken, 'evidnce')).data.next).toMatch(/^arte status lists/);
  });
});

describe('a stage', () => {
  it('that others have paid for is theirs, also where the run is called what every object has', async () => {
    const store = new MemoryStore();
    await recordStage(store, 'constructor', placeOf('one'), manifestOf('k1', 'other'), true);
    expect(lines(await readStages(store, 'constructor', 1))).toEqual([['one', 'k1', true, 0]]);
  });

  it('that this run has paid for stays so when a later walk, or an activity that is tried again, finds it in the store', async () => {
    const store = new MemoryStore();
    await recordStage(store, 'run', placeOf('one'), manifestOf('k1', 'run'), false);
    await recordStage(store, 'run', placeOf('one'), manifestOf('k1', 'run'), true);
    // The worker died after it had committed the stage and before it had recorded it.
    await recordStage(store, 'run', placeOf('two'), manifestOf('k2', 'run'), true);
    await recordStage(store, 'run', placeOf('three'), manifestOf('k3', 'other'), true);
    expect(lines(await readStages(store, 'run', 1))).toEqual([
      ['one', 'k1', false, 7],
      ['two', 'k2', false, 7],
      ['three', 'k3', true, 0],
    ]);
  });

  it('that decides something has it in its line', async () => {
    const store = new MemoryStore();
    const facts = { verdicts: [{ gate: 'duplicates_max', verdict: 'held' }] };
    await recordStage(store, 'run', placeOf(''), { ...manifestOf('k1', 'run'), stage: 'check-round', facts }, false);
    expect(await readStages(store, 'run', 1)).toMatchObject([{ says: 'go on: 1 gate held' }]);
  });

  it('that two arms or two rounds share is paid for once', async () => {
    const store = new MemoryStore();
    await recordStage(store, 'run', placeOf('one'), manifestOf('k1', 'run'), false);
    await recordStage(store, 'run', placeOf('two'), manifestOf('k1', 'run'), true);
    await recordStage(store, 'run', placeOf('one', 2), manifestOf('k1', 'run'), true);
    expect(lines(await readStages(store, 'run', 1))).toEqual([
      ['one', 'k1', false, 7],
      ['two', 'k1', true, 0],
    ]);
    expect(lines(await readStages(store, 'run', 2))).toEqual([['one', 'k1', true, 0]]);
  });

  it('is lost from the record by no other that is recorded at the same time', async () => {
    const store = new MemoryStore();
    const arms = Array.from({ length: 12 }, (_, index) => `arm ${index}`);
    await Promise.all(arms.map((arm) => recordStage(store, 'run', placeOf(arm), manifestOf(arm, 'run'), false)));
    expect((await readStages(store, 'run', 1)).map(({ arm }) => arm).sort()).toEqual([...arms].sort());
  });
});

describe('a round', () => {
  it('that was broken off has its stages and no models, until it is whole', async () => {
    const store = new MemoryStore();
    await recordStage(store, 'run', placeOf('one'), manifestOf('k1', 'run'), false);
    expect(await readRounds(store, 'run', 1)).toMatchObject([{ round: 1, models: {}, stages: [{ arm: 'one' }] }]);
    await recordStage(store, 'run', placeOf('two'), manifestOf('k2', 'run'), false);
    await saveRound(store, { runId: 'run', round: 1, models, decision: {} });
    expect(await readRounds(store, 'run', 1)).toMatchObject([{ models, stages: [{ arm: 'one' }, { arm: 'two' }] }]);
  });

  it('that is whole stays so while it is made again', async () => {
    const store = new MemoryStore();
    await recordStage(store, 'run', placeOf('one'), manifestOf('k1', 'run'), false);
    await saveRound(store, { runId: 'run', round: 1, models, decision: {} });
    const whole = await readRounds(store, 'run', 1);
    await recordStage(store, 'run', placeOf('one'), manifestOf('made anew', 'run'), false);
    expect(await readRounds(store, 'run', 1)).toEqual(whole);
  });
});

it('evaluations are one artifact with one content, in whatever order they were finished', async () => {
  const evaluated = (arm: 'untuned' | 'arte', student: number, round = 1): StagePlace => ({
    ...placeOf(`${arm}-${student}`, round),
    evaluates: { arm, student, shots: 0 },
  });
  const all = [evaluated('untuned', 1), evaluated('arte', 1), evaluated('arte', 2), evaluated('arte', 1, 2)];
  const collected = async (places: readonly StagePlace[], round: number) => {
    const store = new MemoryStore();
    for (const place of places)
      await recordStage(store, 'run', place, manifestOf(`${place.arm} ${place.round}`, 'run'), false);
    return store.getJson(await collectEvaluations(store, 'run', round));
  };
  expect(await collected(all, 2)).toEqual(await collected([...all].reverse(), 2));
  expect(await collected(all, 1)).toMatchObject([
    { arm: 'untuned', student: 1, round: 1, shots: 0, key: 'untuned-1 1' },
    { arm: 'arte', student: 1 },
    { arm: 'arte', student: 2 },
  ]);
});

describe('under another config', () => {
  it('the lines begin anew, and what the old one paid stays in the account until the new walk comes by it again', async () => {
    const store = new MemoryStore();
    for (const key of ['k1', 'k2']) await recordStage(store, 'run', placeOf(key), manifestOf(key, 'run'), false);
    await recordStage(store, 'run', placeOf('found'), manifestOf('k3', 'other'), true);
    await recordStage(store, 'run', placeOf('later', 2), manifestOf('k4', 'run'), false);
    await saveRound(store, { runId: 'run', round: 1, models, decision: {} });
    await setRoundsAside(store, 'run');
    const [first, second] = await readRounds(store, 'run', 2);
    expect(first).toMatchObject({ stages: [], models: {} });
    expect(lines(first?.earlier ?? [])).toEqual([
      ['k1', 'k1', false, 7],
      ['k2', 'k2', false, 7],
    ]);
    expect(lines(second?.earlier ?? [])).toEqual([['later', 'k4', false, 7]]);
    // The first is what it was; the second is made under another key.
    await recordStage(store, 'run', placeOf('k1'), manifestOf('k1', 'run'), true);
    await recordStage(store, 'run', placeOf('k2'), manifestOf('k2 anew', 'run'), false);
    await saveRound(store, { runId: 'run', round: 1, models, decision: {} });
    const [anew] = await readRounds(store, 'run', 1);
    expect(lines(anew?.stages ?? [])).toEqual([
      ['k1', 'k1', false, 7],
      ['k2', 'k2 anew', false, 7],
    ]);
    expect(lines(anew?.earlier ?? [])).toEqual([['k2', 'k2', false, 7]]);
  });

  it('what is found again under another label, or in another round, is paid for once', async () => {
    const store = new MemoryStore();
    // As score-drafts is called where it is the only signal, and then one of several.
    await recordStage(store, 'run', placeOf(''), manifestOf('k1', 'run'), false);
    await recordStage(store, 'run', placeOf('late', 2), manifestOf('k2', 'run'), false);
    await setRoundsAside(store, 'run');
    await recordStage(store, 'run', placeOf('icl_accuracy'), manifestOf('k1', 'run'), true);
    await recordStage(store, 'run', placeOf('early'), manifestOf('k2', 'run'), true);
    const [first, second] = await readRounds(store, 'run', 2);
    expect(lines(first?.stages ?? [])).toEqual([
      ['icl_accuracy', 'k1', false, 7],
      ['early', 'k2', true, 0],
    ]);
    expect([first?.earlier, lines(second?.earlier ?? [])]).toEqual([undefined, [['late', 'k2', false, 7]]]);
  });
});
