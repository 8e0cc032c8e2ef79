/** Files that a command writes where the user said: what cannot be written is the user's to mend, and said like that. */
import { writeFile } from 'node:fs/promises';
import { ArteError } from '../schemas/errors';

/** Write a text. Errors: InvalidInput; with `keep`, also where there is such a file already. */
export async function writeTextFile(path: string, text: string, keep?: { readonly unless: string }): Promise<void> {
  try {
    await writeFile(path, text, { flag: keep ? 'wx' : 'w' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ArteError(
      'InvalidInput',
      {
        what: `${path} was not written.`,
        why: reasons[code ?? ''] ?? `The system says ${code ?? 'no'}.`,
        next:
          code === 'EEXIST' && keep
            ? `Name another file, or replace it with ${keep.unless}.`
            : 'Name a file in a folder that is there and can be written.',
      },
      { cause: error },
    );
  }
}

const reasons: Readonly<Record<string, string>> = {
  EEXIST: 'There is such a file already.',
  ENOENT: 'Its folder does not exist.',
  EISDIR: 'It is a folder.',
  EACCES: 'Its folder may not be written.',
  ENOSPC: 'The disk is full.',
};
