/** From a config section's sampling settings to a canonical Sampling: every field is always set. */
import type { Sampling } from '../schemas/rows';

interface SamplingSettings {
  readonly temperature: number;
  readonly top_p: number;
  readonly top_k: number;
  readonly min_p: number;
  readonly max_tokens: number;
  readonly stop: readonly string[];
}

/** `stop` are the prompt's own stops (closing answer tag, next question); the config's come on top. */
export function samplingOf(settings: SamplingSettings, stop: readonly string[], seed: number): Sampling {
  return {
    temperature: settings.temperature,
    topP: settings.top_p,
    topK: settings.top_k,
    minP: settings.min_p,
    maxTokens: settings.max_tokens,
    stop: [...new Set([...stop, ...settings.stop])],
    seed,
  };
}

/** Greedy settings of a stage that only bounds the length. */
export function greedy(settings: { readonly max_tokens: number; readonly stop: readonly string[] }): SamplingSettings {
  return { temperature: 0, top_p: 1, top_k: 0, min_p: 0, max_tokens: settings.max_tokens, stop: settings.stop };
}
