/** The last warnings of a run that is watched: each once, however often it is said, with the time of the last. */
import type { RunView } from '../run/run-progress';
import type { Warning } from './watched-run';

/** Concurrency that adapts is no warning; the screen has its figures. */
const adapting = /^\d+ of \d+ calls at a time$/;

/** As many as the highest screens show. */
const keptMax = 40;

export class Warnings {
  private readonly kept = new Map<string, Warning>();

  /** What a look at the run has to say. */
  observe({ live, progress }: RunView, at: number): void {
    for (const { label, trouble, note } of live) {
      if (trouble !== undefined) this.add({ at, about: label, text: trouble });
      if (note !== undefined && !adapting.test(note)) this.add({ at, about: label, text: note });
    }
    const { failed } = progress;
    if (failed) this.add({ at, about: failed.stage, text: `${failed.error.code}: ${failed.error.what}` });
  }

  /** The same but for its figures (`no answer for 12 s`) is the same warning. */
  add(warning: Warning): void {
    const key = `${warning.about} ${warning.text.replaceAll(/\d+/g, '#')}`;
    // Taken out first, so that the newest stands last.
    this.kept.delete(key);
    this.kept.set(key, warning);
    const oldest = this.kept.keys().next().value;
    if (this.kept.size > keptMax && oldest !== undefined) this.kept.delete(oldest);
  }

  /** Oldest first. */
  all(): readonly Warning[] {
    return [...this.kept.values()];
  }
}
