/**
 * What a call took, by the counts in its answer.
 *
 * Owns: where servers write their counts, and which of them can be one. Leaves to the row engine and method/ledger.ts what is taken for a count that is
 * not told.
 *
 * Invariant: nothing that cannot be a count reaches a price.
 */
import type { ModelAnswer, UntoldCount } from '../../schemas/rows';
import type { CallFailure } from './model';

/** More tokens than any call can take, several answers together: a count beyond it is none. */
const callTokensMax = 1_000_000_000;

/** The part of an answer that counts. */
export interface CountedBody {
  readonly usage?: {
    readonly prompt_tokens?: unknown;
    readonly completion_tokens?: unknown;
    readonly prompt_tokens_details?: { readonly cached_tokens?: unknown } | null;
    /** DeepSeek's name for it. */
    readonly prompt_cache_hit_tokens?: unknown;
  } | null;
  /** llama.cpp. */
  readonly timings?: { readonly cache_n?: unknown } | null;
}

/** `least`: what a count can be at least. Servers send null, strings, and more cached tokens than the prompt has: none of that may reach a price. */
export function usageOf(
  body: CountedBody | null,
  least = { input: 0, output: 0 },
): Pick<ModelAnswer, 'usage' | 'usageUntold'> {
  const { usage, timings } = body ?? {};
  const input = countOf(usage?.prompt_tokens, least.input);
  const output = countOf(usage?.completion_tokens, least.output);
  const cachedSaid =
    usage?.prompt_tokens_details?.cached_tokens ?? usage?.prompt_cache_hit_tokens ?? timings?.cache_n ?? 0;
  const cached = countOf(cachedSaid, 0);
  // The cached part of an estimated prompt is not known either, and more of it than the prompt has is no count: all of it is taken at the full price.
  const cachedInputTokens = cached !== undefined && cached <= (input ?? 0) ? cached : 0;
  const untold: UntoldCount[] = [];
  if (input === undefined) untold.push('input');
  else if (cached !== cachedInputTokens) untold.push('cached');
  if (output === undefined) untold.push('output');
  return {
    usage: { inputTokens: input ?? 0, cachedInputTokens, outputTokens: output ?? 0 },
    ...(untold.length > 0 && { usageUntold: untold }),
  };
}

/** What a call took that was answered with nothing that can be used. */
export function spentBy(body: CountedBody | null, inputLeast = 1): CallFailure['spent'] {
  const { usage, usageUntold = [] } = usageOf(body, { input: inputLeast, output: 0 });
  return usageUntold.includes('input') || usageUntold.includes('output') ? 'untold' : usage;
}

/** A count as a server may mean it: a whole number, or its digits. Undefined where it is missing or cannot be. */
function countOf(said: unknown, least: number): number | undefined {
  const count = typeof said === 'string' && /^\d+$/.test(said) ? Number(said) : said;
  const isCount = typeof count === 'number' && Number.isInteger(count) && count >= least && count <= callTokensMax;
  return isCount ? count : undefined;
}
