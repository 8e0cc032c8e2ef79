/** Goal: a shard whose rows wait says how many, how long and why, and says that nothing is asked only where that is so. Method: a table of standstills. */
import { waitsOf, type Standstill } from '../../../activities/row-engine/waiting-words';
import { retryAfterMaxMs } from '../../../schemas/limits';

const still: Standstill = {
  ...{ open: 2, inFlight: 0, resting: 2, firstForMs: 540_000, isFull: false, closedForMs: 0 },
  last: { message: 'http://api/model: HTTP 429: slow down', toldMs: 1e12 },
};

it('says what the server asked for, and that nobody waits for that long', () => {
  expect(retryAfterMaxMs).toBe(600_000);
  expect(waitsOf(still)).toEqual({
    words:
      '2 rows wait 540 s more to be asked again: http://api/model: HTTP 429: slow down (it says to come back in 31 years; 10 minutes is the most that is waited)',
    held: true,
  });
  const soon = waitsOf({ ...still, open: 1, resting: 1, firstForMs: 20_000, last: { message: 'm', toldMs: 45_000 } });
  expect(soon?.words).toBe('1 row waits 20 s more to be asked again: m (it says to come back in 45 s)');
});

it.each<[string, Partial<Standstill>, boolean | undefined, string]>([
  ['no row waits', { resting: 0 }, undefined, ''],
  ['others are in flight', { open: 5, inFlight: 3 }, false, '2 rows wait 540 s'],
  ['fresh rows are left, and may be asked', { open: 5 }, false, '2 rows wait 540 s'],
  ['fresh rows are left, and the endpoint is left alone', { open: 5, closedForMs: 9_000 }, true, '5 rows wait 9 s'],
  ['so many wait that no fresh one is asked', { open: 5, isFull: true }, true, '5 rows wait 540 s'],
  ['they are due when the endpoint is', { resting: 0, closedForMs: 900 }, true, '2 rows wait 1 s'],
])('%s', (_, more, held, words) => {
  const waits = waitsOf({ ...still, ...more });
  expect(waits?.held).toBe(held);
  expect(waits?.words ?? '').toContain(words);
});
