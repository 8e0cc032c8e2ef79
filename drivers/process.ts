/**
 * Child processes that die with us.
 *
 * Owns: starting a program as the leader of its own process group, its lifeline, its lines, its log and its end.
 * Leaves to callers: what the lines mean, when a child is ready, and whether it is started again.
 *
 * Invariants:
 * 1. A child's stdin is a pipe that only this process holds. It is never written to; when we die, by whatever signal, the
 *    child reads end-of-file and ends (python/ scripts watch it themselves, foreign programs run under python/guard.py).
 * 2. When the leader has ended, so has its group: what it left running is killed before `exited` resolves.
 * 3. Memory is bounded: a line has a greatest length, the tail has a greatest number of lines, and a log that cannot be
 *    written as fast as the child talks slows the child instead of filling a buffer.
 * 4. No shell: a program and an argument vector.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants, createWriteStream, mkdirSync, renameSync, statSync, type WriteStream } from 'node:fs';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { ArteError } from '../schemas/errors';
import {
  childLineCharactersMax,
  childTailLineCharactersMax,
  childTailLinesMax,
  killGraceMs,
  logFileBytesMax,
} from '../schemas/limits';

/** After the leader's end its pipes are read for at most this long: a grandchild that left the group may hold them open. */
const drainMs = 1_000;
/** How often the emptiness of a group is looked at while it is being ended. */
const groupPollMs = 20;

export interface ChildOptions {
  /** What the child is called in messages. */
  readonly name: string;
  /** A program: a path, or a name that is looked for on PATH. */
  readonly command: string;
  readonly args: readonly string[];
  /** Laid over this process's environment; undefined takes a variable away. Secrets belong here, never into args. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** stderr is appended here (and stdout, when there is no onLine or logsLines is set). The folder is made; a log that has grown large is set aside as `.1`. */
  readonly logPath?: string;
  /** Open files handed on as descriptors 3, 4, …: a lock that the child's work belongs under (local/lock.ts). */
  readonly inherit?: readonly number[];
  /** Called with each whole line of stdout, without its line end; a line that is too long is cut. */
  readonly onLine?: (line: string) => void;
  /** stdout is logged although it is also read: a program whose stdout is a log with a few lines for us in it. */
  readonly logsLines?: boolean;
}

export interface Child {
  /** Also the id of its process group. */
  readonly pid: number;
  /** Never rejects. Resolves when the leader has ended, its output was read and its group is empty or was killed. */
  readonly exited: Promise<ChildExit>;
  /** SIGTERM to the group, after graceMs (default killGraceMs) SIGKILL to the group; resolves when it is gone. Idempotent. */
  stop(graceMs?: number): Promise<void>;
  /** The last lines of what was logged, oldest first. */
  tail(): readonly string[];
}

export interface ChildExit {
  readonly code: number | null;
  readonly signal: string | null;
}

/**
 * Start a program as a child that cannot outlive this process.
 * Errors: Unexpected when the operating system cannot start it (why says what is missing).
 */
export function startChild(options: ChildOptions): Child {
  const child = spawn(options.command, [...options.args], {
    detached: true,
    shell: false,
    stdio: ['pipe', 'pipe', 'pipe', ...(options.inherit ?? [])],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: environment(options.env),
  });
  // A failed start is reported below, at once; this only keeps the event from being an uncaught exception.
  child.on('error', () => undefined);
  const pid = child.pid;
  if (pid === undefined) {
    throw startFailure(options);
  }
  // A child that ends first makes the lifeline a broken pipe: no news to anyone.
  child.stdin?.on('error', () => undefined);

  const tail: string[] = [];
  const log = options.logPath === undefined ? undefined : new LogFile(options.logPath);
  const keep = (line: string): void => {
    tail.push(line.slice(0, childTailLineCharactersMax));
    if (tail.length > childTailLinesMax) {
      tail.shift();
    }
  };
  const toLog = (stream: Readable): void => {
    stream.on('data', (bytes: Buffer) => log?.append(bytes, stream));
    eachLine(stream, keep);
  };
  if (child.stderr) {
    toLog(child.stderr);
  }
  if (child.stdout) {
    const { onLine } = options;
    if (onLine === undefined || options.logsLines === true) {
      toLog(child.stdout);
    }
    if (onLine !== undefined) {
      eachLine(child.stdout, (line) => {
        try {
          onLine(line);
        } catch (error) {
          // The reader's mistake must not end the process that holds the child.
          keep(`${options.name}: a line could not be used: ${String(error)}`);
        }
      });
    }
  }

  const exited = ended(child, pid).finally(() => log?.close());
  let stopping: Promise<void> | undefined;
  const end = async (graceMs: number): Promise<void> => {
    signalGroup(pid, 'SIGTERM');
    if (!(await within(exited, graceMs))) {
      signalGroup(pid, 'SIGKILL');
      await exited;
    }
  };
  return {
    pid,
    exited,
    stop: (graceMs = killGraceMs) => (stopping ??= end(graceMs)),
    tail: () => [...tail],
  };
}

