/**
 * Goal: what is said of a look that failed goes with the next one that succeeds. Method: the screen over streams of the test, a store in memory that fails
 * for one look.
 */
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowNotFoundError } from '@temporalio/client';
import { saveProgress } from '../../../activities/run-records';
import { noColors } from '../../../cli/output';
import type { Session } from '../../../cli/session';
import { watchOnScreen } from '../../../cli/watch/full-screen';
import { MemoryStore } from '../../activities/row-engine/memory-store';
import { TerminalScreen } from '../../support/terminal-screen';

it('a store that is away for a moment is said, and no longer once it is back', async () => {
  const store = new MemoryStore();
  await saveProgress(store, {
    ...{ runId: 'nightly', status: 'DONE', round: 1, rounds: 1, current: [], startedAt: '2026-01-01T00:00:00Z' },
  });
  const describe = () => Promise.reject(new WorkflowNotFoundError('none', 'nightly', undefined));
  const client = { workflow: { getHandle: () => ({ describe }) } } as unknown as Session['client'];
  const input = new PassThrough();
  const screen = new TerminalScreen();
  const output = Object.assign(new PassThrough(), { columns: 100, rows: 24 });
  output.on('data', (chunk: Buffer) => screen.feed(chunk.toString('utf8')));
  const until = async (isSo: () => boolean): Promise<void> => {
    for (let looks = 0; !isSo() && looks < 200; looks += 1) await sleep(25);
    expect(isSo()).toBe(true);
  };
  const watching = watchOnScreen({ client, store } as unknown as Session, 'nightly', { input, output }, noColors);
  await until(() => screen.text().includes('nightly'));
  const readDocument = jest.spyOn(store, 'getDocument').mockRejectedValueOnce(new Error('the store is away'));
  await until(() => screen.text().includes('cannot look, trying again: the store is away'));
  await until(() => !screen.text().includes('cannot look'));
  readDocument.mockRestore();
  input.write('q');
  await watching;
});
