/**
 * Files of one JSON object a line: text in, what the format's own file reads of each line out.
 *
 * Owns lines, blank ones among them, and where a bad one is. Leaves the fields of a line to the format's own file, how a refusal reads to items.ts.
 */
import { ArteError } from '../../schemas/errors';
import { clipped, refuseIfBad, soundOr, withoutMark, type Problem } from './items';

/** Thrown by parseObject, told by readLines. */
class NotAnObject extends Error {}

/**
 * @param example A good line, for messages.
 * @param read One line: its item, or what is wrong with it.
 * @throws ArteError InvalidTaskFile that names every bad line, or says that there is none at all.
 */
export function readLines<Item extends object>(
  text: string,
  file: string,
  example: string,
  read: (line: string) => Item | Problem,
): Item[] {
  const items: Item[] = [];
  const problems: string[] = [];
  let lines = 0;
  linesOf(text).forEach((line, index) => {
    if (line.trim() === '') return;
    lines += 1;
    const where = `line ${index + 1}`;
    try {
      const result = soundOr(read(line));
      if ('why' in result) problems.push(`${where}: ${result.why}; ${result.instead}`);
      else items.push(result);
    } catch (error) {
      if (!(error instanceof NotAnObject)) throw error;
      problems.push(`${where}: ${error.message}: ${clipped(line)}; write ${example}`);
    }
  });
  const next = `Every line is one item: ${example}.`;
  if (lines === 0) {
    throw new ArteError('InvalidTaskFile', { what: `${file} holds no items.`, why: 'It is empty.', next });
  }
  refuseIfBad(problems, lines, 'lines', file, next);
  return items;
}

/** Lines as any system ends them. */
export function linesOf(text: string): string[] {
  return withoutMark(text).split(/\r\n|\n|\r/);
}

/** The object of a line; for the `read` of readLines, which says of any other line what it is. */
export function parseObject(line: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new NotAnObject('is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new NotAnObject('is not a JSON object');
  return value as Record<string, unknown>;
}
