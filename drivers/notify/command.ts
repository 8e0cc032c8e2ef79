/**
 * A message as the stdin of a program. No shell: a program and its arguments.
 * A program of its own process group: what is left of it when its time is over is killed. It gets this process's environment; its output is read
 * for the last line, which says why it failed, and is kept nowhere.
 */
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { signalGroup } from '../process';
import { DeliveryFailure, type NotifyTarget } from './notifier';

type Command = Extract<NotifyTarget, { kind: 'command' }>;

/** The end of what it said, for the last line of it. */
const outputCharactersMax = 2_000;
const quotedCharactersMax = 200;
/** Its last words may come after its end; a process that left its group may hold its output open for ever. */
const lastWordsMs = 500;

/** Exit code 0 is delivered; another one, a signal or a time-out may be so next time. A program that is not there is final. Errors: DeliveryFailure. */
export async function runCommand({ command, timeoutMs }: Command, body: string, signal: AbortSignal): Promise<void> {
  const [program = '', ...args] = command;
  const child = spawn(program, args, { detached: true, shell: false, stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString('utf8')).slice(-outputCharactersMax);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  // A program need not read what it is told.
  child.stdin.on('error', () => undefined);
  child.stdin.end(body);
  const outputEnded = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const kill = (): void => {
    if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
  };
  const deadline = new AbortController();
  const timer = setTimeout(() => {
    deadline.abort();
    kill();
  }, timeoutMs);
  signal.addEventListener('abort', kill, { once: true });
  try {
    const ended = await new Promise<string | undefined>((resolve, reject) => {
      child.once('error', ({ code, message }: NodeJS.ErrnoException) =>
        reject(new DeliveryFailure(`The program could not be started: ${code ?? message}.`, true)),
      );
      // Not `close`: something that it left running may hold its output open.
      child.once('exit', (code, by) =>
        resolve(code === 0 ? undefined : by === null ? `with code ${String(code)}` : `by ${by}`),
      );
    });
    signal.throwIfAborted();
    if (deadline.signal.aborted)
      throw new DeliveryFailure(`It did not end within ${timeoutMs / 1000} s, and was ended.`, false);
    if (ended === undefined) return;
    kill();
    await Promise.race([outputEnded, sleep(lastWordsMs)]);
    const last = output.trimEnd().split('\n').at(-1)?.slice(0, quotedCharactersMax) ?? '';
    throw new DeliveryFailure(`It ended ${ended}${last === '' ? '.' : `: ${last}`}`, false);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', kill);
    kill();
    child.stdout.destroy();
    child.stderr.destroy();
  }
}
