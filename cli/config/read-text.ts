/**
 * Texts that a person names: read whole, so they must be files and of a size. A device has no end, and a pipe waits for somebody.
 * Owns why one cannot be read, in words. Never throws.
 */
import { readFile, stat } from 'node:fs/promises';

/** Why there is no text; `missing`: there is nothing of that name. */
export interface NoText {
  readonly why: string;
  readonly missing?: true;
}

const reasons: Readonly<Record<string, NoText>> = {
  ENOENT: { why: 'There is no such file.', missing: true },
  // A part of the path is a file.
  ENOTDIR: { why: 'There is no such file.', missing: true },
  EISDIR: { why: 'It is a folder.' },
  EACCES: { why: 'It may not be read by this user.' },
};

/** The text of a file of at most so many bytes. */
export async function readText(path: string, bytesMax: number): Promise<string | NoText> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) return { why: 'It is a folder.' };
    if (!found.isFile()) return { why: 'It is a device, a pipe or a socket, and no file.' };
    if (found.size > bytesMax)
      return { why: `It has ${megabytes(found.size)} MB; files of up to ${megabytes(bytesMax)} MB are read.` };
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    return reasons[code] ?? { why: `The system says ${code === '' ? 'no' : code}.` };
  }
}

function megabytes(bytes: number): string {
  return String(Math.ceil(bytes / 1024 ** 2));
}
