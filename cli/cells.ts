/**
 * Text as a terminal may have it: how many cells it takes, cut, filled up and broken to a width, and without anything that the terminal would obey.
 * A wide character takes two cells, a combining mark none.
 * Owns that nothing a model, a server or a file said can move the cursor, clear the screen or write to the clipboard. On the screen of `arte watch`
 * control characters become blanks before anything is measured (`shown`); in text that is printed they become U+FFFD, so that a reader sees that
 * something was there (`foreign` before it is painted, `printable` after).
 * Pure. Invariant: no result of `cut`, `fitted` and `broken` is wider than was asked for, and none holds a control character.
 */
import stringWidth from 'string-width';

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
const controls = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g;
const isPlainAscii = /^[\u0020-\u007e]*$/;
/** The one kind of sequence that is ours: colours. */
const color = /\u001b\[[0-9;]*m/g;
/** Line ends and tabs belong to a text; marks that turn the order of what follows do not. ESC is judged apart. */
const unsafeSigns = /[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/.source;
const unsafe = new RegExp(`\\u001b|${unsafeSigns}`, 'g');
const unsafeUnlessColor = new RegExp(`\\u001b(?!\\[[0-9;]*m)|${unsafeSigns}`, 'g');
const replacement = '\ufffd';

/** Text that somebody else wrote, for a picture of ours: its lines stay, what a terminal would obey does not, colours included. */
export function foreign(text: string): string {
  return text.replaceAll('\r\n', '\n').replaceAll(unsafe, replacement);
}

/** The same of every text in a value. */
export function foreignIn<Value>(value: Value): Value {
  const clean = (part: unknown): unknown => {
    if (typeof part === 'string') return foreign(part);
    if (Array.isArray(part)) return part.map(clean);
    if (typeof part !== 'object' || part === null) return part;
    return Object.fromEntries(Object.entries(part).map(([name, each]) => [name, clean(each)]));
  };
  return clean(value) as Value;
}

/** A text that is about to be printed: of all that a terminal would obey, colours stay. The last gate, for words that nobody cleaned before. */
export function printable(text: string): string {
  return text.replaceAll('\r\n', '\n').replaceAll(unsafeUnlessColor, replacement);
}

/** Lines that a terminal of so many columns makes of a printed line, which it wraps where it is too long. */
export function rowsOf(line: string, columns: number): number {
  let rows = 1;
  let column = 0;
  for (const { segment } of graphemes.segment(line.replaceAll(color, ''))) {
    const cells = cellsOf(segment);
    if (column + cells > columns && column > 0) {
      rows += 1;
      column = 0;
    }
    column += cells;
  }
  return rows;
}

/** A text on one line, without anything that a terminal would obey. */
export function shown(text: string): string {
  return isPlainAscii.test(text) ? text : text.replaceAll(controls, ' ');
}

/** Cells that a text takes. */
export function cellsOf(text: string): number {
  return isPlainAscii.test(text) ? text.length : stringWidth(shown(text));
}

/** At most `cells` cells of a text; what was cut ends in an ellipsis. */
export function cut(text: string, cells: number): string {
  const clean = shown(text);
  if (cellsOf(clean) <= cells) return clean;
  return cells <= 0 ? '' : `${head(clean, cells - 1)}…`;
}

/** Exactly `cells` cells: cut, or filled up with blanks at the end. */
export function fitted(text: string, cells: number): string {
  const kept = cut(text, cells);
  return kept + ' '.repeat(Math.max(0, cells - cellsOf(kept)));
}

/** A text in lines of at most `cells` cells, broken between words where that is possible. No text: no line. */
export function broken(text: string, cells: number): string[] {
  const lines: string[] = [];
  const width = Math.max(1, cells);
  let line = '';
  for (const word of shown(text).split(' ')) {
    const joined = line === '' ? word : `${line} ${word}`;
    if (cellsOf(joined) <= width) {
      line = joined;
      continue;
    }
    if (line !== '') lines.push(line);
    line = word;
    while (cellsOf(line) > width) {
      const part = head(line, width);
      // A character that is wider than the whole line has no place in it.
      lines.push(part === '' ? '?' : part);
      line = line.slice(part === '' ? firstOf(line).length : part.length);
    }
  }
  if (line !== '') lines.push(line);
  return lines;
}

function firstOf(text: string): string {
  const [first] = graphemes.segment(text);
  return first?.segment ?? text;
}

/** Without its last character. */
export function withoutLast(text: string): string {
  const all = Array.from(graphemes.segment(text), ({ segment }) => segment);
  return all.slice(0, -1).join('');
}

/** As many whole characters from the start as fit into so many cells. */
function head(text: string, cells: number): string {
  let kept = '';
  let left = cells;
  for (const { segment } of graphemes.segment(text)) {
    left -= cellsOf(segment);
    if (left < 0) break;
    kept += segment;
  }
  return kept;
}
