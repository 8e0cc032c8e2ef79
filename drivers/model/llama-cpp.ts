/**
 * One llama.cpp server for one GGUF: a child process that serves until it is stopped, or dies with us.
 *
 * Owns: starting python/serve.py, waiting until it is ready, its key, and the endpoint that speaks to it.
 * Leaves to pool.ts when it is started, who shares it and what happens when it dies; to openai-http.ts the calls.
 *
 * Invariants:
 * 1. The server holds the device lock for as long as it lives; waiting for the lock has no time limit, starting has one.
 * 2. Its key is fresh, in its environment and in our memory only.
 * 3. When `stop` has resolved, process and port are gone.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { request } from 'undici';
import { ArteError } from '../../schemas/errors';
import { modelServerCallMs, modelServerStartMs } from '../../schemas/limits';
import { startChild, type ChildExit } from '../process';
import { failureError, parseEvent, type ChildFailure } from './export-form';
import type { Capabilities, EndpointSettings, ModelEndpoint } from './model';
import { createOpenAiEndpoint } from './openai-http';

export type ManagedSettings = Extract<EndpointSettings, { kind: 'managed' }>;

/** What llama.cpp's server does as serve.py starts it. */
export const llamaCppCapabilities: Capabilities = {
  n: true,
  logprobs: true,
  promptLogprobs: false,
  structured: true,
  seed: true,
  hotLora: false,
  perRequestSampling: true,
  completion: true,
  extendedSampling: true,
};

/** Lines of the server's log that stand in the error. */
const tailLinesMax = 15;

export interface LlamaServerOptions {
  /** Identifies limiter and metrics; the same for every server of the same model. */
  readonly id: string;
  /** Interpreter of the Python environment. */
  readonly python: string;
  /** Folder of serve.py and guard.py. */
  readonly scriptDir: string;
  readonly logDir: string;
  readonly ggufPath: string;
  readonly settings: ManagedSettings;
  readonly deviceLockPath: string;
  /** The server lets in nobody without it. Drawn anew where the caller has no calls of its own to make. */
  readonly apiKey?: string;
  /** Ends the start, not the server. */
  readonly signal: AbortSignal;
}

export interface ModelServer {
  readonly endpoint: ModelEndpoint;
  readonly port: number;
  /** Of the server itself. */
  readonly pid: number;
  /** Resolves when it has ended, for whatever reason. */
  readonly exited: Promise<ChildExit>;
  /** Whether it answers a question about its slots in time: a server that hangs takes connections and does nothing. */
  responds(withinMs: number): Promise<boolean>;
  /** Ends it; idempotent. */
  stop(): Promise<void>;
}

/**
 * How many calls in flight are worth it for a server with so many slots: no more. A call that waited inside the server would get the next
 * free slot, and the call that continues that slot's prompt another one, whose prefix cache holds something else.
 */
export function llamaCppConcurrency(slots: number): { start: number; max: number } {
  return { start: slots, max: slots };
}

/**
 * Start a server and wait until it answers.
 * Errors: ModelServerFailed with the end of its log; InvalidConfig when the model's context is shorter than asked for; the
 * signal's reason, and then the child is gone.
 */
export async function startLlamaServer(options: LlamaServerOptions): Promise<ModelServer> {
  const { id, settings, signal } = options;
  signal.throwIfAborted();
  const apiKey = options.apiKey ?? randomBytes(24).toString('hex');
  const logPath = join(options.logDir, 'model-server.log');
  let failure: ChildFailure | undefined;
  let onReady: (ready: { port: number; pid: number }) => void = () => undefined;
  let onDevice: () => void = () => undefined;
  const ready = new Promise<{ port: number; pid: number }>((resolve) => (onReady = resolve));
  const child = startChild({
    name: 'llama.cpp server',
    command: options.python,
    args: [
      join(options.scriptDir, 'guard.py'),
      ...['run', '--grace', '1', '--', options.python, join(options.scriptDir, 'serve.py')],
      ...['--gguf', options.ggufPath],
      ...['--slots', String(settings.slots)],
      ...['--context-tokens', String(settings.contextTokens)],
      ...['--threads', String(settings.threads)],
      ...['--device-lock', options.deviceLockPath],
    ],
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
      }
    },
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
    if (failure !== undefined) {
      throw failureError({ ...failure, details: tail });
    }
    throw new ArteError('ModelServerFailed', {
      what: `The llama.cpp server for ${options.ggufPath} did not start.`,
      why:
        outcome === 'late'
          ? `It was not ready after ${modelServerStartMs / 60_000} minutes.`
          : endOf(await child.exited),
      next: `Read ${logPath}; too little memory is the usual reason.`,
      details: tail,
    });
  }

  const { port, pid } = outcome;
  const origin = `http://127.0.0.1:${port}`;
  const endpoint = createOpenAiEndpoint({
    id,
    baseUrl: `${origin}/v1`,
    model: 'model',
    apiKey,
    dialect: 'llama.cpp',
    capabilities: llamaCppCapabilities,
    concurrency: llamaCppConcurrency(settings.slots),
    timeoutMs: modelServerCallMs,
  });
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
        const { statusCode, body } = await request(`${origin}/slots`, {
          headers: { authorization: `Bearer ${apiKey}` },
          signal: AbortSignal.timeout(withinMs),
        });
        await body.dump();
        return statusCode === 200;
      } catch {
        return false;
      }
    },
    async stop() {
      await child.stop();
      await exited;
    },
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
