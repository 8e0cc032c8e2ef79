/**
 * Files and folders on their way to and from the store.
 * Owns: what may be stored (ordinary files, no links), reading in bounded memory, unpacking beside the goal and renaming, and the
 * spool of lines. Leaves hashing by name to s3.ts, requests and healing to s3-blob-writer.ts and s3-blob-reader.ts.
 */
import { createHash, randomUUID, type Hash } from 'node:crypto';
import { lstat, open, readdir, rename, unlink, type FileHandle } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { directoryManifestSchema, type DirectoryManifest } from '../../schemas/artifact-ref';
import { ArteError } from '../../schemas/errors';
import type { JsonValue } from '../../schemas/json';
import { storeSinglePutBytesMax, storeSpoolBytesMin } from '../../schemas/limits';
import { makeFolder } from '../local/directories';
import { localFileError } from './s3-errors';

/** Bytes of a file read at once. */
const readBytes = 256 * 1024;
/** Characters of lines gathered before they are made into bytes. */
const lineCharactersMin = 128 * 1024;

/** Where something is put together before it is renamed to `path`: beside it, so that the renaming is one step. */
export function partialName(path: string): string {
  return `${path}.partial-${String(process.pid)}-${randomUUID().slice(0, 8)}`;
}

/** The size of an ordinary file. Errors: InvalidInput for folders and devices. */
export async function usualFile(file: FileHandle, path: string): Promise<{ size: number }> {
  const stats = await file.stat();
  if (!stats.isFile()) {
    throw new ArteError('InvalidInput', {
      what: `${path} is not a file.`,
      why: 'Only ordinary files can be stored.',
      next: 'Name a file; a folder is stored as a directory.',
    });
  }
  return stats;
}

/** The first `size` bytes, in chunks of their own; ends early when the file does. */
export async function* bytesOfFile(file: FileHandle, size: number): AsyncGenerator<Buffer> {
  for (let position = 0; position < size;) {
    const buffer = Buffer.allocUnsafe(Math.min(readBytes, size - position));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) {
      return;
    }
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** The bytes that were hashed, or an error before the last of them is out: a file that changes while it is sent is never stored. */
export async function* checkedBytesOfFile(
  file: FileHandle,
  size: number,
  sha256: string,
  path: string,
): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  let held: Buffer | undefined;
  for await (const chunk of bytesOfFile(file, size)) {
    hash.update(chunk);
    if (held !== undefined) {
      yield held;
    }
    held = chunk;
  }
  if (hash.digest('hex') !== sha256) {
    throw new ArteError('InvalidInput', {
      what: `${path} changed while it was being stored.`,
      why: 'Its bytes are not the ones that were hashed a moment ago.',
      next: 'Wait until nothing writes to it, then try again.',
    });
  }
  if (held !== undefined) {
    yield held;
  }
}

/** Files under a folder, `/`-separated, in the order of their names' code units. Errors: InvalidInput for links and devices. */
export async function filesUnder(root: string): Promise<string[]> {
  const files: string[] = [];
  const visit = async (folder: string): Promise<void> => {
    for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        await visit(path);
      } else if (entry.isFile()) {
        files.push(path);
      } else {
        throw new ArteError('InvalidInput', {
          what: `${join(root, path)} is neither a file nor a folder.`,
          why: 'A link may lead out of the folder, and a device has no content.',
          next: 'Put the file itself there.',
        });
      }
    }
  };
  try {
    await visit('');
  } catch (error) {
    throw localFileError(error, root);
  }
  return files.sort((a, b) => (a < b ? -1 : 1));
}

/** A directory's list of files. Errors: InvalidInput for anything else, and for paths that lead out of the folder. */
export function parseManifest(document: JsonValue, uri: string): DirectoryManifest {
  const parsed = directoryManifestSchema.safeParse(document);
  const safe = (path: string): boolean =>
    !path.includes('\\') && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
  if (!parsed.success || !parsed.data.files.every((file) => safe(file.path))) {
    throw new ArteError('InvalidInput', {
      what: `${uri} is not a directory.`,
      why: 'The document is no list of files with relative paths.',
      next: 'Name an artifact that was stored as a directory.',
    });
  }
  return parsed.data;
}

/** Rename the finished folder to its place. One that another has put there meanwhile is kept, if it holds the same files. */
export async function putInPlace(partial: string, path: string, files: DirectoryManifest['files']): Promise<void> {
  try {
    await rename(partial, path);
    return;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST' && code !== 'ENOTDIR') {
      throw error;
    }
  }
  const standing = await filesUnder(path).catch(() => []);
  const wanted = files.map((file) => file.path);
  const sizes = await Promise.all(standing.map(async (file) => (await lstat(join(path, ...file.split('/')))).size));
  const same =
    standing.length === wanted.length &&
    standing.every((file, index) => file === wanted[index] && sizes[index] === files[index]?.blob.bytes);
  if (!same) {
    throw new ArteError('InvalidInput', {
      what: `${path} is there already and holds something else.`,
      why: 'A stored folder is only ever unpacked to a new place.',
      next: `Name another folder, or move ${path}${sep} away.`,
    });
  }
}

/** Lines on their way to a blob: counted, hashed, in memory while they are few, else in a file that has no name any more. */
export class LineSpool {
  private readonly hash: Hash = createHash('sha256');
  private readonly kept: Buffer[] = [];
  private file: FileHandle | undefined;
  private pending = '';
  private bytes = 0;
  private rows = 0;

  constructor(private readonly folder: string) {}

  /** True when flush() is due. */
  add(line: string): boolean {
    if (line.includes('\n')) {
      throw new RangeError('a line of JSONL holds no line break');
    }
    this.pending += `${line}\n`;
    this.rows += 1;
    return this.pending.length >= lineCharactersMin;
  }

  async flush(): Promise<void> {
    const chunk = Buffer.from(this.pending, 'utf8');
    this.pending = '';
    this.hash.update(chunk);
    this.bytes += chunk.length;
    if (this.file === undefined && this.bytes <= storeSpoolBytesMin) {
      this.kept.push(chunk);
      return;
    }
    try {
      if (this.file === undefined) {
        this.file = await this.open();
        for (const earlier of this.kept.splice(0)) {
          await this.file.writeFile(earlier);
        }
      }
      await this.file.writeFile(chunk);
    } catch (error) {
      throw localFileError(error, this.folder);
    }
  }

  async finish(): Promise<{ sha256: string; bytes: number; rows: number; content: Buffer | FileHandle }> {
    await this.flush();
    const { bytes, rows, file } = this;
    let content: Buffer | FileHandle = file ?? Buffer.concat(this.kept);
    if (file !== undefined && bytes <= storeSinglePutBytesMax) {
      const chunks: Buffer[] = [];
      for await (const chunk of bytesOfFile(file, bytes)) {
        chunks.push(chunk);
      }
      content = Buffer.concat(chunks);
    }
    return { sha256: this.hash.digest('hex'), bytes, rows, content };
  }

  async close(): Promise<void> {
    await this.file?.close();
  }

  /** Open and unlinked at once: whatever ends this process, the operating system gives the room back. */
  private async open(): Promise<FileHandle> {
    makeFolder(this.folder, 0o700);
    const path = join(this.folder, `lines-${randomUUID()}`);
    const file = await open(path, 'wx+', 0o600);
    await unlink(path);
    return file;
  }
}
