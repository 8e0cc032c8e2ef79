/**
 * Log-probabilities of a given text over HTTP, in the two protocols that have them: vLLM's (`prompt_logprobs`) and our scorer's (score.py).
 * Owns the bodies and how their answers are read. Leaves sending to openai-http.ts, what a failure means to openai-failure.ts.
 *
 * Scored are the tokens of prompt + lead + text from the first one that differs from those of prompt + lead. vLLM's own tokenizer says which
 * these are: its answer names tokens by id, and text cannot be cut back into tokens from outside.
 */
import type { JsonObject, JsonValue } from '../../schemas/json';
import type { GivenText, Prompt, ScoredToken } from '../../schemas/rows';

// ---- our scorer ----------------------------------------------------------------------------------------------------

export function scorerBody(prompt: Prompt, given: GivenText): JsonObject {
  return { prompt: prompt as unknown as JsonValue, given: { ...given } };
}

/** Undefined when the answer is none. */
export function readScorerTokens(body: unknown): ScoredToken[] | undefined {
  const { tokens } = (body ?? {}) as { tokens?: unknown };
  if (!Array.isArray(tokens) || tokens.length === 0) return undefined;
  const read = tokens.map((token: unknown) => {
    const [logprob, rank] = Array.isArray(token) ? (token as readonly unknown[]) : [];
    return scored(logprob, rank);
  });
  return whole(read);
}

// ---- vLLM ----------------------------------------------------------------------------------------------------------

/** For /tokenize: the prompt with some words of its answer. A chat ends in a message that is not yet over. */
export function tokenizeBody(model: string, prompt: Prompt, answer: string): JsonObject {
  if (prompt.kind === 'completion') return { model, prompt: `${prompt.text}${answer}`, add_special_tokens: true };
  const messages = prompt.messages as unknown as readonly JsonValue[];
  return answer === ''
    ? { model, messages, add_generation_prompt: true }
    : {
        model,
        messages: [...messages, { role: 'assistant', content: answer }],
        add_generation_prompt: false,
        continue_final_message: true,
      };
}

export function readTokenIds(body: unknown): number[] | undefined {
  const { tokens } = (body ?? {}) as { tokens?: unknown };
  return Array.isArray(tokens) && tokens.every(Number.isInteger) ? (tokens as number[]) : undefined;
}

/** Where the text's own tokens begin; at least 1, since the first token of all has nothing before it. */
export function firstOwnToken(wholeIds: readonly number[], beforeIds: readonly number[]): number {
  const differs = wholeIds.findIndex((id, at) => id !== beforeIds[at]);
  return Math.max(1, differs === -1 ? wholeIds.length : differs);
}

/** For /v1/completions: the least that is generated, and of every prompt token its log-probability and rank, and no other token's. */
export function promptLogprobsBody(model: string, ids: readonly number[]): JsonObject {
  return { model, prompt: [...ids], max_tokens: 1, temperature: 0, prompt_logprobs: 0 };
}

/** The tokens from `start` on, of choices[0].prompt_logprobs: [null, {"<id>": {logprob, rank}}, …]. */
export function readPromptLogprobs(body: unknown, ids: readonly number[], start: number): ScoredToken[] | undefined {
  const { choices } = (body ?? {}) as { choices?: readonly { prompt_logprobs?: unknown }[] };
  const places = choices?.[0]?.prompt_logprobs;
  if (!Array.isArray(places) || places.length !== ids.length) return undefined;
  const read = ids.slice(start).map((id, at) => {
    const place = places[start + at] as Readonly<Record<string, { logprob?: unknown; rank?: unknown }>> | null;
    const token = place?.[String(id)];
    return scored(token?.logprob, token?.rank);
  });
  return read.length === 0 ? undefined : whole(read);
}

function scored(logprob: unknown, rank: unknown): ScoredToken | undefined {
  return typeof logprob === 'number' && Number.isFinite(logprob) && typeof rank === 'number'
    ? { logprob, rank }
    : undefined;
}

function whole(tokens: readonly (ScoredToken | undefined)[]): ScoredToken[] | undefined {
  return tokens.every((token) => token !== undefined) ? (tokens as ScoredToken[]) : undefined;
}
