/**
 * Goal: who follows a run follows on when Temporal or the store was away for a moment, is told once that it is waited for, and is let go with what to do
 * when it stays away; other errors are not waited for.
 * Method: scripted looks on a clock of the test; the errors that the client really throws, by their shapes; states of platforms in a temporary folder.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServiceError } from '@temporalio/client';
import { platformMoved } from '../../../drivers/local/platform';
import { startTicks, writeState, type PlatformState } from '../../../drivers/local/platform-state';
import { engineLost } from '../../../cli/run/engine-lost';
import { Patience, platformMends } from '../../../cli/run/patience';
import { ArteError } from '../../../schemas/errors';
import { engineAwayMs, platformReadyMs, startFailuresMax } from '../../../schemas/limits';
import type { PlatformAddresses } from '../../../schemas/platform';

/** As grpc-js makes them. */
function grpcError(code: number, message = 'connect ECONNREFUSED'): Error {
  return Object.assign(new Error(message), { code, details: message, metadata: {} });
}
const wrapped = (code: number): Error => new ServiceError('Failed to describe Workflow', { cause: grpcError(code) });
const storeAway = new ArteError('StoreUnreachable', { what: 'The store does not answer.', why: '', next: '' });
const seen = { view: 1 };

function watching(embedded: boolean, mends = true) {
  const said: string[] = [];
  const clock = { now: 1_000 };
  const patience = new Patience({
    ...{ embedded, again: 'arte watch RUN', say: (line: string) => said.push(line) },
    ...{ mends: () => Promise.resolve(mends), clock: () => clock.now },
  });
  const look = (error?: Error, afterMs = 0): Promise<typeof seen | undefined> => {
    clock.now += afterMs;
    return patience.look(() => (error ? Promise.reject(error) : Promise.resolve(seen)));
  };
  return { said, look };
}

it.each([
  ['Temporal', wrapped(14)],
  ['Temporal', wrapped(4)],
  // Requests that the client hands on as they are.
  ['Temporal', grpcError(14)],
  ['The store', storeAway],
])('%s that comes back is waited for, said once, and followed again', async (what, error) => {
  const { said, look } = watching(true);
  expect(await look()).toBe(seen);
  expect(await look(error)).toBeUndefined();
  expect(await look(error, engineAwayMs - 1_000)).toBeUndefined();
  expect(await look()).toBe(seen);
  expect(said).toEqual([
    `note    ${what} does not answer; it is waited for (30 s, and longer while the platform starts it again), and the run loses nothing`,
    `note    ${what} answers again`,
  ]);
  // The next time counts from its own beginning.
  expect(await look(error, 10 * engineAwayMs)).toBeUndefined();
});

it('a platform that is at other addresses by now is not followed: what answers here is another program', async () => {
  const state = { moved: false };
  const moved = () => Promise.resolve(state.moved);
  const patience = new Patience({ embedded: true, moved, again: 'arte watch RUN', say: () => undefined });
  expect(await patience.look(() => Promise.resolve(seen))).toBe(seen);
  state.moved = true;
  const look = jest.fn(() => Promise.resolve(seen));
  await expect(patience.look(look)).rejects.toMatchObject({
    data: { code: 'PlatformDown', next: 'Nothing is lost: runs go on. arte watch RUN follows there.' },
  });
  expect(look).not.toHaveBeenCalled();
});

it.each([
  ['no run', new ArteError('RunNotFound', { what: 'No run.', why: '', next: '' })],
  ['a fault of ours', new TypeError('undefined is not a function')],
  ['an answer that says no', wrapped(7)],
])('%s is not waited for', async (_, error) => {
  const { said, look } = watching(true);
  await expect(look(error)).rejects.toBe(error);
  expect(said).toEqual([]);
});

it.each([
  ['that nobody starts again', true, false, engineAwayMs, 'arte up starts the platform'],
  ['that a supervisor does not get up', true, true, platformReadyMs, 'arte up starts the platform'],
  ['of a cluster', false, true, engineAwayMs, 'See platform.temporal'],
] as const)('an engine %s is let go with what to do', async (_, embedded, mends, limitMs, next) => {
  const { look } = watching(embedded, mends);
  expect(await look(wrapped(14))).toBeUndefined();
  expect(await look(wrapped(14), limitMs - 1)).toBeUndefined();
  const error = await look(wrapped(14), 1).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    data: {
      code: 'PlatformDown',
      what: `Temporal has not answered for ${limitMs / 1000} s; it is not waited for any longer.`,
      why: 'connect ECONNREFUSED',
      next: expect.stringContaining(next) as string,
    },
  });
  expect((error as ArteError).data.next).toContain('arte watch RUN follows again');
});

it("gRPC's own error is no fault of arte's, and only where the server is away", () => {
  expect(engineLost(grpcError(14))?.data.code).toBe('PlatformDown');
  expect(engineLost(grpcError(5))).toBeUndefined();
  expect(engineLost(Object.assign(new Error('no file'), { code: 14 }))).toBeUndefined();
});

it('a platform has moved when a living supervisor has other addresses, not while none has chosen any', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'arte-patience-'));
  const [temporal, endpoint] = ['127.0.0.1:7233', 'http://127.0.0.1:9000'];
  const addresses: PlatformAddresses = {
    temporal: { address: temporal, namespace: 'default', tls: false },
    store: { endpoint, bucket: 'arte', prefix: '', region: '', forcePathStyle: true },
  };
  const moved = async (address: string, at = endpoint, pid = process.pid): Promise<boolean> => {
    await writeState({
      ...{ format: 1, dataDir, ending: false, parts: [] },
      supervisor: { pid, startTicks: startTicks(pid), startedAt: '', arte: '', build: '', node: '', python: '' },
      temporal: { address, namespace: 'default' },
      store: { endpoint: at, bucket: '', region: '', credentialsPath: '' },
    });
    return platformMoved(addresses, dataDir);
  };
  expect(await platformMoved(addresses, dataDir)).toBe(false);
  expect(await moved(temporal)).toBe(false);
  expect(await moved('')).toBe(false);
  expect(await moved('127.0.0.1:7299')).toBe(true);
  expect(await moved(temporal, 'http://127.0.0.1:9001')).toBe(true);
  expect(await moved('127.0.0.1:7299', endpoint, 4_000_000)).toBe(false);
  rmSync(dataDir, { recursive: true });
});

it('a platform mends itself while its supervisor lives, and its servers have not failed too often', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'arte-patience-'));
  const part = (name: string, failures: number): PlatformState['parts'][number] => ({
    ...{ name, status: 'waiting', since: '', restarts: 1, failures },
  });
  const mends = async (change: Partial<PlatformState>, pid = process.pid): Promise<boolean> => {
    await writeState({
      ...{ format: 1, dataDir, ending: false },
      supervisor: { pid, startTicks: startTicks(pid), startedAt: '', arte: '', build: '', node: '', python: '' },
      temporal: { address: '', namespace: 'default' },
      store: { endpoint: '', bucket: '', region: '', credentialsPath: '' },
      parts: [part('temporal', 1), part('worker', startFailuresMax)],
      ...change,
    });
    return platformMends(dataDir);
  };
  expect(await platformMends(dataDir)).toBe(false);
  expect(await mends({})).toBe(true);
  expect(await mends({ parts: [part('temporal', startFailuresMax)] })).toBe(false);
  expect(await mends({ ending: true })).toBe(false);
  expect(await mends({}, 4_000_000)).toBe(false);
  rmSync(dataDir, { recursive: true });
});
