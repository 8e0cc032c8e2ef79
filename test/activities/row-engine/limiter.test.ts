/**
 * Goal: the limiter finds what an endpoint can take, keeps to it, finds it again when it moves, and does not collapse for signals that
 * load has nothing to do with. Method: servers simulated on a clock of their own (simulation.ts), three seeds each; no real time passes.
 */
import { Limiter, Ticket, type CallEnd, type LimiterClient } from '../../../activities/row-engine/limiter';
import { LimiterRegistry } from '../../../activities/row-engine/limiters';
import { lognormal, simulate, SimulatedClock, type ServerModel, type Simulated } from './simulation';

const seeds = [1, 2, 3];
const meanMs = 100;
const turnedAway: readonly [string, CallEnd][] = [
  ['without a time', { kind: 'overload' }],
  ['with Retry-After', { kind: 'limited', retryAfterMs: 1000 }],
];

/** Answers in lognormal time. */
const answers = (random: () => number, factor = 1): ReturnType<ServerModel> => ({
  ms: lognormal(meanMs, 0.5, random) * factor,
  end: { kind: 'answered', work: 100 },
});

/** Answers `limit` calls at a time and turns away the rest at once. */
const limited =
  (limitAt: (now: number) => number, end: CallEnd): ServerModel =>
  (active, now, random) =>
    active >= limitAt(now) ? { ms: 0.2, end } : answers(random);

function rate({ counts }: Simulated, seconds: number): number {
  return counts.answered / seconds;
}

describe.each(seeds)('seed %d', (seed) => {
  it.each(turnedAway)('finds a server limit of 32 under a ceiling of 256 (429 %s)', (_name, end) => {
    const simulated = simulate({ seed, start: 8, max: 256, server: limited(() => 32, end) });
    simulated.clock.runUntil(30_000);
    expect(rate(simulated, 30)).toBeGreaterThanOrEqual(0.85 * 32 * (1000 / meanMs));
    expect(simulated.counts.signals / simulated.counts.calls).toBeLessThanOrEqual(0.05);
  });

  it('does so over a line whose round trip takes a fifth of the answer', () => {
    const simulated = simulate({
      seed,
      start: 8,
      max: 256,
      roundTripMs: 20,
      server: limited(() => 32, { kind: 'overload' }),
    });
    simulated.clock.runUntil(30_000);
    expect(rate(simulated, 30)).toBeGreaterThanOrEqual(0.8 * 32 * (1000 / meanMs));
    expect(simulated.counts.signals / simulated.counts.calls).toBeLessThanOrEqual(0.08);
  });

  it('finds the limit again within ten seconds after it doubled', () => {
    const simulated = simulate({
      seed,
      start: 8,
      max: 256,
      server: limited((now) => (now < 10_000 ? 32 : 64), { kind: 'overload' }),
    });
    simulated.clock.runUntil(10_000);
    expect(simulated.limiter.state().limit).toBeLessThan(40);
    simulated.clock.runUntil(20_000);
    expect(simulated.limiter.state().limit).toBeGreaterThanOrEqual(60);
  });

  it('follows a limit that falls to a quarter, without a storm', () => {
    const simulated = simulate({
      seed,
      start: 8,
      max: 256,
      server: limited((now) => (now < 10_000 ? 64 : 16), { kind: 'overload' }),
    });
    simulated.clock.runUntil(10_000);
    const before = { ...simulated.counts };
    simulated.clock.runUntil(30_000);
    const calls = simulated.counts.calls - before.calls;
    expect(simulated.counts.signals - before.signals).toBeLessThanOrEqual(0.05 * calls);
    expect(simulated.counts.answered - before.answered).toBeGreaterThanOrEqual(0.85 * 16 * (1000 / meanMs) * 20);
  });

  it.each([
    [0.005, 64],
    [0.01, 64],
    [0.02, 256],
    [0.05, 64],
    [0.05, 256],
  ])('keeps over 90 %% of the throughput with a share of %d random 429s at %d', (share, max) => {
    const simulated = simulate({
      seed,
      start: 8,
      max,
      server: (_active, _now, random) => (random() < share ? { ms: 0.2, end: { kind: 'overload' } } : answers(random)),
    });
    simulated.clock.runUntil(30_000);
    expect(rate(simulated, 30)).toBeGreaterThan(0.9 * max * (1000 / meanMs));
  });

  it.each([0.1, 0.2])('finds out by experiment that a share of %d random 429s has nothing to do with load', (share) => {
    const simulated = simulate({
      seed,
      start: 8,
      max: 64,
      server: (_active, _now, random) => (random() < share ? { ms: 0.2, end: { kind: 'overload' } } : answers(random)),
    });
    simulated.clock.runUntil(30_000);
    const before = simulated.counts.answered;
    simulated.clock.runUntil(40_000);
    expect(simulated.counts.answered - before).toBeGreaterThan(0.9 * 64 * (1000 / meanMs) * 10);
    expect(simulated.limiter.state().baseline).toBeGreaterThan(0.03);
  });

  it('does not grow far into a server that only queues, and shrinks when it did', () => {
    const queue: ServerModel = (active, _now, random) => answers(random, Math.max(1, (active + 1) / 32));
    const simulated = simulate({ seed, start: 8, max: 1024, server: queue });
    simulated.clock.runUntil(60_000);
    expect(simulated.limiter.state().limit).toBeLessThanOrEqual(200);
    expect(rate(simulated, 60)).toBeGreaterThan(0.9 * 32 * (1000 / meanMs));
  });

  it('uses all of a server whose batches pay, though its answers take longer', () => {
    const batching: ServerModel = (active, _now, random) => answers(random, 1 + active / 128);
    const simulated = simulate({ seed, start: 8, max: 256, server: batching });
    simulated.clock.runUntil(30_000);
    expect(simulated.limiter.state().limit).toBeGreaterThan(200);
  });

  it.each([200, 300, 400, 500])(
    'takes a moment of a busy machine, %d ms after the start, for no limit',
    (stallAtMs) => {
      // For 250 ms nothing moves: what should have ended then ends after it.
      const stalling: ServerModel = (_active, now, random) => {
        const { ms, end } = answers(random);
        const stalled = now < stallAtMs + 250 && now + ms > stallAtMs;
        return { ms: stalled ? ms + 250 : ms, end };
      };
      const simulated = simulate({ seed, start: 16, max: 256, server: stalling });
      simulated.clock.runUntil(1_500);
      expect(simulated.limiter.state().limit).toBeGreaterThan(200);
    },
  );

  it('asks an endpoint that is away by single probes, and is back soon after it is', () => {
    const simulated = simulate({
      seed,
      start: 8,
      max: 128,
      server: (_active, now, random) =>
        now > 5_000 && now < 30_000 ? { ms: 1, end: { kind: 'down' } } : answers(random),
    });
    simulated.clock.runUntil(6_000);
    const outage = simulated.counts.calls;
    simulated.clock.runUntil(30_000);
    expect(simulated.counts.calls - outage).toBeLessThan(20);
    simulated.clock.runUntil(38_000);
    expect(simulated.perSecond[37]).toBeGreaterThan(0.9 * 128 * (1000 / meanMs));
  });

  it('leaves a used-up rate alone for as long as it was told', () => {
    let window = 0;
    let used = 0;
    const server: ServerModel = (_active, now, random) => {
      const current = Math.floor(now / 10_000);
      if (current !== window) [window, used] = [current, 0];
      used += 1;
      return used > 200
        ? { ms: 0.2, end: { kind: 'limited', retryAfterMs: (current + 1) * 10_000 - now } }
        : answers(random);
    };
    const simulated = simulate({ seed, start: 8, max: 64, server });
    simulated.clock.runUntil(60_000);
    expect(simulated.counts.answered).toBeGreaterThanOrEqual(0.95 * 1200);
    expect(simulated.counts.signals).toBeLessThanOrEqual(0.5 * 1200);
  });
});

