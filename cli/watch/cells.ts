/**
 * Text in cells of a terminal: how wide it is, cut, filled up and broken to a width. A wide character takes two cells, a combining mark none.
 * Owns also that nothing a model, a server or a file said can move the cursor: control characters become blanks before anything is measured.
 * Pure. Invariant: no result is wider than was asked for, and none holds a control character.
 */
import stringWidth from 'string-width';

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
const controls = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g;
const isPlainAscii = /^[\u0020-\u007e]*$/;

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
