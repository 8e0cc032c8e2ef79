/**
 * What each role is: its queues, its activities, how much it takes on at once. One Temporal Worker per queue; one process may run several.
 * Owns the workers' options and their reasons.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  bundleWorkflowCode,
  NativeConnection,
  Runtime,
  Worker,
  type RuntimeOptions,
  type WorkerOptions,
} from '@temporalio/worker';
import { Client, Connection } from '@temporalio/client';
import type { Logger } from 'pino';
import {
  createInferActivities,
  createIoActivities,
  createModelActivities,
  createTrainActivities,
  rowStages,
  type RowStages,
} from '../activities';
import { metricsAddress } from '../drivers/local/metrics-address';
import { packageRoot } from '../drivers/package-root';
import { ArteError } from '../schemas/errors';
import { killGraceMs, stickyQueueTimeoutMs } from '../schemas/limits';
import { deploymentName, taskQueues, type WorkerRole } from '../schemas/messages';
import type { TemporalAddress } from '../schemas/platform';
import type { WorkerPlatform } from './worker-platform';
import { temporalConnectionOptions, temporalDown } from './connection';
import { announceDeployment, ensureSearchAttributes } from './deployment';
import { activityInterceptors } from './activity-interceptors';
import { openTracing, type Tracing } from './tracing';
import { openDrivers, type OpenDrivers } from './wire';

/** Heartbeats carry cancellation: how late a cancel may arrive. Short, because a person is waiting for it. */
const heartbeatThrottleMs = 2_000;

/** Shards at once in one infer worker: the row engine adapts the calls in flight, so a few shards keep it fed. */
const shardsAtOnceMax = 4;

/** Looks at models at once: each reads their bytes from one disk. */
const modelLooksAtOnceMax = 2;

/** Store-only activities at once. */
const ioAtOnceMax = 16;

/** Cached workflows: each costs some 40 KB without zod in the bundle. */
const workflowsCachedMax = 200;

/** Run the roles until the process is told to stop. Rejects when a worker fails: others of the process may then still run, and it is to be ended. Errors: PlatformDown, PortTaken, PythonMissing. */
export async function runRoles(
  roles: readonly WorkerRole[],
  platform: WorkerPlatform,
  logger: Logger,
  stages: RowStages = rowStages,
): Promise<void> {
  installRuntime(logger, metricsAddress(platform.environment));
  const connection = await connectTo(platform.temporal);
  const drivers = openDrivers(platform, logger);
  const { address, namespace } = platform.temporal;
  const tracing = openTracing(platform.environment, `${address} ${namespace}`, logger);
  const ending = new AbortController();
  try {
    const workers: Worker[] = [];
    for (const role of roles)
      workers.push(
        ...(await createWorkers(role, {
          connection,
          platform,
          drivers,
          logger,
          stages,
          tracing,
          ending: ending.signal,
        })),
      );
    logger.info({ roles, address: platform.temporal.address }, 'worker ready');
    process.stdout.write(`${JSON.stringify({ event: 'ready', roles })}\n`);
    await Promise.all(workers.map((worker) => worker.run()));
  } finally {
    ending.abort();
    await drivers.close();
    await tracing?.close();
    // A worker that was made and never ran still has it. What went wrong is thrown on, and not that.
    await connection
      .close()
      .catch((error: unknown) => logger.warn({ error: String(error) }, 'the connection could not be closed'));
  }
}

/** Errors: PlatformDown. */
async function connectTo(temporal: TemporalAddress): Promise<NativeConnection> {
  return NativeConnection.connect(temporalConnectionOptions(temporal)).catch((cause: unknown) => {
    throw temporalDown(temporal, cause, 'Start it, or check the address and the network; then start the worker again.');
  });
}

/** Errors: PortTaken when metrics cannot be shown at their address. */
function installRuntime(logger: Logger, metrics: string | undefined): void {
  try {
    Runtime.install(runtimeOptions(logger, metrics));
  } catch (error) {
    if (metrics === undefined) throw error;
    throw new ArteError(
      'PortTaken',
      {
        what: `The worker's metrics cannot be shown at ${metrics}.`,
        why: error instanceof Error ? error.message : String(error),
        next: 'Give every worker process an ARTE_METRICS_ADDRESS of its own.',
      },
      { cause: error },
    );
  }
}

