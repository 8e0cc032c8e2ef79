/**
 * The project's scorer for one model folder: log-probabilities of given texts, by python/score.py.
 *
 * Owns: how it is started and how it is spoken to. Leaves the start itself to server-child.ts, whose turn it is to pool.ts, the protocol to
 * given-text.ts. It is an endpoint like any other, so that the row engine keeps every row; it writes no answers.
 */
import { join } from 'node:path';
import { modelServerCallMs } from '../../schemas/limits';
import type { Capabilities, EndpointSettings } from './model';
import { createOpenAiEndpoint } from './openai-http';
import { startServerChild, type ModelServer } from './server-child';

export type ScorerSettings = Extract<EndpointSettings, { kind: 'scorer' }>;

export const scorerCapabilities: Capabilities = {
  n: false,
  promptLogprobs: true,
  structured: false,
  seed: false,
  perRequestSampling: true,
  completion: true,
  extendedSampling: false,
};

/** Rows in flight for a batch of so many: the next batch is there when one is done, and its tokens are cut meanwhile. */
export function scorerConcurrency(batchRows: number): { start: number; max: number } {
  return { start: 2 * batchRows, max: 2 * batchRows };
}

export interface ScorerOptions {
  /** Identifies limiter and metrics. */
  readonly id: string;
  /** Interpreter of the Python environment. */
  readonly python: string;
  /** Folder of score.py. */
  readonly scriptDir: string;
  readonly logDir: string;
  /** The model as a Hugging Face folder. */
  readonly folder: string;
  readonly settings: ScorerSettings;
  readonly deviceLockPath: string;
  /** Ends the start, not the scorer. */
  readonly signal: AbortSignal;
  /** As server-child.ts has it. */
  readonly onDevice?: (waits: boolean) => void;
}

/** Start a scorer and wait until it answers. Errors: those of startServerChild. */
export function startScorer(options: ScorerOptions): Promise<ModelServer> {
  const { id, python, scriptDir, logDir, folder, settings, deviceLockPath, signal } = options;
  return startServerChild({
    name: `The scorer for ${folder}`,
    command: python,
    args: [
      ...[join(scriptDir, 'score.py'), '--model', folder, '--dtype', settings.dtype],
      ...['--batch-rows', String(settings.batchRows), '--device-lock', deviceLockPath],
    ],
    logPath: join(logDir, 'scorer.log'),
    probePath: '/',
    endpoint: (origin, apiKey) =>
      createOpenAiEndpoint({
        id,
        baseUrl: `${origin}/v1`,
        model: 'model',
        apiKey,
        dialect: 'scorer',
        capabilities: scorerCapabilities,
        concurrency: scorerConcurrency(settings.batchRows),
        timeoutMs: modelServerCallMs,
      }),
    signal,
    ...(options.onDevice && { onDevice: options.onDevice }),
  });
}
