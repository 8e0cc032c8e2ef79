/**
 * Goal: the hour at which a run ends is said by the plan of the config that it goes by, also once that was changed on the way; where there is no such plan
 * nothing is said. Method: a store in memory with a run's record and plans; figures as if they had been measured.
 */
import { runKeys } from '../../../activities/run-records';
import { keepPlan } from '../../../cli/plan/price-run';
import { openEta } from '../../../cli/run/run-eta';
import type { RunView } from '../../../cli/run/run-progress';
import { planRun } from '../../../method/plan';
import { pricePlan } from '../../../method/price-plan';
import type { PricedPlan } from '../../../schemas/plan';
import { runConfigSchema } from '../../../schemas/run-config';
import { MemoryStore } from '../../activities/row-engine/memory-store';

function planOf(rounds: number): PricedPlan {
  const model = { source: 'embedded:SmolLM2-135M-Instruct' };
  const config = runConfigSchema.parse({
    ...{ version: 1, name: 'nightly', tasks: [{ source: 'builtin', family: 'navigate' }] },
    ...{ models: { teacher: model, student: model }, rounds: { count: rounds } },
  });
  const plan = pricePlan(config, planRun(config, { tasks: [{ name: 't', validation: 40, test: 100 }] }));
  const measured = { kind: 'measured', words: 'measured' } as const;
  const stages = plan.prices.stages.map((price) => ({ ...price, from: { ...price.from, seconds: measured } }));
  return { ...plan, prices: { ...plan.prices, stages } };
}

const at = Date.parse('2026-01-01T00:00:00Z');
const working = (round: number): RunView =>
  ({ progress: { runId: 'nightly', status: 'RUNNING', round }, finished: [], live: [] }) as unknown as RunView;

it('is said by the plan of the config that the run goes by', async () => {
  const store = new MemoryStore();
  const record = { schemaVersion: 1, runId: 'nightly', name: 'nightly', createdAt: '', bundle: { sha256: 'first' } };
  await store.putDocument(runKeys.record('nightly'), record);
  await keepPlan(store, 'nightly', planOf(1));
  const eta = await openEta(store, 'nightly');
  const before = await eta(working(1), at);
  expect(before).toBeGreaterThan(0);

  const revisions = [{ bundle: { sha256: 'first' }, until: '', by: 'me', set: ['rounds.count=3'] }];
  await store.putDocument(runKeys.record('nightly'), { ...record, bundle: { sha256: 'second' }, revisions });
  // The plan of the start knows no round but one: it would say that nothing is left.
  for (const round of [1, 2]) expect(await eta(working(round), at)).toBeUndefined();

  await keepPlan(store, 'nightly', planOf(3), { sha256: 'second' });
  const since = await (await openEta(store, 'nightly'))(working(1), at);
  expect(since).toBeGreaterThan(2 * before!);

  // Changed once more while it is watched.
  await keepPlan(store, 'nightly', planOf(2), { sha256: 'third' });
  await store.putDocument(runKeys.record('nightly'), { ...record, bundle: { sha256: 'third' }, revisions });
  const last = (await eta(working(1), at))!;
  expect(last).toBeGreaterThan(before!);
  expect(last).toBeLessThan(since!);
});

it('nothing is said of a round that the plan does not know', async () => {
  const store = new MemoryStore();
  await keepPlan(store, 'nightly', planOf(1));
  expect(await (await openEta(store, 'nightly'))(working(2), at)).toBeUndefined();
});

it('nothing is said where a round that is over cannot be read, and whoever looks sees the rest', async () => {
  const store = new MemoryStore();
  await keepPlan(store, 'nightly', planOf(3));
  await store.putDocument(runKeys.stages('nightly', 1), { schemaVersion: 1, stages: [] });
  const eta = await openEta(store, 'nightly');
  store.unreadable.add(runKeys.stages('nightly', 1));
  expect(await eta(working(2), at)).toBeUndefined();
  store.unreadable.clear();
  expect(await eta(working(2), at)).toBeGreaterThan(0);
});
