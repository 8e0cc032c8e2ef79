/** A line that is typed: its text by one key after another. Pure. */
import type { Press } from './keys';
import { shown, withoutLast } from '../cells';

export type Typing =
  | { readonly kind: 'typing'; readonly text: string }
  | { readonly kind: 'given'; readonly text: string }
  | { readonly kind: 'dropped' };

/** Longest line that is taken: an order's reason is a sentence. */
const charactersMax = 500;

/** What a line becomes by a key: Enter gives it, Esc and Ctrl-C drop it, Ctrl-U empties it. */
export function typed(text: string, { name, ctrl, text: character = '' }: Press): Typing {
  if (name === 'return' || name === 'enter') return { kind: 'given', text: text.trim() };
  if (name === 'escape' || (ctrl === true && name === 'c')) return { kind: 'dropped' };
  if (ctrl === true) return { kind: 'typing', text: name === 'u' ? '' : text };
  if (name === 'backspace') return { kind: 'typing', text: withoutLast(text) };
  const isText = character !== '' && shown(character) === character;
  return { kind: 'typing', text: isText ? `${text}${character}`.slice(0, charactersMax) : text };
}
