/**
 * Goal: `arte down` in a folder whose state file somebody else wrote runs nothing that it names and ends nobody; a platform that holds its lock is ended.
 * Method: state files by hand: of a process that lives and has nothing to do with arte, with an interpreter that leaves a mark when it is run. A whole
 * platform is ended in test/workers/supervisor.test.ts.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tryLock } from '../../drivers/local/lock';
import { stopPlatform } from '../../drivers/local/platform';
import {
  platformPaths,
  readState,
  startTicks,
  writeState,
  type PlatformState,
} from '../../drivers/local/platform-state';
import { isAlive } from '../support/processes';

let folder: string;
let other: ChildProcess;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'arte-platform-'));
  other = spawn('sleep', ['600'], { stdio: 'ignore' });
});
afterEach(() => {
  other.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** A state that names the other process, and an interpreter that leaves a mark. */
async function leaveState(): Promise<{ dataDir: string; mark: string; pid: number }> {
  const [dataDir, bin, mark] = [join(folder, 'data'), join(folder, 'python', 'bin'), join(folder, 'mark')];
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, 'python'), `#!/bin/sh\ntouch '${mark}'\n`);
  chmodSync(join(bin, 'python'), 0o755);
  const pid = other.pid!;
  const state: PlatformState = {
    ...{ format: 1, dataDir, ending: false, parts: [] },
    supervisor: {
      ...{ pid, startTicks: startTicks(pid), startedAt: '2026-03-01T10:00:00Z' },
      ...{ arte: '0', build: 'source', node: 'v22', python: join(folder, 'python') },
    },
    temporal: { address: '127.0.0.1:9', namespace: 'default' },
    store: { endpoint: 'http://127.0.0.1:9', bucket: 'b', region: 'r', credentialsPath: join(folder, 'none') },
  };
  await writeState(state);
  return { dataDir, mark, pid };
}

it.each([true, false])(
  'a state without a holder of the lock (a lock file: %s) ends nobody and runs nothing',
  async (hasFile) => {
    const { dataDir, mark, pid } = await leaveState();
    if (hasFile) writeFileSync(platformPaths(dataDir).lock, '');
    expect(await stopPlatform({ dataDir })).toBe(false);
    expect(isAlive(pid)).toBe(true);
    expect(existsSync(mark)).toBe(false);
    expect(await readState(dataDir)).toBeUndefined();
  },
);

it('a process that holds the lock is ended, by no interpreter of the state either', async () => {
  const { dataDir, mark, pid } = await leaveState();
  const lock = await tryLock(platformPaths(dataDir).lock, process.env['ARTE_PYTHON'] || 'python3');
  expect(lock).toBeDefined();
  other.once('exit', () => void lock?.release());
  expect(await stopPlatform({ dataDir })).toBe(true);
  expect(isAlive(pid)).toBe(false);
  expect(existsSync(mark)).toBe(false);
});
