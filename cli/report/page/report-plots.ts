/**
 * The plots of the report page, as SVG text without scripts. Owns their drawing; what they show comes as numbers and names.
 *
 * Each plot has a title and a description for those who hear it, names its parts for those who point at them (a `title` a mark), and takes its
 * colours from the page's style sheet, so that one file serves light and dark. A table beside each says the same in figures.
 */

/** A text that may stand in HTML, in an attribute too. Everything that a model or a config wrote goes through it. */
export function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

interface PlotText {
  /** Unique on the page. */
  readonly id: string;
  readonly title: string;
  readonly description: string;
}

/** Class of the style sheet that gives a mark its colour: `arm-1`, `outcome-ok`, … */
type ColorClass = string;

const width = 760;
/** Characters of the sheet's 12 px sans serif, on average, in px; labels are shortened to fit by it. */
const characterWidth = 6.4;
/** Names of stages with their arm and round fit into this, in px; where longer ones stand beside a plot, marks still have more than half of it. */
const labelRoomMax = 320;
/** Between two lines of a legend, in px. */
const legendDistance = 16;

function plot({ id, title, description }: PlotText, height: number, body: string): string {
  return `<figure><figcaption>${escaped(title)}</figcaption>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="${id}-title ${id}-description" class="plot">
<title id="${id}-title">${escaped(title)}</title><desc id="${id}-description">${escaped(description)}</desc>
${body}
</svg></figure>`;
}

function label(x: number, y: number, text: string, classes = '', anchor: 'start' | 'middle' | 'end' = 'start'): string {
  return `<text x="${round(x)}" y="${round(y)}" class="${classes}" text-anchor="${anchor}">${escaped(text)}</text>`;
}

function line(x1: number, y1: number, x2: number, y2: number, classes: string): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" class="${classes}"/>`;
}