function runtimeOptions(logger: Logger, metrics: string | undefined): RuntimeOptions {
  return {
    ...(metrics !== undefined && { telemetryOptions: { metrics: { prometheus: { bindAddress: metrics } } } }),
    logger: {
      log: (level, message, meta) => logger[level.toLowerCase() as 'info'](meta ?? {}, message),
      trace: (message, meta) => logger.trace(meta ?? {}, message),
      debug: (message, meta) => logger.debug(meta ?? {}, message),
      info: (message, meta) => logger.info(meta ?? {}, message),
      warn: (message, meta) => logger.warn(meta ?? {}, message),
      error: (message, meta) => logger.error(meta ?? {}, message),
    },
    shutdownSignals: ['SIGINT', 'SIGTERM'],
  };
}

/** What every worker of a process is made of. */
interface WorkerParts {
  readonly connection: NativeConnection;
  readonly platform: WorkerPlatform;
  readonly drivers: OpenDrivers;
  readonly logger: Logger;
  readonly stages: RowStages;
  readonly tracing: Tracing | undefined;
  /** Aborts when the workers have ended. */
  readonly ending: AbortSignal;
}

async function createWorkers(
  role: WorkerRole,
  { connection, platform, drivers, logger, stages, tracing, ending }: WorkerParts,
): Promise<Worker[]> {
  const { namespace } = platform.temporal;
  const common: Pick<
    WorkerOptions,
    'connection' | 'namespace' | 'maxHeartbeatThrottleInterval' | 'shutdownForceTime' | 'interceptors'
  > = {
    connection,
    namespace,
    maxHeartbeatThrottleInterval: heartbeatThrottleMs,
    // Children get their grace, then the worker goes, whatever an activity is stuck in.
    shutdownForceTime: killGraceMs * 3,
    interceptors: { activity: activityInterceptors(tracing) },
  };
  switch (role) {
    case 'orchestrator': {
      const { bundle, buildId } = await workflowBundle(platform.environment['ARTE_BUILD_ID']);
      const worker = await Worker.create({
        ...common,
        taskQueue: taskQueues.workflows,
        workflowBundle: bundle,
        maxCachedWorkflows: workflowsCachedMax,
        stickyQueueScheduleToStartTimeout: stickyQueueTimeoutMs,
        // Of a firing that moves on to a new version (workflows/realign.ts); runs are pinned, and there it would be a fault of ours.
        workflowFailureErrorTypes: { '*': [], realignWorkflow: ['NondeterminismError'] },
        workerDeploymentOptions: {
          version: { deploymentName, buildId },
          useWorkerVersioning: true,
          defaultVersioningBehavior: 'PINNED',
        },
      });
      const client = new Client({
        connection: await Connection.connect(temporalConnectionOptions(platform.temporal)),
        namespace,
      });
      await ensureSearchAttributes(client, namespace, logger);
      // The deployment exists only once its worker polls: made current in the background, said when it is.
      void announceDeployment(client, namespace, deploymentName, buildId, logger, ending);
      return [worker];
    }
    case 'io':
      return [
        await Worker.create({
          ...common,
          taskQueue: taskQueues.io,
          activities: createIoActivities(drivers.io(), stages),
          maxConcurrentActivityTaskExecutions: ioAtOnceMax,
        }),
      ];
    case 'infer': {
      const dependencies = await drivers.infer();
      return [
        await Worker.create({
          ...common,
          taskQueue: taskQueues.infer,
          activities: createInferActivities(dependencies, stages),
          maxConcurrentActivityTaskExecutions: shardsAtOnceMax,
        }),
        // A shard takes hours: behind those of other runs a new one would not even begin.
        await Worker.create({
          ...common,
          taskQueue: taskQueues.models,
          activities: createModelActivities(dependencies),
          maxConcurrentActivityTaskExecutions: modelLooksAtOnceMax,
        }),
      ];
    }
    case 'train':
      return [
        await Worker.create({
          ...common,
          taskQueue: taskQueues.train,
          activities: createTrainActivities(await drivers.train()),
          maxConcurrentActivityTaskExecutions: 1,
          maxConcurrentActivityTaskPolls: 1,
        }),
      ];
  }
}

/** The bundle made by `npm run build`, else (from source) made now; with its build id: $ARTE_BUILD_ID, else the hash of the code. */
export async function workflowBundle(
  declared?: string,
): Promise<{ bundle: { codePath: string } | { code: string }; buildId: string }> {
  const built = join(packageRoot(), 'dist', 'workflow-bundle.js');
  if (existsSync(built) && __dirname.includes(join('dist', 'workers'))) {
    return { bundle: { codePath: built }, buildId: declared ?? buildIdOf(readFileSync(built)) };
  }
  const { code } = await bundleWorkflowCode({ workflowsPath: require.resolve('../workflows') });
  return { bundle: { code }, buildId: declared ?? buildIdOf(code) };
}

function buildIdOf(code: string | Uint8Array): string {
  return createHash('sha256').update(code).digest('hex').slice(0, 16);
}
