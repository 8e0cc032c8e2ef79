/** Files that a command writes where the user said: what cannot be written is the user's to mend, and said like that. */
import { open, rm, stat, writeFile } from 'node:fs/promises';
import { ArteError } from '../schemas/errors';

/** Files of a kind that may be replaced: a newer one of ours in the place of an older one. */
export interface Replaceable {
  /** In words: "a report page of arte". */
  readonly kind: string;
  /** Stands near the beginning of each of them. */
  readonly mark: string;
}

/** How far into a file its mark is looked for. */
const markBytesMax = 1024;

/** A file of another kind is not replaced; one that is empty holds nothing, and what is no file (/dev/stdout) keeps nothing. Errors: InvalidInput. */
export async function refuseOtherFile(path: string, { kind, mark }: Replaceable): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() !== true || found.size === 0) return;
  if ((await beginningOf(path)).includes(mark)) return;
  throw new ArteError('InvalidInput', {
    what: `${path} was not written.`,
    why: `There is such a file already, and it is not ${kind}: only one of those is replaced.`,
    next: 'Name another file, or move this one away.',
  });
}

/** '' for a file that cannot be read: it is none of ours. */
async function beginningOf(path: string): Promise<string> {
  const file = await open(path).catch(() => undefined);
  try {
    const { buffer, bytesRead } = (await file?.read(Buffer.alloc(markBytesMax), 0, markBytesMax, 0)) ?? {};
    return buffer?.toString('utf8', 0, bytesRead) ?? '';
  } finally {
    await file?.close();
  }
}

/** Write a text. Errors: InvalidInput; with `keep`, also where there is such a file already. */
export async function writeTextFile(path: string, text: string, keep?: { readonly unless: string }): Promise<void> {
  try {
    await writeFile(path, text, { flag: keep ? 'wx' : 'w' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // What a full disk has taken of it would look like the whole.
    if (code === 'ENOSPC' && (await stat(path).catch(() => undefined))?.isFile() === true)
      await rm(path, { force: true });
    throw new ArteError(
      'InvalidInput',
      {
        what: `${path} was not written.`,
        why: reasonOf(error),
        next:
          code === 'EEXIST' && keep
            ? `Name another file, or replace it with ${keep.unless}.`
            : 'Name a file in a folder that is there and can be written.',
      },
      { cause: error },
    );
  }
}

/** Why the system writes no file there, in words. */
export function reasonOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  return reasons[code ?? ''] ?? `The system says ${code ?? 'no'}.`;
}

const reasons: Readonly<Record<string, string>> = {
  EEXIST: 'There is such a file already.',
  ENOTDIR: 'Something on the way to it is no folder.',
  EROFS: 'Its disk can only be read.',
  ELOOP: 'It is a symbolic link that leads back to itself.',
  ENAMETOOLONG: 'Its name is longer than the file system takes.',
  ENOENT: 'Its folder does not exist.',
  EISDIR: 'It is a folder.',
  EACCES: 'Its folder may not be written.',
  ENOSPC: 'The disk is full.',
};
