/**
 * Goal: the Python environment is made once, by one process, and a set-up that was cut off anywhere is finished by the next.
 * Method: real venvs and a real pip over wheels of one small module each (the full set is installed by the test run itself);
 * set-ups that are killed, packages that are damaged as a cut-off pip leaves them, and interpreters that are too old.
 */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ensurePythonEnv,
  environmentProblem,
  findInterpreter,
  findPythonEnv,
  type PythonEnv,
  type PythonSetupStep,
} from '../../drivers/local/python-env';
import type { ArteError } from '../../schemas/errors';
import { eventually, processesWith } from '../support/processes';

const fixtures = join(__dirname, '..', 'fixtures');
const given = process.env.ARTE_PYTHON_ENV;
let folder: string;
let wheels: string;
let number = 0;
/** What a set-up of ours installs. */
const allPackages = ['arte_more', 'arte_nodeps', 'arte_parts', 'arte_torch'];
/** Making a venv takes ten seconds on a machine that is busy with other tests. */
jest.setTimeout(180_000);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'arte-python-env-'));
  wheels = join(folder, 'wheels');
  delete process.env.ARTE_PYTHON_ENV;
  const { path } = await findInterpreter();
  const pins = ['arte_torch==2.0', 'arte_parts==1.0', 'arte_more==1.0', 'arte_nodeps==0.1', 'arte_dev==3.0'];
  execFileSync(path, [join(fixtures, 'make_wheels.py'), wheels, ...pins]);
});
afterEach(() => {
  delete process.env.ARTE_PYTHON_ENV;
});
afterAll(() => {
  if (given !== undefined) process.env.ARTE_PYTHON_ENV = given;
  rmSync(folder, { recursive: true, force: true });
});

/** Requirement files over our wheels; a folder of its own each time, and so a cache. */
function setting(parts = 'arte_parts==1.0\narte_more==1.0'): { requirementsDir: string; cacheDir: string } {
  number += 1;
  const requirementsDir = join(folder, `requirements-${number}`);
  mkdirSync(requirementsDir);
  const write = (name: string, text: string): void =>
    writeFileSync(join(requirementsDir, name), `--no-index\n--find-links ${wheels}\n${text}\n`);
  write('requirements-torch.txt', 'arte_torch==2.0');
  write('requirements.txt', parts);
  write('requirements-nodeps.txt', 'arte_nodeps==0.1');
  write('requirements-dev.txt', 'arte_dev==3.0');
  return { requirementsDir, cacheDir: join(folder, `cache-${number}`) };
}

function packages(env: PythonEnv): string[] {
  const list =
    'import importlib.metadata as m; print(*sorted(d.name for d in m.distributions() if d.name.startswith("arte")))';
  return execFileSync(env.python, ['-I', '-c', list], { encoding: 'utf8' }).trim().split(' ');
}

/** One environment, looked at from many sides; the tests follow each other. */
describe('a set-up', () => {
  const where = { requirementsDir: '', cacheDir: '' };
  let env: PythonEnv;

  beforeAll(() => Object.assign(where, setting()));

  test('makes the environment step by step, and says so; who comes at the same time waits for it', async () => {
    // A mirror's address may hold a password.
    process.env.PIP_INDEX_URL = 'https://user:not-for-the-log@localhost:1/simple';
    expect(await findPythonEnv(where)).toBeUndefined();
    const steps: PythonSetupStep[] = [];
    const both = await Promise.all(
      [0, 1].map(() => ensurePythonEnv({ ...where, onProgress: (step) => steps.push(step) })),
    );
    env = both[0] as PythonEnv;
    expect(both[1]?.root).toBe(env.root);
    expect(packages(env)).toEqual(allPackages);
    expect(steps.filter(({ what }) => what === 'installing PyTorch')).toHaveLength(1);
    const waited = steps.findIndex(({ what }) => what === 'another process is setting up Python; waiting for it');
    expect(steps.splice(waited, 1)).toHaveLength(1);
    const said = [...new Set(steps.map(({ done, total, what }) => `${done}/${total} ${what.split(':')[0] ?? ''}`))];
    expect(said).toEqual([
      '0/5 making the environment',
      '1/5 installing PyTorch',
      '2/5 installing TRL, llama.cpp, Temporal and SeaweedFS',
      '3/5 installing the model and the converter',
      '4/5 trying the parts',
      '5/5 Python is ready',
    ]);
    expect(readFileSync(`${env.root}.log`, 'utf8')).not.toContain('not-for-the-log');
    delete process.env.PIP_INDEX_URL;
  });

  test('is done once: the next call finds it and starts nothing', async () => {
    const steps: PythonSetupStep[] = [];
    const again = await ensurePythonEnv({
      ...where,
      onProgress: (step) => steps.push(step),
      interpreters: ['/nowhere'],
    });
    expect(again.root).toBe(env.root);
    expect(steps).toEqual([]);
    expect((await findPythonEnv(where))?.root).toBe(env.root);
    expect(again.bin('weed')).toBe(join(env.root, 'bin', 'weed'));
    expect(await environmentProblem(env, where)).toBeUndefined();
  });

  test('with what tests need adds to it', async () => {
    const dev = await ensurePythonEnv({ ...where, dev: true });
    expect(dev.root).toBe(env.root);
    expect(packages(dev)).toContain('arte_dev');
  });

  test('that was cut off in the middle of unpacking is healed: what is broken is put in again, what is whole is kept', async () => {
    const ask = 'import sysconfig; print(sysconfig.get_path("purelib"))';
    const site = execFileSync(env.python, ['-c', ask], { encoding: 'utf8' }).trim();
    // As a pip leaves it that was killed while it wrote: the package looks installed, a file is cut off, the step is not done.
    writeFileSync(join(site, 'arte_parts', 'data.bin'), '0123');
    const kept = statSync(join(site, 'arte_torch', 'data.bin'));
    for (const mark of ['ready.json', 'parts.done', 'nodeps.done']) rmSync(join(env.root, mark));
    const steps: string[] = [];
    await ensurePythonEnv({ ...where, onProgress: ({ what }) => steps.push(what) });
    expect(steps).toContain('looking for what an interrupted set-up left half-made');
    expect(steps).not.toContain('installing PyTorch');
    expect(statSync(join(site, 'arte_parts', 'data.bin')).size).toBe(10_000);
    expect(statSync(join(site, 'arte_torch', 'data.bin')).ino).toBe(kept.ino);
  });

  test('whose interpreter has been taken off the machine since is made anew', async () => {
    rmSync(env.python);
    expect(await findPythonEnv(where)).toBeUndefined();
    expect(packages(await ensurePythonEnv(where))).toEqual(allPackages);
  });

  test('of changed requirements is another environment', async () => {
    const nodeps = join(where.requirementsDir, 'requirements-nodeps.txt');
    writeFileSync(nodeps, 'arte_nodeps==0.2\n');
    expect(await findPythonEnv(where)).toBeUndefined();
    expect(await environmentProblem(env, where)).toBe('arte-nodeps 0.1 is installed where 0.2 is asked for.');
  });
});

