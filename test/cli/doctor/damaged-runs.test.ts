/**
 * Goal: a run of which something cannot be read hides no other, can be cancelled, and keeps `arte gc` from removing anything. Method: a store in memory
 * with keys that are there and cannot be read, and an engine of a few answers.
 */
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { runKeys, saveProgress } from '../../../activities/run-records';
import { noCounts } from '../../../activities/stage';
import { cancelRun } from '../../../cli/commands/cancel';
import { readDocuments } from '../../../cli/doctor/doctor-documents';
import { readDoneRuns } from '../../../cli/doctor/doctor-runs';
import { findGarbage } from '../../../cli/garbage';
import { listRuns, nowOf } from '../../../cli/run/list-runs';
import { viewRun } from '../../../cli/run/run-progress';
import { showRun } from '../../../cli/run/show-run';
import type { Session } from '../../../cli/session';
import type { ArtifactRef } from '../../../schemas/artifact-ref';
import { noUsage } from '../../../schemas/manifest';
import type { RunProgress, RunStatus } from '../../../schemas/messages';
import { MemoryStore } from '../../activities/row-engine/memory-store';

const startedAt = '2026-01-01T00:00:00.000Z';
let store: MemoryStore;
/** What the engine says of a run; it knows no other. */
let engine: Map<string, string>;

beforeEach(async () => {
  store = new MemoryStore();
  engine = new Map();
  for (const [runId, status] of [
    ['failed', 'FAILED'],
    ['hurt', 'NEEDS_ATTENTION'],
    ['over', 'DONE'],
  ] as const)
    await left(runId, status);
  for (const runId of ['hurt', 'over']) store.unreadable.add(runKeys.progress(runId));
});

async function left(runId: string, status: RunStatus): Promise<void> {
  await store.putDocument(runKeys.record(runId), { schemaVersion: 1, runId, name: runId, createdAt: startedAt });
  await store.putDocument(runKeys.stages(runId, 2), { schemaVersion: 1, stages: [] });
  const progress: RunProgress = { runId, status, round: 2, rounds: 3, current: [], startedAt };
  await saveProgress(store, progress);
}

const client = {
  options: { namespace: 'default' },
  withAbortSignal: (_: AbortSignal, ask: () => unknown) => ask(),
  withDeadline: (_: number, ask: () => unknown) => ask(),
  workflowService: {
    describeTaskQueue: () => Promise.resolve({ pollers: [{ lastAccessTime: { seconds: Date.now() / 1000 } }] }),
  },
  workflow: {
    getHandle: (runId: string) => ({
      describe: () => {
        const name = engine.get(runId);
        if (name === undefined) return Promise.reject(new WorkflowNotFoundError('none', runId, undefined));
        return Promise.resolve({ status: { name }, raw: {} });
      },
      query: () => Promise.resolve({ runId, status: 'RUNNING', round: 2, rounds: 3, current: [], startedAt }),
      cancel: () => Promise.resolve(engine.set(runId, 'CANCELLED')),
      result: () => Promise.resolve(undefined),
    }),
  },
} as unknown as Client;

it('is listed by what can be told without, beside the others, and says so', async () => {
  const runs = await listRuns({ client, store });
  expect(runs.map(({ runId, status, round }) => [runId, status, round])).toEqual([
    ['failed', 'FAILED', 2],
    ['hurt', 'FAILED', 2],
    ['over', 'DONE', 2],
  ]);
  expect(runs.map(nowOf)).toEqual(['', 'runs/hurt/progress.json cannot be read.', '']);
});

it('shows what the engine has of it, and what it lost', async () => {
  engine.set('hurt', 'RUNNING');
  store.unreadable.add(runKeys.stages('hurt', 2));
  expect(await viewRun(client, store, 'hurt')).toMatchObject({
    progress: { status: 'RUNNING', rounds: 3 },
    finished: [],
    unreadable: ['runs/hurt/progress.json cannot be read.', 'runs/hurt/rounds/0002.stages.json cannot be read.'],
  });
  engine.set('hurt', 'COMPLETED');
  expect((await viewRun(client, store, 'hurt')).progress.status).toBe('DONE');
});

it('status tells where it is, also where its account, its ceiling or its config cannot be read', async () => {
  engine.set('hurt', 'RUNNING');
  for (const key of [runKeys.ledger('hurt'), runKeys.ceiling('hurt'), runKeys.record('hurt')])
    store.unreadable.add(key);
  const session: Session = { client, store, embedded: false, close: () => Promise.resolve() };
  const said = jest.spyOn(process.stdout, 'write').mockReturnValue(true);
  const code = await showRun(session, 'hurt', false);
  const text = said.mock.calls.flat().join('');
  said.mockRestore();
  expect(code).toBe(0);
  for (const words of ['round 2 of 3', 'runs/hurt/run.json cannot be read', 'runs/hurt/ceiling.json cannot be read'])
    expect(text).toContain(words);
});

