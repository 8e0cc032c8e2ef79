/** The time of the row engine. */
import { performance } from 'node:perf_hooks';

/** Time, so that simulations can bring their own. */
export interface Clock {
  /** Milliseconds from any origin. */
  now(): number;
  /** Run later; the result cancels. */
  after(ms: number, action: () => void): () => void;
  /** Run once what is happening now has happened: calls that end together are replaced together. */
  soon(action: () => void): void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after: (ms, action) => {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
  soon: (action) => {
    setImmediate(action);
  },
};
