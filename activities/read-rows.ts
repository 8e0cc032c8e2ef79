/** Reads a stage's artifact back as typed rows: one schema, one ref, no `any` in between. */
import type { z } from 'zod';
import type { ArtifactRef } from '../schemas/artifact-ref';
import type { ArtifactStore } from '../drivers/store/store';

/** Rows one by one, each parsed. A row that does not fit is a foreign or damaged artifact and throws zod's error. */
export async function* streamRows<Schema extends z.ZodType>(
  store: ArtifactStore,
  ref: ArtifactRef,
  schema: Schema,
): AsyncGenerator<z.infer<Schema>> {
  for await (const line of store.getLines(ref)) yield schema.parse(JSON.parse(line));
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
