/**
 * Goal: what is said of a look that failed goes with the next one that succeeds; a word about a round is given for the one that was on the screen.
 * Method: the screen over streams of the test, a store in memory that fails for one look, and an engine that takes orders and notes them.
 */
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowNotFoundError } from '@temporalio/client';
import { saveProgress } from '../../../activities/run-records';
import { noColors } from '../../../cli/output';
import type { Session } from '../../../cli/session';
import { watchOnScreen } from '../../../cli/watch/full-screen';
import type { RunProgress } from '../../../schemas/messages';
import { MemoryStore } from '../../activities/row-engine/memory-store';
import { TerminalScreen } from '../../support/terminal-screen';

/** Left also where a test fails: it would go on looking. */
let leave: () => unknown = () => undefined;
afterEach(() => void leave());

/** The screen of a run, as a person has it before them. */
function watch(client: object, store: MemoryStore) {
  const input = new PassThrough();
  const screen = new TerminalScreen();
  const output = Object.assign(new PassThrough(), { columns: 100, rows: 24 });
  output.on('data', (chunk: Buffer) => screen.feed(chunk.toString('utf8')));
  const until = async (isSo: () => boolean): Promise<void> => {
    for (let looks = 0; !isSo() && looks < 200; looks += 1) await sleep(25);
    expect(isSo()).toBe(true);
  };
  const session = { client, store } as unknown as Session;
  leave = () => input.write('q');
  return {
    type: (keys: string) => input.write(keys),
    sees: (words: string) => until(() => screen.text().includes(words)),
    seesNoMore: (words: string) => until(() => !screen.text().includes(words)),
    until,
    watching: watchOnScreen(session, 'nightly', { input, output }, noColors),
  };
}

it('a store that is away for a moment is said, and no longer once it is back', async () => {
  const store = new MemoryStore();
  await saveProgress(store, {
    ...{ runId: 'nightly', status: 'DONE', round: 1, rounds: 1, current: [], startedAt: '2026-01-01T00:00:00Z' },
  });
  const describe = () => Promise.reject(new WorkflowNotFoundError('none', 'nightly', undefined));
  const { type, sees, seesNoMore, watching } = watch({ workflow: { getHandle: () => ({ describe }) } }, store);
  await sees('nightly');
  const readDocument = jest.spyOn(store, 'getDocument').mockRejectedValueOnce(new Error('the store is away'));
  await sees('cannot look, trying again: the store is away');
  await seesNoMore('cannot look');
  readDocument.mockRestore();
  type('q');
  await watching;
});

it('a reason is about the round that was shown when it was asked for, whichever waits when it is given', async () => {
  const store = new MemoryStore();
  let round = 1;
  const progress = (): RunProgress => ({
    ...{ runId: 'nightly', status: 'NEEDS_APPROVAL', round, rounds: 2, current: [] },
    ...{ startedAt: '2026-01-01T00:00:00Z', approval: { round, key: `decision ${round}`, since: 'now' } },
  });
  await saveProgress(store, progress());
  const orders: unknown[] = [];
  const handle = {
    describe: () => Promise.resolve({ status: { name: 'RUNNING' }, raw: {} }),
    query: () => Promise.resolve(progress()),
    executeUpdate: (_: unknown, { args: [said] }: { args: unknown[] }) => {
      orders.push(said);
      return Promise.resolve(progress());
    },
  };
  const atOnce = (_: unknown, ask: () => Promise<unknown>): Promise<unknown> => ask();
  const pollers = [{ lastAccessTime: { seconds: Date.now() / 1000 } }];
  const client = {
    ...{ options: { namespace: 'default' }, workflow: { getHandle: () => handle } },
    ...{ workflowService: { describeTaskQueue: () => Promise.resolve({ pollers }) } },
    ...{ withDeadline: atOnce, withAbortSignal: atOnce },
  };
  const { type, sees, until, watching } = watch(client, store);
  await sees('Round 1 waits for a word');
  type('x');
  await sees('Why is the round rejected?');
  // Somebody else approves it meanwhile.
  round = 2;
  await sees('Round 2 waits for a word');
  type('worse\r');
  await until(() => orders.length === 1);
  type('a');
  await until(() => orders.length === 2);
  expect(orders).toEqual([
    { by: expect.any(String) as string, reason: 'worse', round: 1, key: 'decision 1' },
    { by: expect.any(String) as string, round: 2, key: 'decision 2' },
  ]);
  type('q');
  await watching;
});
