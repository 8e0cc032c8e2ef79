/**
 * The only thing that ever travels through the engine: a name for immutable bytes in the store.
 * Owns the shape; the bytes belong to drivers/store, their meaning to schemas/rows.ts.
 */
import { z } from 'zod';

export const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/, 'a sha256 is 64 lower-case hex digits');

export const artifactRefSchema = z.object({
  /** `blobs/sha256/ab/<sha256>`: a key in the store, never a path or a URL of one machine. */
  uri: z.string().min(1),
  sha256: sha256Schema,
  bytes: z.number().int().nonnegative(),
  /** Lines of a JSONL artifact, files of a directory manifest, 1 for a single document. */
  rows: z.number().int().nonnegative(),
  mediaType: z.string().min(1),
  schemaVersion: z.number().int().positive(),
});
export type ArtifactRef = z.infer<typeof artifactRefSchema>;

/** Media types the project writes. */
export const mediaTypes = {
  jsonl: 'application/x-ndjson',
  json: 'application/json',
  directory: 'application/vnd.arte.directory+json',
  bytes: 'application/octet-stream',
} as const;

/** A directory (an adapter, a model) is a manifest of files, each a blob of its own. Paths are relative, sorted, `/`-separated. */
export const directoryManifestSchema = z.object({
  schemaVersion: z.literal(1),
  files: z.array(z.object({ path: z.string().min(1), blob: artifactRefSchema })),
});
export type DirectoryManifest = z.infer<typeof directoryManifestSchema>;
