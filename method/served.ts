/**
 * How a model is served, as far as it changes answers: part of the key of every row and row stage.
 * Owns the line between what changes an answer and what only changes how fast it comes. Which model it is, is the ModelRef's.
 *
 * In: the server and its version, the form of the weights, the length of the context (it decides what is cut or refused), and
 * which sampling fields reach the server, under which name. Out: addresses, served names, keys, slots, threads, timeouts.
 */
import type { JsonValue } from '../schemas/json';
import type { EndpointConfig, ModelConfig } from '../schemas/config/models';
import type { RunConfig } from '../schemas/run-config';

/** The llama.cpp that python/requirements.txt pins; test/method/served.test.ts compares them. */
export const llamaCppVersion = '2026.10.11549';

/** The transformers that python/requirements.txt pins; test/method/served.test.ts compares them. */
export const transformersVersion = '5.18.0';

/** The project's scorer, which reads a model's weights itself (score.scorer). No user writes it as an endpoint. */
export interface ScorerEndpoint {
  readonly kind: 'scorer';
  readonly dtype: RunConfig['score']['scorer']['dtype'];
  readonly batch_rows: number;
}

export type AskedEndpoint = EndpointConfig | ScorerEndpoint;

/** A model as a stage asks it. */
export type AskedModel = Omit<ModelConfig, 'endpoint'> & { readonly endpoint: AskedEndpoint };

/**
 * Who says how probable a text is to the student: its endpoint where that can, else the scorer. What a server of others charges is no price of
 * the scorer's, which runs on the machine of the worker.
 */
export function textScorer({ models: { student }, score: { scorer } }: RunConfig): AskedModel {
  const { endpoint, price } = student;
  if (endpoint.kind === 'scripted' || scoresTexts(endpoint)) return student;
  const free = { input: 0, cached_input: 0, output: 0, training_hour: price.training_hour };
  return {
    ...student,
    endpoint: { kind: 'scorer', ...scorer },
    price: endpoint.kind === 'managed' ? price : free,
  };
}

/** A server that gives the log-probabilities of a prompt, in the one dialect that has them with ranks. */
export function scoresTexts(endpoint: EndpointConfig): boolean {
  return endpoint.kind === 'static' && endpoint.dialect === 'vllm' && endpoint.capabilities.prompt_logprobs;
}

export function servedIdentity(endpoint: AskedEndpoint): JsonValue {
  switch (endpoint.kind) {
    case 'scorer':
      // How many rows share a forward pass changes nothing beyond rounding (1e-4), and neither does the device.
      return { server: 'scorer', version: transformersVersion, dtype: endpoint.dtype };
    case 'managed':
      return {
        server: endpoint.server,
        version: llamaCppVersion,
        quantization: endpoint.quantization,
        contextTokens: endpoint.context_tokens,
      };
    case 'static':
      // Which program answers there, and in which precision, is not ours to know: the model's declared identity must cover it.
      return {
        server: 'static',
        dialect: endpoint.dialect,
        seed: endpoint.capabilities.seed,
        extendedSampling: endpoint.capabilities.extended_sampling,
        // Left out where nothing is renamed or omitted, so that rows from before there were such settings have the keys that they had.
        ...(endpoint.token_limit_field === 'max_tokens' ? {} : { tokenLimitField: endpoint.token_limit_field }),
        ...(endpoint.omit.length === 0 ? {} : { omit: [...new Set(endpoint.omit)].sort() }),
      };
    case 'scripted':
      return { server: 'scripted', script: endpoint.script, options: endpoint.options };
  }
}
