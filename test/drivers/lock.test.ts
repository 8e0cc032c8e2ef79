/**
 * Goal: a lock has one holder, and is free exactly when the holder and what inherited it are gone, however they ended.
 * Method: several opens of one file in this process (each is its own holder), and processes that are killed.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { isLocked, tryLock, waitForLock } from '../../drivers/local/lock';
import { ensurePythonEnv } from '../../drivers/local/python-env';
import { eventually } from '../support/processes';

const fixtures = join(__dirname, '..', 'fixtures');
let folder: string;
let python: string;
let number = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'arte-lock-'));
  ({ python } = await ensurePythonEnv());
}, 600_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A path of its own for each test. */
function path(): string {
  number += 1;
  return join(folder, `${number}.lock`);
}

/** Another process that holds the lock; its first word. */
async function holder(
  ...args: string[]
): Promise<{ process: ChildProcessByStdio<null, Readable, null>; said: string }> {
  const hook = join(fixtures, 'run-typescript.cjs');
  const child = spawn(process.execPath, ['-r', hook, join(fixtures, 'hold-lock.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said = await new Promise<string>((resolve) => createInterface(child.stdout).once('line', resolve));
  return { process: child, said };
}

test('a second holder is refused until the first has released', async () => {
  const at = path();
  const first = await tryLock(at, python);
  expect(first).toBeDefined();
  expect(await tryLock(at, python)).toBeUndefined();
  expect(await isLocked(at, python)).toBe(true);
  await first?.release();
  expect(await isLocked(at, python)).toBe(false);
  const second = await tryLock(at, python);
  expect(second).toBeDefined();
  await second?.release();
});

test('asking whether a lock is held neither takes it nor makes the file', async () => {
  const at = path();
  expect(await isLocked(at, python)).toBe(false);
  expect(await Promise.all([isLocked(at, python), isLocked(at, python)])).toEqual([false, false]);
  expect(existsSync(at)).toBe(false);
  const lock = await tryLock(at, python);
  expect(lock).toBeDefined();
  await lock?.release();
});

test('of many who ask at once, one gets it', async () => {
  const at = path();
  const got = (await Promise.all(Array.from({ length: 8 }, () => tryLock(at, python)))).filter(
    (lock) => lock !== undefined,
  );
  expect(got).toHaveLength(1);
  await got[0]?.release();
});

test('who waits gets it when it is free, and gives up when the time is over', async () => {
  const at = path();
  const first = await tryLock(at, python);
  let waited = 0;
  const waiting = waitForLock(at, python, { timeoutMs: 30_000, onWait: () => (waited += 1) });
  expect(await waitForLock(at, python, { timeoutMs: 300 })).toBeUndefined();
  await first?.release();
  const second = await waiting;
  expect(second).toBeDefined();
  expect(waited).toBe(1);
  await second?.release();
});

test('the lock of a process that is killed is free', async () => {
  const at = path();
  const { process: other, said } = await holder(at, python);
  expect(said).toBe('held');
  expect(await isLocked(at, python)).toBe(true);
  other.kill('SIGKILL');
  await eventually('the lock is free', async () => !(await isLocked(at, python)));
});

test('the lock stays with the child that inherited it until that is gone, too', async () => {
  const at = path();
  const { process: other, said } = await holder(at, python, 'inherit');
  const child = Number(said);
  other.kill('SIGKILL');
  await new Promise((resolve) => other.once('exit', resolve));
  expect(await isLocked(at, python)).toBe(true);
  process.kill(child, 'SIGKILL');
  await eventually('the lock is free', async () => !(await isLocked(at, python)));
});

test("a lock on a file that was moved away is nobody else's: it is not taken for the lock", async () => {
  const at = path();
  const old = await tryLock(at, python);
  renameSync(at, `${at}.moved`);
  const fresh = await tryLock(at, python);
  expect(fresh).toBeDefined();
  await old?.release();
  await fresh?.release();
  // In the moment between the opening of the file and the lock.
  const mover = join(folder, 'mover');
  writeFileSync(mover, `#!/bin/sh\nmv '${at}' '${at}.gone'\nexec '${python}' "$@"\n`, { mode: 0o755 });
  expect(await tryLock(at, mover)).toBeUndefined();
});
