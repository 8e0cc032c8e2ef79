/** What a command makes stands at its place whole, or not at all: Ctrl-C, a full disk or a kill leave nothing there that looks finished. */
import { rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ArteError } from '../../schemas/errors';

/**
 * Make a file or a folder beside its place, and rename it when it is whole. What an earlier attempt left is removed first: it has a name of ours.
 * Errors: DiskFull; those of `make` and of the disk.
 */
export async function madeWhole(target: string, make: (part: string) => Promise<void>): Promise<void> {
  const part = join(dirname(target), `.arte-part-${basename(target)}`);
  await rm(part, { recursive: true, force: true });
  try {
    await make(part);
    await rename(part, target);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
    const next = 'Make room on its disk, or name a place on another one, and give the command again.';
    throw new ArteError(
      'DiskFull',
      { what: `${target} was not written: the disk is full.`, why: message, next },
      { cause: error },
    );
  } finally {
    await rm(part, { recursive: true, force: true });
  }
}
