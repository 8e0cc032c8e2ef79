/**
 * The background process of `arte up`: keeps Temporal, the S3 server and the workers of one data directory alive.
 *
 * Owns: starting the parts, starting again what ends, the state file (drivers/local/platform-state.ts), and an end that
 * leaves nothing. Leaves to drivers/local how a server is started, to workers/main.ts what a worker does, and to
 * drivers/local/platform.ts who starts and stops this process.
 *
 * Invariants:
 * 1. One supervisor per data directory: it holds platform.lock, and everything it starts inherits the open file. So a lock
 *    that can be taken means that no process of a former platform is left, and a new one never meets the old one's ports.
 * 2. It talks to its children by their stdin alone: when it is killed, they read end-of-file and end.
 * 3. Ports, credentials and databases stay the same however often a part or the whole is started again.
 * 4. No secret on a command line or in a log: workers read the key from the 0600 file that the state names.
 * 5. What cannot be written (its log, the state: a full disk) is lost, and ends nothing.
 *
 * Started as `node supervisor.js OPTIONS`, OPTIONS being SupervisorOptions as JSON. Exit status: 0 told to end, 1 could not
 * start (the state says why), 75 another supervisor has this data directory.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freeDiskBytes } from '../drivers/local/directories';
import { tryLock, waitForLock, type FileLock } from '../drivers/local/lock';
import {
  addressesOfState,
  choosePorts,
  embeddedBucket,
  isAlive,
  platformPaths,
  readState,
  removeState,
  startTicks,
  storeCredentialsPath,
  writeState,
  type PartState,
  type PlatformState,
} from '../drivers/local/platform-state';
import { pythonEnvAt } from '../drivers/local/python-env';
import { startS3Server } from '../drivers/local/s3-server';
import { describeExit, startTemporalServer } from '../drivers/local/temporal';
import { packageRoot } from '../drivers/package-root';
import { startChild, type Child, type ChildExit } from '../drivers/process';
import { ArteError, type ErrorData } from '../schemas/errors';
import {
  diskLookMs,
  platformGoneMs,
  portsWaitMs,
  restartHealthyMs,
  restartPauseMaxMs,
  restartPauseMs,
  workerGraceMs,
  workerHeapMegabytesMax,
  workerReadyMs,
} from '../schemas/limits';
import { workerRoles } from '../schemas/messages';
import { DiskWatch } from './disk-watch';

export interface SupervisorOptions {
  readonly dataDir: string;
  /** Folder of the Python environment. */
  readonly python: string;
  /** Cache directory, for the workers. */
  readonly cacheDir: string;
  /** Identity of the build, as platform.ts compares it. */
  readonly build: string;
  /** A process per role instead of one for all of them: dearer by some 150 MB each, and one cannot take another along. */
  readonly processes: boolean;
  readonly temporalPort?: number;
  readonly s3Port?: number;
  /** Arguments of node that start a worker, before `--role`. */
  readonly workerProgram: readonly string[];
}

/** Exit status when another supervisor has the data directory. */
export const takenStatus = 75;
/** How often the lock is asked for while a former platform ends. */
const lockPollMs = 250;
/**
 * Heaps of the C library in a worker. It makes one for each of a dozen threads else, and what the threads of Node and of Temporal's core free lies
 * about in all of them: a worker grew by a quarter over a million rows, and by a few per cent with two.
 */
const mallocArenasMax = '2';
/** How often it is looked whether the data directory is still there. */
const presenceMs = 2_000;

// ---- a part ------------------------------------------------------------------------------------------------------

interface Running {
  readonly pid: number;
  readonly exited: Promise<ChildExit>;
  tail(): readonly string[];
  stop(): Promise<void>;
}

type Start = (signal: AbortSignal) => Promise<Running>;

/** One process that is kept alive: start, wait for its end, pause, start again. */
class Part {
  state: PartState;
  private readonly start: Start;
  private readonly changed: () => void;
  private readonly ending = new AbortController();
  private finished: Promise<void> = Promise.resolve();
  private again: (() => void) | undefined;

  constructor(name: string, start: Start, changed: () => void) {
    this.start = start;
    this.changed = changed;
    this.state = { name, status: 'starting', since: now(), restarts: 0, failures: 0 };
  }

  /** Resolves when the part has been ready once. */
  keepAlive(): Promise<void> {
    return new Promise((resolve) => {
      this.finished = this.run(resolve);
    });
  }

