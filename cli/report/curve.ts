/**
 * What a curve of a stage is: its rows or steps over time, as they were seen live or as its record keeps them. Owns the shape, and how a finished
 * training becomes one; live ones are gathered in ui/curves.ts, drawing is curve-plots.ts.
 */
import { trainingCurveSchema } from '../../schemas/training-curve';
import type { JsonValue } from '../../schemas/json';
import type { LiveStage } from '../run/run-progress';
import type { Rate } from '../run/stage-pace';

export interface CurvePoint {
  /** Epoch milliseconds at which it was seen; left out where only its step is known. */
  readonly at?: number;
  /** Rows or steps that were done. */
  readonly done: number;
  /** A second, and in tokens a second; undefined at first. */
  readonly rate?: Rate;
  /** Of a training: last logged values. */
  readonly metrics: Readonly<Record<string, number>>;
}

export interface Curve {
  readonly round: number;
  readonly label: string;
  readonly unit: LiveStage['unit'];
  readonly points: readonly CurvePoint[];
}

/** What is drawn of a training. */
export const drawnMetrics = ['loss', 'rewards_margins', 'rewards_accuracies'] as const;

/** Of a finished training, from `facts.curve` of its manifest; undefined for what is no training, or was made before curves were kept. */
export function madeCurve(round: number, label: string, kept: JsonValue | undefined): Curve | undefined {
  const { success, data } = trainingCurveSchema.safeParse(kept);
  if (!success || data.steps.length === 0) return undefined;
  const points = data.steps.map((done, place) => {
    const metrics = Object.entries(data.metrics).flatMap(([name, values]) => {
      const value = values[place];
      return value === undefined ? [] : [[name, value] as const];
    });
    return { done, metrics: Object.fromEntries(metrics) };
  });
  return { round, label, unit: 'steps', points };
}
