/**
 * The frame that every picture stands in: a head, what is between, a line that says what was just done, and the keys. Owns heights: what is cut
 * when a terminal is too low. Pure.
 *
 * Invariant: exactly `height` lines, none wider than `width`.
 */
import type { Colors } from '../output';
import { broken } from '../cells';
import { keyDocs, type Picture } from './keys';
import { row, type Piece } from './row';

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** The line above the keys. */
export interface Saying {
  readonly text: string;
  readonly kind: 'note' | 'done' | 'refused';
}

/** A line that is being typed. */
export interface Asking {
  readonly question: string;
  readonly text: string;
}

export interface Bottom {
  readonly saying: Saying | undefined;
  readonly asking: Asking | undefined;
}

/** Lines that a refusal may take: most reasons need two at 80 columns. */
const sayingLinesMax = 3;

export function frame(
  { width, height }: Size,
  head: readonly string[],
  /** What is between, for so many lines. */
  body: (lines: number) => readonly string[],
  bottom: Bottom & { readonly picture: Picture; readonly canGoBack?: boolean },
  color: Colors,
): string[] {
  const top = [...head, row(width, [{ text: '─'.repeat(width), paint: color.dim }])];
  const end = [row(width, [{ text: '─'.repeat(width), paint: color.dim }]), ...bottomLines(width, bottom, color)];
  const room = Math.max(0, height - top.length - end.length);
  const between = body(room).slice(0, room);
  const filler = Array.from({ length: room - between.length }, () => '');
  const all = [...top, ...between, ...filler, ...end];
  // What is typed, and what came of it, matter most: of a terminal that is far too low the end is shown.
  return all.length > height ? all.slice(all.length - height) : all;
}

function bottomLines(
  width: number,
  { saying, asking, picture, canGoBack = true }: Bottom & { readonly picture: Picture; readonly canGoBack?: boolean },
  color: Colors,
): string[] {
  if (asking) {
    // The end of a long line is where it is typed.
    const typed = `${asking.question} ${asking.text}`;
    const shownLines = broken(typed, width - 1).slice(-sayingLinesMax);
    const last = shownLines.at(-1) ?? '';
    return [
      ...shownLines.slice(0, -1).map((line) => row(width, [{ text: line, paint: color.bold }])),
      row(width, [{ text: last, paint: color.bold }, '_']),
      row(width, [{ text: 'Enter gives the order  Esc drops it', paint: color.dim }]),
    ];
  }
  const paint = { note: color.dim, done: color.green, refused: color.yellow }[saying?.kind ?? 'note'];
  const said = broken(saying?.text ?? '', width).slice(0, sayingLinesMax);
  const lines = said.length === 0 ? [''] : said.map((line) => row(width, [{ text: line, paint }]));
  return [...lines, keysLine(width, picture, canGoBack, color)];
}

function keysLine(width: number, picture: Picture, canGoBack: boolean, color: Colors): string {
  if (picture === 'help') return row(width, [{ text: 'any key goes back  q quit', paint: color.dim }]);
  const docs = keyDocs[picture].filter(({ command }) => canGoBack || command !== 'back');
  return row(
    width,
    docs.flatMap(({ key, short }): Piece[] => [
      { text: key, paint: color.bold },
      { text: ` ${short}  `, paint: color.dim },
    ]),
  );
}
