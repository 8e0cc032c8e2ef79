/**
 * What is asked of an OpenAI-compatible endpoint: the body of a call in the server's dialect.
 *
 * Owns: the names and the words for "off" of each server. Leaves a given text to given-text.ts, what an endpoint does not declare and all sending to
 * openai-http.ts.
 *
 * Invariant: every sampling field is sent, under the name the server knows and with the server's word for "off": its own defaults never leak into an
 * answer. Not sent is only what the endpoint's config says it does not take, which is part of how the model is served (method/served.ts).
 */
import type { JsonObject, JsonValue } from '../../schemas/json';
import type { OmittableField, TokenLimitField } from '../../schemas/config/models';
import type { ModelRequest } from '../../schemas/rows';
import type { Capabilities } from './model';

/** `scorer`: python/score.py, which answers requests with a given text only. */
export type Dialect = 'openai' | 'llama.cpp' | 'vllm' | 'sglang' | 'scorer';

/** Who is asked, as far as a body depends on it. */
export interface RequestTarget {
  /** Name under which the endpoint serves the model. */
  readonly model: string;
  readonly dialect: Dialect;
  readonly capabilities: Capabilities;
  /** Name of the limit on written tokens in chat. Left out: max_tokens. */
  readonly tokenLimitField?: TokenLimitField;
  /** Fields that are not sent. Left out: none. */
  readonly omit?: readonly OmittableField[];
}

/** The body in the server's dialect. */
export function requestBody(
  { prompt, sampling, jsonSchema, answers = 1 }: ModelRequest,
  { model, dialect, capabilities, tokenLimitField = 'max_tokens', omit = [] }: RequestTarget,
): JsonObject {
  // OpenAI refuses an empty list; elsewhere it takes the place of a server's own stop words.
  const noStop = omit.includes('stop') || (dialect === 'openai' && sampling.stop.length === 0);
  // Raw completions have one name for it. A server passes another one over, and writes as much as it likes: 16 tokens at OpenAI and vLLM.
  const limit = prompt.kind === 'chat' ? tokenLimitField : 'max_tokens';
  return {
    model,
    ...(prompt.kind === 'chat' ? { messages: prompt.messages as unknown as JsonValue } : { prompt: prompt.text }),
    ...(omit.includes('temperature') ? {} : { temperature: sampling.temperature }),
    ...(omit.includes('top_p') ? {} : { top_p: sampling.topP }),
    [limit]: sampling.maxTokens,
    ...(answers > 1 ? { n: answers } : {}),
    ...(noStop ? {} : { stop: sampling.stop }),
    ...(capabilities.seed ? { seed: sampling.seed } : {}),
    ...(capabilities.extendedSampling ? extendedSampling(sampling.topK, sampling.minP, dialect) : {}),
    ...dialectFields(dialect),
    ...(jsonSchema === undefined ? {} : constraint(jsonSchema, prompt.kind, dialect)),
  };
}

function extendedSampling(topK: number, minP: number, dialect: Dialect): JsonObject {
  // vLLM (before 0.8) and SGLang write "off" as -1 and refuse 0; llama.cpp and the hosted ones write 0.
  const off = dialect === 'vllm' || dialect === 'sglang' ? -1 : 0;
  return { top_k: topK === 0 ? off : topK, min_p: minP };
}

/** What else would change an answer if the server's start-up flags or the model's generation_config set it. */
function dialectFields(dialect: Dialect): JsonObject {
  switch (dialect) {
    case 'openai':
    case 'scorer':
      return {};
    case 'llama.cpp':
      return { cache_prompt: true, repeat_penalty: 1, presence_penalty: 0, frequency_penalty: 0, typical_p: 1 };
    case 'vllm':
    case 'sglang':
      return { repetition_penalty: 1, presence_penalty: 0, frequency_penalty: 0 };
  }
}

/** A JSON Schema for the output. `response_format` in chat everywhere; raw completions have a name of their own at each server. */
function constraint(schema: JsonValue, kind: 'chat' | 'completion', dialect: Dialect): JsonObject {
  if (kind === 'completion' && dialect === 'llama.cpp') {
    return { json_schema: schema };
  }
  if (kind === 'completion' && dialect === 'sglang') {
    return { json_schema: JSON.stringify(schema) };
  }
  return { response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } } };
}
