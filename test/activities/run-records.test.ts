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
