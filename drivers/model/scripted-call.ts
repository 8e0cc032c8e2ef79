/**
 * What a script is given of a call, and nothing else: so the same request gets the same answer, on every machine; with temperature 0 whatever its seed.
 *
 * Owns what an answer may depend on, and the numbers that follow from it. Leaves reading the prompt's text to scripted-prompt.ts.
 */
import { createHash } from 'node:crypto';
import type { ModelRequest } from '../../schemas/rows';
import type { ScriptOptions } from './scripted-options';

/** What a script is given: the prompt as one text, numbers in [0, 1) that follow from the request, and its options. */
export interface ScriptCall {
  readonly prompt: string;
  readonly request: ModelRequest;
  readonly options: ScriptOptions;
  /** A number that follows from the request and the purpose, and from nothing else. */
  readonly draw: (purpose: string) => number;
}

/** What is said to a call. */
export type Script = (call: ScriptCall) => string;

/** The prompt as one text. */
export function textOf({ prompt }: ModelRequest): string {
  return prompt.kind === 'chat' ? prompt.messages.map((message) => message.content).join('\n\n') : prompt.text;
}

/** What an answer may depend on: greedy sampling looks neither at its seed nor at which of several answers it is. */
export function identityOf({ sampling }: ModelRequest, prompt: string, index = 0): string {
  if (sampling.temperature === 0) {
    return prompt;
  }
  return `${prompt}\u0000${String(sampling.seed)}${index === 0 ? '' : `\u0000${String(index)}`}`;
}

/** A number in [0, 1) that follows from a text: the first 48 bits of its hash. */
export function uniform(text: string): number {
  return createHash('sha256').update(text).digest().readUIntBE(0, 6) / 2 ** 48;
}