/** Bars end round where they end in a value, and straight where they stand on their axis. */
function bar(x: number, y: number, wide: number, high: number, classes: string, name: string): string {
  const r = Math.min(4, wide, high / 2);
  const path = `M${round(x)} ${round(y)}h${round(wide - r)}q${r} 0 ${r} ${r}v${round(high - 2 * r)}q0 ${r} -${r} ${r}h-${round(wide - r)}z`;
  return `<path d="${path}" class="fill ${classes}"><title>${escaped(name)}</title></path>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Px for names beside a plot: as many as the longest takes, from `least` to labelRoomMax; `beside` is for what stands with them. */
function roomFor(names: readonly string[], least: number, beside: number): number {
  const longest = Math.max(0, ...names.map((name) => name.length));
  return Math.min(Math.max(least, Math.ceil(longest * characterWidth) + beside), labelRoomMax);
}

/** Without its middle: stages differ in how they begin, and rounds in how they end. */
function shortened(text: string, characters: number): string {
  if (text.length <= characters) return text;
  const kept = Math.max(2, characters - 1);
  return `${text.slice(0, Math.ceil(kept / 2))}…${text.slice(-Math.floor(kept / 2))}`;
}

/** Names as they fit into `room` px. Two that are different never look the same. */
export function fitted(names: readonly string[], room: number): string[] {
  const characters = Math.floor(room / characterWidth);
  const takenBy = new Map<string, string>();
  return names.map((name) => {
    let shown = shortened(name, characters);
    for (let count = 2; (takenBy.get(shown) ?? name) !== name; count += 1) {
      const mark = ` (${count})`;
      shown = shortened(name, characters - mark.length) + mark;
    }
    takenBy.set(shown, name);
    return shown;
  });
}

function percent(share: number): string {
  return (100 * share).toFixed(1);
}

/** Quarters of the percent axis. */
const quarters = [0, 0.25, 0.5, 0.75, 1];

// ---- accuracies --------------------------------------------------------------------------------------------------

export interface AccuracyMark {
  readonly name: string;
  readonly color: ColorClass;
  readonly round: number;
  readonly accuracy: number;
  readonly low: number;
  readonly high: number;
  /** A figure to compare with, drawn as a hollow mark. */
  readonly paper?: number;
}

const rowHeight = 30;

/** Accuracies with their intervals, one below the other, on a scale of 0 to 100 %. */
export function intervalPlot(text: PlotText, marks: readonly AccuracyMark[]): string {
  const names = marks.map(({ name }) => name);
  const [left, right, top] = [roomFor(names, 250, 20), 150, 8];
  const shown = fitted(names, left - 20);
  const x = (share: number): number => left + share * (width - left - right);
  const bottom = top + rowHeight * marks.length;
  const grid = quarters.map(
    (share) =>
      line(x(share), top, x(share), bottom, 'grid') +
      label(x(share), bottom + 18, `${100 * share} %`, 'muted', 'middle'),
  );
  const rows = marks.map(({ name, color, accuracy, low, high, paper }, index) => {
    const y = top + rowHeight * (index + 0.5);
    const interval = `${percent(accuracy)} (${percent(low)} to ${percent(high)})`;
    return `<g><title>${escaped(`${name}: ${interval}`)}</title>${label(left - 14, y + 4, shown[index] ?? '', '', 'end')}
${line(x(low), y, x(high), y, `whisker ${color}`)}<circle cx="${round(x(accuracy))}" cy="${y}" r="5.5" class="fill ring ${color}"/>
${paper === undefined ? '' : `<circle cx="${round(x(paper))}" cy="${y}" r="5" class="hollow"><title>the paper: ${percent(paper)}</title></circle>`}
${label(width - right + 14, y + 4, interval)}</g>`;
  });
  return plot(text, bottom + 26, grid.join('') + rows.join('\n'));
}

/** Accuracies round by round: a line an arm, its interval at every round. What has one round only is a level to compare with. */
export function roundsPlot(text: PlotText, marks: readonly AccuracyMark[]): string {
  const [left, right, top, height] = [52, 210, 10, 300];
  const bottom = height - 34;
  const rounds = Math.max(...marks.map((mark) => mark.round));
  const x = (of: number): number => left + 24 + ((of - 1) / Math.max(1, rounds - 1)) * (width - left - right - 48);
  const y = (share: number): number => bottom - share * (bottom - top);
  const grid = quarters.map(
    (share) =>
      line(left, y(share), width - right, y(share), 'grid') +
      label(left - 8, y(share) + 4, `${100 * share} %`, 'muted', 'end'),
  );
  for (let of = 1; of <= rounds; of += 1) grid.push(label(x(of), bottom + 20, `round ${of}`, 'muted', 'middle'));
  const names = [...new Set(marks.map(({ name }) => name))];
  const series = names.map((name, index) => {
    const points = marks.filter((mark) => mark.name === name).sort((one, other) => one.round - other.round);
    // Side by side, so that intervals of the same round do not cover each other.
    const aside = (index - (names.length - 1) / 2) * 9;
    const { color = '' } = points[0] ?? {};
    const drawn = points.map(({ round: of, accuracy, low, high }) => {
      const at = x(of) + aside;
      return `<g><title>${escaped(`${name}, round ${of}: ${percent(accuracy)} (${percent(low)} to ${percent(high)})`)}</title>
${line(at, y(low), at, y(high), `whisker ${color}`)}<circle cx="${round(at)}" cy="${round(y(accuracy))}" r="5" class="fill ring ${color}"/></g>`;
    });
    const [first] = points;
    const path =
      points.length > 1
        ? `<polyline points="${points.map((point) => `${round(x(point.round) + aside)},${round(y(point.accuracy))}`).join(' ')}" class="curve ${color}"/>`
        : first
          ? line(left, y(first.accuracy), width - right, y(first.accuracy), `level ${color}`)
          : '';
    return { name, color, drawn: path + drawn.join('\n'), end: y(points.at(-1)?.accuracy ?? 0) };
  });
  // The order of the table, in each plot the same; where colours repeat a name can only stand at the end of its line.
  const isToldByColor = new Set(series.map(({ color }) => color)).size === series.length;
  const placed = isToldByColor
    ? series.map((_, index) => top + 8 + 18 * index)
    : apart(
        series.map(({ end }) => end),
        top,
        bottom,
      );
  const shown = fitted(names, right - 30);
  const legend = series.map(
    ({ color }, index) =>
      `<circle cx="${width - right + 16}" cy="${placed[index] ?? 0}" r="4" class="fill ${color}"/>${label(width - right + 26, (placed[index] ?? 0) + 4, shown[index] ?? '')}`,
  );
  return plot(text, height, grid.join('') + series.map(({ drawn }) => drawn).join('\n') + legend.join(''));
}

/** Places of a legend's lines, as near to the wanted ones as legendDistance allows, none above `highest` and none below `lowest`: closer together where they are many. */
function apart(wanted: readonly number[], highest: number, lowest: number): number[] {
  const distance = Math.min(legendDistance, (lowest - highest) / Math.max(1, wanted.length - 1));
  const placed: number[] = [];
  const fromBelow = wanted.map((_, index) => index).sort((one, other) => (wanted[other] ?? 0) - (wanted[one] ?? 0));
  let below = lowest + distance;
  for (const index of fromBelow) {
    below = Math.min(wanted[index] ?? 0, below - distance);
    placed[index] = below;
  }
  // What was pushed out at the top pushes the others down again.
  let above = highest - distance;
  for (const index of fromBelow.reverse()) {
    above = Math.max(placed[index] ?? 0, above + distance);
    placed[index] = round(above);
  }
  return placed;
}

// ---- counts ------------------------------------------------------------------------------------------------------

export interface HistogramBin {
  readonly name: string;
  readonly count: number;
}

/** How many fall on each value. */
export function histogram(text: PlotText, bins: readonly HistogramBin[], color: ColorClass): string {
  const [left, right, top, height] = [16, 16, 22, 210];
  const bottom = height - 30;
  const step = (width - left - right) / Math.max(1, bins.length);
  const most = Math.max(1, ...bins.map(({ count }) => count));
  // Names that would touch are left out, evenly.
  const every = Math.ceil(44 / step);
  const bars = bins.map(({ name, count }, index) => {
    const high = ((bottom - top) * count) / most;
    const at = left + step * index;
    const r = Math.min(4, high);
    const [x, wide] = [at + 1, step - 2];
    const path = `M${round(x)} ${bottom}v-${round(high - r)}q0 -${r} ${r} -${r}h${round(wide - 2 * r)}q${r} 0 ${r} ${r}v${round(high - r)}z`;
    return `${count === 0 ? '' : `<path d="${path}" class="fill ${color}"><title>${escaped(`${name}: ${count}`)}</title></path>`}
${count === 0 || step < 22 ? '' : label(at + step / 2, bottom - high - 6, String(count), 'muted', 'middle')}
${index % every === 0 ? label(at + step / 2, bottom + 18, name, 'muted', 'middle') : ''}`;
  });
  return plot(text, height, line(left, bottom, width - right, bottom, 'axis') + bars.join(''));
}

export interface BarRow {
  readonly name: string;
  readonly value: number;
  /** The value in words, at the bar's end. */
  readonly words: string;
}

/** One bar a row, with its value written at its end. */
export function barPlot(text: PlotText, rows: readonly BarRow[], color: ColorClass): string {
  const names = rows.map(({ name }) => name);
  const [left, right, top, step] = [roomFor(names, 250, 20), 120, 4, 24];
  const shown = fitted(names, left - 20);
  const most = Math.max(...rows.map(({ value }) => value), Number.MIN_VALUE);
  const drawn = rows.map(({ name, value, words }, index) => {
    const y = top + step * index;
    const wide = ((width - left - right) * value) / most;
    return `<g>${label(left - 14, y + 16, shown[index] ?? '', '', 'end')}${value > 0 ? bar(left, y + 4, Math.max(2, wide), step - 8, color, `${name}: ${words}`) : ''}
${label(left + (value > 0 ? Math.max(2, wide) : 0) + 8, y + 16, words, 'muted')}</g>`;
  });
  const bottom = top + step * rows.length;
  return plot(text, bottom + 6, line(left, top, left, bottom, 'axis') + drawn.join('\n'));
}

export interface ShareRow {
  readonly name: string;
  readonly parts: readonly { readonly name: string; readonly count: number; readonly color: ColorClass }[];
}

/** Each row's parts as shares of the whole. Parts are told apart by a legend and by their names when pointed at. */
export function sharePlot(text: PlotText, rows: readonly ShareRow[]): string {
  const names = rows.map(({ name }) => name);
  const [left, right, step] = [roomFor(names, 250, 20), 90, 26];
  const shown = fitted(names, left - 20);
  const kinds = [...new Map(rows.flatMap(({ parts }) => parts).map((part) => [part.name, part])).values()];
  let at = left;
  const legend = kinds.map(({ name, color }) => {
    const item = `<rect x="${at}" y="4" width="12" height="12" rx="3" class="fill ${color}"/>${label(at + 18, 14, name)}`;
    at += 36 + name.length * characterWidth;
    return item;
  });
  const top = 28;
  const drawn = rows.map(({ name, parts }, index) => {
    const y = top + step * index;
    const all = parts.reduce((sum, { count }) => sum + count, 0);
    let x = left;
    const marks = parts.map((part) => {
      const wide = ((width - left - right) * part.count) / Math.max(1, all);
      // Two pixels of the page between two parts; a part that is there is seen.
      const mark = `<rect x="${round(x)}" y="${y + 4}" width="${round(Math.max(1.5, wide - 2))}" height="${step - 9}" rx="2" class="fill ${part.color}"><title>${escaped(`${name}: ${part.count} ${part.name} of ${all}`)}</title></rect>`;
      x += wide;
      return part.count === 0 ? '' : mark;
    });
    return `<g>${label(left - 14, y + 17, shown[index] ?? '', '', 'end')}${marks.join('')}${label(width - right + 10, y + 17, `${all} rows`, 'muted')}</g>`;
  });
  return plot(text, top + step * rows.length + 4, legend.join('') + drawn.join('\n'));
}

// ---- curves ------------------------------------------------------------------------------------------------------

export interface CurveLine {
  readonly name: string;
  readonly color: ColorClass;
  /** In the order of x. */
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface CurveAxes {
  /** What x counts: `step`, `seconds since the stage began`. */
  readonly x: string;
  /** A value of y in words; also those of the axis. */
  readonly y: (value: number) => string;
  /** Y begins here, where that means something: 0 of a rate. Else at the lowest value. */
  readonly from?: number;
  /** X begins here; else where the lines do. */
  readonly begin?: number;
}

/** Lines of y over x, of a training or of a speed. A line of one point is a mark; lines without points are left out. */
export function curvePlot(text: PlotText, lines: readonly CurveLine[], axes: CurveAxes): string {
  const drawn = lines.filter(({ points }) => points.length > 0);
  const isSeveral = drawn.length > 1;
  const named = drawn.map(({ name, points }) => ({ name, value: axes.y(points.at(-1)?.y ?? 0) }));
  const valueLength = Math.max(0, ...named.map(({ value }) => value.length + 2));
  const legend = named.map(({ name, value }) => `${value}  ${name}`);
  const legendRoom = roomFor(legend, 300, 34);
  const [left, right, top, height] = [64, isSeveral ? legendRoom : 70, 12, 220];
  const bottom = height - 40;
  const [xs, ys] = [drawn.flatMap(({ points }) => points.map(({ x }) => x)), drawn.flatMap(valuesOf)];
  const [lowX, highX] = [Math.min(...xs, axes.begin ?? Infinity), Math.max(...xs)];
  const xTicks = ticks(lowX, highX, 6);
  const yTicks = ticks(Math.min(...ys, axes.from ?? Infinity), Math.max(...ys), 4);
  const [lowY, highY] = [Math.min(...ys, yTicks[0] ?? 0), Math.max(...ys, yTicks.at(-1) ?? 1)];
  const x = (of: number): number => left + ((of - lowX) / (highX - lowX || 1)) * (width - left - right);
  const y = (of: number): number => bottom - ((of - lowY) / (highY - lowY || 1)) * (bottom - top);
  const grid = [
    ...yTicks.map(
      (of) => line(left, y(of), width - right, y(of), 'grid') + label(left - 8, y(of) + 4, axes.y(of), 'muted', 'end'),
    ),
    ...xTicks
      .filter((of) => of >= lowX && of <= highX)
      .map((of) => label(x(of), bottom + 18, of.toLocaleString('en-US'), 'muted', 'middle')),
    label((left + width - right) / 2, bottom + 34, axes.x, 'muted', 'middle'),
  ];
  const ends = apart(
    drawn.map((each) => y(valuesOf(each).at(-1) ?? 0)),
    top,
    bottom,
  );
  const shown = fitted(
    named.map(({ name }) => name),
    right - 30 - valueLength * characterWidth,
  );
  const marks = drawn.map(({ name, color, points }, index) => {
    const last = points.at(-1) as CurveLine['points'][number];
    const said = `${name}: ${axes.y(last.y)} at ${axes.x} ${last.x.toLocaleString('en-US')}`;
    const path = points.map((point) => `${round(x(point.x))},${round(y(point.y))}`).join(' ');
    const at = ends[index] ?? 0;
    const words = isSeveral
      ? `<circle cx="${width - right + 16}" cy="${at}" r="4" class="fill ${color}"/>${label(width - right + 26, at + 4, `${axes.y(last.y)}  ${shown[index] ?? ''}`)}`
      : label(x(last.x) + 10, y(last.y) + 4, axes.y(last.y));
    return `<g><title>${escaped(said)}</title>${points.length > 1 ? `<polyline points="${path}" class="curve ${color}"/>` : ''}
<circle cx="${round(x(last.x))}" cy="${round(y(last.y))}" r="4" class="fill ring ${color}"/>${words}</g>`;
  });
  return plot(text, height, grid.join('') + line(left, bottom, width - right, bottom, 'axis') + marks.join('\n'));
}

function valuesOf({ points }: CurveLine): number[] {
  return points.map(({ y }) => y);
}

/** Round values that span a range, about so many of them: steps of 1, 2 or 5 times a power of ten. */
export function ticks(low: number, high: number, about: number): number[] {
  if (!(high > low)) return [low];
  const rough = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.floor(low / step + 1e-9);
  const found: number[] = [];
  for (let at = first; at * step < high + step * (1 - 1e-9); at += 1) found.push(Number((at * step).toPrecision(12)));
  return found;
}
