/**
 * Goal: a run that begins, or reuses something, while `arte gc` removes by an older list keeps what it has found. Method: a store in memory with a clock
 * of the test's, and a run made of the same config, up to its first training, at a chosen moment between the look and the removals.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLineage, shardsOf } from '../../activities/lineage';
import { runKeys } from '../../activities/run-records';
import { renewed } from '../../activities/reuse';
import { findGarbage, recordedRuns, type GarbagePlan, type KnownRun } from '../../cli/garbage';
import { removeGarbage, storeTime } from '../../cli/remove-garbage';
import type { StoredObject } from '../../drivers/store/store';
import type { JsonValue } from '../../schemas/json';
import { makeRun, type MadeRun } from '../support/made-run';
import { MemoryStore } from '../activities/row-engine/memory-store';

const minuteMs = 60_000;

/** Something happens, once, when the first object of a kind is to be looked at; others of its kind go while it does. */
class InterleavedStore extends MemoryStore {
  before: { readonly prefix: string; readonly happens: () => Promise<unknown> } | undefined;
  readonly gone: string[] = [];

  override async lookAt(key: string): Promise<StoredObject | undefined> {
    if (this.before && key.startsWith(this.before.prefix)) {
      const { happens } = this.before;
      this.before = undefined;
      await happens();
    }
    return super.lookAt(key);
  }

  override remove(key: string): Promise<void> {
    this.gone.push(key);
    return super.remove(key);
  }
}

let folder: string;
let store: InterleavedStore;
let minutes: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'arte-remove-'));
  store = new InterleavedStore();
  minutes = 0;
  store.objects.now = () => new Date(Date.now() + minutes * minuteMs);
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const make = (runId: string): Promise<MadeRun> =>
  makeRun(store, folder, { runId, stopBefore: { round: 1, label: 'train-dpo' } });

async function known(): Promise<KnownRun[]> {
  const runs = [...(await recordedRuns(store))];
  return runs.map(([runId, lastWordAt]) => ({
    runId,
    status: runId === 'hup' ? ('CANCELLED' as const) : ('RUNNING' as const),
    lastWordAt,
  }));
}

/** A run that is ten minutes old, and a clean-up without any grace that has just looked and is to give it up. */
async function foundGarbage(): Promise<GarbagePlan> {
  await make('hup');
  minutes = 10;
  const began = await storeTime(store);
  store.gone.length = 0;
  const retention = new Map([['hup', 'dropped' as const]]);
  const found = await findGarbage(store, await known(), { retention, graceMs: 0, now: store.objects.now(), began });
  expect(new Set(found.remove.map(({ kind }) => kind))).toEqual(
    new Set(['runs', 'stages', 'answers', 'shards', 'blobs']),
  );
  minutes = 11;
  return found;
}

/** Every manifest, output and answer of it is there, and its config. */
async function isWhole(runId: string): Promise<void> {
  const lineage = await openLineage(store, runId);
  expect(await store.hasBlob(lineage.record.bundle)).toBe(true);
  expect(lineage.stages.length).toBeGreaterThan(5);
  for (const { record, manifest } of lineage.stages) {
    expect([record.stage, manifest !== undefined]).toEqual([record.stage, true]);
    for (const ref of Object.values(manifest!.outputs)) expect(await store.hasBlob(ref)).toBe(true);
    for await (const { output } of shardsOf(store, lineage, manifest!))
      expect(await store.hasBlob(output!.results)).toBe(true);
  }
}

it('a run that began after the look keeps all that it has found', async () => {
  const found = await foundGarbage();
  expect((await make('next')).made).toEqual([]);
  const { removed, spared } = await removeGarbage(store, found, known);
  expect(removed.map(({ key }) => key)).toContain(runKeys.record('hup'));
  expect(spared).toBeGreaterThan(10);
  await isWhole('next');
});

it.each(['stages/', 'shards/', 'blobs/'])('a run that begins while the first of %s go is whole', async (prefix) => {
  const found = await foundGarbage();
  store.before = { prefix, happens: () => make('next') };
  await removeGarbage(store, found, known);
  expect(store.before).toBeUndefined();
  await isWhole('next');
  expect((await make('next')).made).toEqual([]);
});

it('a run that goes on is not given up, whatever was decided of it', async () => {
  const found = await foundGarbage();
  await renewed(store, runKeys.record('hup'));
  await make('hup');
  const { removed } = await removeGarbage(store, found, known);
  expect(removed.filter(({ kind }) => kind === 'runs')).toEqual([]);
  await isWhole('hup');
});

it('without another run, all that was found goes, documents before what they name', async () => {
  const found = await foundGarbage();
  const { removed, spared } = await removeGarbage(store, found, known);
  expect([removed.length, spared]).toEqual([found.remove.length, 0]);
  expect(store.keys('')).toEqual([]);
  const folders = store.gone.map((key) => key.split('/')[0]);
  expect([...new Set(folders)]).toEqual(['runs', 'stages', 'answers', 'shards', 'blobs']);
});

it('what is reused is the same bytes, written again; what has gone meanwhile is not there', async () => {
  const document: JsonValue = { one: [1, 'two'], three: { four: null } };
  await store.putOnce('stages/x.json', document);
  const before = store.objects.get('stages/x.json');
  minutes = 10;
  expect(await renewed(store, 'stages/x.json')).toEqual(document);
  expect(store.objects.get('stages/x.json')).toEqual(before);
  expect((await store.lookAt('stages/x.json'))!.modifiedAt.getTime()).toBeGreaterThan(Date.now() + 9 * minuteMs);
  await store.remove('stages/x.json');
  expect(await renewed(store, 'stages/x.json')).toBeUndefined();
  expect(store.keys('')).toEqual([]);
});