  /** End it as `stop` would, and start it again; one that is not ready is on its way to that anyhow. */
  restart(): void {
    this.again?.();
  }

  async stop(): Promise<void> {
    this.ending.abort();
    await this.finished;
  }

  private async run(onReady: () => void): Promise<void> {
    const { signal } = this.ending;
    const isEnding = (): boolean => signal.aborted;
    let pause = restartPauseMs;
    while (!isEnding()) {
      let readyAt: number | undefined;
      try {
        const running = await this.start(signal);
        readyAt = Date.now();
        this.say({ status: 'ready', pid: running.pid, failures: 0 });
        log(`${this.state.name} is ready (process group ${String(running.pid)})`);
        onReady();
        const exit = await this.untilEnd(running);
        if (exit === 'again') {
          this.say({ status: 'starting', restarts: this.state.restarts + 1 });
          continue;
        }
        if (exit === undefined) break;
        this.say({ status: 'waiting', problem: endedProblem(this.state.name, exit, running.tail()) });
      } catch (error) {
        if (isEnding()) break;
        this.say({ status: 'waiting', failures: this.state.failures + 1, problem: problemOf(error) });
      }
      if (readyAt !== undefined && Date.now() - readyAt > restartHealthyMs) pause = restartPauseMs;
      log(
        `${this.state.name}: ${this.state.problem?.what ?? ''} ${this.state.problem?.why ?? ''} Again in ${String(pause / 1000)} s.`,
      );
      await sleep(pause, undefined, { signal }).catch(() => undefined);
      pause = Math.min(pause * 2, restartPauseMaxMs);
      const { problem } = this.state;
      this.say({
        status: 'starting',
        restarts: this.state.restarts + 1,
        ...(problem === undefined ? {} : { problem }),
      });
    }
    this.say({ status: 'ended' });
  }

  /** How the process ended by itself; else it was ended: undefined because the platform ends, or to be started again. */
  private async untilEnd(running: Running): Promise<ChildExit | 'again' | undefined> {
    const { signal } = this.ending;
    const told = new Promise<undefined>((resolve) => {
      if (signal.aborted) resolve(undefined);
      else signal.addEventListener('abort', () => resolve(undefined), { once: true });
    });
    const again = new Promise<'again'>((resolve) => (this.again = () => resolve('again')));
    const exit = await Promise.race([running.exited, told, again]);
    this.again = undefined;
    if (exit === undefined || exit === 'again') await running.stop();
    return exit;
  }

  private say(change: Partial<PartState> & Pick<PartState, 'status'>): void {
    const { name, restarts, failures } = this.state;
    this.state = { name, restarts, failures, since: now(), ...change };
    this.changed();
  }
}

function endedProblem(name: string, exit: ChildExit, tail: readonly string[]): ErrorData {
  return {
    code: 'PlatformDown',
    what: `${name} ended.`,
    why: describeExit(exit),
    next: 'It is being started again; its log is in the data directory.',
    retryable: true,
    details: tail.slice(-12),
  };
}

function problemOf(error: unknown): ErrorData {
  if (error instanceof ArteError) return error.data;
  return {
    code: 'Unexpected',
    what: 'A part of the platform could not be started.',
    why: error instanceof Error ? error.message : String(error),
    next: 'Run `arte doctor`.',
    retryable: true,
  };
}

// ---- the whole ---------------------------------------------------------------------------------------------------

