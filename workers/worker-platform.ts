/**
 * What a worker process knows of its surroundings: addresses, folders, the Python environment. Addresses are given (`arte worker --config`), else
 * read from the supervisor's state file ($ARTE_PLATFORM), else from the environment alone (a container).
 */
import { join } from 'node:path';
import { cacheDirectory, dataDirectory } from '../drivers/local/directories';
import { findPythonEnv, type PythonEnv } from '../drivers/local/python-env';
import { packageRoot } from '../drivers/package-root';
import { addressesFromEnvironment } from '../drivers/open';
import { ArteError } from '../schemas/errors';
import type { PlatformAddresses } from '../schemas/platform';

export interface WorkerPlatform extends PlatformAddresses {
  readonly cacheDir: string;
  readonly dataDir: string;
  readonly logDir: string;
  /** Of this package: the trainer, server and converter scripts. */
  readonly scriptDir: string;
  readonly environment: NodeJS.ProcessEnv;
  /** Errors: PythonMissing when nothing is set up; only roles with models ask. */
  python(): Promise<PythonEnv>;
}

export async function openWorkerPlatform(
  environment: NodeJS.ProcessEnv,
  given?: PlatformAddresses,
): Promise<WorkerPlatform> {
  const dataDir = dataDirectory(environment);
  const addresses = given ?? (await addressesFromEnvironment(environment));
  return {
    ...addresses,
    cacheDir: cacheDirectory(environment),
    dataDir,
    logDir: join(dataDir, 'logs'),
    scriptDir: join(packageRoot(), 'python'),
    environment,
    async python() {
      const found = await findPythonEnv();
      if (found) return found;
      throw new ArteError('PythonMissing', {
        what: 'The Python environment that serves and trains models is not set up on this machine.',
        why: 'The worker makes none by itself: a set-up of two gigabytes is started by a person.',
        next: '`arte setup` makes it. One of your own (ARTE_PYTHON_ENV) needs the packages of python/requirements*.txt.',
      });
    },
  };
}
