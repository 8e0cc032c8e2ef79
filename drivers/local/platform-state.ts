/**
 * What the embedded platform of a data directory says of itself, in files:
 *
 *   state.json      who runs it, where its parts are, how they fare. Written by the supervisor alone, whole or not at all.
 *   ports.json      the ports its servers had last; they get the same again.
 *   s3/credentials.json   the S3 key, drawn once (s3-server.ts). 0600 as all of these files; state.json names it, no secret is in it.
 *   platform.lock   held by the supervisor and by all it has started (lock.ts): free means that nothing of a platform is left.
 *   logs/           one file for each process.
 *
 * Owns these files' names, shapes and writing. Leaves starting and stopping to platform.ts and workers/supervisor.ts.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ArteError, type ErrorData } from '../../schemas/errors';
import type { PlatformAddresses } from '../../schemas/platform';
import { processExists } from '../process';
import { freePorts, isPortFree, portTaken, grpcPortOffset } from './ports';
import { credentialsPath, freeS3Ports, type S3Credentials, type S3Ports } from './s3-server';

/** The bucket of the embedded store. */
export const embeddedBucket = 'arte';

export type PartStatus = 'starting' | 'ready' | 'waiting' | 'ended';

/** One process of the platform. */
export interface PartState {
  /** temporal | s3 | worker, or one worker per role: worker-io. */
  readonly name: string;
  /** starting: not ready yet. waiting: it ended, and is started again after a pause. ended: on purpose. */
  readonly status: PartStatus;
  /** Of its process group. */
  readonly pid?: number;
  /** Since when it has this status (ISO 8601). */
  readonly since: string;
  /** Times it was started again. */
  readonly restarts: number;
  /** Starts in a row that did not get as far as ready. */
  readonly failures: number;
  /** Why it is not ready. */
  readonly problem?: ErrorData;
}

export interface PlatformState {
  readonly format: 1;
  readonly dataDir: string;
  readonly supervisor: {
    readonly pid: number;
    /** Tells this process from a later one with its number, and from another machine's. */
    readonly startTicks: number;
    readonly startedAt: string;
    /** Versions of arte, its build, and Node. */
    readonly arte: string;
    readonly build: string;
    readonly node: string;
    /** Folder of the Python environment. */
    readonly python: string;
  };
  /** It was told to end, or cannot go on (problem). */
  readonly ending: boolean;
  readonly problem?: ErrorData;
  readonly temporal: { readonly address: string; readonly namespace: string };
  readonly store: {
    readonly endpoint: string;
    readonly bucket: string;
    readonly region: string;
    readonly credentialsPath: string;
  };
  readonly parts: readonly PartState[];
}

export interface PlatformPorts {
  readonly temporal: number;
  readonly s3: S3Ports;
}

/** Paths of a data directory. */
export function platformPaths(dataDir: string) {
  return {
    state: join(dataDir, 'state.json'),
    ports: join(dataDir, 'ports.json'),
    lock: join(dataDir, 'platform.lock'),
    logs: join(dataDir, 'logs'),
    temporal: join(dataDir, 'temporal'),
    s3: join(dataDir, 's3'),
    log: (name: string): string => join(dataDir, 'logs', `${name}.log`),
  };
}

/**
 * state.json, or undefined where there is none, or where it was written for another folder: a copy of a data directory would lead to the platform of the
 * first. Says nothing about whether that platform still runs: isAlive.
 */
export async function readState(dataDir: string): Promise<PlatformState | undefined> {
  const state = await readJson<PlatformState>(platformPaths(dataDir).state);
  return state !== undefined && isSameFolder(state.dataDir, dataDir) ? state : undefined;
}

function isSameFolder(one: string, other: string): boolean {
  try {
    return realpathSync.native(one) === realpathSync.native(other);
  } catch {
    return false;
  }
}

export async function writeState(state: PlatformState): Promise<void> {
  await writeJson(platformPaths(state.dataDir).state, state);
}

export async function removeState(dataDir: string): Promise<void> {
  await rm(platformPaths(dataDir).state, { force: true });
}

/** Whether the supervisor that wrote this state still runs. Not believed where the system does not say when a process was started. */
export function isAlive({ supervisor }: PlatformState): boolean {
  if (!processExists(supervisor.pid)) {
    return false;
  }
  const ticks = startTicks(supervisor.pid);
  return ticks !== 0 && ticks === supervisor.startTicks;
}

/**
 * When a process was started: together with its number it names it. In ticks since boot; where the system has no /proc, in milliseconds since 1970.
 * -1 for one that has ended and was not waited for (a container whose first process waits for nobody); 0 where nobody says.
 */
