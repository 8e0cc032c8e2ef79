/**
 * Goal: what a kept run needs is never removed, what nobody needs is, and a run that is under way loses nothing.
 * Method: runs on the real S3 server (support/made-run.ts); "needs" is tried out: every row is traced, and the run is made again, which must
 * find all of its stages. Time is handed in, so that everything is old enough at once.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { judgeAlignment } from '../../activities/judge-alignment';
import { openLineage, shardsOf } from '../../activities/lineage';
import { readEarlier, readStages, runKeys } from '../../activities/run-records';
import { readStanding, setCurrent } from '../../activities/students';
import { findGarbage, recordedRuns, type GarbagePlan, type KnownRun, type Retention } from '../../cli/garbage';
import { traceRow } from '../../cli/lineage/trace-row';
import { removeGarbage, storeTime } from '../../cli/remove-garbage';
import type { ArtifactStore } from '../../drivers/store/store';
import { directoryManifestSchema } from '../../schemas/artifact-ref';
import type { JsonObject } from '../../schemas/json';
import type { RunProgress, RunRecord } from '../../schemas/messages';
import { makeRun, type RunToMake } from '../support/made-run';
import { stageLabel } from '../../schemas/stage-names';
import { startTestS3, type TestS3 } from '../support/s3';

jest.setTimeout(10 * 60_000);

let s3: TestS3;
let folder: string;
let store: ArtifactStore;

beforeAll(async () => {
  s3 = await startTestS3();
  folder = mkdtempSync(join(tmpdir(), 'arte-garbage-'));
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await s3.stop();
});
beforeEach(() => {
  store = s3.fresh();
});
afterEach(() => {
  store.close();
});

const fewerPairs: Pick<RunToMake, 'change'> = {
  change: (config) => {
    config['pairs'] = { question: { per_task: 3 }, rationale: { per_task: 4 }, minimum: 2 };
  },
};
const hourMs = 3_600_000;

async function known(): Promise<KnownRun[]> {
  const runs: KnownRun[] = [];
  for (const [runId, lastWordAt] of await recordedRuns(store)) {
    const progress = (await store.getDocument(runKeys.progress(runId))) as unknown as RunProgress;
    runs.push({ runId, status: progress.status, lastWordAt });
  }
  return runs;
}

/** As `arte gc` would, in a week unless told otherwise. */
async function plan(
  retention: Readonly<Record<string, Retention>> = {},
  { graceMs = hourMs, now = new Date(Date.now() + 7 * 24 * hourMs) } = {},
): Promise<GarbagePlan> {
  return findGarbage(store, await known(), { retention: new Map(Object.entries(retention)), graceMs, now });
}

async function keys(): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of store.list('')) found.push(key);
  return found.sort();
}

/** Everything that a run says it has is there: stages, answers, and the rows behind a pair. */
async function isWhole(runId: string): Promise<void> {
  const lineage = await openLineage(store, runId);
  for (const { manifest } of lineage.stages) {
    for (const ref of Object.values(manifest!.outputs)) expect(await store.hasBlob(ref)).toBe(true);
    for await (const { output } of shardsOf(store, lineage, manifest!))
      expect(await store.hasBlob(output!.results)).toBe(true);
  }
  const pair = await traceRow(store, lineage, 'build-pairs:0', 1);
  expect(pair.from.map(({ trace }) => trace.call?.request)).not.toContain(undefined);
}

async function isFoundAgain(toMake: RunToMake): Promise<void> {
  const { made } = await makeRun(store, folder, toMake);
  expect(made).toEqual([]);
}

it('removes nothing while every run is kept, and finds nothing twice', async () => {
  await makeRun(store, folder, { runId: 'one', rounds: 2, teacher: { p_malformed: 0.4 } });
  const before = await keys();
  const first = await plan();
  // Checkpoints and waves of stages that are whole; the run itself is untouched.
  expect(first.remove.filter(({ kind }) => kind !== 'waves')).toEqual([]);
  expect(first.notes).toEqual([]);
  expect(await keys()).toEqual(before);
  await removeGarbage(store, first, known);
  expect((await plan()).remove).toEqual([]);
  await isWhole('one');
  await isFoundAgain({ runId: 'one', rounds: 2, teacher: { p_malformed: 0.4 } });
});

