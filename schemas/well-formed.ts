/**
 * Text that every reader takes: whole characters, none of them NUL. JSON can write half a surrogate pair and NUL, and a tokenizer refuses the one and servers
 * written in C end a text at the other: a single such character in a training set ends the training.
 */

/** Half of a surrogate pair without its other half. Where both stand they are one character, which is none of these. */
const half = /\p{Surrogate}/gu;

/**
 * The text with U+FFFD for each half of a surrogate pair, and without NUL: it stands for nothing, and an answer that was paid for is worth keeping without it.
 * Sound text is returned as it is.
 */
export function wellFormed(text: string): string {
  return text.replace(half, '\uFFFD').replaceAll('\0', '');
}

/** What is wrong with a text, as a person finds it in a file; undefined of sound text. */
export function whatIsMalformed(text: string): string | undefined {
  if (text.includes('\0')) return 'the character NUL (\\u0000)';
  const [found] = text.match(half) ?? [];
  return found && `half of a surrogate pair (\\u${found.charCodeAt(0).toString(16)}) without its other half`;
}
