/**
 * Where the project lies on this disk: the folder with package.json, whether we run from source or from dist/.
 * Owns that one answer; what lies in the folder (python/, examples/) is known to those who use it.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

let root: string | undefined;

/** Absolute path of the project's folder. Throws when this file was moved out of it. */
export function packageRoot(): string {
  root ??= find(__dirname);
  return root;
}

function find(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (isOurs(join(folder, 'package.json'))) {
      return folder;
    }
    if (dirname(folder) === folder) {
      throw new Error(`No package.json of arte above ${from}.`);
    }
  }
}

function isOurs(path: string): boolean {
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as { name?: unknown }).name === 'arte';
  } catch {
    return false;
  }
}
