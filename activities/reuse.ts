/**
 * A document that is found and reused is made young: the same bytes are written again, on condition that it still stands. `arte gc` looks at an object's
 * age right before it removes it, so what a run has found stays with all that it names (cli/remove-garbage.ts); and where gc was first, it is not found.
 *
 * Owns that write, one small request a find. Whether what it names is there is looked at afterwards, by the caller.
 */
import type { ArtifactStore } from '../drivers/store/store';
import type { JsonValue } from '../schemas/json';
import { putAway } from './damaged';

/** Others that find the same document write it, too; each attempt after the first means that one of them was in between. */
const renewalsMax = 20;

/** The document, young; undefined where there is none (any more). Errors: BlobCorrupt, the store's. */
export async function renewed(store: ArtifactStore, key: string): Promise<JsonValue | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    const standing = await store.getVersion(key);
    if (standing === undefined) return undefined;
    if ((await store.replaceDocument(key, standing.document, standing.version)) !== undefined) return standing.document;
    if (attempt >= renewalsMax) throw new Error(`${key} changes faster than it can be read`);
  }
}

/** The same for documents that their writer makes again: a damaged one is moved out of the way, and is none. */
export async function reused(store: ArtifactStore, key: string): Promise<JsonValue | undefined> {
  try {
    return await renewed(store, key);
  } catch (error) {
    await putAway(store, key, error);
    return undefined;
  }
}
