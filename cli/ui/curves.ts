/**
 * The history of what is live, kept in memory while the page's server runs: how fast stages go, and how trainings learn. Owns what is kept and how
 * much of it; the figures are those of the heartbeats (run-progress.ts).
 *
 * Invariants: 1. Bounded: a curve has at most pointsMax points, a run at most curvesMax curves; when a curve is full every other point goes, so
 * that its whole length stays. 2. A training that resumed at a checkpoint goes on from there: what it had done after it is not shown twice.
 */
import { drawnMetrics, type Curve, type CurvePoint } from '../report/curve';
import type { LiveStage } from '../run/run-progress';
import { RateMeter, type Rate } from '../run/stage-pace';

/** Points of one curve: more than a plot of the page has pixels to tell apart. */
export const pointsMax = 360;
/** Curves of one run: the stages of a round with many arms, and some rounds of them. The oldest go first. */
export const curvesMax = 80;

/** What one run's stages have been seen to do. */
export class RunCurves {
  private readonly meter = new RateMeter();
  private readonly curves = new Map<
    string,
    { round: number; label: string; unit: LiveStage['unit']; points: CurvePoint[] }
  >();

  /** Take a look at a live stage; says how fast it goes. */
  observe(round: number, stage: LiveStage, at: number): Rate | undefined {
    const rate = this.meter.observe(stage, at);
    if (stage.total === 0) return rate;
    const key = `${round} ${stage.label}`;
    const known = this.curves.get(key);
    const curve = known?.unit === stage.unit ? known : { round, label: stage.label, unit: stage.unit, points: [] };
    this.curves.set(key, curve);
    add(curve.points, { at, done: stage.done, ...(rate ? { rate } : {}), metrics: shownOf(stage.metrics) });
    while (this.curves.size > curvesMax) this.curves.delete(this.curves.keys().next().value ?? '');
    return rate;
  }

  all(): readonly Curve[] {
    return [...this.curves.values()];
  }

  clear(): void {
    this.curves.clear();
  }
}

function shownOf(metrics: LiveStage['metrics']): CurvePoint['metrics'] {
  return Object.fromEntries(
    drawnMetrics.flatMap((name) => (metrics[name] === undefined ? [] : [[name, metrics[name]]])),
  );
}

function add(points: CurvePoint[], point: CurvePoint): void {
  // Resumed at a checkpoint, or begun again: what lies ahead of it did not last.
  while ((points.at(-1)?.done ?? 0) > point.done) points.pop();
  points.push(point);
  if (points.length <= pointsMax) return;
  // The newest stays.
  const kept = points.filter((_, index) => (points.length - 1 - index) % 2 === 0);
  points.splice(0, points.length, ...kept);
}