export function startTicks(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    // The second field is the program's name in brackets and may hold anything; then comes the state, and 19 further on the time.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? -1 : Number(fields[19]);
  } catch {
    return existsSync('/proc/self/stat') ? 0 : startByPs(pid);
  }
}

/** The same by ps, as macOS and the BSDs have it. */
export function startByPs(pid: number): number {
  try {
    // The date is written by language and time zone, which may be others the next time.
    const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
    const line = execFileSync('ps', ['-o', 'stat=', '-o', 'lstart=', '-p', String(pid)], {
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
    if (line.startsWith('Z')) return -1;
    return Date.parse(`${line.replace(/^\S+\s+/, '')} UTC`) || 0;
  } catch {
    return 0;
  }
}

/** Where Temporal and the store of a state are, with the key. Errors: PlatformDown when the file with the key is gone. */
export async function addressesOfState(state: PlatformState): Promise<PlatformAddresses> {
  const credentials = await readJson<S3Credentials>(state.store.credentialsPath);
  if (credentials === undefined) {
    throw new ArteError('PlatformDown', {
      what: `The key of the embedded store is not there: ${state.store.credentialsPath}.`,
      why: 'The file was removed, or the data directory was moved while the platform ran.',
      next: 'Run `arte down` and `arte up`.',
    });
  }
  const { endpoint, bucket, region } = state.store;
  return {
    temporal: { address: state.temporal.address, namespace: state.temporal.namespace, tls: false },
    store: { endpoint, bucket, prefix: '', region, forcePathStyle: true, credentials },
  };
}

/** The same from the path of a state file ($ARTE_PLATFORM): what a worker is told. Errors: PlatformDown. */
export async function embeddedAddresses(statePath: string): Promise<PlatformAddresses> {
  const state = await readJson<PlatformState>(statePath);
  if (state === undefined) {
    throw new ArteError('PlatformDown', {
      what: `There is no platform state at ${statePath}.`,
      why: 'The embedded platform that wrote it has ended.',
      next: 'Run `arte up`.',
    });
  }
  return addressesOfState(state);
}

/**
 * The ports of a data directory's servers: those asked for, else those they had last, else free ones. Call it under the
 * lock, when nothing of the platform runs. `onMoved` is called for a kept port that somebody else has taken meanwhile.
 * Errors: PortTaken for one that was asked for.
 */
export async function choosePorts(
  dataDir: string,
  asked: { readonly temporal?: number; readonly s3?: number },
  onMoved: (what: string, port: number) => void,
): Promise<PlatformPorts> {
  const path = platformPaths(dataDir).ports;
  const kept = await readJson<PlatformPorts>(path);
  // No new port is one that another part has: it is free only as long as that part does not run.
  const keptS3: readonly number[] = kept
    ? [kept.s3.s3, kept.s3.master, kept.s3.volume, kept.s3.filer, kept.s3.admin]
    : [];
  const except = [asked.temporal, asked.s3, kept?.temporal, ...keptS3].filter((port) => port !== undefined);
  const [freshTemporal = 0] = await freePorts(1, except);
  const temporal = await oneOf('Temporal', asked.temporal, kept?.temporal, isPortFree, onMoved, freshTemporal);
  const pairIsFree = async (port: number): Promise<boolean> =>
    (await isPortFree(port)) && (await isPortFree(port + grpcPortOffset));
  const fresh = await freeS3Ports([...except, temporal]);
  const s3 = { ...fresh };
  for (const part of Object.keys(fresh) as (keyof S3Ports)[]) {
    const wanted = part === 's3' ? asked.s3 : undefined;
    s3[part] = await oneOf(`SeaweedFS (${part})`, wanted, kept?.s3[part], pairIsFree, onMoved, fresh[part]);
  }
  const ports = { temporal, s3 };
  await writeJson(path, ports);
  return ports;
}

async function oneOf(
  what: string,
  asked: number | undefined,
  kept: number | undefined,
  isFree: (port: number) => Promise<boolean>,
  onMoved: (what: string, port: number) => void,
  fresh: number,
): Promise<number> {
  if (asked !== undefined) {
    if (!(await isFree(asked))) {
      throw portTaken(asked, what);
    }
    return asked;
  }
  if (kept !== undefined) {
    if (await isFree(kept)) {
      return kept;
    }
    onMoved(what, kept);
  }
  return fresh;
}

/** Where the S3 key of a data directory lies. */
export function storeCredentialsPath(dataDir: string): string {
  return credentialsPath(platformPaths(dataDir).s3);
}

async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T;
  } catch {
    // Not there, or cut off by a power cut: in both cases it says nothing.
    return undefined;
  }
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const beside = `${path}.${String(process.pid)}`;
  await writeFile(beside, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  await rename(beside, path);
}
