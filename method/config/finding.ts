/** A problem that needed more than one setting to be seen: what it says, and all that it looked at. Owns its form and how it quotes. */
import { configProblem, type ConfigProblem, pathText, type Segment } from './config-problem';

/**
 * What the config is read for. `run`: what only planning can do without becomes a problem. `worker`: only the platform is used, on a
 * machine that need not have the task files or the client's secrets.
 */
export type ConfigPurpose = 'plan' | 'run' | 'worker';

export interface JudgeOptions {
  readonly purpose: ConfigPurpose;
  /** The environment that secrets are looked up in; only whether a variable is set and not empty is used. */
  readonly environment: { readonly [name: string]: string | undefined };
}

export interface Finding extends ConfigProblem {
  /** Paths that were looked at; the finding is dropped when one of them was replaced. Its own path always counts. */
  readonly concerns: readonly string[];
}

export function finding(
  segments: readonly Segment[],
  text: { readonly what: string; readonly why: string; readonly instead: string },
  concerns: readonly string[] = [],
): Finding {
  return { ...configProblem(segments, text), concerns: [pathText(segments), ...concerns] };
}

/** A question or target is quoted up to this many characters. */
const quotedCharactersMax = 80;

export function clipped(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > quotedCharactersMax ? `${line.slice(0, quotedCharactersMax)}…` : line;
}

export function quoted(texts: readonly string[]): string {
  const shown = texts.slice(0, 8).map((text) => `"${clipped(text)}"`);
  return shown.join(', ') + (texts.length > 8 ? ', …' : '');
}
