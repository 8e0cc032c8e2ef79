/**
 * What somebody at a terminal would see of what a program writes. Knows the few control sequences that arte writes; any other throws, because
 * nobody has looked at what it does.
 */
import stringWidth from 'string-width';

interface Buffer {
  cells: string[][];
  row: number;
  column: number;
}

const emptyBuffer = (): Buffer => ({ cells: [], row: 0, column: 0 });
const sequence = /^\u001b\[(\??)([\d;]*)([A-Za-z])/;

export class TerminalScreen {
  isAlternate = false;
  cursorIsShown = true;
  wraps = true;
  /** Whether anything was ever painted. */
  hasColors = false;
  /** Rows and columns that were written to since `forgetExtent`, counted from 1. */
  extent = { rows: 0, columns: 0 };
  private main = emptyBuffer();
  private alternate = emptyBuffer();
  private rest = '';

  /** What stands in the buffer that is shown, without blanks at the end of lines. */
  lines(): string[] {
    return Array.from(this.shown().cells as (string[] | undefined)[], (cells) =>
      Array.from((cells ?? []) as (string | undefined)[], (cell) => cell ?? ' ')
        .join('')
        .trimEnd(),
    );
  }

  text(): string {
    return this.lines().join('\n');
  }

  forgetExtent(): void {
    this.extent = { rows: 0, columns: 0 };
  }

  feed(written: string): void {
    let text = this.rest + written;
    this.rest = '';
    while (text !== '') {
      if (text.startsWith('\u001b')) {
        const found = sequence.exec(text);
        if (!found) {
          if (text.length > 32) throw new Error(`a sequence that nobody knows: ${JSON.stringify(text.slice(0, 32))}`);
          this.rest = text;
          return;
        }
        this.obey(found[1] === '?', found[2] ?? '', found[3] ?? '');
        text = text.slice(found[0].length);
        continue;
      }
      const end = text.indexOf('\u001b');
      this.put(end < 0 ? text : text.slice(0, end));
      text = end < 0 ? '' : text.slice(end);
    }
  }

  private shown(): Buffer {
    return this.isAlternate ? this.alternate : this.main;
  }

  private obey(isPrivate: boolean, parameters: string, letter: string): void {
    const buffer = this.shown();
    const [first = 0, second = 0] = parameters.split(';').map(Number);
    const what = `${isPrivate ? '?' : ''}${letter === 'm' ? '' : parameters}${letter}`;
    if (letter === 'm') this.hasColors ||= parameters !== '';
    else if (letter === 'H') {
      buffer.row = Math.max(1, first) - 1;
      buffer.column = Math.max(1, second) - 1;
    } else if (what === '2J') buffer.cells = [];
    else if (what === '2K') buffer.cells[buffer.row] = [];
    else if (what === '?1049h') {
      this.isAlternate = true;
      this.alternate = emptyBuffer();
    } else if (what === '?1049l') this.isAlternate = false;
    else if (what === '?25h' || what === '?25l') this.cursorIsShown = letter === 'h';
    else if (what === '?7h' || what === '?7l') this.wraps = letter === 'h';
    else if (what !== '?2026h' && what !== '?2026l') throw new Error(`a sequence that nobody knows: ${what}`);
  }

  private put(text: string): void {
    const buffer = this.shown();
    for (const { segment } of new Intl.Segmenter().segment(text)) {
      if (segment === '\r\n' || segment === '\n') {
        buffer.row += 1;
        buffer.column = 0;
        continue;
      }
      if (segment === '\r') {
        buffer.column = 0;
        continue;
      }
      const cells = (buffer.cells[buffer.row] ??= []);
      cells[buffer.column] = segment;
      const width = stringWidth(segment);
      for (let more = 1; more < width; more += 1) cells[buffer.column + more] = '';
      buffer.column += width;
      this.extent.rows = Math.max(this.extent.rows, buffer.row + 1);
      this.extent.columns = Math.max(this.extent.columns, buffer.column);
    }
  }
}
