/**
 * How a model is served, as far as it changes answers: part of the key of every row and row stage (design section 3).
 * Owns the line between what changes an answer and what only changes how fast it comes. Which model it is, is the ModelRef's.
 *
 * In: the server and its version, the form of the weights, the length of the context (it decides what is cut or refused), and
 * which sampling fields reach the server. Out: addresses, served names, keys, slots, threads, timeouts.
 */
import type { JsonValue } from '../schemas/json';
import type { EndpointConfig } from '../schemas/run-config';

/** The llama.cpp that python/requirements.txt pins; test/method/served.test.ts compares them. */
export const llamaCppVersion = '2026.10.11549';

export function servedIdentity(endpoint: EndpointConfig): JsonValue {
  switch (endpoint.kind) {
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
      };
    case 'scripted':
      return { server: 'scripted', script: endpoint.script, options: endpoint.options };
  }
}
