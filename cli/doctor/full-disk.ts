/**
 * A full disk as the reason that the embedded Temporal fails: its SQLite says "database or disk is full", or nothing, and the client sees a server that
 * went away. Owns the look and its words; what else may be wrong is the error's own.
 */
import { dataDirectory, freeDiskBytes } from '../../drivers/local/directories';
import { isEmbedded } from '../../drivers/open';
import { ArteError } from '../../schemas/errors';
import { storeDiskBytesMin } from '../../schemas/limits';

export interface DiskLook {
  readonly folder?: string;
  /** For tests: how much room there is. */
  readonly freeBytes?: (path: string) => Promise<number>;
  readonly env?: NodeJS.ProcessEnv;
}

/** What a person does about it. */
export const fullDiskFix =
  'Free some room on that disk, or set ARTE_DATA_DIR to a larger one with what it holds; then arte down, arte up: runs go on where they were.';

/** A sentence where the disk of the embedded platform has hardly any room left; undefined where it has, and on a platform of one's own. */
export async function fullDiskSaid({
  env = process.env,
  folder = dataDirectory(env),
  freeBytes = freeDiskBytes,
}: DiskLook = {}): Promise<string | undefined> {
  if (!isEmbedded(undefined, env)) return undefined;
  const free = await freeBytes(folder).catch(() => undefined);
  if (free === undefined || free >= storeDiskBytesMin) return undefined;
  return `The disk of ${folder} is full (${Math.floor(free / 2 ** 20)} MB are left), and neither Temporal's database nor the store can be written.`;
}

/** The same error, or the full disk named in it where the platform is down and there is no room for it to run. */
export async function namingFullDisk<Thrown>(thrown: Thrown, look: DiskLook = {}): Promise<Thrown | ArteError> {
  if (!(thrown instanceof ArteError) || thrown.data.code !== 'PlatformDown') return thrown;
  const said = await fullDiskSaid(look);
  if (said === undefined) return thrown;
  const { code, what, why, details } = thrown.data;
  return new ArteError(
    code,
    { what, why: `${said} It said: ${why}`, next: fullDiskFix, ...(details && { details }) },
    { cause: thrown },
  );
}
