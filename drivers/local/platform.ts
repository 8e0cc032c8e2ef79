/**
 * The embedded platform from outside: is it there, start it, wait until it is ready, stop it.
 *
 * Owns: the background process's start and end as a command sees them, and what is said meanwhile. Leaves keeping the parts
 * alive to workers/supervisor.ts, which is only ever started as a program, and the files to platform-state.ts.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ArteError } from '../../schemas/errors';
import {
  logFileBytesMax,
  platformGoneMs,
  platformReadyMs,
  startFailuresMax,
  workerGraceMs,
} from '../../schemas/limits';
import type { PlatformAddresses } from '../../schemas/platform';
import { packageRoot } from '../package-root';
import { cacheDirectory, dataDirectory, makeDataFolder } from './directories';
import { isLocked } from './lock';
import { metricsAddress } from './metrics-address';
import { addressesOfState, isAlive, platformPaths, readState, removeState, type PlatformState } from './platform-state';
import { ensurePythonEnv, findPythonEnv, setupWords, type PythonEnv } from './python-env';

/** How often the state file is read while something is waited for. */
const pollMs = 100;
/** Lines of a log shown with an error. */
const logLinesMax = 12;

export interface PlatformOptions {
  /** Default: the data directory. */
  readonly dataDir?: string;
  readonly cacheDir?: string;
  /** A worker process per role; default: one for all of them, or what a platform had that is started anew. Only when it is this call that starts it. */
  readonly processes?: boolean;
  /** Ports to insist on; default: those it had before, else free ones. */
  readonly temporalPort?: number;
  readonly s3Port?: number;
  /** What is going on, a line for people. */
  readonly onProgress?: (text: string) => void;
  /** Default: the environment that is set up by ensurePythonEnv. */
  readonly python?: PythonEnv;
  /** Arguments of node that start the two programs; default: the built ones. Tests run them from source. */
  readonly programs?: { readonly supervisor: readonly string[]; readonly worker: readonly string[] };
}

export interface RunningPlatform {
  readonly state: PlatformState;
  readonly addresses: PlatformAddresses;
}

/** The platform of the data directory if its servers answer; a worker may be on its way. Nothing is started. */
export async function runningPlatform(dataDir = dataDirectory()): Promise<RunningPlatform | undefined> {
  const state = await livingState(dataDir);
  return state !== undefined && answers(state) ? { state, addresses: await addressesOfState(state) } : undefined;
}

/** The state of a platform that runs, ready or not. */
export async function livingState(dataDir = dataDirectory()): Promise<PlatformState | undefined> {
  const state = await readState(dataDir);
  return state !== undefined && isAlive(state) ? state : undefined;
}

/**
 * Whether the platform of the data directory is elsewhere than `addresses` by now: started again after its supervisor was killed, when another program had
 * taken its ports. What answers at the old ones is that other program, another platform maybe. False while none runs.
 */
export async function platformMoved(
  { temporal, store }: PlatformAddresses,
  dataDir = dataDirectory(),
): Promise<boolean> {
  const state = await livingState(dataDir);
  // A platform that is on its way has not chosen its ports yet.
  if (state === undefined || state.temporal.address === '') return false;
  return state.temporal.address !== temporal.address || state.store.endpoint !== store.endpoint;
}

/**
 * The platform, started if it is not there, when all its parts are ready. One that runs an older build is started anew:
 * its runs go on where they were.
 * Errors: those of ensurePythonEnv; InvalidConfig (ARTE_METRICS_ADDRESS); InvalidInput (the data directory); PortTaken; PlatformDown (details: the lines of the log that say why).
 */
export async function ensurePlatform(options: PlatformOptions = {}): Promise<RunningPlatform> {
  metricsAddress(process.env);
  const dataDir = options.dataDir ?? dataDirectory();
  const say = options.onProgress ?? (() => undefined);
  const build = buildIdentity();
  let state = await livingState(dataDir);
  let { processes } = options;
  if (state !== undefined && (state.ending || state.supervisor.build !== build)) {
    say(
      state.ending
        ? 'the platform is ending; it is started anew'
        : 'the platform runs an older build; it is started anew',
    );
    // Who ended it may want another one now; who only has a newer build wants the same.
    if (!state.ending) processes ??= hasProcesses(state);
    await stopPlatform({ dataDir });
    state = undefined;
  }
  let started: Supervisor | undefined;
  if (state === undefined) {
    say(`starting the platform in ${dataDir}`);
    // Before Python is set up, which may take minutes.
    makeDataFolder(dataDir, platformPaths(dataDir).logs);
    const python = options.python ?? (await setUpPython(options, say));
    started = startSupervisor(dataDir, python, build, { ...options, ...(processes !== undefined && { processes }) });
  }
  try {
    const ready = await untilReady(dataDir, started, say);
    return { state: ready, addresses: await addressesOfState(ready) };
  } catch (error) {
    // What did not become a platform is not left behind half.
    if (started !== undefined) {
      await stopPlatform({ dataDir }).catch(() => undefined);
    }
    throw error;
  }
}

