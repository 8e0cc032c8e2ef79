/**
 * Goal: a damaged document that can be made again is made again, whoever meets it, and one that cannot be says what to do. Method: a store in memory
 * with keys that are there and cannot be read; the real damage is test/drivers/s3-damage.test.ts.
 */
import { openBundle } from '../../activities/bundle';
import { asIfGone } from '../../activities/damaged';
import { underLease } from '../../activities/lease';
import { runShard } from '../../activities/row-engine/engine';
import { recordStage, readStages, runKeys } from '../../activities/run-records';
import { finishedStage, manifestKey, noCounts } from '../../activities/stage';
import { mediaTypes } from '../../schemas/artifact-ref';
import { noUsage, type StageManifest } from '../../schemas/manifest';
import { MemoryStore } from './row-engine/memory-store';
import { rightAnswer, rightBytes, rowsOf, scriptedEndpoint, Workplace } from './row-engine/shards';

const manifest: StageManifest = {
  ...{ schemaVersion: 1, stage: 'evaluate', version: 1, key: 'c'.repeat(64), inputs: {}, settings: null, outputs: {} },
  ...{ counts: noCounts, usage: noUsage, paidBy: { run: { ...noUsage, calls: 7 } }, facts: {} },
  ...{ seconds: 1, finishedAt: '2026-01-01T00:00:00.000Z' },
};

it('a stage that made a model is finished while every file of the model is there', async () => {
  const store = new MemoryStore();
  const bytes = { mediaType: mediaTypes.bytes, rows: 1 };
  const files = [
    { path: 'adapter_config.json', blob: await store.putBlob('config', bytes) },
    { path: 'adapter_model.safetensors', blob: await store.putBlob('weights', bytes) },
  ];
  const list = JSON.stringify({ schemaVersion: 1, files });
  const layer = await store.putBlob(list, { mediaType: mediaTypes.directory, rows: files.length });
  await store.putOnce(manifestKey(manifest.key), { ...manifest, outputs: { layer } });
  expect(await finishedStage(store, manifest.key)).toMatchObject({ outputs: { layer } });
  for (const uri of [files[1]?.blob.uri ?? '', layer.uri]) {
    const held = store.objects.get(uri) as Buffer;
    store.objects.delete(uri);
    expect(await finishedStage(store, manifest.key)).toBeUndefined();
    store.objects.set(uri, held);
  }
});

it("a damaged manifest is none, and is out of the way of the stage's next commit; who only looks leaves it", async () => {
  const store = new MemoryStore();
  const key = manifestKey(manifest.key);
  await store.putOnce(key, manifest);
  expect(await finishedStage(store, manifest.key)).toBeDefined();
  store.unreadable.add(key);
  expect(await finishedStage(store, manifest.key, asIfGone)).toBeUndefined();
  expect(store.keys('stages/')).toEqual([key]);
  expect(await finishedStage(store, manifest.key)).toBeUndefined();
  expect(store.keys('stages/')).toEqual([]);
});

it('a shard whose record or part is damaged asks those rows again', async () => {
  const place = new Workplace();
  try {
    const rows = rowsOf(5);
    const first = place.shard(rows, scriptedEndpoint(rightAnswer));
    const output = await runShard(first);
    const part = `parts/${first.shardKey}/000001.a-000000`;
    place.store.objects.set(part, Buffer.from('unread'));
    for (const key of [`shards/${first.shardKey}.json`, part]) place.store.unreadable.add(key);
    const endpoint = scriptedEndpoint(rightAnswer);
    const second = place.shard(rows, endpoint);
    expect((await runShard(second)).results).toEqual(output.results);
    expect(endpoint.total.calls).toBe(5);
    expect(second.progress[0]?.note).toContain('1 damaged part in the store');
    expect((await place.store.getBlob(output.results)).toString()).toBe(rightBytes(rows));
  } finally {
    place.remove();
  }
});

it("damaged lines of a round's stages are written anew by the walk that begins again", async () => {
  const store = new MemoryStore();
  const record = (arm: string): Promise<void> => recordStage(store, 'run', { round: 1, arm }, manifest, true);
  await record('one');
  store.unreadable.add(runKeys.stages('run', 1));
  await expect(record('two')).rejects.toMatchObject({ data: { code: 'BlobCorrupt' } });
  await record('one');
  await record('two');
  expect((await readStages(store, 'run', 1)).map(({ arm, reused }) => [arm, reused])).toEqual([
    ['one', false],
    ['two', true],
  ]);
});

it('a damaged lease is held by nobody', async () => {
  const store = new MemoryStore();
  await store.putOnce('leases/work.json', { owner: 'other', attempt: '1', beat: 3 });
  store.unreadable.add('leases/work.json');
  const done = await underLease(
    {
      ...{ store, key: 'work', owner: 'run', attempt: '1', signal: new AbortController().signal },
      ...{ finished: () => Promise.resolve(undefined), onWait: () => undefined },
      limits: { renewMs: 20, expiryMs: 60_000, pollMs: 1 },
    },
    () => Promise.resolve('done'),
  );
  expect(done).toBe('done');
});

it('a config that is gone says how it is stored again', async () => {
  const store = new MemoryStore();
  const ref = await store.putBlob('{}', { mediaType: 'application/json', rows: 1 });
  await store.remove(ref.uri);
  await expect(openBundle(store, ref)).rejects.toMatchObject({
    data: { code: 'BlobMissing', next: expect.stringContaining('arte run CONFIG --id RUN') as string },
  });
});
