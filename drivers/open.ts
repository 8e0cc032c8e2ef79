/**
 * From words to addresses: where Temporal and the store are, for workers and commands alike. Secrets are read from the environment or from
 * the embedded platform's 0600 file here, and handed on in memory only.
 *
 * Order: the config's `platform`; else TEMPORAL_ADDRESS / ARTE_S3_BUCKET and the clients' own variables; where neither names anything, the
 * embedded platform.
 */
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { ArteError } from '../schemas/errors';
import { embeddedAddresses } from './local/platform-state';
import type { PlatformAddresses, StoreAddress, TemporalAddress } from '../schemas/platform';
import type { RunConfig } from '../schemas/run-config';
import { secretReferencePattern } from '../schemas/secrets';

/** A worker's addresses from its environment: the supervisor's state file ($ARTE_PLATFORM), else the clients' own variables. */
export async function addressesFromEnvironment(environment: Environment): Promise<PlatformAddresses> {
  const statePath = environment['ARTE_PLATFORM'];
  return statePath === undefined ? addressesOf(undefined, environment) : embeddedAddresses(statePath);
}

type Platform = RunConfig['platform'];
type Environment = NodeJS.ProcessEnv;

/** Whether the section names a platform of its own; nothing given means embedded. */
export function isEmbedded(platform: Platform | undefined, environment: Environment): boolean {
  const temporal = platform?.temporal.address ?? environment['TEMPORAL_ADDRESS'];
  const bucket = platform?.store.bucket ?? environment['ARTE_S3_BUCKET'];
  return temporal === undefined && bucket === undefined;
}

/** Addresses of a platform that is not embedded. Errors: InvalidConfig when one half of it is missing. */
export function addressesOf(platform: Platform | undefined, environment: Environment): PlatformAddresses {
  return { temporal: temporalAddress(platform, environment), store: storeAddressOf(platform, environment) };
}

function temporalAddress(platform: Platform | undefined, environment: Environment): TemporalAddress {
  const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars: stringsOf(environment) });
  const address = platform?.temporal.address ?? connectionOptions.address;
  if (address === undefined) throw missingHalf('Temporal', 'platform.temporal.address or TEMPORAL_ADDRESS');
  // A profile's key belongs to the address that was named beside it, and goes to no other that a config names.
  const environmentsKey =
    platform?.temporal.address === undefined ? connectionOptions.apiKey : environment['TEMPORAL_API_KEY'];
  const apiKey =
    platform?.temporal.api_key === undefined ? environmentsKey : readSecret(platform.temporal.api_key, environment);
  return {
    address,
    namespace: platform?.temporal.address === undefined ? (namespace ?? 'default') : platform.temporal.namespace,
    // Certificates come from Temporal's own variables or its file of profiles only; a config says no more than that there is TLS.
    tls: connectionOptions.tls || platform?.temporal.tls === true,
    ...(apiKey === undefined ? {} : { apiKey }),
  };
}

/** Where the store of a platform that is not embedded is. Errors: InvalidConfig when none is named, or its secret is not set. */
export function storeAddressOf(platform: Platform | undefined, environment: Environment): StoreAddress {
  const store = platform?.store;
  const bucket = store?.bucket ?? environment['ARTE_S3_BUCKET'];
  if (bucket === undefined) throw missingHalf('the store', 'platform.store.bucket or ARTE_S3_BUCKET');
  const endpoint = store?.endpoint ?? environment['AWS_ENDPOINT_URL_S3'] ?? environment['AWS_ENDPOINT_URL'];
  const credentials =
    store?.access_key_id !== undefined && store.secret_access_key !== undefined
      ? {
          accessKeyId: readSecret(store.access_key_id, environment),
          secretAccessKey: readSecret(store.secret_access_key, environment),
        }
      : undefined;
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    bucket,
    // A prefix belongs to the bucket: who names the one says the other, and the section's default is no word about another bucket.
    prefix: store?.bucket === undefined ? (environment['ARTE_S3_PREFIX'] ?? '') : store.prefix,
    region: store?.region ?? environment['AWS_REGION'] ?? 'us-east-1',
    forcePathStyle: store?.force_path_style ?? true,
    ...(credentials ? { credentials } : {}),
  };
}

function readSecret(reference: string, environment: Environment): string {
  const name = secretReferencePattern.exec(reference)?.[1] ?? '';
  const value = environment[name];
  if (value !== undefined && value !== '') return value;
  throw new ArteError('InvalidConfig', {
    what: `The secret ${reference} is not set.`,
    why: 'Secrets are read from the environment, and this variable is missing or empty there.',
    next: `Set ${name} in the environment of this command.`,
  });
}

function missingHalf(what: string, where: string): ArteError {
  return new ArteError('InvalidConfig', {
    what: `The platform names no address for ${what}.`,
    why: 'A platform of your own needs both Temporal and a store; nothing given at all means the embedded one.',
    next: `Set ${where}.`,
  });
}

function stringsOf(environment: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
