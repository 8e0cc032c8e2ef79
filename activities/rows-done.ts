/**
 * How many rows a shard had done when it ended with an error. Known where rows are counted (row-stage-shard.ts), told where the error becomes one of the
 * engine's (failures.ts): what stands still has no heartbeat that would say it.
 */
const rowsDone = new WeakMap<object, number>();

/** Note it of the error that the shard ends with. */
export function noteRowsDone(error: unknown, rows: number): void {
  if (typeof error === 'object' && error !== null) rowsDone.set(error, rows);
}

/** Undefined where nobody counted: a shard that had not got as far as its rows, other work. */
export function rowsDoneAt(error: unknown): number | undefined {
  return typeof error === 'object' && error !== null ? rowsDone.get(error) : undefined;
}
