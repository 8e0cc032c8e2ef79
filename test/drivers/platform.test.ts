/**
 * Goal: `arte down` in a folder whose state file somebody else wrote runs nothing that it names and ends nobody; a platform that holds its lock is ended.
 * Method: state files by hand: of a process that lives and has nothing to do with arte, with an interpreter that leaves a mark when it is run. A whole
 * platform is ended in test/workers/supervisor.test.ts. What is started anew keeps its workers apart: a supervisor that only writes down what it is told.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tryLock } from '../../drivers/local/lock';
import { ensurePlatform, restartPlatform, stopPlatform } from '../../drivers/local/platform';
import {
  platformPaths,
  readState,
  startTicks,
  writeState,
  type PlatformState,
} from '../../drivers/local/platform-state';
import type { PythonEnv } from '../../drivers/local/python-env';
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
async function leaveState(parts: PlatformState['parts'] = []): Promise<{ dataDir: string; mark: string; pid: number }> {
  const [dataDir, bin, mark] = [join(folder, 'data'), join(folder, 'python', 'bin'), join(folder, 'mark')];
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, 'python'), `#!/bin/sh\ntouch '${mark}'\n`);
  chmodSync(join(bin, 'python'), 0o755);
  const pid = other.pid!;
  const state: PlatformState = {
    ...{ format: 1, dataDir, ending: false, parts },
    supervisor: {
      ...{ pid, startTicks: startTicks(pid), startedAt: '2026-03-01T10:00:00Z' },
      ...{ arte: '0', build: 'older', node: 'v22', python: join(folder, 'python') },
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

describe('a platform that is started anew', () => {
  const part = (name: string): PlatformState['parts'][number] => ({
    ...{ name, status: 'ready', since: '', restarts: 0, failures: 0 },
  });
  const apart = ['temporal', 's3', 'worker-orchestrator', 'worker-io', 'worker-infer', 'worker-train'].map(part);
  const together = ['temporal', 's3', 'worker'].map(part);

  it.each([
    ['by `arte retry --restart-workers`', restartPlatform, apart, undefined, true],
    ['by `arte retry --restart-workers`', restartPlatform, together, undefined, false],
    // The build of the state is none that there is.
    ['under a newer build', ensurePlatform, apart, undefined, true],
    ['under a newer build', ensurePlatform, together, true, true],
  ])('%s has a worker process per role where it had one', async (_, start, parts, processes, expected) => {
    const { dataDir } = await leaveState(parts);
    const told = join(folder, 'told.json');
    const supervisor = join(folder, 'supervisor.cjs');
    writeFileSync(supervisor, `require('node:fs').writeFileSync(${JSON.stringify(told)}, process.argv[2])`);
    const options = {
      ...{ dataDir, cacheDir: folder, python: { root: folder } as PythonEnv },
      ...{ programs: { supervisor: [supervisor], worker: [] }, ...(processes !== undefined && { processes }) },
    };
    await expect(start(options)).rejects.toMatchObject({ data: { code: 'PlatformDown' } });
    expect(JSON.parse(readFileSync(told, 'utf8'))).toMatchObject({ processes: expected });
  });
});
