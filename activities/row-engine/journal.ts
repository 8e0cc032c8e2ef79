/**
 * A shard's journals on this machine's disk: `<journalDir>/<shardKey>/<attempt>.journal`, one append-only file per attempt.
 * Owns files, group commit and the errors of a disk; the bytes inside are records.ts, which record counts is resume.ts.
 *
 * One file per attempt, never appended to by another: a zombie attempt that is still writing in another process can garble nothing,
 * and no lock is needed. A torn tail is not truncated but left out when reading; the next attempt writes elsewhere.
 *
 * Invariants: 1. A record handed to `write` survives the death of the process at once, and that of the machine after the next commit
 * (journalCommitIntervalMs). 2. Intents are written before their calls are made.
 */
import * as fs from 'node:fs';
import { mkdir, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ArteError } from '../../schemas/errors';
import {
  framedBytes,
  lineOf,
  RecordBuffer,
  RecordParser,
  type AttemptIdentity,
  type RecordPlace,
  type RecordsEnd,
  type RecordVisitor,
} from './records';

const suffix = '.journal';
/** Whose records they are is said again after so many bytes: damage costs the answers up to there, some ten of them. */
const attemptAgainBytes = 4 * 1024;
const readChunkBytes = 1024 * 1024;
/** Of a journal that is read back by places: 2,000 rows of 2 KB, the spread of 1,000 calls in flight on either side. */
const windowBytes = 4 * 1024 * 1024;

/** The folder of a shard's journals. */
export function journalFolder(journalDir: string, shardKey: string): string {
  return join(journalDir, shardKey);
}

/** Writes one attempt's journal. */
export class JournalWriter {
  /** Records to be written with the next `write`. */
  readonly records = new RecordBuffer();
  private written = 0;
  private committed = 0;
  private committing = false;
  private closed = false;
  private attempt: AttemptIdentity | undefined;
  private attemptSaidAt = 0;
  private commitTimer: NodeJS.Timeout | undefined;
  private writeSoon: NodeJS.Immediate | undefined;
  private waiting: {
    readonly upTo: number;
    readonly resolve: () => void;
    readonly reject: (error: unknown) => void;
  }[] = [];

  private constructor(
    readonly path: string,
    readonly fd: number,
    private readonly commitIntervalMs: number,
    /** A disk that fails: called once, from a timer. */
    private readonly onError: (error: ArteError) => void,
  ) {}

  /** Make a new file; its folder entry is durable before the first record is. Errors: DiskFull, Unexpected. */
  static async create(
    folder: string,
    name: string,
    commitIntervalMs: number,
    onError: (error: ArteError) => void,
  ): Promise<JournalWriter> {
    const path = join(folder, `${name}${suffix}`);
    try {
      await mkdir(folder, { recursive: true });
      const fd = fs.openSync(path, 'ax+', 0o600);
      const directory = await open(folder);
      await directory.sync().finally(() => directory.close());
      return new JournalWriter(path, fd, commitIntervalMs, onError);
    } catch (error) {
      throw diskError(error, path);
    }
  }

  /** The records that follow were made by this attempt, until another is named. */
  begin(attempt: AttemptIdentity): void {
    this.attempt = attempt;
    this.attemptSaidAt = this.position;
    this.records.attempt(attempt);
  }

  /** Where the next record will stand in the file. */
  get position(): number {
    return this.written + this.records.length;
  }

  /** Bytes that can be read back from the file. */
  get readable(): number {
    return this.written;
  }

  /** Have everything so far written at the end of this turn of the event loop, unless `write` comes first. */
  touch(): void {
    if (this.writeSoon || this.closed) return;
    this.writeSoon = setImmediate(() => {
      this.writeSoon = undefined;
      try {
        this.write();
      } catch (error) {
        this.onError(error as ArteError);
      }
    });
  }

  /** Hand everything so far to the operating system, in one call. Errors: DiskFull, Unexpected. */
  write(): void {
    const bytes = this.records.view();
    if (bytes.length === 0 || this.closed) return;
    let sent = 0;
    try {
      while (sent < bytes.length) sent += fs.writeSync(this.fd, bytes, sent, bytes.length - sent);
    } catch (error) {
      throw diskError(error, this.path);
    } finally {
      // What a full disk left unsent goes next time, from where the file ends: never a torn record in the middle.
      this.written += sent;
      this.records.drop(sent);
    }
    if (this.attempt && this.written - this.attemptSaidAt >= attemptAgainBytes) this.begin(this.attempt);
    this.commitTimer ??= setTimeout(() => this.commit(), this.commitIntervalMs);
  }

  /** Resolves when everything so far would survive a power cut. */
  sync(): Promise<void> {
    this.write();
    return new Promise((resolve, reject) => {
      this.waiting.push({ upTo: this.written, resolve, reject });
      this.commit();
    });
  }

