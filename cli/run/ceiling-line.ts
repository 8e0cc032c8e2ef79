/** What is said of a ceiling for a run's calls (`arte concurrency`). */

/** Undefined where there is nothing to say. */
export function ceilingLine(calls: number | null): string | undefined {
  return calls === null ? undefined : `at most ${calls} calls in flight in each worker process, as was ordered`;
}
