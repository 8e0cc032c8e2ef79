/**
 * Goal: a message says what happened, what is spent and what to type; no secret is in it or in what the store keeps; each attempt leaves a notice.
 * Method: the activity itself, with a store in memory and a receiver that answers over HTTP as it is told.
 */
import { MockActivityEnvironment } from '@temporalio/testing';
import { noticeWarnings, readNotices } from '../../activities/notices';
import { createIoActivities } from '../../activities';
import { runKeys } from '../../activities/run-records';
import { createNotifier } from '../../drivers/notify/open';
import { canonicalJson } from '../../method/keys';
import type { ArtifactRef } from '../../schemas/artifact-ref';
import type { JsonValue } from '../../schemas/json';
import { notifyLifeMs } from '../../schemas/limits';
import type { Notice, Notification, RunNews } from '../../schemas/notification';
import { runConfigSchema } from '../../schemas/run-config';
import { startReceiver, type Receiver } from '../support/receiver';
import { MemoryStore } from './row-engine/memory-store';

const token = 'hook+token/with=signs-0815';
const key = 'sk_not_a_real_key_4711';
const environment = { HOOK_TOKEN: token, TEACHER_KEY: key };

const news: RunNews = {
  ...{ id: 'one', event: 'parked', at: '2026-01-02T03:04:05.678Z', status: 'NEEDS_ATTENTION', round: 1, rounds: 2 },
  ...{ stage: 'sample-questions', code: 'EndpointUnauthorized', what: 'The endpoint refused its key.' },
  why: `It said: Bearer ${key} (${Buffer.from(`u:${key}`).toString('base64')}) is unknown.`,
  next: 'Set TEACHER_KEY, then arte retry told --restart-workers.',
};

