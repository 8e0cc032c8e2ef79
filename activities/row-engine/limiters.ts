/** Which limiter an endpoint has. */
import { systemClock, type Clock } from './clock';
import { Limiter } from './limiter';

/** The limiters of a process, by endpoint id. */
export class LimiterRegistry {
  private readonly limiters = new Map<string, Limiter>();

  constructor(private readonly clock: Clock = systemClock) {}

  /** The limiter of an endpoint; what it has learned stays between shards. */
  of(endpoint: {
    readonly id: string;
    readonly concurrency: { readonly start: number; readonly max: number };
  }): Limiter {
    const known = this.limiters.get(endpoint.id);
    if (known) {
      // While others take part, the ceiling is found when this one joins them.
      if (known.isIdle) known.setCeiling(endpoint.concurrency.max);
      return known;
    }
    const made = new Limiter(endpoint.concurrency, this.clock);
    this.limiters.set(endpoint.id, made);
    return made;
  }
}

/** Shared by all shards that say nothing else. */
export const processLimiters = new LimiterRegistry();
