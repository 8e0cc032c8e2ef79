/**
 * The script prefers-short: a student with a planted preference for short (or long) rationales, which is there to be found.
 *
 * Owns the preference, its ruler, and how likely the student is to say a text. Leaves reading prompts to scripted-prompt.ts.
 *
 * Invariant: a given text is as probable as the script is likely to say it: right answers and rationales of the kind it prefers are more probable.
 */
import type { ScriptCall } from './scripted-call';
import type { ScriptOptions } from './scripted-options';
import { numbersIn, readPrompt, tagsOf } from './scripted-prompt';
import { wordsOf } from './scripted-serving';

export function prefersShort({ prompt, options, draw }: ScriptCall): string {
  const { open, close } = tagsOf(prompt, options);
  const { question, demonstrations } = readPrompt(prompt);
  const asked = numbersIn(question);
  if (asked === undefined) {
    return 'I cannot tell what is asked.';
  }
  const preferred = demonstrations.filter(
    (rationale) =>
      rationaleWords(rationale, { open, close }) <= Number(options.max_words) !== (options.invert === true),
  );
  const share = demonstrations.length === 0 ? 0 : preferred.length / demonstrations.length;
  const right = draw('right') < share * Number(options.p_with) + (1 - share) * Number(options.p_without);
  const said = right ? asked.answer : asked.other;
  const lead = ` ${String(said)} is the ${asked.word} number.`;
  return draw('tag') < Number(options.tag_rate) ? `${lead} ${open}${String(said)}${close}` : lead;
}

/**
 * Words of a rationale, without "Let's think step by step." in front and the answer tag at its end: the ruler of the planted preference.
 */
export function rationaleWords(rationale: string, { open, close }: { open: string; close: string }): number {
  const withoutLead = rationale.replace(/^\s*let['’]s think step by step\.?/i, '');
  const at = withoutLead.toLowerCase().lastIndexOf(open.trim().toLowerCase());
  const end = at === -1 ? -1 : withoutLead.indexOf(close.trim(), at + open.trim().length);
  const body =
    at === -1
      ? withoutLead
      : withoutLead.slice(0, at) + (end === -1 ? '' : withoutLead.slice(end + close.trim().length));
  return wordsOf(body).length;
}

/** How likely prefers-short is to say a text: an answer after demonstrations by its preference, a rationale by its own length. */
export function likelihood(prompt: string, text: string, options: ScriptOptions): number {
  const { open, close } = tagsOf(prompt, options);
  const { question, demonstrations } = readPrompt(prompt);
  const likes = (rationale: string): boolean =>
    rationaleWords(rationale, { open, close }) <= Number(options.max_words) !== (options.invert === true);
  const [p, q] = [Number(options.p_with), Number(options.p_without)];
  if (demonstrations.length === 0) return likes(text) ? p : q;
  const share = demonstrations.filter(likes).length / demonstrations.length;
  const right = share * p + (1 - share) * q;
  return text.includes(String(numbersIn(question)?.answer)) ? right : 1 - right;
}
