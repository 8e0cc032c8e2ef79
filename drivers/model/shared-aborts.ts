/**
 * Many calls under one AbortSignal. Owns one listener a signal, however many calls wait on it: an EventTarget removes a listener in
 * the time it takes to walk past all others, and warns of more than ten.
 */
const calls = new WeakMap<AbortSignal, Set<() => void>>();

/** Call back once when the signal aborts. Returns the taking back of that, to be called when the call has ended. */
export function onAbort(signal: AbortSignal, call: () => void): () => void {
  let group = calls.get(signal);
  if (group === undefined) {
    const made = new Set<() => void>();
    group = made;
    calls.set(signal, made);
    signal.addEventListener(
      'abort',
      () => {
        for (const each of [...made]) {
          each();
        }
      },
      { once: true },
    );
  }
  const waiting = group;
  waiting.add(call);
  return () => void waiting.delete(call);
}
