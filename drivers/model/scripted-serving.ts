/**
 * What a scripted endpoint does as a server does: tokens are words, usage, maxTokens and the stop words are honoured, and an answer takes its time.
 *
 * Leaves what the text is to the scripts.
 */
import type { ModelAnswer, ModelRequest } from '../../schemas/rows';
import { onAbort } from './shared-aborts';

/** A text as a server gives it out: cut at maxTokens words and at the first stop word. */
export function asServed(text: string, prompt: string, { sampling }: ModelRequest): ModelAnswer {
  let cut = text;
  let finish: ModelAnswer['finish'] = 'stop';
  const words = [...text.matchAll(/\S+/g)];
  const beyond = words[sampling.maxTokens];
  if (beyond !== undefined) {
    cut = text.slice(0, beyond.index).trimEnd();
    finish = 'length';
  }
  const stops = sampling.stop.map((stop) => cut.indexOf(stop)).filter((at) => at !== -1);
  if (stops.length > 0) {
    cut = cut.slice(0, Math.min(...stops));
    finish = 'stop';
  }
  const usage = { inputTokens: wordsOf(prompt).length, cachedInputTokens: 0, outputTokens: wordsOf(cut).length };
  return { text: cut, finish, usage };
}

export function wordsOf(text: string): string[] {
  return text.match(/\S+/g) ?? [];
}

/** Answers of one call: the prompt counts once. */
export function together(answers: readonly ModelAnswer[]): ModelAnswer {
  const [first, ...others] = answers as [ModelAnswer, ...ModelAnswer[]];
  if (others.length === 0) {
    return first;
  }
  const outputTokens = answers.reduce((sum, { usage }) => sum + usage.outputTokens, 0);
  return {
    ...first,
    others: others.map(({ text, finish }) => ({ text, finish })),
    usage: { ...first.usage, outputTokens },
  };
}

/** Time goes by; ends at once when the signal aborts, with its reason. */
export async function pass(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (ms <= 0) {
    // One turn of the loop, so that a million calls do not starve everything else.
    await new Promise<void>((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
    return;
  }
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      forget();
      resolve();
    }, ms);
    const forget = onAbort(signal, () => {
      clearTimeout(timer);
      forget();
      reject(signal.reason as Error);
    });
  });
}
