/**
 * Goal: the lists that calls come to and go from hold exactly those on their way, whatever the order; an abort calls back each of them once.
 * Method: random comings and goings against a Set.
 */
import fc from 'fast-check';
import { Call } from '../../../activities/row-engine/call';
import { CallList } from '../../../activities/row-engine/call-list';
import { onAbort } from '../../../drivers/model/shared-aborts';
import { rowsOf } from './shards';

const row = rowsOf(1).row(0);

/** Whether a call comes; else which of those there goes. */
const steps = fc.array(fc.record({ comes: fc.boolean(), which: fc.nat() }), { maxLength: 200 });

/** Do the steps; `come` returns how a call goes. */
function live<T>(
  moves: readonly { comes: boolean; which: number }[],
  come: (index: number) => [T, () => void],
): Set<T> {
  const there: [T, () => void][] = [];
  moves.forEach(({ comes, which }, index) => {
    if (comes || there.length === 0) there.push(come(index));
    else there.splice(which % there.length, 1)[0]?.[1]();
  });
  return new Set(there.map(([value]) => value));
}

it('holds the calls that came and did not go', () => {
  fc.assert(
    fc.property(steps, (moves) => {
      const list = new CallList();
      const there = live(moves, (index) => {
        const call = new Call(index, row, 0, row.request);
        list.add(call);
        return [call, () => list.remove(call)];
      });
      expect(list.all()).toHaveLength(there.size);
      expect(new Set(list.all())).toEqual(there);
    }),
  );
});

it('calls back once, on an abort, who waits for it, also where they leave while it is told', () => {
  fc.assert(
    fc.property(steps, (moves) => {
      const abort = new AbortController();
      const told: number[] = [];
      const there = live(moves, (index) => {
        const leave = onAbort(abort.signal, () => {
          told.push(index);
          leave();
        });
        return [
          index,
          () => {
            leave();
            leave();
          },
        ];
      });
      abort.abort();
      expect(told.sort((one, other) => one - other)).toEqual([...there].sort((one, other) => one - other));
    }),
  );
});