/** Run the platform until SIGTERM or SIGINT. Returns the exit status. */
async function supervise(options: SupervisorOptions): Promise<number> {
  const paths = platformPaths(options.dataDir);
  const env = pythonEnvAt(options.python);
  const lock = await takeDataDirectory(options.dataDir, env.python);
  if (lock === undefined) return takenStatus;
  await removeState(options.dataDir);

  let state = firstState(options);
  const parts: Part[] = [];
  let writing = Promise.resolve();
  const publish = (): Promise<void> => {
    state = { ...state, parts: parts.map((part) => part.state) };
    const document = state;
    writing = writing
      .then(() => writeState(document))
      .catch((error: unknown) => log(`the state could not be written: ${String(error)}`));
    return writing;
  };
  const add = (name: string, start: Start): Promise<void> => {
    const part = new Part(name, start, () => void publish());
    parts.push(part);
    return part.keepAlive();
  };
  const told = untilTold(paths.lock);
  const disk = new DiskWatch(() => freeDiskBytes(options.dataDir));
  const watching = setInterval(() => void lookAtDisk(), diskLookMs);
  const lookAtDisk = async (): Promise<void> => {
    if (!(await disk.hasRoomAgain())) return;
    log(
      'the disk was full and has room again; the store is started anew, because it may refuse to write for ever else',
    );
    parts.find(({ state: { name } }) => name === 's3')?.restart();
  };

  try {
    const asked = {
      ...(options.temporalPort === undefined ? {} : { temporal: options.temporalPort }),
      ...(options.s3Port === undefined ? {} : { s3: options.s3Port }),
    };
    const choosing = await Promise.race([turnToChoosePorts(options, env.python), told]);
    const ports = await choosePorts(options.dataDir, asked, (what, port) =>
      log(`${what} had port ${String(port)}, which another program uses now; it gets another one`),
    );
    state = {
      ...state,
      temporal: { address: `127.0.0.1:${String(ports.temporal)}`, namespace: 'default' },
      store: { ...state.store, endpoint: `http://127.0.0.1:${String(ports.s3.s3)}` },
    };
    const inherit = [lock.fd];
    const servers = Promise.all([
      add('temporal', (signal) =>
        startTemporalServer({
          ...{ env, inherit, signal, dataDir: paths.temporal, port: ports.temporal },
          logPath: paths.log('temporal'),
        }),
      ),
      add('s3', (signal) =>
        startS3Server({
          ...{ env, inherit, signal, dataDir: paths.s3, ports: ports.s3, bucket: embeddedBucket },
          logPath: paths.log('s3'),
        }),
      ),
    ]);
    await publish();
    log(`supervisor ${String(process.pid)} started for ${options.dataDir}`);
    const first = await Promise.race([servers, told]);
    if (typeof choosing === 'object') await choosing.release();
    if (first !== 'told') {
      // The key is there now; a data directory without one must fail here and not in every worker.
      await addressesOfState(state);
      for (const [name, role] of workersOf(options)) {
        void add(name, (signal) => startWorker({ name, role, options, inherit, signal }));
      }
      await publish();
      await told;
    }
  } catch (error) {
    state = { ...state, problem: problemOf(error) };
    log(`${state.problem?.what ?? ''} ${state.problem?.why ?? ''}`);
  }

  clearInterval(watching);
  state = { ...state, ending: true };
  await publish();
  log('ending');
  const isServer = ({ state: { name } }: Part): boolean => name === 'temporal' || name === 's3';
  // Workers first: their activities say goodbye to the engine and the store.
  await Promise.all(parts.filter((part) => !isServer(part)).map((part) => part.stop()));
  await Promise.all(parts.filter(isServer).map((part) => part.stop()));
  await publish();
  if (state.problem === undefined) await removeState(options.dataDir);
  log('ended');
  await lock.release();
  return state.problem === undefined ? 0 : 1;
}

function firstState(options: SupervisorOptions): PlatformState {
  return {
    format: 1,
    dataDir: options.dataDir,
    supervisor: {
      pid: process.pid,
      startTicks: startTicks(process.pid),
      startedAt: now(),
      arte: (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string }).version,
      build: options.build,
      node: process.version,
      python: options.python,
    },
    ending: false,
    temporal: { address: '', namespace: 'default' },
    store: {
      endpoint: '',
      bucket: embeddedBucket,
      region: 'us-east-1',
      credentialsPath: storeCredentialsPath(options.dataDir),
    },
    parts: [],
  };
}

/** The lock, or undefined when a living supervisor has it. What is left of a killed one is waited for. */
async function takeDataDirectory(dataDir: string, python: string): Promise<FileLock | undefined> {
  const deadline = Date.now() + platformGoneMs;
  for (;;) {
    const lock = await tryLock(platformPaths(dataDir).lock, python);
    if (lock !== undefined) return lock;
    const other = await readState(dataDir);
    if ((other !== undefined && isAlive(other) && !other.ending) || Date.now() > deadline) {
      log('another supervisor has this data directory');
      return undefined;
    }
    await sleep(lockPollMs);
  }
}

/**
 * One platform of a machine at a time chooses its ports, until its servers have them: two that chose in the same second could draw the same. Undefined when it is
 * not to be had: then there is a small chance of that, which is better than no platform.
 */
