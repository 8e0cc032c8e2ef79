/**
 * Goal: one attempt reaches its target or says in a sentence why not, whether another may help, within its time; nothing is left running.
 * Method: a real HTTP server that answers as it is told, and real programs with one vice each.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeliveryFailure, type NotifyTarget } from '../../drivers/notify/notifier';
import { createNotifier } from '../../drivers/notify/open';
import { processExists } from '../../drivers/process';
import { waitFor } from '../support/cli';
import { startReceiver, type Receiver } from '../support/receiver';

const notifier = createNotifier({ commands: true });
const never = new AbortController().signal;
const body = JSON.stringify({ id: '1', what: 'It is over.' });

async function failureOf(target: NotifyTarget): Promise<Pick<DeliveryFailure, 'message' | 'isFinal'>> {
  try {
    await notifier.deliver(target, body, '1', never);
  } catch (error) {
    if (error instanceof DeliveryFailure) return { message: error.message, isFinal: error.isFinal };
    throw error;
  }
  throw new Error('it was delivered');
}

describe('a webhook', () => {
  let receiver: Receiver;
  beforeAll(async () => (receiver = await startReceiver()));
  afterAll(() => receiver.close());
  const target = (change: object = {}): NotifyTarget => ({
    ...{ kind: 'webhook', url: receiver.url, headers: { authorization: 'Bearer one' }, timeoutMs: 5_000 },
    ...change,
  });

  it('gets the message, its id, and the headers', async () => {
    await notifier.deliver(target(), body, '1', never);
    expect(receiver.received.at(-1)).toMatchObject({
      path: '/hook',
      body: Buffer.from(body),
      headers: { authorization: 'Bearer one', 'content-type': 'application/json', 'idempotency-key': '1' },
    });
  });

  it.each([
    [500, false],
    [503, false],
    [429, false],
    [408, false],
    [404, true],
    [401, true],
    [302, true],
  ])('that answers %i: is it final? %p', async (status, isFinal) => {
    receiver.answers.push(status);
    const failure = await failureOf(target());
    expect(failure).toMatchObject({ isFinal, message: expect.stringContaining(`HTTP ${String(status)}`) });
  });

  it('that says nothing is given up in time', async () => {
    receiver.answers.push(() => undefined);
    const began = Date.now();
    expect(await failureOf(target({ timeoutMs: 300 }))).toEqual({
      ...{ message: 'It did not answer within 0.3 s.', isFinal: false },
    });
    expect(Date.now() - began).toBeLessThan(4_000);
  });

  it('that leaves its answer open has said by the status what became of the message', async () => {
    const open = (status: number) => (response: ServerResponse) => {
      response.writeHead(status).write('So far.');
    };
    receiver.answers.push(open(200), open(404));
    const began = Date.now();
    await notifier.deliver(target(), body, '1', never);
    expect(Date.now() - began).toBeLessThan(4_000);
    expect(await failureOf(target({ timeoutMs: 500 }))).toMatchObject({
      ...{ isFinal: true, message: expect.stringContaining('HTTP 404: So far.') as string },
    });
  });

  it('that is not there may be there next time', async () => {
    const gone = await startReceiver();
    await gone.close();
    expect(await failureOf(target({ url: gone.url }))).toEqual({
      message: 'The connection failed: ECONNREFUSED.',
      isFinal: false,
    });
  });
});

describe('a command', () => {
  let folder: string;
  beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'arte-notify-'))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const hook = join(__dirname, '..', 'fixtures', 'hook.cjs');
  const target = (...args: string[]): NotifyTarget & { kind: 'command' } => ({
    ...{ kind: 'command', command: [process.execPath, hook, ...args], timeoutMs: 20_000 },
  });

  it('has the message as its stdin, and its arguments as they are', async () => {
    const path = join(folder, 'kept; touch $HOME');
    await notifier.deliver(target('keep', path), body, '1', never);
    expect(readFileSync(path, 'utf8')).toBe(`${body}\n`);
  });

  it('that fails says so with its last line', async () => {
    expect(await failureOf(target('fail'))).toEqual({
      ...{ message: 'It ended with code 3: the pager is off', isFinal: false },
    });
  });

  it('that is not there is final', async () => {
    const nothing = { kind: 'command', command: [join(folder, 'nothing')], timeoutMs: 1_000 } as const;
    expect(await failureOf(nothing)).toEqual({ message: 'The program could not be started: ENOENT.', isFinal: true });
  });

  it('that hangs is ended with what it started', async () => {
    const path = join(folder, 'pids');
    const hanging = { ...target('hang', path), timeoutMs: 4_000 };
    expect(await failureOf(hanging)).toMatchObject({
      isFinal: false,
      message: expect.stringContaining('did not end within 4 s') as string,
    });
    const pids = readFileSync(path, 'utf8').trim().split(' ').map(Number);
    expect(pids).toHaveLength(2);
    await waitFor('both to be gone', 5_000, () => (pids.some(processExists) ? undefined : true));
  });

  it('is refused by a worker that runs none', async () => {
    const refusing = createNotifier({ commands: false });
    await expect(refusing.deliver(target('keep', join(folder, 'no')), body, '1', never)).rejects.toMatchObject({
      ...{ isFinal: true, message: expect.stringContaining('ARTE_NOTIFY_COMMANDS') as string },
    });
  });
});