/** The platform ended and started again with this process's environment, its workers apart as they were. Errors: those of stopPlatform and ensurePlatform. */
export async function restartPlatform(options: PlatformOptions = {}): Promise<RunningPlatform> {
  const state = await livingState(options.dataDir);
  await stopPlatform(options);
  return ensurePlatform({ ...(state !== undefined && { processes: hasProcesses(state) }), ...options });
}

/** Whether each role has a worker process of its own. */
function hasProcesses({ parts }: PlatformState): boolean {
  return parts.some(({ name }) => name.startsWith('worker-'));
}

/**
 * End the platform with everything it started; false when there was none.
 *
 * The state is a file, and a project from somebody else may bring one along: nothing that it names is run, and a process that it names is signalled
 * only while platform.lock is held, which no file can feign. The lock also tells where a process's number alone does not (a system without /proc).
 * Errors: PlatformDown when something of it cannot be ended, PythonMissing when the lock cannot be asked for.
 */
export async function stopPlatform(
  options: { readonly dataDir?: string; readonly onProgress?: (text: string) => void } = {},
): Promise<boolean> {
  const dataDir = options.dataDir ?? dataDirectory();
  const say = options.onProgress ?? (() => undefined);
  const state = await readState(dataDir);
  if (state === undefined) {
    return false;
  }
  const lock = platformPaths(dataDir).lock;
  const python = await pythonForLocks();
  const isHeld = (): Promise<boolean> => isLocked(lock, python);
  const wasAlive = isAlive(state) && (await isHeld());
  if (wasAlive) {
    signal(state.supervisor.pid, 'SIGTERM');
    const ended = await until(
      () => !isAlive(state),
      workerGraceMs * 2,
      () => sayEnding(dataDir, say),
    );
    if (!ended && (await isHeld())) {
      signal(state.supervisor.pid, 'SIGKILL');
    }
  }
  // Children of one that was killed read the end of their stdin and go; the lock is theirs until the last one has gone.
  const free = async (): Promise<boolean> => !(await isHeld());
  if (!(await until(free, platformGoneMs, () => say('waiting for the last processes')))) {
    throw new ArteError('PlatformDown', {
      what: `Something of the platform in ${dataDir} does not end.`,
      why: `A process it started still holds ${lock}.`,
      next: `Find it with \`fuser ${lock}\` and end it.`,
    });
  }
  await removeState(dataDir);
  return wasAlive;
}

/** Any Python can ask for a lock (guard.py needs its standard library alone): ours, or the one that ours would be made from. */
async function pythonForLocks(): Promise<string> {
  const env = await findPythonEnv().catch(() => undefined);
  return env?.python ?? (process.env.ARTE_PYTHON || 'python3');
}

// ---- starting ----------------------------------------------------------------------------------------------------

interface Supervisor {
  readonly pid: number;
  readonly logPath: string;
  /** Set when it has ended. */
  status: number | null | undefined;
}

async function setUpPython({ cacheDir }: PlatformOptions, say: (text: string) => void): Promise<PythonEnv> {
  return ensurePythonEnv({
    ...(cacheDir === undefined ? {} : { cacheDir }),
    onProgress: (step) => say(setupWords(step)),
  });
}

function startSupervisor(dataDir: string, python: PythonEnv, build: string, options: PlatformOptions): Supervisor {
  const programs = options.programs ?? builtPrograms();
  const logPath = platformPaths(dataDir).log('supervisor');
  if ((statSync(logPath, { throwIfNoEntry: false })?.size ?? 0) > logFileBytesMax) {
    renameSync(logPath, `${logPath}.1`);
  }
  const settings = {
    dataDir,
    build,
    python: python.root,
    cacheDir: options.cacheDir ?? cacheDirectory(),
    processes: options.processes ?? false,
    workerProgram: programs.worker,
    ...(options.temporalPort === undefined ? {} : { temporalPort: options.temporalPort }),
    ...(options.s3Port === undefined ? {} : { s3Port: options.s3Port }),
  };
  const log = openSync(logPath, 'a', 0o600);
  try {
    // A session of its own, and no pipe to us: it outlives this command and its terminal.
    const child = spawn(process.execPath, [...programs.supervisor, JSON.stringify(settings)], {
      detached: true,
      stdio: ['ignore', log, log],
      env: process.env,
    });
    const supervisor: Supervisor = { pid: child.pid ?? -1, logPath, status: undefined };
    child.once('error', () => (supervisor.status = null));
    child.once('exit', (code) => (supervisor.status = code));
    child.unref();
    return supervisor;
  } finally {
    closeSync(log);
  }
}

