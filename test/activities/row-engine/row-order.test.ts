/**
 * Goal: rows whose prompts begin alike are asked one after another, every open row is asked once, and no call in flight goes without a row.
 * Method: the order alone, driven as the engine drives it: a number of calls in flight, ended in a seeded random order.
 */
import { RowOrder } from '../../../activities/row-engine/row-order';

/** Deterministic numbers in [0, 1). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

interface Drive {
  readonly length: number;
  readonly inFlight: number;
  readonly runLength?: number;
  readonly isOpen?: (row: number) => boolean;
  readonly seed?: number;
}

/** Gives out all rows; counts those that do not follow on the row before them: its answer is not there yet, or is no relation. */
function drive({ length, inFlight, runLength, isOpen = () => true, seed = 1 }: Drive) {
  const draw = random(seed);
  const runEnd = runLength === undefined ? undefined : (row: number) => (Math.floor(row / runLength) + 1) * runLength;
  const order = new RowOrder(length, isOpen, runEnd);
  const given: number[] = [];
  const flying: number[] = [];
  const ends = new Set<number>();
  let cold = 0;
  const open = Array.from({ length }, (_, row) => row).filter(isOpen).length;
  for (;;) {
    while (flying.length < inFlight) {
      const row = order.take();
      if (row === undefined) {
        expect(given).toHaveLength(open);
        break;
      }
      if (!ends.has(row - 1) || row % (runLength ?? 1) === 0) cold += 1;
      given.push(row);
      flying.push(row);
    }
    const [ended] = flying.splice(Math.floor(draw() * flying.length), 1);
    if (ended === undefined) return { given, cold };
    ends.add(ended);
    order.release(ended);
  }
}

describe('RowOrder', () => {
  it('gives rows as they stand where there are no runs', () => {
    expect(drive({ length: 50, inFlight: 7 }).given).toEqual(Array.from({ length: 50 }, (_, row) => row));
  });

  it.each([1, 2, 3, 4, 5])('gives every open row once, whatever ends when (seed %i)', (seed) => {
    const isOpen = (row: number): boolean => row % 7 !== 3;
    const { given } = drive({ length: 400, inFlight: 16, runLength: 10, isOpen, seed });
    expect([...given].sort((one, other) => one - other)).toEqual(
      Array.from({ length: 400 }, (_, row) => row).filter(isOpen),
    );
  });

  it('keeps to one call a run while there are runs to begin', () => {
    const { given, cold } = drive({ length: 1000, inFlight: 16, runLength: 10 });
    // A run's first row, and what is split off the last runs when there is nothing else left to ask.
    expect(cold).toBeGreaterThanOrEqual(100);
    expect(cold).toBeLessThan(150);
    const first = given.slice(0, 16);
    expect(first).toEqual(Array.from({ length: 16 }, (_, run) => run * 10));
  });

  it('splits a run when all others are begun, so that every call has a row', () => {
    const { given } = drive({ length: 100, inFlight: 8, runLength: 100 });
    expect(new Set(given).size).toBe(100);
    expect(given.slice(0, 8)).toEqual(
      [0, 50, 25, 75, 13, 88, 38, 63].sort((a, b) => given.indexOf(a) - given.indexOf(b)),
    );
  });

  it('ignores the end of a row that it did not give', () => {
    const order = new RowOrder(
      2,
      () => true,
      () => 2,
    );
    order.release(1);
    expect([order.take(), order.take(), order.take()]).toEqual([0, 1, undefined]);
  });
});
