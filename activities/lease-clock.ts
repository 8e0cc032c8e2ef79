/**
 * How much of the time until a model is there was work for it (its form made, its server started) and how much was waiting for others (their turn, their
 * training, another process). Owns that distinction; the words are drivers/model/model.ts's.
 */
import type { LeaseWait } from '../drivers/model/model';

const work: ReadonlySet<LeaseWait> = new Set<LeaseWait>(['form', 'load']);

export class LeaseClock {
  private worked = 0;
  private since: number | undefined;

  constructor(private readonly now: () => number = Date.now) {}

  /** What is waited for from now on. */
  on(what: LeaseWait): void {
    this.workedMs();
    if (work.has(what)) this.since = this.now();
  }

  /** Work until now, in milliseconds; what was waited for last is over. */
  workedMs(): number {
    if (this.since !== undefined) this.worked += this.now() - this.since;
    this.since = undefined;
    return this.worked;
  }
}
