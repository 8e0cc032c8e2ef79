/**
 * The sha256 of a file, without reading 140 GB twice.
 *
 * Owns: hashing in a stream, and remembering results as long as the file is the same: path, device, inode, size, and both
 * times to the nanosecond. ctime cannot be set back by a program that wants the old mtime, so changed bytes are noticed.
 * Leaves to model-files.ts which files make a model.
 *
 * Invariants:
 * 1. A result is remembered only when the file had been at rest for a while before it was read: two writes within one tick
 *    of the kernel's clock look the same.
 * 2. A remembered result is good for this boot of the machine only: after a power cut, a file may have its size and times but
 *    not its bytes.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Bytes read at once. */
const readBytes = 1024 * 1024;
/** A file that changed less than this before it was read may change again without a new time. */
const restMs = 2_000;

/** What must be the same for a remembered hash to be right. */
interface Remembered {
  readonly path: string;
  readonly identity: string;
  readonly boot: string;
  readonly sha256: string;
}

/** Of this process, for all hashers: the path names the file. */
const memory = new Map<string, Remembered>();

export interface FileHasher {
  /**
   * Lower-case hex sha256 of the file's bytes as they are now. Errors: those of the file system; the signal's reason.
   * A file that changes while it is read is read again.
   */
  sha256(path: string, signal?: AbortSignal): Promise<string>;
}

/** Remembers in `cacheDir`/hashes as well, for the next process. */
export function createFileHasher(cacheDir: string): FileHasher {
  const folder = join(cacheDir, 'hashes');
  return {
    async sha256(given, signal) {
      const path = resolve(given);
      const notePath = join(folder, `${createHash('sha256').update(path).digest('hex')}.json`);
      for (;;) {
        const before = await identityOf(path);
        const known = memory.get(path) ?? (await readNote(notePath));
        if (known?.path === path && known.identity === before.identity && known.boot === bootId()) {
          memory.set(path, known);
          return known.sha256;
        }
        const startedAt = Date.now();
        const sha256 = await hashFile(path, signal);
        const after = await identityOf(path);
        if (after.identity !== before.identity) {
          continue;
        }
        if (startedAt - before.changedAtMs > restMs) {
          const note: Remembered = { path, identity: before.identity, boot: bootId(), sha256 };
          memory.set(path, note);
          await writeNote(notePath, note);
        }
        return sha256;
      }
    },
  };
}

async function identityOf(path: string): Promise<{ identity: string; changedAtMs: number }> {
  const file = await open(path, 'r');
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await file.stat({ bigint: true });
    return { identity: [dev, ino, size, mtimeNs, ctimeNs].join(':'), changedAtMs: Number(ctimeNs / 1_000_000n) };
  } finally {
    await file.close();
  }
}

async function hashFile(path: string, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(readBytes);
  const file = await open(path, 'r');
  try {
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, readBytes);
      if (bytesRead === 0) {
        return hash.digest('hex');
      }
      hash.update(buffer.subarray(0, bytesRead));
      // Heartbeats and other work get their turn between the blocks of a large file.
      await nextTurn();
    }
  } finally {
    await file.close();
  }
}

async function readNote(path: string): Promise<Remembered | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Remembered;
  } catch {
    return undefined;
  }
}

/** A note that cannot be written costs a second reading, nothing else. */
async function writeNote(path: string, note: Remembered): Promise<void> {
  const part = `${path}.${randomBytes(4).toString('hex')}.part`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(part, JSON.stringify(note));
    await rename(part, path);
  } catch {
    await rm(part, { force: true }).catch(() => undefined);
  }
}

let boot: string | undefined;

/** Changes with every start of the machine, where the system says so (Linux); else one for all. */
function bootId(): string {
  if (boot === undefined) {
    try {
      boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    } catch {
      boot = '';
    }
  }
  return boot;
}
