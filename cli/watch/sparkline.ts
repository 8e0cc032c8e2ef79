/** A curve in one line of block characters. Pure. */

const blocks = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;

/**
 * Values, oldest first, from their least to their greatest as eight heights. More values than `cells` are averaged in portions, so that the whole
 * curve is seen and not only its end; values that are no numbers are left out. No values: an empty text.
 */
export function sparkline(values: readonly number[], cells: number): string {
  const known = values.filter((value) => Number.isFinite(value));
  const count = Math.min(known.length, Math.max(0, cells));
  if (count === 0) return '';
  const means = Array.from({ length: count }, (_, at) => {
    const portion = known.slice(Math.floor((at * known.length) / count), Math.floor(((at + 1) * known.length) / count));
    return portion.reduce((sum, value) => sum + value, 0) / portion.length;
  });
  const least = Math.min(...means);
  const span = Math.max(...means) - least;
  return means.map((mean) => blocks[span === 0 ? 3 : Math.min(7, Math.floor(((mean - least) / span) * 8))]).join('');
}