describe('a set-up that is cut off', () => {
  test.each(['making the environment', 'installing TRL'])(
    'while %s leaves no process, and the next one finishes it',
    async (moment) => {
      const where = setting();
      const hook = join(fixtures, 'run-typescript.cjs');
      const child = spawn(process.execPath, ['-r', hook, join(fixtures, 'set-up-python.ts'), JSON.stringify(where)], {
        stdio: ['ignore', 'pipe', 'inherit'],
        // Named, because Jest's own is a copy that child processes do not see by themselves.
        env: process.env,
      });
      let said = '';
      child.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()));
      await eventually(`it is ${moment}`, () => said.includes(moment), 60_000);
      child.kill('SIGKILL');
      await eventually('nothing of it is left', () => processesWith(where.cacheDir).length === 0, 10_000);
      expect(await findPythonEnv(where)).toBeUndefined();
      const env = await ensurePythonEnv(where);
      expect(packages(env)).toEqual(allPackages);
    },
  );
});

describe('what goes wrong is said', () => {
  test('pip cannot find a package: its last lines, and what is there is kept', async () => {
    const where = setting('arte_absent==1.0');
    const error = await ensurePythonEnv(where).catch((caught: unknown) => caught as ArteError);
    expect(error).toMatchObject({
      data: { code: 'PythonSetupFailed', why: expect.stringContaining('arte_absent') as string },
    });
    expect((error as ArteError).data.details?.join('\n')).toContain('No matching distribution');
    const steps: string[] = [];
    await ensurePythonEnv({ ...where, onProgress: ({ what }) => steps.push(what) }).catch(() => undefined);
    expect(steps).not.toContain('installing PyTorch');
  });

  test('a disk that is nearly full, before anything is started', async () => {
    const where = setting();
    await expect(ensurePythonEnv({ ...where, freeBytes: () => Promise.resolve(10 ** 9) })).rejects.toMatchObject({
      data: { code: 'DiskFull', why: '0.9 GB are free, 4.0 GB are needed.' },
    });
    expect(processesWith(where.cacheDir)).toEqual([]);
  });

  test('an environment that was named but is none', async () => {
    process.env.ARTE_PYTHON_ENV = '/nowhere/env';
    await expect(ensurePythonEnv(setting())).rejects.toMatchObject({ data: { code: 'PythonMissing' } });
    await expect(findPythonEnv(setting())).rejects.toMatchObject({ data: { code: 'PythonMissing' } });
  });

  /** A program that answers as an interpreter of another version. */
  function interpreter(name: string, answer: string): string {
    const path = join(folder, name);
    writeFileSync(path, `#!/bin/sh\n${answer}\n`);
    chmodSync(path, 0o755);
    return path;
  }

  test('no Python, one that is too old, one that can make no environments: each with the version that was found', async () => {
    const old = interpreter('python-old', `echo '{"path": "/usr/bin/old", "version": [3, 9, 2], "venv": true}'`);
    const bare = interpreter('python-bare', `echo '{"path": "/usr/bin/bare", "version": [3, 11, 2], "venv": false}'`);
    const two = interpreter('python-two', `echo 'Unknown option: -I' >&2; exit 2`);
    const shim = interpreter('python-shim', 'echo "command not found" >&2; exit 127');
    await expect(findInterpreter(['/nowhere/python3', shim])).rejects.toMatchObject({
      data: { code: 'PythonMissing', why: expect.stringContaining('is on PATH') as string },
    });
    await expect(findInterpreter([two, old])).rejects.toMatchObject({
      data: { why: expect.stringMatching(/python-two: 2, too old.*3\.9\.2, too old \(\/usr\/bin\/old\)/) as string },
    });
    await expect(findInterpreter([old, bare])).rejects.toMatchObject({
      data: { next: expect.stringContaining('apt install python3-venv') as string },
    });
    const fine = interpreter('python-fine', `echo '{"path": "/usr/bin/fine", "version": [3, 12, 0], "venv": true}'`);
    expect(await findInterpreter([old, bare, fine])).toEqual({ path: '/usr/bin/fine', version: [3, 12, 0] });
  });
});
