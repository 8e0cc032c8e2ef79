/**
 * Locks that the operating system holds and drops: one setup of an environment at a time, one platform per data directory.
 *
 * Owns: flock(2) for Node, which has no such call. A small Python program takes the lock of a file that *we* opened; the
 * lock belongs to the open file, so it stays here when that program has ended, and is gone when the file is closed: by
 * `release`, or by the end of this process and of every child that was given the file (`inherit: [lock.fd]`). So a lock
 * that can be taken means that the last holder is gone with all its children, however it ended.
 * A pid file or a bound socket cannot say that: both are left behind by a kill -9 and must then be guessed about.
 */
import { constants, type Stats } from 'node:fs';
import { open, stat, mkdir, type FileHandle } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { ArteError } from '../../schemas/errors';
import { packageRoot } from '../package-root';

/** Exit status of guard.py when somebody else holds the lock. */
const takenStatus = 75;
/** How often a lock that somebody else holds is asked for. */
const pollMs = 200;

export interface FileLock {
  /** To hand on to children that belong to the work under the lock. */
  readonly fd: number;
  release(): Promise<void>;
}

/** Take the lock of a file (made if it is not there) without waiting; undefined when somebody else holds it. */
export async function tryLock(path: string, python: string, shared = false): Promise<FileLock | undefined> {
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  let held = false;
  try {
    const status = await askForLock(python, file, shared);
    if (status !== 0 && status !== takenStatus) {
      throw new ArteError('Unexpected', {
        what: `The lock ${path} could not be asked for.`,
        why: `${python} ended with status ${String(status)}.`,
        next: 'Run `arte doctor`; it checks Python.',
      });
    }
    // Whoever removed the file in the meantime has made ours a lock that nobody else will ever see.
    held = status === 0 && sameFile(await file.stat(), await stat(path).catch(() => undefined));
  } finally {
    if (!held) {
      await file.close();
    }
  }
  return held ? { fd: file.fd, release: () => file.close() } : undefined;
}

/**
 * Take the lock, waiting for whoever holds it, for at most `timeoutMs`; undefined when the time is over.
 * `onWait` is called once, when there is somebody to wait for.
 */
export async function waitForLock(
  path: string,
  python: string,
  { timeoutMs, onWait }: { timeoutMs: number; onWait?: () => void },
): Promise<FileLock | undefined> {
  const deadline = Date.now() + timeoutMs;
  for (let first = true; ; first = false) {
    const lock = await tryLock(path, python);
    if (lock !== undefined || Date.now() >= deadline) {
      return lock;
    }
    if (first) {
      onWait?.();
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

/** Whether somebody holds the lock. Asked with a shared lock, so that those who ask do not see each other. */
export async function isLocked(path: string, python: string): Promise<boolean> {
  if ((await stat(path).catch(() => undefined)) === undefined) {
    return false;
  }
  const lock = await tryLock(path, python, true);
  await lock?.release();
  return lock === undefined;
}

function askForLock(python: string, file: FileHandle, shared: boolean): Promise<number | null> {
  const guard = join(packageRoot(), 'python', 'guard.py');
  const args = ['-I', '-S', guard, 'lock', ...(shared ? ['--shared'] : []), '3'];
  return new Promise((resolve, reject) => {
    const child = spawn(python, args, { stdio: ['ignore', 'ignore', 'ignore', file.fd] });
    child.once('error', (cause) =>
      reject(
        new ArteError(
          'PythonMissing',
          {
            what: 'A lock could not be asked for.',
            why: `${python} cannot be started: ${cause.message}.`,
            next: 'Install Python 3.10 or newer, or name one with ARTE_PYTHON=/path/to/python3.',
          },
          { cause },
        ),
      ),
    );
    child.once('exit', (code) => resolve(code));
  });
}

function sameFile(mine: Stats, there: Stats | undefined): boolean {
  return there !== undefined && mine.ino === there.ino && mine.dev === there.dev;
}
