/** The keys of a picture, explained, on the whole screen. Pure: all of it is the table of keys.ts. */
import type { Colors } from '../output';
import { broken } from '../cells';
import { frame, type Bottom, type Size } from './frame';
import { keyDocs } from './keys';
import { row } from './row';

const keyCells = 10;

export function helpScreen(of: 'run' | 'runs', bottom: Bottom, size: Size, color: Colors): string[] {
  const { width } = size;
  const lines = keyDocs[of].flatMap(({ key, words }) =>
    broken(words, Math.max(10, width - keyCells)).map((text, at) =>
      row(width, [{ text: (at === 0 ? key : '').padEnd(keyCells), paint: color.bold }, text]),
    ),
  );
  const about = 'An order that does not fit the state of the run is refused, and the reason stands above the keys.';
  const more = of === 'run' ? ['', ...broken(about, width).map((text) => row(width, [text]))] : [];
  const title = of === 'run' ? 'Keys, with one run' : 'Keys, with all runs';
  return frame(
    size,
    [row(width, [{ text: title, paint: color.bold }])],
    () => [...lines, ...more],
    { ...bottom, picture: 'help' },
    color,
  );
}