async function turnToChoosePorts({ cacheDir }: SupervisorOptions, python: string): Promise<FileLock | undefined> {
  const onWait = (): void => log('another platform is taking its ports; this one waits for it');
  try {
    return await waitForLock(join(cacheDir, 'ports.lock'), python, { timeoutMs: portsWaitMs, onWait });
  } catch (error) {
    log(`no turn to choose ports: ${String(error)}`);
    return undefined;
  }
}

/** Resolves when a signal asks us to end, or when the data directory has been removed under us. */
function untilTold(lockPath: string): Promise<'told'> {
  const inode = statSync(lockPath).ino;
  return new Promise((resolve) => {
    const told = (): void => {
      clearInterval(watch);
      resolve('told');
    };
    const watch = setInterval(() => {
      if (statSync(lockPath, { throwIfNoEntry: false })?.ino !== inode) {
        log('the data directory is gone');
        told();
      }
    }, presenceMs);
    process.on('SIGTERM', told);
    process.on('SIGINT', told);
    process.on('SIGHUP', () => undefined);
  });
}

function workersOf({ processes }: SupervisorOptions): readonly (readonly [name: string, role: string])[] {
  return processes ? workerRoles.map((role) => [`worker-${role}`, role] as const) : [['worker', 'all']];
}

/** A worker is ready when it says so: a line {"event": "ready"} on stdout among those of its log. */
async function startWorker(worker: {
  readonly name: string;
  readonly role: string;
  readonly options: SupervisorOptions;
  readonly inherit: readonly number[];
  readonly signal: AbortSignal;
}): Promise<Running> {
  const { name, role, options, inherit, signal } = worker;
  const paths = platformPaths(options.dataDir);
  let sayReady: () => void = () => undefined;
  const ready = new Promise<'ready'>((resolve) => (sayReady = () => resolve('ready')));
  const child: Child = startChild({
    name,
    command: process.execPath,
    args: [...heapLimit(), ...options.workerProgram, '--role', role],
    env: {
      ARTE_PLATFORM: paths.state,
      ARTE_LIFELINE: '1',
      ARTE_DATA_DIR: options.dataDir,
      ARTE_CACHE_DIR: options.cacheDir,
      ARTE_PYTHON_ENV: options.python,
      MALLOC_ARENA_MAX: process.env['MALLOC_ARENA_MAX'] ?? mallocArenasMax,
    },
    logPath: paths.log(name),
    logsLines: true,
    inherit,
    onLine: (line) => {
      if (line.startsWith('{"event":"ready"')) sayReady();
    },
  });
  const stop = (): Promise<void> => child.stop(workerGraceMs);
  const late = new AbortController();
  const outcome = await Promise.race([
    ready,
    child.exited,
    sleep(workerReadyMs, 'late' as const, { signal: AbortSignal.any([signal, late.signal]) }).catch(
      () => 'aborted' as const,
    ),
  ]);
  late.abort();
  if (outcome === 'ready') return { pid: child.pid, exited: child.exited, tail: () => child.tail(), stop };
  await stop();
  signal.throwIfAborted();
  throw new ArteError('PlatformDown', {
    what: `${name} did not start.`,
    why:
      typeof outcome === 'string'
        ? `It was not ready within ${String(workerReadyMs / 1000)} s.`
        : describeExit(outcome),
    next: `See ${paths.log(name)}.`,
    details: child.tail().slice(-12),
  });
}

/** Whoever sets the heap in NODE_OPTIONS knows why. */
function heapLimit(): string[] {
  const given = process.env['NODE_OPTIONS']?.includes('max-old-space-size') === true;
  return given ? [] : [`--max-old-space-size=${String(workerHeapMegabytesMax)}`];
}

function now(): string {
  return new Date().toISOString();
}

function log(text: string): void {
  process.stdout.write(`${now()} ${text}\n`);
}

if (require.main === module) {
  // A stream that fails and that nobody listens to ends its process, and with this one end all parts: on a full disk that was the next line of the log.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  supervise(JSON.parse(process.argv[2] ?? '{}') as SupervisorOptions).then(
    (status) => process.exit(status),
    (error: unknown) => {
      log(String(error instanceof Error ? error.stack : error));
      process.exit(1);
    },
  );
}
