/** Goal: the end of a stage is told once enough of it was seen, and never beside an end of the run that comes sooner. */
import type { LiveStage } from '../../../cli/run/run-progress';
import { paceOf, RateMeter, stageSecondsLeft } from '../../../cli/run/stage-pace';
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
