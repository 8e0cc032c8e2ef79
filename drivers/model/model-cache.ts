/**
 * The models that a cache directory keeps forms of (`models/<contentSha256>/<form>/`): which there are, and how they go again: by `arte gc`, and by
 * themselves where the disk gets short, the longest unused first.
 *
 * Owns removal, and how much room a form takes. Leaves to materialize.ts the making; what has gone is made again when it is asked for.
 */
import { readdir, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { freeDiskBytes } from '../local/directories';
import { tryLock } from '../local/lock';
import { parametersOf } from './model-files';

/**
 * This share of the cache's disk stays free while there are forms to give up. The embedded store, mostly on the same disk, stops writing at 1 %: each
 * student that a run trains leaves forms of several times its size.
 */
const diskShareLeftFree = 0.03;
/** No more than this is kept free, in bytes: 3 % of a very large disk are more than anybody needs. */
const leftFreeBytesMax = 20e9;
/** Forms that were asked for within this time stay, in milliseconds: a server may have them open, and a stage asks for its model again shard by shard. */
const idleMsMin = 60 * 60_000;

/** Bytes of a parameter in the forms that export.py writes from a folder; q8_0 has blocks of 32 numbers and a scale. A merged folder is float32. */
const parameterBytes: Readonly<Record<string, number>> = { folder: 4, f32: 4, f16: 2, q8_0: 34 / 32 };

/** Bytes that these forms of the model in a Hugging Face folder take together, whatever type its weights have now. */
export async function bytesOfForms(folder: string, ...forms: readonly string[]): Promise<number> {
  const each = forms.reduce((sum, form) => sum + (parameterBytes[form] ?? 4), 0);
  return Math.ceil(each * (await parametersOf(folder)));
}

/** A model whose forms are kept in a cache directory. */
export interface CachedModel {
  readonly sha256: string;
  /** Of all its forms. */
  readonly bytes: number;
  /** When one of its forms was last asked for or made, by whichever project on this machine. */
  readonly usedAt: Date;
}

/** The models that have derived forms in a cache directory. */
export async function cachedModels(cacheDir: string): Promise<CachedModel[]> {
  const root = join(cacheDir, 'models');
  const models: CachedModel[] = [];
  for (const sha256 of await readdir(root).catch(() => [])) {
    let bytes = 0;
    let usedAtMs = 0;
    // A form, and a whole model, may appear or go while we look.
    for (const path of await filesUnder(join(root, sha256)).catch(() => [])) {
      const found = await stat(path).catch(() => undefined);
      bytes += found?.size ?? 0;
      usedAtMs = Math.max(usedAtMs, found?.mtimeMs ?? 0);
    }
    models.push({ sha256, bytes, usedAt: new Date(usedAtMs) });
  }
  return models;
}

/**
 * Remove the derived forms of these models (content hashes), except those that are being made now.
 * Returns the content hashes that were removed. What is removed is made again when it is needed.
 */
export async function removeCachedModels(
  cacheDir: string,
  contents: Iterable<string>,
  python: string,
): Promise<string[]> {
  const removed: string[] = [];
  for (const sha256 of contents) {
    const folder = join(cacheDir, 'models', sha256);
    const names = await readdir(folder).catch(() => undefined);
    // Another process has made room with it.
    if (names === undefined) continue;
    const locks = await Promise.all(
      names.filter((name) => name.endsWith('.lock')).map((name) => tryLock(join(folder, name), python)),
    );
    if (locks.every((lock) => lock !== undefined)) {
      await rm(folder, { recursive: true, force: true });
      removed.push(sha256);
    }
    for (const lock of locks) {
      await lock?.release();
    }
  }
  return removed;
}

/**
 * Room for `bytes` more, with a share of the disk left free beside them: models make way that nobody has asked for within the last hour, the longest
 * unused first, until there is. Returns the content hashes that were removed; less room than asked for is no error.
 */
export async function makeRoom(
  cacheDir: string,
  bytes: number,
  python: string,
  { room = diskRoom, now = Date.now() }: { readonly room?: typeof diskRoom; readonly now?: number } = {},
): Promise<string[]> {
  const isShort = async (): Promise<boolean> => {
    const { free, total } = await room(cacheDir);
    return free < bytes + Math.min(leftFreeBytesMax, diskShareLeftFree * total);
  };
  if (!(await isShort())) return [];
  const idle = (await cachedModels(cacheDir)).filter(({ usedAt }) => now - usedAt.getTime() > idleMsMin);
  const removed: string[] = [];
  for (const { sha256 } of idle.sort((one, other) => one.usedAt.getTime() - other.usedAt.getTime())) {
    removed.push(...(await removeCachedModels(cacheDir, [sha256], python)));
    if (!(await isShort())) break;
  }
  return removed;
}

/** Of the disk that `path` lies on. */
async function diskRoom(path: string): Promise<{ readonly free: number; readonly total: number }> {
  const { blocks, bsize } = await statfs(path);
  return { free: await freeDiskBytes(path), total: blocks * bsize };
}

/** Files below a folder, in order. */
export async function filesUnder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
