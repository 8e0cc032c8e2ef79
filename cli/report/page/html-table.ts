/** Tables of the project's pages, as HTML text. Owns their form; what a cell says is its caller's. Everything that is not said to be HTML is escaped. */
import { escaped } from './report-plots';

/** Text and numbers are escaped; what is HTML says so. */
export type Cell = string | number | { readonly html: string };

export function code(text: string): Cell {
  return { html: `<code>${escaped(text)}</code>` };
}

/** A title as a column begins with it. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Longer than any interval. */
const sentenceCharactersMin = 30;

/** A table in a frame that scrolls by itself, by keyboard too. The first cell of a row is its header. */
export function table(
  id: string,
  caption: string,
  columns: readonly string[],
  rows: readonly (readonly Cell[])[],
): string {
  const cell = (value: Cell): string => (typeof value === 'object' ? value.html : escaped(String(value)));
  const isNumeric = (index: number): boolean => rows.every((row) => /^-?[\d.,]*( %)?$/.test(cell(row[index] ?? '')));
  const numeric = columns.map((_, index) => index > 0 && isNumeric(index));
  // A column with sentences in it breaks them: in one line they would push what follows out of sight.
  const isText = (index: number): boolean =>
    rows.some((row) => typeof row[index] === 'string' && row[index].length > sentenceCharactersMin);
  const text = columns.map((_, index) => index > 0 && isText(index));
  const attribute = (index: number): string =>
    numeric[index] ? ' class="number"' : text[index] ? ' class="text"' : '';
  return `<div class="frame" role="region" aria-labelledby="${id}-caption" tabindex="0"><table>
<caption id="${id}-caption">${escaped(caption)}</caption>
<thead><tr>${columns.map((title, index) => `<th scope="col"${attribute(index)}>${escaped(title)}</th>`).join('')}</tr></thead>
<tbody>${rows
    .map(
      ([first = '', ...others]) =>
        `<tr><th scope="row">${cell(first)}</th>${others.map((value, index) => `<td${attribute(index + 1)}>${cell(value)}</td>`).join('')}</tr>`,
    )
    .join('\n')}</tbody>
</table></div>`;
}