it("a student's alignment outlives its run: model and answers stay, and going back is possible", async () => {
  await makeRun(store, folder, { runId: 'one' });
  // Ten test items show nothing: it is kept back, and a person sets it.
  const { bundle } = (await store.getDocument(runKeys.record('one'))) as unknown as RunRecord;
  const judged = await judgeAlignment({ store }, { schedule: 'nightly', bundle, student: 'small', runId: 'one' });
  expect(judged).toBe('kept-back');
  await setCurrent(store, 'small', { runId: 'one', by: 'somebody', why: '' });
  const { alignments } = await readStanding(store, 'small');
  const { model, evaluations } = alignments['one']!;
  const found = await plan({ one: 'dropped' });
  expect(found.models).toContain(model.contentSha256);
  await removeGarbage(store, found, known);
  expect(await store.getDocument(runKeys.record('one'))).toBeUndefined();
  const refs = [...model.layers.map(({ files }) => files), ...evaluations.map(({ predictions }) => predictions)];
  expect(refs).toHaveLength(2);
  for (const ref of refs) expect(await store.hasBlob(ref)).toBe(true);
  for (const { path, blob } of directoryManifestSchema.parse(await store.getJson(refs[0]!)).files)
    expect([path, await store.hasBlob(blob)]).toEqual([path, true]);
});

it('a dropped run goes with all that only it needs; what it shared stays', async () => {
  await makeRun(store, folder, { runId: 'one' });
  await removeGarbage(store, await plan(), known);
  const alone = await keys();
  await makeRun(store, folder, { runId: 'two', ...fewerPairs });
  const both = await keys();
  const found = await plan({ two: 'dropped' });
  expect(await keys()).toEqual(both);
  expect(new Set(found.remove.map(({ kind }) => kind))).toEqual(
    new Set(['runs', 'stages', 'answers', 'shards', 'blobs']),
  );
  await removeGarbage(store, found, known);
  expect(await keys()).toEqual(alone);
  await isWhole('one');
  await isFoundAgain({ runId: 'one' });
  // A run that wants what has gone makes it again.
  const again = await makeRun(store, folder, { runId: 'two', ...fewerPairs });
  expect(again.status).toBe('DONE');
  expect(again.records.some(({ reused }) => reused)).toBe(true);
  await isWhole('two');
});

it('a run that begins when all is found, and is done before it is removed, is whole', async () => {
  await makeRun(store, folder, { runId: 'gone', ...fewerPairs });
  // The store's clock has whole seconds, and nothing of the second in which a clean-up begins goes.
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  const began = await storeTime(store);
  const policy = { retention: new Map([['gone', 'dropped' as const]]), graceMs: 0, now: new Date(), began };
  const found = await findGarbage(store, await known(), policy);
  expect(new Set(found.remove.map(({ kind }) => kind))).toEqual(
    new Set(['runs', 'stages', 'answers', 'shards', 'blobs']),
  );
  const early = await makeRun(store, folder, { runId: 'early', ...fewerPairs });
  expect(early.made).toEqual([]);
  const { removed, spared } = await removeGarbage(store, found, known);
  expect(removed.map(({ key }) => key)).toContain(runKeys.record('gone'));
  expect(spared).toBeGreaterThan(20);
  await isWhole('early');
  expect((await openLineage(store, 'early')).stages.filter(({ manifest }) => !manifest)).toEqual([]);
  await isFoundAgain({ runId: 'early', ...fewerPairs });
});

it('a lease that nobody has renewed for the grace period goes, a younger one stays', async () => {
  await store.putOnce('leases/abc.json', { owner: 'gone', attempt: '1', beat: 3 });
  // Without any grace, too: it may be held by a worker that has just renewed it.
  expect((await plan({}, { now: new Date(), graceMs: 0 })).remove).toEqual([]);
  expect((await plan()).remove).toMatchObject([{ kind: 'leases', key: 'leases/abc.json' }]);
});

