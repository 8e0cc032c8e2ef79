/**
 * A document of the store that several workers change: read, changed, and written only if nobody else has written meanwhile; else begun again.
 * Owns the race; what a change means is its caller's.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ArtifactStore } from '../drivers/store/store';
import { ArteError } from '../schemas/errors';
import type { JsonValue } from '../schemas/json';
import { documentRacesMax } from '../schemas/limits';

/**
 * `change` gets what stands there and says what shall; undefined leaves it as it is. It may be called several times, and what it asks of others it asks after the look. `name` is for the error:
 * what the document is to a person. Errors: StoreUnreachable when others always came first, and the store's.
 */
export async function changeDocument(
  store: ArtifactStore,
  key: string,
  name: string,
  change: (standing: JsonValue | undefined) => JsonValue | undefined | Promise<JsonValue | undefined>,
): Promise<void> {
  for (let race = 0; race < documentRacesMax; race += 1) {
    const standing = await store.getVersion(key);
    const document = await change(standing?.document);
    if (document === undefined) return;
    const written = standing
      ? (await store.replaceDocument(key, document, standing.version)) !== undefined
      : (await store.putOnce(key, document)).won;
    if (written) return;
    await sleep(Math.random() * 10 * Math.min(race + 1, 50));
  }
  throw new ArteError('StoreUnreachable', {
    what: `${name} could not be written.`,
    why: `It was changed by others ${documentRacesMax} times while this worker tried.`,
    next: 'It is tried again by itself.',
  });
}
