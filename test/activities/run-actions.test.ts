/**
 * Goal: of two changes of a run's config that were made of the same one, the second takes nothing back in silence.
 * Method: changes one after another into a store in memory.
 */
import { reviseRun } from '../../activities/run-actions';
import { runKeys } from '../../activities/run-records';
import { recordRun } from '../../activities/start-run';
import type { RunRecord } from '../../schemas/messages';
import { MemoryStore } from './row-engine/memory-store';

it('a change is made to the config that it was made of, or not at all', async () => {
  const store = new MemoryStore();
  const bundle = (text: string) => store.putBlob(text, { mediaType: 'application/json', rows: 1 });
  const [first, ofAna, ofBob] = [await bundle('first'), await bundle('with a'), await bundle('with b')];
  const from = first.sha256;
  await recordRun(store, { runId: 'run', name: 'run', bundle: first });
  const ana = { runId: 'run', bundle: ofAna, by: 'ana', set: ['a=1'], from };
  await reviseRun(store, ana);
  await expect(reviseRun(store, { runId: 'run', bundle: ofBob, by: 'bob', set: ['b=1'], from })).rejects.toMatchObject({
    data: { code: 'RunStateConflict', what: expect.stringContaining('Somebody else') as string },
  });
  // Repeated, as by an activity whose answer was lost, it is done already.
  await reviseRun(store, ana);
  const record = (await store.getDocument(runKeys.record('run'))) as unknown as RunRecord;
  expect(record.bundle).toEqual(ofAna);
  expect(record.revisions?.map(({ set }) => set)).toEqual([['a=1']]);
});
