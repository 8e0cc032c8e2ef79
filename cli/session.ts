/**
 * A command's connection to the platform: Temporal's client and the store, embedded or at given addresses.
 * Owns opening and closing them; starting the embedded parts is drivers/local/platform.ts.
 */
import { join } from 'node:path';
import { Client, Connection, type ConnectionOptions } from '@temporalio/client';
import { dataDirectory } from '../drivers/local/directories';
import { ensurePlatform, platformMoved, runningPlatform } from '../drivers/local/platform';
import { addressesOf, isEmbedded } from '../drivers/open';
import { createS3Store } from '../drivers/store/s3';
import type { ArtifactStore } from '../drivers/store/store';
import { ArteError } from '../schemas/errors';
import { commandSilenceMs, engineAnswerMs, reconnectPauseMaxMs } from '../schemas/limits';
import type { PlatformAddresses } from '../schemas/platform';
import type { RunConfig } from '../schemas/run-config';
import { temporalConnectionOptions, temporalDown } from '../workers/connection';
import { progressIfSlow } from './output';

type Interceptor = NonNullable<ConnectionOptions['interceptors']>[number];

export interface Session {
  readonly client: Client;
  readonly store: ArtifactStore;
  readonly embedded: boolean;
  /** Whether the embedded platform is at other addresses than this session by now. Left out: it cannot be. */
  readonly moved?: () => Promise<boolean>;
  close(): Promise<void>;
}

export interface SessionOptions {
  /** The config's platform section, where a command has a config. */
  readonly platform?: RunConfig['platform'];
  /** Start the embedded platform when it is not running; else its absence is an error. */
  readonly start: boolean;
  readonly onProgress?: (text: string) => void;
}

/**
 * Connect; who waits at a terminal for more than a moment is told so. No request through it waits without end: commandSilenceMs for the store, engineAnswerMs for Temporal. Errors: PlatformDown, PortTaken, StoreUnauthorized, StoreUnreachable, each naming what to do.
 */
export async function openSession(options: SessionOptions): Promise<Session> {
  const embedded = isEmbedded(options.platform, process.env);
  const connected = progressIfSlow('connecting');
  let addresses: PlatformAddresses;
  let connection: Connection;
  try {
    addresses = embedded ? await embeddedAddresses(options) : addressesOf(options.platform, process.env);
    connection = await connect(addresses);
  } finally {
    connected();
  }
  const client = new Client({ connection, namespace: addresses.temporal.namespace });
  const spoolDir = join(dataDirectory(), 'spool');
  const store = createS3Store({ ...addresses.store, spoolDir, silenceMs: commandSilenceMs });
  return {
    client,
    store,
    embedded,
    ...(embedded && { moved: () => platformMoved(addresses) }),
    async close() {
      store.close();
      await connection.close();
    },
  };
}

async function embeddedAddresses({ start, onProgress }: SessionOptions): Promise<PlatformAddresses> {
  const running = start ? await ensurePlatform(onProgress ? { onProgress } : {}) : await runningPlatform();
  if (running) return running.addresses;
  throw new ArteError('PlatformDown', {
    what: 'The embedded platform is not running here.',
    why: `Nothing answers for the data directory ${dataDirectory()}.`,
    next: 'arte up starts it, and runs that were under way go on. Each data directory has its own platform and runs: for another one, go to its folder or set ARTE_DATA_DIR. A platform of your own is found by TEMPORAL_ADDRESS, ARTE_S3_BUCKET, AWS_ENDPOINT_URL_S3 and credentials in the environment: export them where a command names a run and no config.',
  });
}

/** Every call ends: what has no deadline of its own gets one. */
const answersInTime: Interceptor = (options, nextCall) =>
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- the next call is passed on as it is; the class is no dependency of ours
  nextCall({ ...options, deadline: options.deadline ?? Date.now() + engineAnswerMs }) as ReturnType<Interceptor>;

async function connect({ temporal }: PlatformAddresses): Promise<Connection> {
  try {
    return await Connection.connect({
      ...temporalConnectionOptions(temporal),
      connectTimeout: commandSilenceMs,
      interceptors: [answersInTime],
      channelArgs: { 'grpc.max_reconnect_backoff_ms': reconnectPauseMaxMs },
    });
  } catch (cause) {
    throw temporalDown(
      temporal,
      cause,
      'Check platform.temporal.address and the network; arte doctor looks at each part.',
    );
  }
}
