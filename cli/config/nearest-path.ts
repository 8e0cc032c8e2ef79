/** The file that was probably meant by a path that leads nowhere. Owns the search, part by part; what counts as near is explain-shape.ts. */
import { readdir, stat } from 'node:fs/promises';
import { isAbsolute, join, resolve, sep } from 'node:path';
import { nearestName } from '../../method/config/explain-shape';
import { ArteError, type ErrorCode } from '../../schemas/errors';
import type { NoText } from './read-text';

/** Names of a folder that are compared: one with more was not typed from memory. */
const namesMax = 2_000;

/** A path of a file that is there, as the given one is written (relative stays relative); undefined where none is near. */
export async function nearestPath(path: string, folder = process.cwd()): Promise<string | undefined> {
  const parts = path.split(/[/\\]/).filter((part) => part !== '');
  let found = isAbsolute(path) ? sep : '';
  for (const [index, part] of parts.entries()) {
    const inside = resolve(folder, found);
    const isLast = index === parts.length - 1;
    const name = part === '.' || part === '..' ? part : await nearestIn(inside, part, isLast);
    if (name === undefined) return undefined;
    found = found === '' ? name : join(found, name);
  }
  return found === '' ? undefined : found;
}

/** The text of a file that was named. Errors: one of `code`, with the file that was probably meant where there is none of that name, else `advice`. */
export async function textOrNearest(
  path: string,
  text: string | NoText,
  { code, advice }: { readonly code: ErrorCode; readonly advice: string },
): Promise<string> {
  if (typeof text === 'string') return text;
  const nearest = text.missing ? await nearestPath(path) : undefined;
  throw new ArteError(code, {
    what: `${path} cannot be read.`,
    why: text.why,
    next: nearest === undefined ? advice : `Name ${nearest}, if that is what was meant.`,
  });
}

async function nearestIn(folder: string, part: string, isLast: boolean): Promise<string | undefined> {
  if (await isThere(join(folder, part), isLast)) return part;
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const names = entries
    .slice(0, namesMax)
    .filter((entry) => entry.isSymbolicLink() || (isLast ? entry.isFile() : entry.isDirectory()))
    .map(({ name }) => name);
  // The ending alone is left out more often than letters are.
  const name = names.find(
    (each) => isLast && /^\.(ya?ml|jsonl?)$/.test(each.slice(part.length)) && each.startsWith(part),
  );
  return name ?? nearestName(part, names);
}

async function isThere(path: string, isFile: boolean): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && (isFile ? found.isFile() : found.isDirectory());
}
