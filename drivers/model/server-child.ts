/**
 * A model server as a child process: started, waited for, and gone when it is stopped. What the servers of this folder have in common.
 *
 * Owns: the child's words (`ready`, `error`, waiting for the device), its key, the limit on its start and why that failed.
 * Leaves to llama-cpp.ts and scorer.ts what is started and the endpoint that speaks to it, to pool.ts when.
 *
 * Invariants:
 * 1. The server holds the device lock for as long as it lives; waiting for the lock has no time limit, starting has one.
 * 2. Its key is fresh, in its environment and in our memory only.
 * 3. When `stop` has resolved, process and port are gone.
 */
import { randomBytes } from 'node:crypto';
import { request } from 'undici';
import { ArteError } from '../../schemas/errors';
import { modelServerStartMs, stallLogLinesMax } from '../../schemas/limits';
import type { LogTail } from '../../schemas/stall-dump';
import { StallError } from '../../schemas/stall-error';
import { startChild, type ChildExit } from '../process';
import { failureError, parseEvent, type ChildFailure } from './export-form';
import type { ModelEndpoint } from './model';
import type { OpenAiEndpoint } from './openai-http';

/** Lines of the server's log that stand in the error. */
const tailLinesMax = 15;

export interface ModelServer {
  readonly endpoint: ModelEndpoint;
  readonly port: number;
  /** Of the server itself. */
  readonly pid: number;
  /** Resolves when it has ended, for whatever reason. */
  readonly exited: Promise<ChildExit>;
  /** Whether it answers a question about itself in time: a server that hangs takes connections and does nothing. */
  responds(withinMs: number): Promise<boolean>;
  /** The end of its log, without its key. */
  log(): LogTail;
  /** Ends it; idempotent. */
  stop(): Promise<void>;
}

export interface ServerChildOptions {
  /** What it is, in messages: "The llama.cpp server for model.gguf". */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly logPath: string;
  /** The server lets in nobody without it. Drawn anew where the caller has no calls of its own to make. */
  readonly apiKey?: string;
  /** A path that a healthy server answers with 200. */
  readonly probePath: string;
  readonly endpoint: (origin: string, apiKey: string) => OpenAiEndpoint;
  /** Ends the start, not the server. */
  readonly signal: AbortSignal;
  /** Told while another process has the device, and once when the server has it. */
  readonly onDevice?: (waits: boolean) => void;
}

/**
 * Start a server and wait until it answers.
 * Errors: ModelServerFailed with the end of its log; what the child itself names; the signal's reason, and then the child is gone.
 */
export async function startServerChild(options: ServerChildOptions): Promise<ModelServer> {
  const { name, command, args, logPath, signal } = options;
  signal.throwIfAborted();
  const apiKey = options.apiKey ?? randomBytes(24).toString('hex');
  let failure: ChildFailure | undefined;
  let onReady: (ready: { port: number; pid: number }) => void = () => undefined;
  let onDevice: () => void = () => undefined;
  const ready = new Promise<{ port: number; pid: number }>((resolve) => (onReady = resolve));
  const child = startChild({
    name,
    command,
    args,
    env: { ARTE_SERVE_API_KEY: apiKey },
    logPath,
    onLine: (line) => {
      const event = parseEvent(line);
      if (event?.event === 'ready') {
        onReady(event as unknown as { port: number; pid: number });
      } else if (event?.event === 'error') {
        failure = event as unknown as ChildFailure;
      } else if (event?.event === 'waiting-for-device' || event?.event === 'device-held') {
        onDevice();
        options.onDevice?.(event.event === 'waiting-for-device');
      }
    },
  });

  const log = (): LogTail => ({
    path: logPath,
    lines: child
      .tail()
      .slice(-stallLogLinesMax)
      .map((line) => line.replaceAll(apiKey, '[key]')),
  });
  let timer: NodeJS.Timeout | undefined;
  let onAbort: (() => void) | undefined;
  const late = new Promise<'late'>((resolve) => {
    // Each word about the device starts the time anew: only loading is limited.
    onDevice = () => {
      clearTimeout(timer);
      timer = setTimeout(() => resolve('late'), modelServerStartMs);
    };
    onDevice();
  });
  const aborted = new Promise<'aborted'>((resolve) => {
    onAbort = () => resolve('aborted');
    signal.addEventListener('abort', onAbort, { once: true });
  });
  const dead = child.exited.then(() => 'dead' as const);
  const outcome = await Promise.race([ready, late, aborted, dead]);
  clearTimeout(timer);
  if (onAbort) {
    signal.removeEventListener('abort', onAbort);
  }
  if (typeof outcome === 'string') {
    await child.stop(0);
    signal.throwIfAborted();
    const tail = child.tail().slice(-tailLinesMax);
    if (outcome === 'late') {
      throw new StallError('ModelServerFailed', lateWords(name, logPath, tail), {
        ...{ phase: 'start', silentMs: modelServerStartMs, limitMs: modelServerStartMs, log: log() },
      });
    }
    if (failure !== undefined) {
      throw failureError({ ...failure, details: tail });
    }
    throw new ArteError('ModelServerFailed', {
      what: `${name} did not start.`,
      why: endOf(await child.exited),
      next: `Read ${logPath}; too little memory is the usual reason.`,
      details: tail,
    });
  }

  const { port, pid } = outcome;
  const origin = `http://127.0.0.1:${port}`;
  const endpoint = options.endpoint(origin, apiKey);
  const exited = child.exited.then(async (exit) => {
    await endpoint.close().catch(() => undefined);
    return exit;
  });
  return {
    endpoint,
    port,
    pid,
    exited,
    async responds(withinMs) {
      try {
        const { statusCode, body } = await request(`${origin}${options.probePath}`, {
          headers: { authorization: `Bearer ${apiKey}` },
          signal: AbortSignal.timeout(withinMs),
        });
        await body.dump();
        return statusCode === 200;
      } catch {
        return false;
      }
    },
    log,
    async stop() {
      await child.stop();
      await exited;
    },
  };
}

function lateWords(name: string, logPath: string, details: readonly string[]) {
  return {
    what: `${name} did not start.`,
    why: `It was not ready after ${modelServerStartMs / 60_000} minutes.`,
    next: `Read ${logPath}; too little memory is the usual reason.`,
    details,
  };
}

function endOf({ code, signal }: ChildExit): string {
  // The guard passes a signal on as 128 + its number, as shells do.
  const killed = signal === 'SIGKILL' || code === 137;
  if (killed) {
    return 'It was killed; the usual reason is that the machine has no memory left.';
  }
  return `It ended with ${signal ?? `status ${String(code)}`}.`;
}