it('a clean-up that was broken off anywhere is ended by the next one', async () => {
  await makeRun(store, folder, { runId: 'one' });
  await removeGarbage(store, await plan(), known);
  const alone = await keys();
  await makeRun(store, folder, { runId: 'two', ...fewerPairs });
  for (let part = 0; part < 4; part += 1) {
    const isDropped = (await recordedRuns(store)).has('two');
    const found = await plan(isDropped ? { two: 'dropped' } : {});
    // First of all behind the record of the run, which nobody can name from then on.
    const remove = found.remove.slice(0, part === 0 ? 1 : Math.ceil(found.remove.length / 3));
    await removeGarbage(store, { ...found, remove }, known);
    await isWhole('one');
    if (part > 0) continue;
    expect(isDropped && !(await recordedRuns(store)).has('two')).toBe(true);
    // What is left of it is young, and goes at once where it is named.
    const young = { graceMs: hourMs, now: new Date() };
    expect((await plan({}, young)).remove.filter(({ kind }) => kind === 'runs')).toEqual([]);
    expect((await plan({ two: 'dropped' }, young)).remove.map(({ key }) => key)).toContain(runKeys.progress('two'));
  }
  await removeGarbage(store, await plan(), known);
  expect(await keys()).toEqual(alone);
});

it('removes nothing that is younger than the grace period', async () => {
  await makeRun(store, folder, { runId: 'one' });
  await store.putBlob('nobody wants this', { mediaType: 'text/plain', rows: 1 });
  const soon = { graceMs: hourMs, now: new Date(Date.now() + hourMs / 2) };
  const { remove } = await plan({ one: 'dropped' }, soon);
  // The records of a run are its own, and it was told to go.
  expect(remove.filter(({ kind }) => kind !== 'runs')).toEqual([]);
  expect((await plan({ one: 'dropped' })).remove.length).toBeGreaterThan(20);
});

it('a run under way loses nothing: what it has, what it found, and what nobody has named yet', async () => {
  const stray = await store.putBlob('of the same minute', { mediaType: 'text/plain', rows: 1 });
  await makeRun(store, folder, { runId: 'gone' });
  const stopBefore = { round: 1, label: 'train-sft/arte' };
  const going = await makeRun(store, folder, { runId: 'going', ...fewerPairs, stopBefore });
  expect(going.status).toBe('RUNNING');
  // A stage of it that is being made: answers in parts and shards, a wave, a checkpoint, an output without its manifest.
  const answers = await store.putBlob('answers', { mediaType: 'text/plain', rows: 1 });
  await store.putDocument(`shards/${'a'.repeat(64)}.json`, { results: { ...answers }, madeBy: 'going' });
  await store.putObject(`parts/${'b'.repeat(64)}/000001.x-000000`, Buffer.from('x'));
  await store.putDocument(`waves/${'c'.repeat(64)}.json`, {});
  const checkpoint = await store.putBlob('weights', { mediaType: 'text/plain', rows: 1 });
  await store.putDocument(`training/${'d'.repeat(64)}/checkpoint.json`, {
    name: 'checkpoint-1',
    ref: { ...checkpoint },
  });
  const output = await store.putBlob('an output', { mediaType: 'text/plain', rows: 1 });

  const found = await plan({ gone: 'dropped' });
  expect(found.notes.join()).toContain('going has not come to an end');
  await removeGarbage(store, found, known);
  const left = await keys();
  for (const ref of [answers, checkpoint, output]) expect(left).toContain(ref.uri);
  for (const prefix of ['shards/aaaa', 'parts/bbbb', 'waves/cccc', 'training/dddd'])
    expect(left.filter((key) => key.startsWith(prefix))).toHaveLength(1);
  expect(left).toContain(stray.uri);
  expect(left.filter((key) => key.startsWith('runs/gone'))).toEqual([]);

  // Had it begun later, what nobody names would be older than it; its answers would stay all the same.
  const record = (await store.getDocument(runKeys.record('going'))) as JsonObject;
  const later = { ...record, createdAt: new Date(Date.now() + 24 * hourMs).toISOString() };
  await store.putDocument(runKeys.record('going'), later);
  const unclaimed = (await plan()).remove.map(({ key }) => key);
  expect(unclaimed).toEqual(expect.arrayContaining([stray.uri, output.uri]));
  for (const key of unclaimed) expect(key).not.toMatch(/^(shards|parts|waves|training)/);
  expect(unclaimed).not.toContain(answers.uri);
  await store.putDocument(runKeys.record('going'), record);

  const { status, made } = await makeRun(store, folder, { runId: 'going', ...fewerPairs });
  expect(status).toBe('DONE');
  const before = going.records.map(({ round, stage, arm }) => `${round} ${stageLabel(stage, arm)}`);
  expect(made.filter((label) => before.includes(label))).toEqual([]);
  await isWhole('going');
  // When it has ended, what nobody named goes.
  await removeGarbage(store, await plan(), known);
  for (const ref of [answers, checkpoint, output]) expect(await keys()).not.toContain(ref.uri);
  await isWhole('going');
});

