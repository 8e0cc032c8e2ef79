/**
 * Goal: a run tells of what happens to it, once for each event and target; a receiver that is down or slow holds it up nowhere, and status says so.
 * Method: the real workflows on a real Temporal and S3 server, a real receiver and a real command; models by script, a trainer that fails once.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { pino } from 'pino';
import { noticeWarnings, readNotices } from '../../activities/notices';
import { runKeys } from '../../activities/run-records';
import { loadConfig } from '../../cli/config/load-config';
import { startRun } from '../../cli/run/start-run';
import type { ArtifactStore } from '../../drivers/store/store';
import type { Trainer } from '../../drivers/trainer/trainer';
import { ArteError } from '../../schemas/errors';
import { activityQueues, deploymentName, taskQueues, type RunProgress } from '../../schemas/messages';
import type { Notification } from '../../schemas/notification';
import type { RunReport } from '../../schemas/report';
import { announceDeployment } from '../../workers/deployment';
import { approveUpdate, progressQuery, retryUpdate } from '../../workflows/messages';
import { waitFor } from '../support/cli';
import { historyText } from '../support/history-text';
import { writeScriptedLoop } from '../support/loop-config';
import { makeRun, scriptedActivities, trainer } from '../support/made-run';
import { startReceiver, type Receiver } from '../support/receiver';
import { startTestS3, type TestS3 } from '../support/s3';
import { quietRuntime, startTemporal, workflowBundle } from '../support/temporal';

jest.setTimeout(600_000);

const secret = 'a-token-that-is-nowhere-0815';
const by = { by: 'ana@test' };

describe('a run that tells', () => {
  let env: TestWorkflowEnvironment;
  let s3: TestS3;
  let store: ArtifactStore;
  let folder: string;
  let receiver: Receiver;
  let workers: Worker[];
  let working: Promise<unknown>;
  let failures = 0;

  beforeAll(async () => {
    quietRuntime();
    folder = mkdtempSync(join(tmpdir(), 'arte-told-'));
    [env, s3, receiver] = await Promise.all([startTemporal(), startTestS3(), startReceiver()]);
    store = s3.fresh();
    const failing: Trainer = {
      train(job, ...rest) {
        if (failures > 0) {
          failures -= 1;
          const text = { what: 'Too much memory is needed.', why: 'Rows are long.', next: 'arte retry RUN --set x=1' };
          throw new ArteError('TrainerOutOfMemory', text);
        }
        return trainer.train(job, ...rest);
      },
    };
    const activities = scriptedActivities(store, folder, failing, { HOOK_TOKEN: secret });
    const { nativeConnection: connection } = env;
    workers = await Promise.all([
      Worker.create({
        ...{ connection, taskQueue: taskQueues.workflows, workflowBundle: await workflowBundle() },
        workerDeploymentOptions: {
          version: { deploymentName, buildId: 'test' },
          useWorkerVersioning: true,
          defaultVersioningBehavior: 'PINNED',
        },
      }),
      ...activityQueues.map((taskQueue) => Worker.create({ connection, taskQueue, activities })),
    ]);
    working = Promise.all(workers.map((worker) => worker.run()));
    await announceDeployment(env.client, 'default', deploymentName, 'test', pino({ level: 'silent' }));
  });
  afterAll(async () => {
    for (const worker of workers) worker.shutdown();
    await working;
    store.close();
    await Promise.all([env.teardown(), s3.stop(), receiver.close()]);
    rmSync(folder, { recursive: true, force: true });
  });

  let seed = 10;
  /** Each with a seed of its own: a training that is found in the store cannot fail. */
  async function start(name: string, notify: readonly object[], change: object = {}) {
    const path = writeScriptedLoop(folder, {
      ...{ name, model: 'embedded:SmolLM2-135M-Instruct', seed: (seed += 1) },
      change: (config) => Object.assign(config, { arms: ['untuned'], notify, ...change }),
    });
    const loaded = await loadConfig(path, { env: { HOOK_TOKEN: secret }, purpose: 'run' });
    const session = { client: env.client, store, embedded: false, close: async () => undefined };
    return (await startRun(session, loaded, name)).handle;
  }

  const until = (name: string, status: RunProgress['status']): Promise<true> =>
    waitFor(`${name} to be ${status}`, 120_000, async () => {
      const progress = await env.client.workflow.getHandle(name).query(progressQuery);
      return progress.status === status ? true : undefined;
    });
  const told = (run: string): Notification[] =>
    receiver.messages<Notification>().filter((message) => message.run === run);
  const arrived = (run: string, count: number): Promise<true> =>
    waitFor(`${String(count)} messages of ${run}`, 60_000, () => (told(run).length >= count ? true : undefined));

  it('parks, waits for a word, and ends: one message each, to each who asked, with what to type', async () => {
    const path = join(folder, 'kept');
    const hook = join(__dirname, '..', 'fixtures', 'hook.cjs');
    const command = [process.execPath, hook, 'keep', path];
    // The first attempt of the first message fails.
    receiver.answers.push(500);
    failures = 1;
    const handle = await start(
      'told',
      [
        { kind: 'webhook', url: receiver.url, headers: { 'X-Token': '${env:HOOK_TOKEN}' } },
        { kind: 'command', command, on: ['finished'] },
      ],
      { rounds: { count: 1, approval: 'every' } },
    );
    await until('told', 'NEEDS_ATTENTION');
    await arrived('told', 2);
    const [first, again] = told('told');
    expect(first).toMatchObject({
      ...{ event: 'parked', run: 'told', name: 'told', code: 'TrainerOutOfMemory', stage: 'train-dpo' },
      ...{ what: 'Too much memory is needed.', next: 'arte retry told --set x=1', status: 'NEEDS_ATTENTION' },
    });
    expect(again).toEqual(first);
    await handle.executeUpdate(retryUpdate, { args: [by] });
    await until('told', 'NEEDS_APPROVAL');
    await arrived('told', 3);
    await handle.executeUpdate(approveUpdate, { args: [by] });
    expect((await handle.result()).status).toBe('DONE');
    await arrived('told', 4);
    expect(told('told').map(({ event }) => event)).toEqual(['parked', 'parked', 'needs_approval', 'finished']);
    await waitFor('the command', 30_000, () => (existsSync(path) ? true : undefined));
    const kept = JSON.parse(readFileSync(path, 'utf8')) as Notification;
    expect(kept).toEqual(told('told').at(-1));
    expect(receiver.received.every(({ headers }) => headers['x-token'] === secret)).toBe(true);

    await waitFor('the notices', 30_000, async () =>
      (await readNotices(store, 'told')).filter(({ state }) => state === 'delivered').length === 4 ? true : undefined,
    );
    // The header's secret is in no object of the store and in no history.
    for await (const { key } of store.list('')) expect((await store.getObject(key))?.includes(secret)).toBe(false);
    const histories: string[] = [];
    for await (const { workflowId, runId } of env.client.workflow.list())
      histories.push(historyText(await env.client.workflow.getHandle(workflowId, runId).fetchHistory()));
    // The message itself is found in there, and so would the secret be.
    expect(histories.filter((text) => text.includes('"runId":"told"')).length).toBeGreaterThan(1);
    expect(histories.filter((text) => text.includes(secret))).toEqual([]);
  });

  it('goes its way while its receivers are down, refuse and say nothing; its report and status say so', async () => {
    const gone = await startReceiver();
    await gone.close();
    const silent = await startReceiver();
    silent.answers.push(...Array.from({ length: 20 }, () => () => undefined));
    const refusing = await startReceiver();
    refusing.answers.push(...Array.from({ length: 20 }, () => 403));
    failures = 1;
    const handle = await start('alone', [
      ...[gone, silent, refusing].map(({ url }) => ({ kind: 'webhook', url })),
      { kind: 'webhook', url: receiver.url, on: ['cancelled'] },
    ]);
    await until('alone', 'NEEDS_ATTENTION');
    const notices = await waitFor('three notices', 60_000, async () => {
      const found = await readNotices(store, 'alone');
      return found.length === 3 ? found : undefined;
    });
    expect(Object.fromEntries(notices.map(({ to, state }) => [to, state]))).toEqual({
      [`webhook ${new URL(gone.url).origin}`]: 'trying',
      [`webhook ${new URL(silent.url).origin}`]: 'trying',
      [`webhook ${new URL(refusing.url).origin}`]: 'failed',
    });
    expect(noticeWarnings(notices).join('\n')).toMatch(
      /ECONNREFUSED[^]*did not answer within 10 s|did not answer within 10 s[^]*ECONNREFUSED/,
    );
    const began = Date.now();
    await handle.executeUpdate(retryUpdate, { args: [by] });
    expect((await handle.result()).status).toBe('DONE');
    expect(Date.now() - began).toBeLessThan(60_000);
    const report = (await store.getDocument(runKeys.report('alone'))) as unknown as RunReport;
    expect(report.notes.filter((note) => note.includes('message "parked"'))).toHaveLength(3);
    expect(told('alone')).toEqual([]);
    await Promise.all([silent.close(), refusing.close()]);
  });

  it('that is cancelled while it waits says so to whoever asked, and ends at once', async () => {
    failures = 1;
    const handle = await start('called-off', [{ kind: 'webhook', url: receiver.url, on: ['cancelled', 'budget'] }]);
    await until('called-off', 'NEEDS_ATTENTION');
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow();
    await arrived('called-off', 1);
    expect(told('called-off')).toMatchObject([{ event: 'cancelled', status: 'CANCELLED', code: null }]);
  });

  it('is in no key: a run that tells somebody finds every stage of one that tells nobody', async () => {
    const change = (config: Record<string, unknown>): void => {
      config['notify'] = [{ kind: 'command', command: ['true'] }];
    };
    expect((await makeRun(store, folder, { runId: 'silent', seed: 2 })).made.length).toBeGreaterThan(5);
    expect((await makeRun(store, folder, { runId: 'telling', seed: 2, change })).made).toEqual([]);
  });
});
