/** Goal: of the time until a model is there only what was done for it counts as work. Method: a clock that is set by hand. */
import { LeaseClock } from '../../activities/lease-clock';

it('counts the making of a form and the start of a server, and no turn, training or other process', () => {
  let now = 0;
  const clock = new LeaseClock(() => now);
  const steps = [
    ['form', 10],
    ['turn', 100],
    ['training', 1_000],
    ['load', 5],
    ['device', 10_000],
    ['load', 7],
  ] as const;
  for (const [what, ms] of steps) {
    clock.on(what);
    now += ms;
  }
  expect(clock.workedMs()).toBe(22);
  now += 50;
  // The model is there: what comes after is no part of it.
  expect(clock.workedMs()).toBe(22);
});

it('has nothing to count where a model is there at once', () => {
  expect(new LeaseClock().workedMs()).toBe(0);
});
