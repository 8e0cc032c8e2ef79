/**
 * One llama.cpp server for one GGUF: a child process that serves until it is stopped, or dies with us.
 *
 * Owns: what python/serve.py is started with, and the endpoint that speaks to it.
 * Leaves to server-child.ts its start and end, to pool.ts when it is started, who shares it and what happens when it dies; to
 * openai-http.ts the calls.
 */
import { join } from 'node:path';
import { modelServerCallMs } from '../../schemas/limits';
import type { Capabilities, EndpointSettings } from './model';
import { createOpenAiEndpoint } from './openai-http';
import { startServerChild, type ModelServer } from './server-child';

export type ManagedSettings = Extract<EndpointSettings, { kind: 'managed' }>;

/** What llama.cpp's server does as serve.py starts it. */
export const llamaCppCapabilities: Capabilities = {
  n: true,
  promptLogprobs: false,
  structured: true,
  seed: true,
  perRequestSampling: true,
  completion: true,
  extendedSampling: true,
};

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
  /** As server-child.ts has it. */
  readonly onDevice?: (waits: boolean) => void;
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
 * Errors: those of startServerChild; InvalidConfig when the model's context is shorter than asked for.
 */
export function startLlamaServer(options: LlamaServerOptions): Promise<ModelServer> {
  const { id, python, scriptDir, settings, signal } = options;
  return startServerChild({
    name: `The llama.cpp server for ${options.ggufPath}`,
    command: python,
    args: [
      join(scriptDir, 'guard.py'),
      ...['run', '--grace', '1', '--', python, join(scriptDir, 'serve.py')],
      ...['--gguf', options.ggufPath],
      ...['--slots', String(settings.slots)],
      ...['--context-tokens', String(settings.contextTokens)],
      ...['--threads', String(settings.threads)],
      ...['--device-lock', options.deviceLockPath],
    ],
    logPath: join(options.logDir, 'model-server.log'),
    ...(options.apiKey === undefined ? {} : { apiKey: options.apiKey }),
    probePath: '/slots',
    endpoint: (origin, apiKey) =>
      createOpenAiEndpoint({
        id,
        baseUrl: `${origin}/v1`,
        model: 'model',
        apiKey,
        dialect: 'llama.cpp',
        capabilities: llamaCppCapabilities,
        concurrency: llamaCppConcurrency(settings.slots),
        timeoutMs: modelServerCallMs,
      }),
    signal,
    ...(options.onDevice && { onDevice: options.onDevice }),
  });
}
