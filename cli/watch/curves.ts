/** Loss and reward margins of trainings, as the heartbeats bring them: remembers them for as long as somebody watches. */
import type { LiveStage } from '../run/run-progress';
import type { Curve } from './watched-run';

/** The metrics worth a curve, by the names that TRL gives them, with the words of the screen. */
const names: readonly (readonly [RegExp, string])[] = [
  [/^loss$/, 'loss'],
  [/margins?$/, 'reward margin'],
];

/** Values kept of one curve: more than any screen has columns. */
const valuesMax = 1_000;

export class Curves {
  private readonly seen = new Map<string, { step: number; readonly values: Map<string, number[]> }>();

  /** Remember what a training says; a step counts once. Returns its curves so far. */
  observe({ label, since, done, metrics }: LiveStage): readonly Curve[] {
    const key = `${label} ${since}`;
    const training = this.seen.get(key) ?? { step: -1, values: new Map<string, number[]>() };
    this.seen.set(key, training);
    if (done > training.step) {
      for (const [pattern, name] of names) {
        const value = Object.entries(metrics).find(([metric]) => pattern.test(metric))?.[1];
        if (value === undefined) continue;
        training.step = done;
        const values = training.values.get(name) ?? [];
        values.push(value);
        if (values.length > valuesMax) values.shift();
        training.values.set(name, values);
      }
    }
    return [...training.values].map(([name, values]) => ({ name, values: [...values] }));
  }
}