describe('a message about a run', () => {
  let receiver: Receiver;
  let store: MemoryStore;
  beforeEach(async () => {
    receiver = await startReceiver();
    store = new MemoryStore();
  });
  afterEach(() => receiver.close());

  function bundleOf(target: object): Promise<ArtifactRef> {
    const endpoint = { kind: 'static', base_url: 'http://127.0.0.1:1/v1', model: 'm', api_key: '${env:TEACHER_KEY}' };
    const config = runConfigSchema.parse({
      ...{ version: 1, name: 'told', tasks: [{ source: 'builtin', family: 'larger-number' }] },
      models: { teacher: { source: 'hosted:a/b', endpoint, price: { output: 1 } }, student: { source: 'embedded:x' } },
      budget: { cap: 5 },
      notify: [
        { kind: 'webhook', url: receiver.url, headers: { Authorization: 'Bearer ${env:HOOK_TOKEN}' }, ...target },
      ],
    });
    const document = { schemaVersion: 1, config: config as unknown as JsonValue, files: {} };
    return store.putBlob(canonicalJson(document), { mediaType: 'application/json', rows: 1 });
  }

  /** Attempts, one after another, of which `attempts` are allowed. */
  async function send(
    target: object = {},
    {
      attempt = 1,
      attempts = 3,
      env = environment,
    }: { attempt?: number; attempts?: number; env?: Readonly<Record<string, string>> } = {},
  ): Promise<Notice> {
    const activities = createIoActivities({
      ...{ store, notifier: createNotifier({ commands: true }) },
      environment: env,
    });
    const bundle = await bundleOf(target);
    const activity = new MockActivityEnvironment({
      attempt,
      workflowExecution: { workflowId: 'told/notice/one', runId: '' },
    });
    return activity.run(() =>
      activities.sendNotification({ runId: 'told', bundle, target: 0, news, attempts, record: true }),
    );
  }

  it('says what happened, why, what to type and what is spent, without a secret', async () => {
    await store.putDocument(runKeys.ledger('told'), {
      ...{ schemaVersion: 1, cap: 7, settled: { 'sample-questions': 1.25 }, open: {} },
    });
    await expect(send()).resolves.toMatchObject({ state: 'delivered', to: `webhook ${new URL(receiver.url).origin}` });
    const [message] = receiver.messages<Notification>();
    expect(message).toEqual({
      ...{ schemaVersion: 1, id: 'one', event: 'parked', run: 'told', name: 'told', status: 'NEEDS_ATTENTION' },
      ...{ round: 1, rounds: 2, what: news.what, code: 'EndpointUnauthorized', stage: 'sample-questions' },
      ...{ why: expect.stringContaining('Bearer [secret]') as string, next: news.next, at: news.at },
      ...{ spent: 1.25, cap: 7, currency: 'USD' },
    });
    expect(receiver.received[0]?.headers.authorization).toBe(`Bearer ${token}`);
    const sent = receiver.received[0]?.body.toString() ?? '';
    for (const left of [key, token, Buffer.from(key).toString('base64').slice(0, 20)]) expect(sent).not.toContain(left);
    for (const bytes of store.objects.values())
      for (const left of [key, token]) expect(bytes.toString()).not.toContain(left);
  });

  it('that fails is tried again under its id, and the notice says how it stands', async () => {
    receiver.answers.push(500, 200);
    await expect(send()).rejects.toMatchObject({ type: 'NotificationFailed', nonRetryable: false });
    const [trying] = await readNotices(store, 'told');
    expect(trying).toMatchObject({ state: 'trying', attempts: 1, why: 'It answered with HTTP 500: told to say 500' });
    const sentMs = Date.parse(news.at);
    expect(noticeWarnings([trying!], sentMs + 60_000)).toEqual([
      expect.stringMatching(
        /^The message "parked" of 2026-01-02 03:04 UTC has not reached webhook .* yet \(1 attempt; it is tried again\)\. It answered/,
      ) as string,
    ]);
    // Its worker died in the last attempt, or none came: nobody tries it any more.
    expect(noticeWarnings([trying!], sentMs + notifyLifeMs + 1)).toEqual([
      expect.stringMatching(
        /^The message "parked" of .* was not delivered to webhook .* \(1 attempt\)\. It answered/,
      ) as string,
    ]);
    await send({}, { attempt: 2 });
    expect(receiver.messages<Notification>().map(({ id }) => id)).toEqual(['one', 'one']);
    expect(await readNotices(store, 'told')).toMatchObject([{ state: 'delivered', attempts: 2 }]);
    expect(noticeWarnings(await readNotices(store, 'told'))).toEqual([]);
  });

  it('is given up after its last attempt, or at once where another would end the same way', async () => {
    receiver.answers.push(503, 401);
    await expect(send({}, { attempt: 3 })).resolves.toMatchObject({ state: 'failed', attempts: 3 });
    await expect(send()).resolves.toMatchObject({ state: 'failed', attempts: 1 });
    expect(noticeWarnings(await readNotices(store, 'told'))).toEqual([
      expect.stringContaining('was not delivered') as string,
    ]);
  });

  it.each<[string, object, object, string]>([
    ['a header whose variable is not set', {}, { TEACHER_KEY: key }, 'HOOK_TOKEN is not set'],
    ['an address from the environment', { url: '${env:HOOK_URL}' }, {}, 'HOOK_URL is not set'],
    ['plain http to another machine', { url: 'http://example.com/x' }, {}, 'is plain http to another machine'],
  ])('%s: it says so and sends nothing', async (_, target, env, why) => {
    const notice = await send(target, {
      attempts: 1,
      env: { ...(why.startsWith('HOOK_TOKEN') ? {} : environment), ...env },
    });
    expect(notice).toMatchObject({ state: 'failed', why: expect.stringContaining(why) as string });
    expect(receiver.received).toEqual([]);
  });

  it('goes to an address that is a secret, of which only the host is told', async () => {
    const url = `${receiver.url}/T0/B0/path-secret`;
    const notice = await send({ url: '${env:HOOK_URL}' }, { env: { ...environment, HOOK_URL: url } });
    expect(receiver.received[0]?.path).toBe('/hook/T0/B0/path-secret');
    expect(notice.to).toBe(`webhook ${new URL(url).origin}`);
  });
});
