/**
 * The two folders arte keeps on a machine, how folders are made, and how much room there is.
 *
 * cache: what can be made again (the Python environment, derived forms of models). Shared by all projects of a person.
 * data:  what cannot (Temporal's database, the S3 files, journals, credentials). One per project folder.
 */
import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { ArteError } from '../../schemas/errors';
import { dataDirectoryBytesMax } from '../../schemas/limits';

/** $ARTE_CACHE_DIR, else $XDG_CACHE_HOME/arte, else ~/.cache/arte. Absolute; not made. */
export function cacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  if (env.ARTE_CACHE_DIR) {
    return resolve(env.ARTE_CACHE_DIR);
  }
  return resolve(env.XDG_CACHE_HOME ? env.XDG_CACHE_HOME : join(homedir(), '.cache'), 'arte');
}

/** $ARTE_DATA_DIR, else .arte in the current folder. Absolute; not made. Errors: InvalidInput for a path that no platform can live under. */
export function dataDirectory(env: NodeJS.ProcessEnv = process.env): string {
  return usableDataDirectory(env.ARTE_DATA_DIR ? env.ARTE_DATA_DIR : '.arte');
}

/** The absolute path of a data directory that was named. Errors: InvalidInput where it names nothing, or is too long. */
export function usableDataDirectory(named: string): string {
  if (named.trim() === '') {
    throw new ArteError('InvalidInput', {
      what: 'The data directory that is named has no name.',
      why: `--data-dir or ARTE_DATA_DIR is ${JSON.stringify(named)}: nothing, or blanks alone.`,
      next: 'Name a folder, or leave it out: .arte in the folder you are in is taken then.',
    });
  }
  const folder = resolve(named);
  const bytes = Buffer.byteLength(folder);
  if (bytes > dataDirectoryBytesMax) {
    throw new ArteError('InvalidInput', {
      what: `The path of the data directory is too long: ${folder.slice(0, 60)}…`,
      why: `It has ${bytes} bytes; the database of Temporal (SQLite) opens no file whose path has more than about 500, so a data directory may have ${dataDirectoryBytesMax}.`,
      next: 'Name one with a shorter path with --data-dir or ARTE_DATA_DIR.',
    });
  }
  return folder;
}

/** Make a folder of a data directory, and those above it. Errors: InvalidInput where it cannot be made, or nothing may be written in it. */
export function makeDataFolder(dataDir: string, folder: string, mode = 0o700): void {
  try {
    makeFolder(folder, mode);
    accessSync(folder, constants.W_OK);
  } catch (cause) {
    const { code = 'no' } = cause as NodeJS.ErrnoException;
    throw new ArteError(
      'InvalidInput',
      {
        what: `The data directory ${dataDir} cannot be used.`,
        why: `${folder} cannot be made or written: the system says ${code}. It lies in no folder, or in one where nothing may be written.`,
        next: 'Name another one with --data-dir or ARTE_DATA_DIR, or make this one writable.',
      },
      { cause },
    );
  }
}

/**
 * Make a folder and those above it that are missing. Node's own `recursive` never ends where the system says of a folder in one that is there that
 * the one above is missing, as in /proc. Errors: the system's own.
 */
export function makeFolder(folder: string, mode = 0o777): void {
  try {
    mkdirSync(folder, { mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && statSync(dirname(folder), { throwIfNoEntry: false }) === undefined) {
      makeFolder(dirname(folder), mode);
      // Again, and not the call itself: another process may have made it meanwhile.
      makeFolder(folder, mode);
    } else if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
      throw error;
    }
  }
}

/**
 * Bytes that this user may still write where `path` is, or would be if it were made. Infinity where the file system does not count its blocks (those
 * of the kernel, some over the network or in memory): 0 of 0 is no full disk.
 */
export async function freeDiskBytes(path: string): Promise<number> {
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    try {
      const { bavail, blocks, bsize } = await statfs(folder);
      return blocks === 0 ? Infinity : bavail * bsize;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(folder) === folder) {
        throw error;
      }
    }
  }
}
