/** Reads the RunBundle: config and task files, as `arte run` stored them. Owns the parse; the making is cli/run/start-run.ts. */
import { z } from 'zod';
import type { ArtifactStore } from '../drivers/store/store';
import { artifactRefSchema, type ArtifactRef } from '../schemas/artifact-ref';
import { ArteError } from '../schemas/errors';
import { runConfigSchema, type RunConfig } from '../schemas/run-config';
import { isGoneOrDamaged } from './damaged';

const bundleSchema = z.object({
  schemaVersion: z.literal(1),
  config: z.json(),
  files: z.record(z.string(), artifactRefSchema),
});

export interface OpenBundle {
  readonly config: RunConfig;
  readonly files: Readonly<Record<string, ArtifactRef>>;
}

/** Bundles are small and immutable; a worker sees a handful at a time. */
const bundlesHeldMax = 16;
const held = new Map<string, Promise<OpenBundle>>();

/** No stage makes a config again: whoever has its file stores it. */
function sayingHow(error: unknown): never {
  if (!isGoneOrDamaged(error)) throw error;
  const { code, why } = error.data;
  throw new ArteError(
    code,
    {
      what: `The config that the run was started with cannot be read: ${error.data.what}`,
      why,
      next: '`arte run CONFIG --id RUN` with the same config and task files stores it again, and the run goes on; where it waits for a person, `arte retry RUN` after that. Of a run that is done, what else has gone stays so: `arte run CONFIG --id OTHER` reuses what is left and makes the rest again.',
    },
    { cause: error },
  );
}

/** The bundle behind a ref, parsed and with defaults filled in. Errors: BlobMissing, BlobCorrupt, and zod's own for a foreign document. */
export function openBundle(store: ArtifactStore, ref: ArtifactRef): Promise<OpenBundle> {
  const known = held.get(ref.sha256);
  if (known) return known;
  const opening = (async (): Promise<OpenBundle> => {
    const bundle = bundleSchema.parse(await store.getJson(ref).catch(sayingHow));
    return { config: runConfigSchema.parse(bundle.config), files: bundle.files };
  })();
  held.set(ref.sha256, opening);
  opening.catch(() => held.delete(ref.sha256));
  const oldest = held.keys().next();
  if (held.size > bundlesHeldMax && !oldest.done) held.delete(oldest.value);
  return opening;
}
