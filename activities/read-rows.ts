/** Reads a stage's artifact back as typed rows: one schema, one ref, no `any` in between. */
import type { z } from 'zod';
import type { ArtifactRef } from '../schemas/artifact-ref';
import type { ArtifactStore } from '../drivers/store/store';

/**
 * Rows one by one, each parsed. A row that does not fit is a foreign or damaged artifact: the store's word for damage (BlobCorrupt) if it is
 * that, else the parser's error.
 */
export async function* streamRows<Schema extends z.ZodType>(
  store: ArtifactStore,
  ref: ArtifactRef,
  schema: Schema,
): AsyncGenerator<z.infer<Schema>> {
  const lines = store.getLines(ref)[Symbol.asyncIterator]();
  try {
    for (let next = await lines.next(); next.done !== true; next = await lines.next()) {
      let row: z.infer<Schema>;
      try {
        row = schema.parse(JSON.parse(next.value));
      } catch (error) {
        // The store knows whether the bytes are right when it has seen the last of them.
        while ((await lines.next()).done !== true);
        throw error;
      }
      yield row;
    }
  } finally {
    await lines.return?.(undefined);
  }
}

/** All rows at once: for artifacts that grow with tasks and questions, never for cells of the matrix. */
export async function readRows<Schema extends z.ZodType>(
  store: ArtifactStore,
  ref: ArtifactRef,
  schema: Schema,
): Promise<z.infer<Schema>[]> {
  const rows: z.infer<Schema>[] = [];
  for await (const row of streamRows(store, ref, schema)) rows.push(row);
  return rows;
}
