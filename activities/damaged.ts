/**
 * Documents that their writer makes again: a damaged one is moved out of the way, and from then on is as good as one that was never written.
 * Owns what "damaged" is to an activity. Blobs are moved by the store itself; documents that hold what nobody can make again (a run's record, its
 * ledger) are not for this: an error about them reaches a person.
 */
import type { ArtifactStore } from '../drivers/store/store';
import { ArteError } from '../schemas/errors';
import type { JsonValue } from '../schemas/json';

/** Whether it says that something in the store is damaged. */
export function isDamage(error: unknown): error is ArteError {
  return error instanceof ArteError && error.data.code === 'BlobCorrupt';
}

/** Whether it says that something is not in the store, or damaged there. */
export function isGoneOrDamaged(error: unknown): error is ArteError {
  return isDamage(error) || (error instanceof ArteError && error.data.code === 'BlobMissing');
}

/** The document, or undefined where there is none or it was damaged and is out of the way. Errors: BlobCorrupt where it has to stay; the store's. */
export async function madeAgain(store: ArtifactStore, key: string): Promise<JsonValue | undefined> {
  try {
    return await store.getDocument(key);
  } catch (error) {
    await putAway(store, key, error);
    return undefined;
  }
}

/** The same for those who only look: a damaged one counts as missing, and stays where it is. Errors: the store's. */
export async function asIfGone(store: ArtifactStore, key: string): Promise<JsonValue | undefined> {
  try {
    return await store.getDocument(key);
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}

/** Move a document out of the way that could not be read because of `error`. Errors: that one, where it is no damage or the document has to stay. */
export async function putAway(store: ArtifactStore, key: string, error: unknown): Promise<void> {
  if (!isDamage(error) || !(await store.setAside(key))) throw error;
  await say(`${key} was damaged in the store: it is out of the way, and what it stood for is made again`, error);
}

async function say(words: string, { data }: ArteError): Promise<void> {
  try {
    // Loaded when there is something to say: commands read the store by the same code.
    const { log } = await import('@temporalio/activity');
    log.warn(words, { what: data.what, why: data.why });
  } catch {
    // The row engine's benchmarks and tests run outside of an activity, where there is no log.
  }
}