  /** Stop writing. Records not written are given up; call `sync` before. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.commitTimer);
    clearImmediate(this.writeSoon);
    // A commit under way still holds the descriptor; it closes it when it returns.
    if (!this.committing) fs.closeSync(this.fd);
  }

  private commit(): void {
    clearTimeout(this.commitTimer);
    this.commitTimer = undefined;
    if (this.committing || this.closed) return;
    if (this.committed === this.written) {
      this.settle();
      return;
    }
    const upTo = this.written;
    this.committing = true;
    fs.fdatasync(this.fd, (error) => {
      this.committing = false;
      if (error) {
        const failure = diskError(error, this.path);
        for (const { reject } of this.waiting.splice(0)) reject(failure);
        if (!this.closed) this.onError(failure);
      } else {
        this.committed = upTo;
        this.settle();
      }
      if (this.closed) fs.closeSync(this.fd);
      else if (this.waiting.length > 0) this.commit();
      else if (this.committed < this.written)
        this.commitTimer ??= setTimeout(() => this.commit(), this.commitIntervalMs);
    });
  }

  private settle(): void {
    this.waiting = this.waiting.filter(({ upTo, resolve }) => {
      if (upTo > this.committed) return true;
      resolve();
      return false;
    });
  }
}

/** The journals of a shard on this machine, by name. */
export async function journalPaths(folder: string): Promise<string[]> {
  try {
    const names = await readdir(folder);
    return names
      .filter((name) => name.endsWith(suffix))
      .sort()
      .map((name) => join(folder, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw diskError(error, folder);
  }
}

/** Read a journal's good records in order, in bounded memory. The file stays as it is. `damaged`: places where records are missing. */
export async function readJournal(
  path: string,
  visitor: RecordVisitor,
): Promise<{ readonly end: RecordsEnd; readonly damaged: number }> {
  const file = await open(path);
  try {
    const parser = new RecordParser(visitor);
    for (let at = 0; ;) {
      const chunk = Buffer.allocUnsafe(readChunkBytes);
      const { bytesRead } = await file.read(chunk, 0, readChunkBytes, at);
      if (bytesRead === 0 || !parser.push(chunk.subarray(0, bytesRead)))
        return { end: parser.end(), damaged: parser.damaged };
      at += bytesRead;
    }
  } catch (error) {
    throw diskError(error, path);
  } finally {
    await file.close();
  }
}

/**
 * Reads records back by their place. Rows finish nearly in order, but as far from it as calls are in flight: the window holds most shards' journals
 * whole, and of a longer one as much before the record asked for as after it.
 * The descriptor is held from the start: the files of a shard may be unlinked by whichever attempt commits it first.
 */
export class RecordReader {
  /** Filled anew for each window: memory that comes and goes with every one would have the collector run over the whole heap. */
  private held: Buffer = Buffer.alloc(0);
  private window: Buffer = this.held;
  private windowAt = 0;

  private constructor(
    readonly path: string,
    private readonly fd: number,
    private readonly owned: boolean,
  ) {}

  static open(path: string): RecordReader {
    return new RecordReader(path, fs.openSync(path, 'r'), true);
  }

  /** Over a descriptor that somebody else closes. */
  static over(path: string, fd: number): RecordReader {
    return new RecordReader(path, fd, false);
  }

  /** The framed record at a place; valid until the next call. Errors: Unexpected when it is not there. */
  frame({ offset, bytes }: RecordPlace): Buffer {
    const length = framedBytes(bytes);
    if (offset < this.windowAt || offset + length > this.windowAt + this.window.length) this.moveTo(offset, length);
    const start = offset - this.windowAt;
    return this.window.subarray(start, start + length);
  }

  /** The result's line of the record at a place, verified. Errors: Unexpected (retryable: the next attempt makes it again). */
  line(place: RecordPlace): string {
    const line = lineOf(this.frame(place));
    if (line === undefined) {
      throw new ArteError('Unexpected', {
        what: `The row journal ${this.path} was damaged after it was written.`,
        why: `The record at byte ${place.offset} does not match its checksum.`,
        next: 'The next attempt makes the lost rows again; check the disk if it repeats.',
      });
    }
    return line;
  }

  /** Up to `bytes` bytes from `offset`. */
  read(offset: number, bytes: number): Buffer {
    return this.fill(Buffer.allocUnsafe(bytes), offset);
  }

  close(): void {
    this.held = this.window = Buffer.alloc(0);
    if (this.owned) fs.closeSync(this.fd);
  }

  /** Have the window hold this record, whole as far as the file does. */
  private moveTo(offset: number, length: number): void {
    const { size } = fs.fstatSync(this.fd);
    this.windowAt = size <= windowBytes ? 0 : Math.max(0, offset - windowBytes / 2);
    const wanted = Math.max(Math.min(windowBytes, size - this.windowAt), offset - this.windowAt + length);
    if (this.held.length < wanted) this.held = Buffer.allocUnsafe(wanted);
    this.window = this.fill(this.held.subarray(0, wanted), this.windowAt);
  }

  /** The buffer's beginning, with as many bytes as the file has from `offset` on. */
  private fill(buffer: Buffer, offset: number): Buffer {
    let filled = 0;
    while (filled < buffer.length) {
      const got = fs.readSync(this.fd, buffer, filled, buffer.length - filled, offset + filled);
      if (got === 0) break;
      filled += got;
    }
    return buffer.subarray(0, filled);
  }
}

/** Remove a shard's journals; missing is success. */
export async function removeJournals(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}

function diskError(error: unknown, path: string): ArteError {
  if (error instanceof ArteError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new ArteError(
      'DiskFull',
      {
        what: `The row journal ${path} cannot grow: the disk is full.`,
        why: message,
        next: 'Make room on that disk, then arte retry RUN. Rows answered so far are kept.',
      },
      { cause: error },
    );
  }
  return new ArteError(
    'Unexpected',
    {
      what: `The row journal ${path} cannot be used.`,
      why: message,
      next: 'Check the data directory and its disk; the rows are tried again by themselves.',
    },
    { cause: error },
  );
}