/** Whether a process with this id exists (it may belong to somebody else). */
export function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Send a signal to a whole process group; false when there is none of that id. */
export function signalGroup(groupId: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-groupId, signal);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function environment(overrides: ChildOptions['env']): NodeJS.ProcessEnv {
  const laidOver = Object.entries({ ...process.env, ...overrides });
  return Object.fromEntries(laidOver.filter(([, value]) => value !== undefined));
}

function startFailure({ name, command, cwd }: ChildOptions): ArteError {
  let why = 'The system has no process, memory or file handle left, or the program is not on PATH.';
  if (cwd !== undefined && !readable(cwd, constants.X_OK)) {
    why = `Its folder ${cwd} is not there.`;
  } else if (command.includes('/') && !readable(command, constants.F_OK)) {
    why = `${command} is not there.`;
  } else if (command.includes('/') && !readable(command, constants.X_OK)) {
    why = `${command} may not be executed.`;
  }
  return new ArteError('Unexpected', {
    what: `${name} could not be started (${command}).`,
    why,
    next: 'Run `arte doctor`; it checks the programs that arte needs.',
  });
}

function readable(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

async function ended(child: ChildProcess, pid: number): Promise<ChildExit> {
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const exit = await new Promise<ChildExit>((resolve) =>
    child.once('exit', (code, signal) => resolve({ code, signal })),
  );
  child.stdin?.destroy();
  // Grandchildren in the group: they had their SIGTERM if there was one, and nobody is left to lead them.
  if (signalGroup(pid, 'SIGKILL')) {
    const deadline = Date.now() + drainMs;
    while (signalGroup(pid, 0) && Date.now() < deadline) {
      await delay(groupPollMs);
    }
  }
  if (!(await within(closed, drainMs))) {
    child.stdout?.destroy();
    child.stderr?.destroy();
  }
  return exit;
}

/** Calls back with each line of a stream; characters of a line beyond the greatest length are dropped. */
function eachLine(stream: Readable, onLine: (line: string) => void): void {
  const decoder = new StringDecoder('utf8');
  let line = '';
  const take = (text: string): void => {
    const room = childLineCharactersMax - line.length;
    line += text.length > room ? text.slice(0, room) : text;
  };
  const flush = (): void => {
    onLine(line.endsWith('\r') ? line.slice(0, -1) : line);
    line = '';
  };
  stream.on('data', (bytes: Buffer) => {
    const text = decoder.write(bytes);
    let from = 0;
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', from)) {
      take(text.slice(from, at));
      flush();
      from = at + 1;
    }
    take(text.slice(from));
  });
  stream.once('close', () => {
    take(decoder.end());
    if (line !== '') {
      flush();
    }
  });
  stream.on('error', () => undefined);
}

/** An append-only log that never throws: a full disk loses log lines, not the work that is logged. */
class LogFile {
  private readonly path: string;
  private file: WriteStream | undefined;
  private bytes = 0;
  /** Streams that wait until the disk has caught up. */
  private readonly paused = new Set<Readable>();

  constructor(path: string) {
    this.path = path;
    this.file = this.open();
  }

  append(chunk: Buffer, source: Readable): void {
    this.bytes += chunk.length;
    if (this.bytes > logFileBytesMax) {
      this.file?.end();
      this.file = this.open();
    }
    if (this.file === undefined) {
      return;
    }
    if (!this.file.write(chunk)) {
      source.pause();
      this.paused.add(source);
    }
  }

  close(): void {
    this.file?.end();
  }

  private open(): WriteStream | undefined {
    try {
      mkdirSync(dirname(this.path), { recursive: true });
      this.bytes = statSync(this.path, { throwIfNoEntry: false })?.size ?? 0;
      if (this.bytes > logFileBytesMax / 2) {
        renameSync(this.path, `${this.path}.1`);
        this.bytes = 0;
      }
      const file = createWriteStream(this.path, { flags: 'a', mode: 0o600 });
      const resume = (): void => {
        for (const source of this.paused) source.resume();
        this.paused.clear();
      };
      file.on('drain', resume);
      file.on('close', resume);
      file.on('error', () => {
        if (this.file === file) this.file = undefined;
      });
      return file;
    } catch {
      return undefined;
    }
  }
}

/** Whether the promise settled within so many milliseconds; leaves no timer behind. */
async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
