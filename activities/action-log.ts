/**
 * Actions of people in the store, a document each in a folder: appended, and read in their order. Owns the keys in the folder; whose folder it is, and the
 * shape of an action, are its callers' (run-actions.ts, registry-actions.ts).
 */
import { randomUUID } from 'node:crypto';
import type { ArtifactStore } from '../drivers/store/store';
import type { JsonValue } from '../schemas/json';
import { asIfGone } from './damaged';

/** Append an action. `id` makes a repeated call one action. */
export async function appendAction(
  store: ArtifactStore,
  folder: string,
  action: { readonly at: string },
  id: string = randomUUID(),
): Promise<void> {
  // The time first: a listing is then in the order of events.
  const key = `${folder}${action.at.replace(/[:.]/g, '-')}-${id}.json`;
  await store.putOnce(key, { schemaVersion: 1, ...action });
}

/** All actions of a folder, in the order in which they happened. One that cannot be read is as if it had not been given. */
export async function readActionDocuments(store: ArtifactStore, folder: string): Promise<JsonValue[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(folder)) keys.push(key);
  const documents: JsonValue[] = [];
  for (const key of keys.sort()) {
    const document = await asIfGone(store, key);
    if (document !== undefined) documents.push(document);
  }
  return documents;
}
