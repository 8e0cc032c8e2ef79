/**
 * Opens the drivers and hands them to the activities. One pool and one store per process, whatever its roles.
 * Owns the folders inside the data directory that workers use.
 */
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { InferDependencies, IoDependencies, TrainDependencies } from '../activities/dependencies';
import { makeDataFolder } from '../drivers/local/directories';
import { createMaterializer, type Materializer } from '../drivers/model/materialize';
import { createModelPool, type ManagedModelPool } from '../drivers/model/pool';
import { resolveModel } from '../drivers/model/resolve';
import { createScriptedEndpoint } from '../drivers/model/scripted';
import { createNotifier } from '../drivers/notify/open';
import { createS3Store } from '../drivers/store/s3';
import { createTrlTrainer } from '../drivers/trainer/trl';
import { secretsIn } from '../method/environment-secrets';
import type { PythonEnv } from '../drivers/local/python-env';
import type { WorkerPlatform } from './worker-platform';

export interface OpenDrivers {
  io(): IoDependencies;
  infer(): Promise<InferDependencies>;
  train(): Promise<TrainDependencies>;
  close(): Promise<void>;
}

export function openDrivers(platform: WorkerPlatform, logger: Logger): OpenDrivers {
  const { dataDir, cacheDir, logDir, scriptDir } = platform;
  const journalDir = join(dataDir, 'journals');
  const trainingDir = join(dataDir, 'training');
  const spoolDir = join(dataDir, 'spool');
  const stallDumps = { dir: join(dataDir, 'stalls'), secrets: secretsIn(platform.environment) };
  for (const folder of [journalDir, trainingDir, spoolDir, logDir]) makeDataFolder(dataDir, folder, 0o777);
  const store = createS3Store({ ...platform.store, spoolDir });
  // One device: one lock for model servers and trainers, in this process and in others.
  const deviceLockPath = join(dataDir, 'device-0.lock');
  let models: Promise<{ env: PythonEnv; materializer: Materializer; pool: ManagedModelPool }> | undefined;

  const openModels = (): Promise<{ env: PythonEnv; materializer: Materializer; pool: ManagedModelPool }> => {
    models ??= (async () => {
      const env = await platform.python();
      const materializer = createMaterializer({ cacheDir, python: env.python, scriptDir, store, logDir });
      const pool = createModelPool({
        materializer,
        python: env.python,
        scriptDir,
        logDir,
        deviceLockPath,
        scripted: createScriptedEndpoint,
      });
      return { env, materializer, pool };
    })();
    return models;
  };

  return {
    io() {
      const { environment } = platform;
      // On the embedded platform whoever starts a run is whoever the worker runs as.
      const commands = environment['ARTE_PLATFORM'] !== undefined || environment['ARTE_NOTIFY_COMMANDS'] === '1';
      return { store, environment, notifier: createNotifier({ commands }) };
    },
    async infer() {
      const { env, pool } = await openModels();
      return {
        store,
        pool,
        journalDir,
        environment: platform.environment,
        stallDumps,
        resolveModel: (name, config) => resolveModel(name, config, { configDir: dataDir, env, cacheDir }),
      };
    },
    async train() {
      const { env, materializer, pool } = await openModels();
      const trainer = createTrlTrainer({
        python: env.python,
        scriptDir,
        materializeFolder: (model, signal) => materializer.folder(model, signal),
        deviceLockPath,
        logDir,
      });
      return { store, trainer, trainingDir, stallDumps, reserveDevice: (signal) => pool.reserve(signal) };
    },
    async close() {
      if (models) await (await models).pool.shutdown();
      store.close();
      logger.info('drivers closed');
    },
  };
}
