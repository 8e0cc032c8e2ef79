/** From the config's endpoint to what the pool takes: `${env:NAME}` is read here, on the worker, and nowhere else. */
import type { EndpointSettings } from '../drivers/model/model';
import { ArteError } from '../schemas/errors';
import type { AskedModel } from '../method/served';
import { secretReferencePattern } from '../schemas/secrets';

type Environment = { readonly [name: string]: string | undefined };

/** Errors: EndpointUnauthorized when the variable of a secret is not set in the worker's environment. */
export function endpointSettings(model: Pick<AskedModel, 'endpoint'>, environment: Environment): EndpointSettings {
  const endpoint = model.endpoint;
  switch (endpoint.kind) {
    case 'managed':
      return {
        kind: 'managed',
        server: endpoint.server,
        quantization: endpoint.quantization,
        slots: endpoint.slots,
        contextTokens: endpoint.context_tokens,
        threads: endpoint.threads,
      };
    case 'static': {
      const { capabilities } = endpoint;
      return {
        kind: 'static',
        baseUrl: endpoint.base_url,
        model: endpoint.model,
        ...(endpoint.api_key === undefined ? {} : { apiKey: secretFrom(endpoint.api_key, environment) }),
        dialect: endpoint.dialect,
        tokenLimitField: endpoint.token_limit_field,
        omit: endpoint.omit,
        capabilities: {
          n: capabilities.n,
          promptLogprobs: capabilities.prompt_logprobs,
          structured: capabilities.structured,
          seed: capabilities.seed,
          perRequestSampling: capabilities.per_request_sampling,
          completion: capabilities.completion,
          extendedSampling: capabilities.extended_sampling,
        },
        maxInFlight: endpoint.max_in_flight,
        timeoutMs: endpoint.timeout_seconds * 1000,
      };
    }
    case 'scorer':
      return { kind: 'scorer', dtype: endpoint.dtype, batchRows: endpoint.batch_rows };
    case 'scripted':
      return { kind: 'scripted', script: endpoint.script, options: endpoint.options };
  }
}

function secretFrom(reference: string, environment: Environment): string {
  const name = secretReferencePattern.exec(reference)?.[1];
  const value = name === undefined ? undefined : environment[name];
  if (value === undefined || value === '') {
    throw new ArteError('EndpointUnauthorized', {
      what: `The endpoint's key ${reference} is not set where the worker runs.`,
      why: 'Secrets are read from the environment of the worker process, and that variable is empty or missing there.',
      next: `Set ${name ?? 'the variable'}, then arte retry RUN --restart-workers; on a cluster restart the workers with it, then arte retry RUN.`,
    });
  }
  return value;
}
