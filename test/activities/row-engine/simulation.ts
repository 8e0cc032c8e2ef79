/**
 * A discrete simulation of an endpoint and of rows that want it, on a clock of its own: the limiter is judged in simulated seconds.
 * Owns the clock and the models of servers; what is expected of the limiter is limiter.test.ts.
 */
import type { Clock } from '../../../activities/row-engine/clock';
import { Limiter, Ticket, type CallEnd, type LimiterClient } from '../../../activities/row-engine/limiter';
import { seededRandom } from '../../../method/keys';

/** Time that moves from event to event. */
export class SimulatedClock implements Clock {
  private time = 0;
  private sequence = 0;
  private readonly heap: { at: number; sequence: number; action: (() => void) | undefined }[] = [];

  now(): number {
    return this.time;
  }

  after(ms: number, action: () => void): () => void {
    const event = {
      at: this.time + Math.max(0, ms),
      sequence: (this.sequence += 1),
      action: action as (() => void) | undefined,
    };
    this.push(event);
    return () => {
      event.action = undefined;
    };
  }

  soon(action: () => void): void {
    this.after(0, action);
  }

  /** Let time pass until `at` or until nothing is left to happen. */
  runUntil(at: number): void {
    for (let next = this.heap[0]; next && next.at <= at; next = this.heap[0]) {
      this.pop();
      this.time = next.at;
      next.action?.();
    }
    this.time = at;
  }

  private push(event: (typeof this.heap)[number]): void {
    const { heap } = this;
    heap.push(event);
    for (let at = heap.length - 1; at > 0;) {
      const parent = (at - 1) >> 1;
      if (!before(heap[at], heap[parent])) break;
      [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
      at = parent;
    }
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    heap[0] = last;
    for (let at = 0; ;) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2])
        if (child < heap.length && before(heap[child], heap[least])) least = child;
      if (least === at) return;
      [heap[at], heap[least]] = [heap[least]!, heap[at]!];
      at = least;
    }
  }
}

function before(
  one: { at: number; sequence: number } | undefined,
  other: { at: number; sequence: number } | undefined,
): boolean {
  return one!.at < other!.at || (one!.at === other!.at && one!.sequence < other!.sequence);
}

/** What a server does with a call that arrives while `active` others are being answered. */
export type ServerModel = (
  active: number,
  now: number,
  random: () => number,
) => { readonly ms: number; readonly end: CallEnd };

export interface Simulated {
  readonly clock: SimulatedClock;
  readonly limiter: Limiter;
  readonly counts: { answered: number; signals: number; calls: number; waiting: number };
  /** Answered calls by simulated second. */
  readonly perSecond: number[];
}

/** Lognormal with this mean. */
export function lognormal(meanMs: number, sigma: number, random: () => number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return meanMs * Math.exp(sigma * normal - (sigma * sigma) / 2);
}

/** Endless rows; a row that was turned away waits (as told, or 100 to 200 ms) without a slot and is then asked again. */
export function simulate(settings: {
  readonly seed: number;
  readonly start: number;
  readonly max: number;
  readonly server: ServerModel;
  readonly roundTripMs?: number;
}): Simulated {
  const random = seededRandom(settings.seed);
  const clock = new SimulatedClock();
  const limiter = new Limiter(settings, clock, random);
  const counts = { answered: 0, signals: 0, calls: 0, waiting: 0 };
  const perSecond: number[] = [];
  const rtt = settings.roundTripMs ?? 1;
  let active = 0;
  const staged: Ticket[] = [];
  const client: LimiterClient = {
    next: () => {
      const ticket = new Ticket();
      staged.push(ticket);
      return ticket;
    },
    send: () => {
      for (const ticket of staged.splice(0)) {
        counts.calls += 1;
        clock.after(rtt / 2, () => {
          const { ms, end } = settings.server(active, clock.now(), random);
          const accepted = end.kind === 'answered';
          if (accepted) active += 1;
          clock.after(ms, () => {
            if (accepted) active -= 1;
            clock.after(rtt / 2, () => {
              if (accepted) {
                counts.answered += 1;
                const second = Math.floor(clock.now() / 1000);
                perSecond[second] = (perSecond[second] ?? 0) + 1;
              } else counts.signals += 1;
              limiter.finish(ticket, end);
            });
          });
        });
      }
    },
  };
  limiter.join(client);
  return { clock, limiter, counts, perSecond };
}