it('can be cancelled, and what could not be read is said', async () => {
  engine.set('hurt', 'RUNNING');
  const said = jest.spyOn(process.stderr, 'write').mockReturnValue(true);
  const session: Session = { client, store, embedded: false, close: () => Promise.resolve() };
  const ended = await cancelRun(session, 'hurt', {});
  expect(await ended()).toBe('CANCELLED');
  expect(said.mock.calls.flat().join('')).toContain('runs/hurt/progress.json cannot be read.');
  said.mockRestore();
});

it('is found by doctor, with what to do about each document', async () => {
  store.unreadable.add(runKeys.ledger('hurt'));
  await store.putDocument(runKeys.ledger('hurt'), {});
  const { read, left: rest, damaged } = await readDocuments(store);
  expect([read, rest]).toEqual([10, 0]);
  expect(damaged.map(({ key, fix }) => [key, fix.split(/[,.]/)[0]])).toEqual([
    ['runs/hurt/ledger.json', 'What the run has spent cannot be told any more'],
    ['runs/hurt/progress.json', 'A run under way writes it anew with its next word'],
    ['runs/over/progress.json', 'A run under way writes it anew with its next word'],
  ]);
});

it('keeps everything from being removed, unless it is given up', async () => {
  store.unreadable.add(runKeys.record('hurt'));
  await store.putBlob('nobody wants this', { mediaType: 'text/plain', rows: 1 });
  const now = new Date(Date.now() + 7 * 24 * 3_600_000);
  const runs = [{ runId: 'hurt', status: 'FAILED' as const, lastWordAt: now }];
  await expect(findGarbage(store, runs, { retention: new Map(), graceMs: 0, now })).rejects.toMatchObject({
    data: {
      code: 'BlobCorrupt',
      what: 'Nothing is removed: what the run hurt needs cannot be told. runs/hurt/run.json cannot be read.',
      next: expect.stringContaining('arte gc --drop hurt') as string,
    },
  });
  const plan = await findGarbage(store, runs, { retention: new Map([['hurt', 'dropped']]), graceMs: 0, now });
  expect(plan.remove.map(({ key }) => key)).toContain(runKeys.record('hurt'));
  expect(plan.notes.join(' ')).toContain('What hurt made cannot be told');
});

describe('of a run that is done and has lost what it made', () => {
  beforeEach(async () => {
    store = new MemoryStore();
    const bundle = await store.putBlob('the config', { mediaType: 'application/json', rows: 1 });
    const record = { schemaVersion: 1, runId: 'over', name: 'over', createdAt: startedAt, bundle: { ...bundle } };
    await store.putDocument(runKeys.record('over'), record);
    const report = await store.putBlob('the report', { mediaType: 'application/json', rows: 1 });
    const manifests = await Promise.all(
      ['a', 'b'].map(async (letter) => {
        const output = await store.putBlob(letter, { mediaType: 'text/plain', rows: 1 });
        const key = letter.repeat(64);
        await store.putDocument(`stages/${key}.json`, {
          ...{
            schemaVersion: 1,
            stage: 'prepare-tasks',
            version: 1,
            key,
            inputs: {},
            settings: {},
            facts: {},
            seconds: 1,
          },
          ...{
            outputs: { tasks: { ...output } },
            counts: { ...noCounts },
            usage: { ...noUsage },
            finishedAt: startedAt,
          },
        });
        return { key, output };
      }),
    );
    made = { bundle, report, outputs: manifests.map(({ output }) => output), keys: manifests.map(({ key }) => key) };
    const stages = made.keys.map((key) => ({ round: 1, stage: 'prepare-tasks', arm: '', key }));
    const round = {
      schemaVersion: 1,
      runId: 'over',
      round: 1,
      stages,
      models: {},
      evaluations: [],
      decision: { bestRound: 1 },
    };
    await store.putDocument(runKeys.round('over', 1), round);
    await saveProgress(store, { runId: 'over', status: 'DONE', round: 1, rounds: 1, current: [], startedAt, report });
  });
  let made: { bundle: ArtifactRef; report: ArtifactRef; outputs: ArtifactRef[]; keys: string[] };

  it('doctor says what, and what makes it again', async () => {
    expect(await readDoneRuns(store)).toEqual({ looked: 1, hollow: [] });
    await store.remove(made.report.uri);
    await store.remove(made.outputs[0]!.uri);
    await store.remove(`stages/${made.keys[1]!}.json`);
    const { hollow } = await readDoneRuns(store);
    expect(hollow).toMatchObject([{ runId: 'over', gone: ['its report', '2 of the 2 stages of its last round'] }]);
    expect(hollow[0]!.fix).toContain('arte run CONFIG --id OTHER');
  });

  it('gc says how its config is stored again, and sends nobody to a doctor', async () => {
    await store.remove(made.bundle.uri);
    expect((await readDoneRuns(store)).hollow).toMatchObject([{ gone: ['its config'] }]);
    const now = new Date(Date.now() + 7 * 24 * 3_600_000);
    const runs = [{ runId: 'over', status: 'DONE' as const, lastWordAt: now }];
    const refused = findGarbage(store, runs, { retention: new Map(), graceMs: 0, now });
    await expect(refused).rejects.toMatchObject({
      data: {
        code: 'BlobMissing',
        next: expect.stringMatching(/^arte run CONFIG --id over .* arte gc --drop over /) as string,
      },
    });
  });
});
