/** Plots of curves: how trainings learn and how fast stages go, of one run or of several. Owns which lines stand in which plot. */
import type { Curve, CurvePoint, drawnMetrics } from '../curve';
import { formatCount } from '../../output';
import { formatRate } from '../../run/stage-pace';
import { curvePlot, type CurveLine } from './report-plots';

/** Lines of a plot that eyes can tell apart; the newest are shown. */
const linesMax = 6;
const colors = ['arm-aligned', 'arm-1', 'arm-2', 'arm-3', 'arm-4', 'arm-untuned'] as const;

type Metric = (typeof drawnMetrics)[number];

/** A curve, and what it is called in its plot. */
export interface NamedCurve {
  readonly name: string;
  readonly curve: Curve;
  /** Which of the plots' colours it has, counted from 0, on a page that has something in the same one everywhere; else by its place in the plot. */
  readonly color?: number;
}

type NamedLine = Pick<CurveLine, 'name' | 'points'> & Pick<NamedCurve, 'color'>;

const metricTitles: Readonly<Record<Metric, string>> = {
  loss: 'Loss',
  rewards_margins: 'Reward margin of DPO: chosen over rejected',
  rewards_accuracies: 'Reward accuracy of DPO',
};

/** Plots one below the other, no wider than their text bears; nothing where there are none. */
export function plots(drawings: readonly string[]): string {
  const shown = drawings.filter((each) => each !== '');
  return shown.length === 0 ? '' : `<div class="plots">${shown.join('\n')}</div>`;
}

/** A metric of trainings over their steps; nothing where none of them has it. */
export function metricPlot(id: string, metric: Metric, curves: readonly NamedCurve[], of = ''): string {
  const lines = curves.map(({ curve, ...named }) => ({
    ...named,
    points: curve.points.flatMap(({ done, metrics: { [metric]: value } }) =>
      value === undefined || done === 0 ? [] : [{ x: done, y: value }],
    ),
  }));
  return drawn(id, `${metricTitles[metric]}${of}`, lines, {
    ...{ x: 'step', y: (value) => String(Number(value.toPrecision(3))) },
  });
}

/** Rows or tokens a second over the time since a stage was first seen. */
export function speedPlot(id: string, what: 'rows' | 'tokens', curves: readonly NamedCurve[], of = ''): string {
  const value = ({ rate }: CurvePoint): number | undefined =>
    what === 'rows' ? rate?.perSecond : rate?.tokensPerSecond;
  const lines = curves.map(({ curve, ...named }) => ({
    ...named,
    points: curve.points.flatMap((point) => {
      const y = value(point);
      return y === undefined ? [] : [{ x: Math.round(((point.at ?? 0) - (curve.points[0]?.at ?? 0)) / 1000), y }];
    }),
  }));
  return drawn(id, `${what === 'rows' ? 'Rows' : 'Tokens'} a second${of}`, lines, {
    ...{ x: 'seconds', begin: 0, from: 0, y: (each) => (each >= 100 ? formatCount(each) : formatRate(each)) },
  });
}

function drawn(id: string, title: string, lines: readonly NamedLine[], axes: Parameters<typeof curvePlot>[2]): string {
  const shown = lines
    .filter(({ points }) => points.length > 0)
    .slice(-linesMax)
    .map(({ name, points, color }, index): CurveLine => {
      const place = (color ?? index) % colors.length;
      return { name, points, color: colors[place] ?? 'arm-untuned' };
    });
  if (shown.length === 0) return '';
  const said = shown.map(({ name, points }) => {
    const [first, last] = [points[0], points.at(-1)];
    return first && last
      ? `${name}: from ${axes.y(first.y)} at ${axes.x} ${first.x} to ${axes.y(last.y)} at ${axes.x} ${last.x}`
      : '';
  });
  // One line has no legend: the title says what it is.
  const [only] = shown.length === 1 ? shown : [];
  const full = only ? `${title}, ${only.name}` : title;
  return curvePlot({ id, title: full, description: said.join('; ') }, shown, axes);
}
