/**
 * The two folders arte keeps on a machine, and how much room there is.
 *
 * cache: what can be made again (the Python environment, derived forms of models). Shared by all projects of a person.
 * data:  what cannot (Temporal's database, the S3 files, journals, credentials). One per project folder.
 */
import { statfs } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/** $ARTE_CACHE_DIR, else $XDG_CACHE_HOME/arte, else ~/.cache/arte. Absolute; not made. */
export function cacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  if (env.ARTE_CACHE_DIR) {
    return resolve(env.ARTE_CACHE_DIR);
  }
  return resolve(env.XDG_CACHE_HOME ? env.XDG_CACHE_HOME : join(homedir(), '.cache'), 'arte');
}

/** $ARTE_DATA_DIR, else .arte in the current folder. Absolute; not made. */
export function dataDirectory(env: NodeJS.ProcessEnv = process.env): string {
  return resolve(env.ARTE_DATA_DIR ? env.ARTE_DATA_DIR : '.arte');
}

/** Bytes that this user may still write where `path` is, or would be if it were made. */
export async function freeDiskBytes(path: string): Promise<number> {
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    try {
      const { bavail, bsize } = await statfs(folder);
      return bavail * bsize;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(folder) === folder) {
        throw error;
      }
    }
  }
}
