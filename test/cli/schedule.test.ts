/** Goal: a schedule that does not fire is not said to. Method: the words for descriptions as the engine gives them. */
import type { ScheduleDescription } from '@temporalio/client';
import { firesWords } from '../../cli/commands/schedule';

/** The engine has times for a paused schedule, too. */
const described = (state: object): ScheduleDescription =>
  ({ state, info: { nextActionTimes: [new Date('2026-03-01T03:00:00Z')] } }) as unknown as ScheduleDescription;

it('one that was replaced while it is paused says how it fires again, and no time', () => {
  expect(firesWords('nightly', described({ paused: false }))).toBe('it fires next at 2026-03-01T03:00:00Z');
  const paused = firesWords('nightly', described({ paused: true, note: 'me: too dear' }));
  expect(paused).toBe('it is paused (me: too dear), and fires again after arte schedule resume nightly');
});
