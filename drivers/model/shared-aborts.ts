/**
 * Many calls under one AbortSignal. Owns one listener a signal, however many calls wait on it: an EventTarget removes a listener in
 * the time it takes to walk past all others, and warns of more than ten.
 *
 * They wait in an array and not in a Set, whose outgrown tables would keep calls that are over in the old part of the heap.
 */
interface Waiting {
  readonly call: () => void;
  /** Where it stands among those who wait; undefined when it does no more. */
  place: number | undefined;
}

const groups = new WeakMap<AbortSignal, Waiting[]>();

/** Call back once when the signal aborts. Returns the taking back of that, to be called when the call has ended. */
export function onAbort(signal: AbortSignal, call: () => void): () => void {
  const group = groupOf(signal);
  const mine: Waiting = { call, place: undefined };
  mine.place = group.push(mine) - 1;
  return () => {
    const { place } = mine;
    if (place === undefined) {
      return;
    }
    mine.place = undefined;
    const last = group.pop();
    if (last !== undefined && last !== mine) {
      last.place = place;
      group[place] = last;
    }
  };
}

function groupOf(signal: AbortSignal): Waiting[] {
  const standing = groups.get(signal);
  if (standing !== undefined) {
    return standing;
  }
  const made: Waiting[] = [];
  groups.set(signal, made);
  signal.addEventListener(
    'abort',
    () => {
      for (const each of [...made]) {
        each.call();
      }
    },
    { once: true },
  );
  return made;
}