it('of an old run the best and the last round stay, with the report and its arms', async () => {
  // Each round's teacher on top of the one before, so that the last one needs layers of a round that goes.
  const change = (config: Record<string, unknown>): void => {
    config['rounds'] = { count: 3, on_worse: 'go-on' };
  };
  await makeRun(store, folder, { runId: 'old', rounds: 3, change });
  const lineage = await openLineage(store, 'old');
  expect(lineage.rounds.at(-1)!.decision['bestRound']).toBe(1);
  const found = await plan({ old: 'best-and-last' });
  expect(found.remove.length).toBeGreaterThan(0);
  await removeGarbage(store, found, known);
  const after = await openLineage(store, 'old');
  const gone = after.stages.filter(({ manifest }) => !manifest).map(({ record }) => `${record.round} ${record.stage}`);
  expect(gone).toContain('2 sample-rationales');
  expect(gone.filter((stage) => !stage.startsWith('2'))).toEqual([]);
  await expect(traceRow(store, after, 'arte:0', 3)).resolves.toMatchObject({
    call: { model: { layers: { length: 3 } } },
  });
  await expect(traceRow(store, after, 'build-pairs:0', 1)).resolves.toMatchObject({ kind: 'pair' });
  for (const { models } of [after.rounds[0]!, after.rounds[2]!])
    for (const { layers, contentSha256 } of Object.values(models)) {
      expect(found.models).toContain(contentSha256);
      for (const { files } of layers) await store.getDirectory(files, join(folder, `${files.sha256}-${Date.now()}`));
    }
  expect(await store.getDocument(runKeys.report('old'))).toBeDefined();
});

it('a round that stands there only for what it paid under another config is neither the best nor the last', async () => {
  const change = (config: Record<string, unknown>): void => {
    config['rounds'] = { count: 3, on_worse: 'go-on' };
  };
  await makeRun(store, folder, { runId: 'ghost', rounds: 3, change });
  // As `arte retry --set` leaves a round that the run does not come to again.
  const paid = await readStages(store, 'ghost', 3);
  const aside = { schemaVersion: 1, stages: [], earlier: paid } as unknown as JsonObject;
  await store.putDocument(runKeys.stages('ghost', 3), aside);
  await store.remove(runKeys.round('ghost', 3));
  expect(await readEarlier(store, 'ghost')).toEqual(paid);
  await removeGarbage(store, await plan({ ghost: 'best-and-last' }), known);
  const { rounds, record } = await openLineage(store, 'ghost');
  for (const { models } of rounds.slice(0, 2))
    for (const { layers } of Object.values(models))
      for (const { files } of layers) await store.getDirectory(files, join(folder, `${files.sha256}-${Date.now()}`));
  const { bundle } = record;
  const judged = { schedule: 'nightly', bundle, student: 'ghostly', runId: 'ghost' };
  expect(await judgeAlignment({ store }, judged)).toBe('kept-back');
  expect((await readStanding(store, 'ghostly')).alignments['ghost']?.round).toBe(1);
});
