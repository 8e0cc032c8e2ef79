/**
 * Goal: what a person orders holds on a real Temporal server: a pause loses nothing, a verdict and a changed config outlive the engine's history,
 * an order that does not fit is refused with the reason.
 * Method: the workflows from the bundle that workers run and the real activities over one S3 server; models by script, a trainer that leaves a
 * few bytes. A Temporal that is torn down in the middle of a round is a history that is lost: its database was in its memory.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readActions } from '../../activities/run-actions';
import { readRounds, runKeys } from '../../activities/run-records';
import { cancelRun } from '../../cli/commands/cancel';
import { changedConfig } from '../../cli/config/changed-config';
import { loadConfig } from '../../cli/config/load-config';
import { alignInput, startRun, storeBundle } from '../../cli/run/start-run';
import { viewRun } from '../../cli/run/run-progress';
import { steer } from '../../cli/run/steer-run';
import type { ArtifactStore } from '../../drivers/store/store';
import type { Trainer } from '../../drivers/trainer/trainer';
import { ArteError } from '../../schemas/errors';
import { leftWaitingMs, runAnswerMs } from '../../schemas/limits';
import type { StageManifest } from '../../schemas/manifest';
import type { RunProgress, RunRecord, RunStatus } from '../../schemas/messages';
import type { RunReport } from '../../schemas/report';
import {
  approveUpdate,
  pauseUpdate,
  progressQuery,
  rejectUpdate,
  resumeUpdate,
  retryUpdate,
} from '../../workflows/messages';
import { writeScriptedLoop } from '../support/loop-config';
import { trainer } from '../support/made-run';
import { Platform } from '../support/platform';
import { startTestS3, type TestS3 } from '../support/s3';
import { quietRuntime } from '../support/temporal';

jest.setTimeout(480_000);

const by = { by: 'ana@test' };

const isAt = (round: number, stage: string) => (progress: RunProgress) =>
  progress.round === round && progress.current.some((each) => each.stage === stage);

describe('a run that is steered', () => {
  let folder: string;
  let s3: TestS3;
  let undisturbed: Map<string, StageManifest>;
  let platform: Platform | undefined;

  beforeAll(async () => {
    quietRuntime();
    folder = mkdtempSync(join(tmpdir(), 'arte-steering-'));
    s3 = await startTestS3();
    const store = s3.fresh();
    platform = await Platform.open(store, join(folder, 'undisturbed'));
    const { handle } = await startRun(platform.session, await load('undisturbed'), 'undisturbed');
    await platform.until('undisturbed', ({ status }) => status === 'DONE');
    await handle.result();
    undisturbed = await manifestsOf(store);
    await platform.close();
  });
  afterEach(async () => {
    await platform?.close().catch(() => undefined);
    platform = undefined;
  });
  afterAll(async () => {
    await s3.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** The loop of two rounds; scoring takes long enough to be met at work. */
  async function load(name: string, change: (config: Record<string, unknown>) => void = () => undefined) {
    const path = writeScriptedLoop(folder, {
      ...{ name, model: 'embedded:SmolLM2-135M-Instruct', rounds: 2 },
      student: { latency_ms: 15, max_in_flight: 4 },
      change: (config) => {
        config['arms'] = ['untuned'];
        change(config);
      },
    });
    return loadConfig(path, { env: {}, purpose: 'run' });
  }

  it('is paused in the middle of a shard, loses its history in round 2, and ends with the manifests of an undisturbed one', async () => {
    const store = s3.fresh();
    const work = join(folder, 'steered');
    const config = await load('steered', (each) => {
      each['rounds'] = { count: 2, approval: 'every' };
    });
    let here = (platform = await Platform.open(store, work));
    await startRun(here.session, config, 'steered');
    await expect(steer(here.session, 'steered', resumeUpdate, by, 'resume')).rejects.toMatchObject({
      data: { code: 'RunStateConflict', why: 'It is not paused.' },
    });
    await here.until('steered', isAt(1, 'score-drafts'));
    const began = Date.now();
    const paused = await steer(here.session, 'steered', pauseUpdate, { ...by, reason: 'maintenance' }, 'pause');
    expect(Date.now() - began).toBeLessThan(15_000);
    expect(paused).toMatchObject({ status: 'PAUSED', current: [], paused: { ...by, reason: 'maintenance' } });
    await expect(steer(here.session, 'steered', pauseUpdate, by, 'pause')).rejects.toMatchObject({
      data: { code: 'RunStateConflict', what: expect.stringContaining('is PAUSED') as string },
    });
    expect((await store.getDocument(runKeys.progress('steered'))) as unknown).toMatchObject({ status: 'PAUSED' });
    await steer(here.session, 'steered', resumeUpdate, by, 'resume');
    await here.until('steered', ({ status }) => status === 'NEEDS_APPROVAL');
    await steer(here.session, 'steered', approveUpdate, by, 'approve');
    await here.until('steered', isAt(2, 'score-drafts'));
    await here.close();
    const before = await manifestsOf(store);

    here = platform = await Platform.open(store, work);
    const { how, handle } = await startRun(here.session, config, 'steered');
    expect(how).toBe('resumed');
    // Round 1 was approved, and is not asked about again.
    const asked = await here.until('steered', ({ status }) => status === 'NEEDS_APPROVAL');
    expect(asked.approval?.round).toBe(2);
    await steer(here.session, 'steered', rejectUpdate, { ...by, reason: 'worse on dates' }, 'reject');
    expect((await handle.result()).status).toBe('DONE');

    const after = await manifestsOf(store);
    for (const [key, manifest] of before) expect(after.get(key)).toEqual(manifest);
    expect(contentOf(after)).toEqual(contentOf(undisturbed));
    // Nothing was asked twice but what the lost worker had in flight, and the account holds all that was paid.
    const calls = (manifests: Map<string, StageManifest>): number =>
      [...manifests.values()].reduce((sum, { usage }) => sum + usage.calls, 0);
    expect(calls(after)).toBe(calls(undisturbed));
    const report = (await store.getDocument(runKeys.report('steered'))) as unknown as RunReport;
    // By script both teachers write the same, so arms and rounds share their students: what is shared counts once.
    expect(report.totals.calls).toBe(calls(after));
    expect(report.actions?.map(({ action, reason }) => [action, reason])).toEqual([
      ['start', undefined],
      ['pause', 'maintenance'],
      ['resume', undefined],
      ['approve', undefined],
      ['restart', undefined],
      ['reject', 'worse on dates'],
    ]);
    const [first, second] = await readRounds(store, 'steered', 2);
    expect(first?.decision).toMatchObject({ bestRound: 1, approval: { approved: true, by: 'ana@test' } });
    expect(second?.decision).toMatchObject({ decision: 'rejected', bestRound: 1, approval: { approved: false } });
  });

  it('whose worker is gone says so within seconds, to who looks at it and to who gives it an order', async () => {
    const store = s3.fresh();
    const here = (platform = await Platform.open(store, join(folder, 'left')));
    await startRun(here.session, await load('left'), 'left');
    await here.until('left', isAt(1, 'score-drafts'));
    await here.endWorkers();
    const { client } = here.session;
    let began = Date.now();
    // The engine has heard of the worker within the last minute, and cannot know yet.
    const view = await viewRun(client, store, 'left');
    expect(view).toMatchObject({ unattended: true, engine: 'RUNNING', progress: { status: 'RUNNING' } });
    expect(Date.now() - began).toBeLessThan(runAnswerMs + 5_000);
    began = Date.now();
    await expect(steer(here.session, 'left', pauseUpdate, by, 'pause')).rejects.toMatchObject({
      data: { code: 'PlatformDown', what: expect.stringContaining('no worker of the role orchestrator') as string },
    });
    expect(Date.now() - began).toBeLessThan(leftWaitingMs + 10_000);
    began = Date.now();
    await expect(cancelled(here, 'left')).rejects.toMatchObject({
      data: { code: 'PlatformDown', what: expect.stringContaining('Nobody is there to cancel') as string },
    });
    expect(Date.now() - began).toBeLessThan(leftWaitingMs + 10_000);
  });

  it('that is cancelled says how it stands then, and its report who cancelled it', async () => {
    const store = s3.fresh();
    const here = (platform = await Platform.open(store, join(folder, 'cancelled')));
    await startRun(here.session, await load('cancelled'), 'cancelled');
    await here.until('cancelled', isAt(1, 'score-drafts'));
    expect(await cancelled(here, 'cancelled', 'not wanted')).toBe('CANCELLED');
    const report = (await store.getDocument(runKeys.report('cancelled'))) as unknown as RunReport;
    expect(report).toMatchObject({ status: 'CANCELLED' });
    expect(report.actions?.map(({ action, reason }) => [action, reason])).toContainEqual(['cancel', 'not wanted']);
    await expect(cancelled(here, 'cancelled')).rejects.toMatchObject({ data: { code: 'RunStateConflict' } });
  });

  it('goes on under a changed config, makes only what depends on it, and keeps that config when its history is lost', async () => {
    const store = s3.fresh();
    const work = join(folder, 'changed');
    const cramped: Trainer = {
      train(job, ...rest) {
        if (job.kind === 'dpo' && job.settings.batchSize > 2)
          throw new ArteError('TrainerOutOfMemory', { what: 'Too much.', why: '', next: 'arte retry RUN --set x=1' });
        return trainer.train(job, ...rest);
      },
    };
    const config = await load('changed');
    let here = (platform = await Platform.open(store, work, cramped));
    await startRun(here.session, config, 'changed');
    const change = async (...set: string[]) => {
      const loaded = await changedConfig(store, 'changed', set, { env: {} });
      const bundle = await storeBundle(store, loaded);
      return { ...by, change: { input: alignInput('changed', bundle, loaded.config), set } };
    };
    const order = await change('align.batch_size=2', 'rounds.approval=every');
    await expect(steer(here.session, 'changed', retryUpdate, order, 'retry')).rejects.toMatchObject({
      data: { code: 'RunStateConflict', next: expect.stringContaining('arte pause changed') as string },
    });
    const parked = await untilParked(here, 'changed');
    expect(parked.attention).toMatchObject({
      stage: 'train-dpo',
      error: { code: 'TrainerOutOfMemory', next: 'arte retry changed --set x=1' },
    });
    const made = await manifestsOf(store);
    // Of a config that somebody else has changed meanwhile.
    const late = { ...order, change: { ...order.change, from: 'f'.repeat(64) } };
    await expect(steer(here.session, 'changed', retryUpdate, late, 'retry')).rejects.toMatchObject({
      data: { code: 'RunStateConflict', what: expect.stringContaining('Somebody else has changed') as string },
    });
    await steer(here.session, 'changed', retryUpdate, order, 'retry');
    await here.until('changed', ({ status }) => status === 'NEEDS_APPROVAL');
    for (const [key, manifest] of made) expect((await manifestsOf(store)).get(key)).toEqual(manifest);
    await here.close();

    here = platform = await Platform.open(store, work, cramped);
    // The file still says what it said at first; the run goes by what was made of it.
    const { set } = await startRun(here.session, config, 'changed');
    expect(set).toEqual(['align.batch_size=2', 'rounds.approval=every']);
    await here.until('changed', ({ status }) => status === 'NEEDS_APPROVAL');
    await steer(here.session, 'changed', retryUpdate, await change('rounds.approval=off'), 'retry');
    const handle = here.session.client.workflow.getHandle('changed');
    expect(((await handle.result()) as RunProgress).status).toBe('DONE');

    const record = (await store.getDocument(runKeys.record('changed'))) as unknown as RunRecord;
    expect(record.revisions?.map((each) => each.set)).toEqual([
      ['align.batch_size=2', 'rounds.approval=every'],
      ['rounds.approval=off'],
    ]);
    // Up to the training it is what it would have been; what follows is another run's.
    const upTo = (manifests: Map<string, StageManifest>): string[] =>
      [...manifests.values()].filter(({ stage }) => stage === 'build-pairs').map(({ key }) => key);
    expect(upTo(await manifestsOf(store))).toEqual(expect.arrayContaining(upTo(undisturbed).slice(0, 1)));
    const report = (await store.getDocument(runKeys.report('changed'))) as unknown as RunReport;
    const shared = report.stages.filter(({ reused }) => reused).map(({ key }) => key);
    const own = report.stages.filter(({ reused }) => !reused).map(({ key }) => key);
    expect(own).toEqual(expect.arrayContaining(shared));
    expect(new Set(own).size).toBe(own.length);
    expect((await readActions(store, 'changed')).map(({ action }) => action)).toEqual([
      'start',
      'retry',
      'restart',
      'retry',
    ]);
    const other = await load('changed', (each) => {
      each['seed'] = 2;
    });
    await expect(startRun(here.session, other, 'changed')).rejects.toMatchObject({
      data: { code: 'RunStateConflict' },
    });
  });

  it('refuses a change that cannot be used with every problem at once', async () => {
    const store = s3.fresh();
    const bundle = await storeBundle(store, await load('refused'));
    const record = { schemaVersion: 1, runId: 'refused', name: 'refused', bundle: { ...bundle }, createdAt: '' };
    await store.putDocument(runKeys.record('refused'), record);
    const refused = changedConfig(store, 'refused', ['align.batchsize=8', 'budget.cap=1'], { env: {} });
    await expect(refused).rejects.toMatchObject({
      data: {
        code: 'InvalidConfig',
        details: [
          expect.stringContaining('arte budget set refused') as string,
          expect.stringContaining('batch_size') as string,
        ],
      },
    });
    await expect(changedConfig(store, 'refused', ['seed'], { env: {} })).rejects.toMatchObject({
      data: { code: 'InvalidInput' },
    });
  });
});

/** Ordered, and waited for. */
async function cancelled({ session }: Platform, runId: string, reason?: string): Promise<RunStatus> {
  return (await cancelRun(session, runId, { reason }))();
}

async function untilParked(here: Platform, runId: string): Promise<RunProgress> {
  for (;;) {
    const progress = await here.session.client.workflow.getHandle(runId).query(progressQuery);
    if (progress.status === 'NEEDS_ATTENTION') return progress;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function manifestsOf(store: ArtifactStore): Promise<Map<string, StageManifest>> {
  const manifests = new Map<string, StageManifest>();
  for await (const { key } of store.list('stages/'))
    manifests.set(key, (await store.getDocument(key)) as unknown as StageManifest);
  return manifests;
}

/** What was made, without when and how fast. */
function contentOf(manifests: Map<string, StageManifest>): Record<string, unknown> {
  const entries = [...manifests].map(
    ([key, { outputs, counts, inputs }]) => [key, { outputs, counts, inputs }] as const,
  );
  return Object.fromEntries(entries.sort(([one], [other]) => (one < other ? -1 : 1)));
}
