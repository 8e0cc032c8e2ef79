/** Goal: the end of a stage is told once enough of it was seen, and never beside an end of the run that comes sooner. */
import type { LiveStage } from '../../../cli/run/run-progress';
import { formatRate, paceOf, RateMeter, stageSecondsLeft } from '../../../cli/run/stage-pace';
import { noUsage } from '../../../schemas/manifest';

const stage = (more: Partial<LiveStage>): LiveStage => ({
  ...{ label: 'evaluate/arte-3shot', since: '2026-01-01T00:00:00Z', unit: 'rows', phase: 'rows', done: 24, found: 0 },
  ...{ total: 48, inFlight: 2, usage: noUsage, metrics: {} },
  ...more,
});
const rate = { perSecond: 2, tokensPerSecond: 0, looks: 3 };

it.each([
  ['half of its rows', {}, 3, undefined, 12],
  ['one row of 48', { done: 1 }, 3, undefined, undefined],
  ['rows in one look only', {}, 1, undefined, undefined],
  ['fewer than are asked at a time', { done: 6, inFlight: 16 }, 3, undefined, undefined],
  ['found, and made none', { found: 24 }, 3, undefined, undefined],
  ['one step of a training', { unit: 'steps', done: 1, inFlight: 0 }, 3, undefined, undefined],
  ['two steps of a training', { unit: 'steps', done: 2, inFlight: 0 }, 3, undefined, 23],
  ['nothing since an attempt failed', { held: 'attempt 2' }, 3, undefined, undefined],
  ['a run that ends later', {}, 3, 18, 12],
  ['a run that ends sooner', {}, 3, 11, undefined],
] as const)('%s', (_, more, looks, run, expected) => {
  expect(stageSecondsLeft(stage(more), { ...rate, looks }, run)).toBe(expected);
});

it('says how fast it goes before it says when it ends', () => {
  expect(paceOf(stage({ done: 1 }), rate)).toEqual(['2.0/s']);
  expect(paceOf(stage({}), rate)).toEqual(['2.0/s', 'this stage ends in 12s']);
});

it('counts the looks that saw something made, and begins again with a wave', () => {
  const meter = new RateMeter();
  const looks = [4, 4, 8, 8, 12].map((done, at) => meter.observe(stage({ done }), at * 2_000)?.looks);
  expect(looks).toEqual([undefined, undefined, 1, 1, 2]);
  expect(meter.observe(stage({ done: 13, wave: { number: 2 } }), 12_000)).toBeUndefined();
});

/** A training whose steps take so many seconds each, looked at every second: the rates that were said, by the second. */
function stepsOf(seconds: number, until: number, from = 0): (number | undefined)[] {
  const meter = new RateMeter();
  return Array.from({ length: until }, (_, at) => {
    const done = Math.max(0, Math.floor((at - from) / seconds));
    return meter.observe(stage({ unit: 'steps', done, total: 1_000 }), at * 1_000)?.perSecond;
  });
}

it('knows how fast a training is whose steps take longer than it looks back', () => {
  const said = stepsOf(60, 900).filter((perSecond) => perSecond !== undefined);
  expect(said.length).toBeGreaterThan(600);
  for (const perSecond of said) expect(Math.abs(60 * perSecond - 1)).toBeLessThan(0.05);
});

it('does not count what a stage has waited before it began', () => {
  const said = stepsOf(1, 620, 600).filter((perSecond) => perSecond !== undefined);
  expect(said.length).toBeGreaterThan(15);
  for (const perSecond of said) expect(perSecond).toBeCloseTo(1);
});

it('gets slower while nothing is made: a plot of it shows that a stage stands', () => {
  const meter = new RateMeter();
  const rates = [0, 1, 2, 3, 4, 5, 60, 120].map((second) =>
    meter.observe(stage({ done: 10 * Math.min(second, 5) }), second * 1_000),
  );
  expect(rates.slice(2, 6).map((each) => each?.perSecond)).toEqual([10, 10, 10, 10]);
  expect(rates[6]!.perSecond).toBeLessThan(1);
  expect(rates[7]!.perSecond).toBeLessThan(rates[6]!.perSecond);
});

it('says of what is slow how slow it is', () => {
  expect([12.34, 1, 0.5, 1 / 60, 0].map(formatRate)).toEqual(['12.3', '1.0', '0.5', '0.017', '0.0']);
});
