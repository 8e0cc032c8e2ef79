/**
 * Keys that the store on S3 gives by itself: of a blob, and of one that was moved out of the way.
 * Owns these two. Leaves to s3-objects.ts what may be a key at all, to s3-damage.ts the probe's, to callers all other keys.
 */

/** The key of a blob: what an ArtifactRef's uri says. */
export function blobKey(sha256: string): string {
  return `blobs/sha256/${sha256.slice(0, 2)}/${sha256}`;
}

/** Where a damaged blob is moved to. */
export function quarantineKey(sha256: string): string {
  return `quarantine/sha256/${sha256.slice(0, 2)}/${sha256}`;
}
