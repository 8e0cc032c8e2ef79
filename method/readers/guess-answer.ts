/**
 * How the answers of a file look, guessed from its targets and the options in its questions.
 *
 * Owns the guess. Leaves whether targets fit a configured answer type to ../config/task-findings.ts, reading of answers to ../answers.ts.
 */
import type { AnswerSpec, TaskItem } from '../../schemas/task';
import { optionsOf } from '../answers';

/** A set of targets is taken for closed when it is small and each of its members is met again and again. */
const closedSetMax = 6;
const closedSetRepeats = 10;

/** How the answers of a file look: the narrowest type that every target fits. Labels are written as the file writes them. */
export function guessAnswer(items: readonly Pick<TaskItem, 'question' | 'target'>[]): AnswerSpec {
  const targets = [...new Set(items.map((item) => item.target.trim()))];
  const all = (pattern: RegExp): boolean => targets.length > 0 && targets.every((target) => pattern.test(target));
  if (all(/^(?:true|false)$/i)) return { type: 'boolean', labels: pairOf(targets, 'True', 'False') };
  if (all(/^(?:yes|no)$/i)) return { type: 'yes-no', labels: pairOf(targets, 'Yes', 'No') };
  const options = new Set(items.flatMap((item) => optionsOf(item.question).map(({ label }) => label)));
  if (all(/^\([A-Z]\)$/)) return { type: 'choice', labels: letters([...options, ...targets], true) };
  if (all(/^[A-Z]$/) && [...options].some((label) => /^\([A-Z]\)$/.test(label))) {
    return { type: 'choice', labels: letters([...options, ...targets], false) };
  }
  if (all(/^-?\$?(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d+)?$/)) return { type: 'number', labels: [] };
  if (options.size > 0 && options.size <= closedSetMax * 2 && targets.every((target) => options.has(target))) {
    return { type: 'choice', labels: [...options] };
  }
  if (targets.length > 1 && targets.length <= closedSetMax && items.length >= closedSetRepeats * targets.length) {
    return { type: 'choice', labels: targets.sort() };
  }
  // Brackets and other signs, or one character: every sign counts. Words: case and spacing do not.
  if (targets.every((target) => target.length === 1 || !/[\p{L}\p{N}]/u.test(target)))
    return { type: 'exact', labels: [] };
  return { type: 'text', labels: [] };
}

/** Both labels of a pair, spelled the way the targets spell the one or two that occur. */
function pairOf(targets: readonly string[], yes: string, no: string): string[] {
  const spelled = (wanted: string): string => {
    const written = targets.find((target) => target.toLowerCase() === wanted.toLowerCase());
    if (written !== undefined) return written;
    const [other = wanted] = targets;
    if (other === other.toLowerCase()) return wanted.toLowerCase();
    return other === other.toUpperCase() ? wanted.toUpperCase() : wanted;
  };
  return [spelled(yes), spelled(no)];
}

/** Every letter from A to the highest one seen: a label that happens to be no target is still an option. */
function letters(seen: readonly string[], bracketed: boolean): string[] {
  const codes = seen.map((label) => /^\(?([A-Z])\)?$/.exec(label)?.[1]?.charCodeAt(0) ?? 65);
  const highest = codes.reduce((most, code) => Math.max(most, code), 65);
  return Array.from({ length: highest - 64 }, (_, step) => {
    const letter = String.fromCharCode(65 + step);
    return bracketed ? `(${letter})` : letter;
  });
}