function builtPrograms(): NonNullable<PlatformOptions['programs']> {
  const program = (name: string): string => join(packageRoot(), 'dist', 'workers', `${name}.js`);
  if (statSync(program('supervisor'), { throwIfNoEntry: false }) === undefined) {
    throw new ArteError('PlatformDown', {
      what: 'The platform cannot be started: arte is not built.',
      why: `${program('supervisor')} is not there.`,
      next: 'Run `npm run build`.',
    });
  }
  return { supervisor: [program('supervisor')], worker: [program('main')] };
}

/** What the compiler says of the build it made; `source` where there is none. */
function buildIdentity(): string {
  try {
    const info = readFileSync(join(packageRoot(), 'dist', '.tsbuildinfo'));
    return createHash('sha256').update(info).digest('hex').slice(0, 16);
  } catch {
    return 'source';
  }
}

async function untilReady(
  dataDir: string,
  started: Supervisor | undefined,
  say: (text: string) => void,
): Promise<PlatformState> {
  const deadline = Date.now() + platformReadyMs;
  let said = '';
  for (;;) {
    const state = await readState(dataDir);
    const alive = state !== undefined && isAlive(state);
    if (alive && isReady(state)) {
      // Parts may become ready between two looks: who was told of the start is told of its end.
      if (said !== '') {
        say(describe(state));
      }
      return state;
    }
    const failure = state?.problem ?? state?.parts.find(({ failures }) => failures >= startFailuresMax)?.problem;
    if (state !== undefined && failure !== undefined && (alive || state.supervisor.pid === started?.pid)) {
      throw new ArteError(failure.code, failure);
    }
    const gone = started === undefined ? !alive : started.status !== undefined && !alive;
    if (gone || Date.now() > deadline) {
      const slow = state?.parts.find(({ status }) => status !== 'ready');
      const logPath =
        gone || slow === undefined ? platformPaths(dataDir).log('supervisor') : platformPaths(dataDir).log(slow.name);
      throw new ArteError('PlatformDown', {
        what: 'The embedded platform did not start.',
        why: gone
          ? 'Its background process ended.'
          : `After ${String(platformReadyMs / 1000)} s ${slow?.name ?? 'it'} was still ${slow?.status ?? 'starting'}.`,
        next: `See the lines below and ${logPath}; \`arte doctor\` looks at each part.`,
        details: slow?.problem?.details ?? (await lastLines(logPath)),
      });
    }
    const text = describe(state);
    if (text !== said) {
      say(text);
      said = text;
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

function isWorker({ name }: PlatformState['parts'][number]): boolean {
  return name.startsWith('worker');
}

function isReady({ parts, ending }: PlatformState): boolean {
  return !ending && parts.some(isWorker) && parts.every(({ status }) => status === 'ready');
}

/** Temporal and the store can be asked. */
function answers({ parts, ending }: PlatformState): boolean {
  const servers = parts.filter((part) => !isWorker(part));
  return !ending && servers.length > 0 && servers.every(({ status }) => status === 'ready');
}

function describe(state: PlatformState | undefined): string {
  if (state === undefined || state.parts.length === 0) {
    return 'starting the platform';
  }
  return `starting the platform: ${state.parts.map(({ name, status }) => `${name} ${status}`).join(', ')}`;
}

async function sayEnding(dataDir: string, say: (text: string) => void): Promise<void> {
  const open =
    (await readState(dataDir))?.parts.filter(({ status }) => status !== 'ended').map(({ name }) => name) ?? [];
  say(open.length > 0 ? `ending ${open.join(', ')}` : 'ending');
}

async function lastLines(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-logLinesMax);
}

/** Whether it became true in time. */
async function until(
  isTrue: () => boolean | Promise<boolean>,
  timeoutMs: number,
  meanwhile: () => void | Promise<void>,
): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (!(await isTrue())) {
    if (Date.now() > deadline) {
      return false;
    }
    await meanwhile();
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  return true;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended meanwhile: that is what was wanted.
  }
}
