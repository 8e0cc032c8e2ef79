/**
 * A line of the screen, of pieces with their colours: measured and cut as plain text first and painted after, so that a colour never counts as
 * width and is never cut in half. Pure.
 */
import { cellsOf, cut } from '../cells';

export type Paint = (text: string) => string;

export interface Piece {
  readonly text: string;
  readonly paint?: Paint;
}

/** Blank cells between what stands on the left and what stands on the right. */
const gapMin = 2;

/** A line of at most `width` cells: `left` from its start, `right` up to its end. Where both do not fit, the left is cut. */
export function row(width: number, left: readonly (Piece | string)[], right: readonly (Piece | string)[] = []): string {
  const ending = cutPieces(right, width);
  const endingCells = cellsIn(ending);
  const room = endingCells === 0 ? width : Math.max(0, width - endingCells - gapMin);
  const beginning = cutPieces(left, room);
  const painted = beginning.map(paintedText).join('');
  if (endingCells === 0) return painted;
  const gap = Math.max(0, width - endingCells - cellsIn(beginning));
  return `${painted}${' '.repeat(gap)}${ending.map(paintedText).join('')}`;
}

function cutPieces(pieces: readonly (Piece | string)[], cells: number): Piece[] {
  const kept: Piece[] = [];
  let left = cells;
  for (const given of pieces) {
    const piece = typeof given === 'string' ? { text: given } : given;
    const text = cut(piece.text, left);
    if (text === '') continue;
    kept.push({ ...piece, text });
    left -= cellsOf(text);
  }
  return kept;
}

function cellsIn(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, { text }) => sum + cellsOf(text), 0);
}

function paintedText({ text, paint }: Piece): string {
  return paint ? paint(text) : text;
}
