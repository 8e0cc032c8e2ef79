/**
 * How often the store on S3 tries again what met another writer or broke on the way, and how long it waits in between.
 *
 * Owns what more than one kind of request goes by. Leaves to s3-client.ts and s3-damage.ts how long a request that is not answered is asked again, to
 * s3-blob-reader.ts and s3-blob-writer.ts the numbers that only they go by.
 */

/** A conditional write that met another is tried again this often: each time one of the racers has won. */
export const conflictAttemptsMax = 20;
/** A download that breaks again and again without much in between is given up after this many breaks. */
export const readBreaksMax = 5;
/** Longest wait between two attempts. */
const pauseMsMax = 1_000;

/** Waits longer from attempt to attempt, never in step with others. */
export async function pause(attempt: number): Promise<void> {
  const ms = Math.min(pauseMsMax, 25 * 2 ** attempt) * (0.5 + Math.random() / 2);
  await new Promise((resolve) => setTimeout(resolve, ms));
}
