/**
 * One run of python/export.py: a form of a model is made, or an ArteError says why not.
 * Owns the child's words (child.py's events) and the lock under which one process of this machine makes a form at a time.
 * Leaves to materialize.ts and resolve.ts what is made, and where it is kept.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ArteError, errorCodes, type ErrorCode } from '../../schemas/errors';
import { tryLock } from '../local/lock';
import { startChild } from '../process';

/** How often a lock is asked for that another process holds while it makes the same form: making takes seconds to hours. */
const lockPollMs = 500;
/** Lines of a failed child's log that stand in the error. */
const tailLinesMax = 12;

export interface ExportRun {
  readonly python: string;
  readonly scriptDir: string;
  readonly logDir: string;
  /** Names the log: export-NAME.log. */
  readonly name: string;
  readonly args: readonly string[];
  /** Locks that the work belongs under: they stay held while the child lives. */
  readonly inherit?: readonly number[];
  readonly signal?: AbortSignal;
}

/** What a Python child says about its failure. */
export interface ChildFailure {
  readonly code: string;
  readonly what: string;
  readonly why: string;
  readonly next: string;
  readonly details?: readonly string[];
}

/**
 * Run export.py to its end. Returns the fields of its `done`.
 * Errors: those that export.py names; Unexpected when it dies without a word. On abort the child is gone before the promise rejects.
 */
export async function runExport(run: ExportRun): Promise<{ readonly path?: string; readonly commit?: string }> {
  const { signal } = run;
  signal?.throwIfAborted();
  let done: { path?: string; commit?: string } | undefined;
  let failure: ChildFailure | undefined;
  const logPath = join(run.logDir, `export-${run.name}.log`);
  const child = startChild({
    name: `export.py ${run.args[0] ?? ''}`,
    command: run.python,
    args: [join(run.scriptDir, 'export.py'), ...run.args],
    logPath,
    ...(run.inherit ? { inherit: run.inherit } : {}),
    onLine: (line) => {
      const event = parseEvent(line);
      if (event?.event === 'done') {
        done = event as { path?: string; commit?: string };
      } else if (event?.event === 'error') {
        failure = event as unknown as ChildFailure;
      }
    },
  });
  // No grace: what is half made lies beside its place and is thrown away anyway.
  const stop = (): void => void child.stop(0);
  signal?.addEventListener('abort', stop, { once: true });
  const exit = await child.exited;
  signal?.removeEventListener('abort', stop);
  if (done !== undefined && exit.code === 0) {
    return done;
  }
  signal?.throwIfAborted();
  throw failure === undefined
    ? new ArteError('Unexpected', {
        what: `export.py ${run.args[0] ?? ''} ended without a result.`,
        why:
          exit.signal === 'SIGKILL'
            ? 'It was killed; the usual reason is that the machine has no memory left.'
            : `It ended with ${exit.signal ?? `status ${String(exit.code)}`}.`,
        next: `Read ${logPath}.`,
        details: child.tail().slice(-tailLinesMax),
      })
    : failureError(failure);
}

/** An `error` line of a Python child as the error it is. */
export function failureError({ code, what, why, next, details }: ChildFailure): ArteError {
  const known: ErrorCode = code in errorCodes ? (code as ErrorCode) : 'Unexpected';
  return new ArteError(known, { what, why, next, ...(details ? { details } : {}) });
}

/** A line of a Python child, or undefined when it is none of ours. */
export function parseEvent(line: string): { readonly event: string; readonly [field: string]: unknown } | undefined {
  try {
    const value = JSON.parse(line) as { event?: unknown } | null;
    return typeof value?.event === 'string' ? (value as { event: string }) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Do something that only one process of this machine may do at a time. The lock dies with its holder and the children it was
 * handed to (`inherit: [fd]`). `python` is any interpreter; left out: python3 of PATH.
 */
export async function underLock<T>(
  path: string,
  python: string | undefined,
  signal: AbortSignal | undefined,
  work: (fd: number) => Promise<T>,
): Promise<T> {
  for (;;) {
    signal?.throwIfAborted();
    const lock = await tryLock(path, python ?? 'python3');
    if (lock !== undefined) {
      try {
        return await work(lock.fd);
      } finally {
        await lock.release();
      }
    }
    await delay(lockPollMs, undefined, signal ? { signal } : {}).catch(() => undefined);
  }
}