describe('slots', () => {
  it('go to who came first as long as it has rows, then to the next, and never beyond the limit', () => {
    const clock = new SimulatedClock();
    const limiter = new Limiter({ start: 3, max: 3 }, clock);
    const log: string[] = [];
    const flying: Ticket[] = [];
    const client = (name: string, rows: number): Parameters<Limiter['join']>[0] => {
      let taken = 0;
      return {
        next: () => {
          if (taken === rows) return undefined;
          taken += 1;
          const ticket = new Ticket();
          flying.push(ticket);
          log.push(name);
          return ticket;
        },
        send: () => log.push('send'),
      };
    };
    limiter.join(client('a', 4));
    limiter.join(client('b', 2));
    clock.runUntil(1);
    expect(log).toEqual(['a', 'a', 'a', 'send']);
    for (const ticket of flying.splice(0, 3)) limiter.finish(ticket, { kind: 'alive' });
    clock.runUntil(2);
    // Calls that end together are replaced together.
    expect(log.slice(4)).toEqual(['a', 'send', 'b', 'b', 'send']);
    expect(limiter.state().inFlight).toBe(3);
  });

  it('are freed by aborted calls without being taken for anything', () => {
    const { clock, limiter } = simulate({
      seed: 1,
      start: 4,
      max: 4,
      server: () => ({ ms: 5, end: { kind: 'aborted' } }),
    });
    clock.runUntil(1_000);
    expect(limiter.state()).toMatchObject({ limit: 4, baseline: 0, closedForMs: 0 });
  });

  it('follow a ceiling that is changed while running', () => {
    const { clock, limiter } = simulate({
      seed: 1,
      start: 8,
      max: 64,
      server: (_active, _now, random) => answers(random),
    });
    clock.runUntil(5_000);
    expect(limiter.state().limit).toBe(64);
    limiter.setCeiling(5);
    clock.runUntil(10_000);
    expect(limiter.state()).toMatchObject({ limit: 5, inFlight: 5 });
    limiter.setCeiling(40);
    clock.runUntil(20_000);
    expect(limiter.state().limit).toBe(40);
  });

  it('are as many as the strictest of those who take part allows', () => {
    const registry = new LimiterRegistry(new SimulatedClock());
    const client = (callsMax: number): LimiterClient => ({ callsMax, next: () => undefined, send: () => undefined });
    const [strict, loose] = [client(5), client(40)];
    const joined = (each: LimiterClient): Limiter => {
      const limiter = registry.of({ id: 'a', concurrency: { start: 1, max: each.callsMax ?? 0 } });
      limiter.join(each);
      return limiter;
    };
    const limiter = joined(strict);
    joined(loose);
    expect(limiter.state().ceiling).toBe(5);
    limiter.leave(strict);
    expect(limiter.state().ceiling).toBe(40);
    joined(strict);
    expect(limiter.state().ceiling).toBe(5);
    for (const each of [strict, loose]) limiter.leave(each);
    // Nobody is there: whoever comes next brings the ceiling, as after a change of the config.
    expect(registry.of({ id: 'a', concurrency: { start: 1, max: 9 } }).state().ceiling).toBe(9);
  });

  it('are learned once per endpoint of a process', () => {
    const registry = new LimiterRegistry(new SimulatedClock());
    const one = registry.of({ id: 'a', concurrency: { start: 1, max: 9 } });
    expect(registry.of({ id: 'a', concurrency: { start: 1, max: 9 } })).toBe(one);
    expect(registry.of({ id: 'b', concurrency: { start: 1, max: 9 } })).not.toBe(one);
  });
});
