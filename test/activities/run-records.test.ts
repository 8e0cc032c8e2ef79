/**
 * Goal: a round's record in the store is the best there is: what was paid for stays paid, and a whole round stays whole.
 * Method: records saved one after another into a store in memory.
 */
import { noUsage } from '../../schemas/manifest';
import { readRounds, saveRound } from '../../activities/run-records';
import type { RoundRecord, StageRecord } from '../../schemas/messages';
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

function stageRecord(key: string, reused: boolean): StageRecord {
  const usage = { ...noUsage, calls: reused ? 0 : 7 };
  return { stage: 'sample-questions', round: 1, arm: '', key, reused, seconds: 1, usage };
}

function record(stages: readonly StageRecord[], whole: boolean): RoundRecord {
  const models: RoundRecord['models'] = whole ? { teacher: model, student: model } : {};
  return { schemaVersion: 1, runId: 'run', round: 1, stages, models, evaluations: [], decision: {} };
}

async function saved(...records: readonly RoundRecord[]): Promise<RoundRecord[]> {
  const store = new MemoryStore();
  for (const each of records) await saveRound(store, each);
  return readRounds(store, 'run', 1);
}

it('a whole round replaces one that was broken off, and keeps what that one paid for', async () => {
  const brokenOff = record([stageRecord('one', false)], false);
  const whole = record([stageRecord('one', true), stageRecord('two', false)], true);
  expect(await saved(brokenOff, whole)).toEqual([record([stageRecord('one', false), stageRecord('two', false)], true)]);
});

it('a round that was broken off never replaces a whole one', async () => {
  const whole = record([stageRecord('one', false), stageRecord('two', false)], true);
  expect(await saved(whole, record([stageRecord('one', true)], false))).toEqual([whole]);
});

it('under another config a whole round may be replaced, and what the old one paid stays in the account', async () => {
  const old = { ...record([stageRecord('one', false), stageRecord('two', false)], true), bundle: 'old' };
  const changed = { ...record([stageRecord('one', true), stageRecord('three', false)], false), bundle: 'new' };
  const whole = { ...changed, models: old.models };
  const account = [stageRecord('one', false), stageRecord('three', false)];
  const earlier = [stageRecord('two', false)];
  expect(await saved(old, changed)).toEqual([{ ...changed, stages: account, earlier }]);
  expect(await saved(old, changed, whole)).toEqual([{ ...whole, stages: account, earlier }]);
});

it('what a run made before its history was lost counts once, whatever round and arm find it again', async () => {
  const store = new MemoryStore();
  const own = (arm: string): StageRecord => ({ ...stageRecord('one', false), arm, own: true });
  await saveRound(store, record([stageRecord('one', false)], true));
  // Its history lost, the run walks both rounds again; another arm comes by the stage first.
  await saveRound(store, record([own('other'), stageRecord('one', true)], true));
  await saveRound(store, { ...record([own('')], true), round: 2 });
  const rounds = await readRounds(store, 'run', 2);
  const counted = rounds.flatMap(({ stages }) => stages.filter(({ reused }) => !reused));
  expect(counted).toEqual([stageRecord('one', false)]);
});
