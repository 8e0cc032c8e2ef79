/** Problems of a config with their places, and the one error that carries all of them. Owns how a problem looks in words. */
import type { ConfigProblem } from '../../method/config/config-problem';
import { ArteError } from '../../schemas/errors';

/** A problem with the place where a person will look for it. Lines and columns count from 1. */
export interface PlacedProblem extends ConfigProblem {
  readonly line?: number;
  readonly column?: number;
}

/** Everything that is wrong with a config. `details` of the error hold the same in words. */
export class ConfigError extends ArteError {
  constructor(
    readonly file: string,
    readonly problems: readonly PlacedProblem[],
    next?: string,
  ) {
    const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
    super('InvalidConfig', {
      what: `${file} cannot be used: ${count}.`,
      why: 'Nothing was started.',
      next: next ?? `Correct ${problems.length === 1 ? 'it' : 'them'}, then check with: arte validate ${file}`,
      details: problems.map((problem) => problemText(file, problem)),
    });
  }
}

/** A problem or a warning in words: its place, what, why, what to write instead. */
export function problemText(file: string, { line, column, path, what, why, instead }: PlacedProblem): string {
  const place = line === undefined ? file : `${file}:${line}:${column ?? 1}`;
  const reason = why.replaceAll('\n', `\n${' '.repeat(9)}`);
  return [path === '' ? place : `${place}  ${path}`, `  ${what}`, `  why    ${reason}`, `  write  ${instead}`].join(
    '\n',
  );
}
