/**
 * Templates of prompts: what a slot is, and how slots are filled.
 *
 * Owns the form of a slot and the words for one that does not exist. Leaves which slots a prompt has to prompts.ts.
 *
 * Invariant: a slot's content is never read as a template again.
 */
import { ArteError } from '../schemas/errors';

/** `{name}` is a slot; `{{name}}` stands for the text {name}. Braces around anything else (JSON, LaTeX) are text. */
const slotPattern = /\{\{([a-z_]+)\}\}|\{([a-z_]+)\}/g;

/** The slots that a template has, in order, each as often as it stands there. */
export function slotsIn(template: string): string[] {
  return [...template.matchAll(slotPattern)].flatMap((match) => (match[2] === undefined ? [] : [match[2]]));
}

/**
 * The template with its slots filled, once: what a value holds is not read as a template.
 * @param path How the config calls the template, for messages.
 * @throws ArteError InvalidConfig for a slot that is not allowed.
 */
export function fill<Slot extends string>(
  template: string,
  values: Readonly<Record<Slot, string>>,
  allowed: readonly Slot[],
  path: string,
): string {
  return template.replace(slotPattern, (_, literal: string | undefined, name: string | undefined) => {
    if (literal !== undefined) return `{${literal}}`;
    const slot = allowed.find((candidate) => candidate === name);
    if (slot === undefined) throw new ArteError('InvalidConfig', unknownSlot(path, name ?? '', allowed));
    return values[slot];
  });
}

/** What to say of a slot that does not exist, wherever it is met. */
export function unknownSlot(
  path: string,
  name: string,
  allowed: readonly string[],
): { what: string; why: string; next: string } {
  return {
    what: `${path} has a slot {${name}} that does not exist.`,
    why: `Its slots are ${allowed.map((slot) => `{${slot}}`).join(' ')}.`,
    next: `Use one of these, or write {{${name}}} where the text {${name}} is meant.`,
  };
}
