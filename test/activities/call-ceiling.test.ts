/**
 * Goal: a ceiling that a person sets holds over all shards of a run in a process, is heeded within seconds, and binds no other run.
 * Method: two holders of one run and one of another over a store in memory, with a short look-up interval; then a shard of the row engine.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { openCeiling, readCallCeiling, setCallCeiling } from '../../activities/call-ceiling';
import { runShard } from '../../activities/row-engine/engine';
import { rightAnswer, rowsOf, scriptedEndpoint, Workplace } from './row-engine/shards';
import { MemoryStore } from './row-engine/memory-store';

const lookMs = 20;

it('is shared by the shards of a run, follows what is set, and ends with its last holder', async () => {
  const store = new MemoryStore();
  await setCallCeiling(store, 'spared', 2);
  const one = await openCeiling(store, 'spared', lookMs);
  const other = await openCeiling(store, 'spared', lookMs);
  const free = await openCeiling(store, 'free', lookMs);
  expect([one.take(), other.take(), one.take()]).toEqual([true, true, false]);
  expect(free.take() && free.max === Infinity).toBe(true);
  other.give();
  expect([one.take(), one.take()]).toEqual([true, false]);
  await setCallCeiling(store, 'spared', 3);
  await sleep(5 * lookMs);
  expect([other.max, other.take(), other.take()]).toEqual([3, true, false]);
  await setCallCeiling(store, 'spared', 1);
  await sleep(5 * lookMs);
  one.give();
  one.give();
  // Two of three are back: one is still in flight, as many as there may be.
  expect(one.take()).toBe(false);
  other.give();
  expect(one.take()).toBe(true);
  await setCallCeiling(store, 'spared', null);
  expect(await readCallCeiling(store, 'spared')).toBeNull();
  for (const held of [one, other, free]) held.close();
  const after = await openCeiling(store, 'spared', lookMs);
  expect(after.max).toBe(Infinity);
  after.close();
});

it('holds a shard to it while it runs, and lets it go', async () => {
  const place = new Workplace();
  await setCallCeiling(place.store, 'run', 1);
  const ceiling = await openCeiling(place.store, 'run', lookMs);
  let mostAtFirst = 0;
  const endpoint = scriptedEndpoint(async (request) => {
    if (endpoint.total.answered === 30) {
      mostAtFirst = endpoint.total.mostInFlight;
      void setCallCeiling(place.store, 'run', null);
    }
    await sleep(2);
    return rightAnswer(request);
  });
  await runShard(place.shard(rowsOf(2000), endpoint, { ceiling }));
  ceiling.close();
  place.remove();
  expect(mostAtFirst).toBe(1);
  expect(endpoint.total.mostInFlight).toBeGreaterThan(4);
});
