/**
 * Goal: `arte up` gives a platform that stays: what dies comes back where it was, one supervisor has a data directory, and
 * down, or a kill -9 of the supervisor, leaves no process.
 * Method: the real supervisor, Temporal and SeaweedFS, with a scripted worker (the real ones are killed in end-to-end/).
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheDirectory } from '../../drivers/local/directories';
import { waitForLock } from '../../drivers/local/lock';
import {
  ensurePlatform,
  livingState,
  runningPlatform,
  stopPlatform,
  type PlatformOptions,
} from '../../drivers/local/platform';
import { platformPaths, readState, writeState, type PartState } from '../../drivers/local/platform-state';
import { freePorts } from '../../drivers/local/ports';
import { ensurePythonEnv, type PythonEnv } from '../../drivers/local/python-env';
import { namespaceAnswers } from '../../drivers/local/temporal';
import type { ArteError } from '../../schemas/errors';
import { diskLookMs } from '../../schemas/limits';
import { eventually, processes, processesWith } from '../support/processes';

const root = join(__dirname, '..', '..');
const fixtures = join(root, 'test', 'fixtures');
let folder: string;
let python: PythonEnv;
let number = 0;
jest.setTimeout(120_000);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'arte-supervisor-'));
  python = await ensurePythonEnv();
}, 600_000);
afterEach(() => {
  delete process.env.SCRIPTED_WORKER;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Options of a platform of its own, from source. */
function options(): PlatformOptions & { readonly dataDir: string } {
  number += 1;
  return {
    dataDir: join(folder, `data-${number}`),
    python,
    programs: {
      supervisor: ['-r', join(fixtures, 'run-typescript.cjs'), join(root, 'workers', 'supervisor.ts')],
      worker: [join(fixtures, 'scripted-worker.cjs')],
    },
  };
}

/** Everything that a platform started: all of it is told the data directory, on its command line or by its group. */
function left(dataDir: string, groups: readonly number[] = []): string[] {
  return processes()
    .filter(({ command, group }) => command.includes(dataDir) || groups.includes(group))
    .map(({ command }) => command);
}

async function part(dataDir: string, name: string): Promise<PartState> {
  const found = (await readState(dataDir))?.parts.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no part ${name}`);
  return found;
}

async function groupsOf(dataDir: string): Promise<number[]> {
  return ((await readState(dataDir))?.parts ?? []).flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
}

/** The program itself: the last of its group to be started, after its guard where it has one. */
async function programOf(dataDir: string, name: string): Promise<number> {
  const { pid: group } = await part(dataDir, name);
  const members = processes().filter((each) => each.group === group);
  return Math.max(...members.map(({ pid }) => pid));
}

describe('a platform', () => {
  let where: ReturnType<typeof options>;
  const said: string[] = [];

  beforeAll(async () => {
    where = options();
    await ensurePlatform({ ...where, onProgress: (text) => said.push(text) });
  });
  afterAll(() => stopPlatform(where));

  test('is up when the call returns: Temporal answers, the worker has the addresses, progress was said', async () => {
    const running = await runningPlatform(where.dataDir);
    expect(running?.state.parts.map(({ name, status }) => `${name} ${status}`)).toEqual([
      'temporal ready',
      's3 ready',
      'worker ready',
    ]);
    expect(await namespaceAnswers(running?.addresses.temporal.address ?? '', 'default')).toBe(true);
    expect((await fetch(running?.addresses.store.endpoint ?? '')).status).toBe(403);
    const log = readFileSync(platformPaths(where.dataDir).log('worker'), 'utf8');
    expect(log).toContain(`"temporal":"${running?.addresses.temporal.address ?? ''}"`);
    expect(said[0]).toBe(`starting the platform in ${where.dataDir}`);
    expect(said.at(-1)).toContain('s3 ready');
  });

  test('is there for the next call, which starts nothing', async () => {
    const before = await livingState(where.dataDir);
    const running = await ensurePlatform(where);
    expect(running.state.supervisor).toEqual(before?.supervisor);
    expect(running.state.parts.map(({ pid }) => pid)).toEqual(before?.parts.map(({ pid }) => pid));
  });

  test('keeps its key from others, and out of command lines and logs', async () => {
    const { addresses, state } = await ensurePlatform(where);
    const secret = addresses.store.credentials?.secretAccessKey ?? 'none';
    expect(secret.length).toBeGreaterThanOrEqual(32);
    for (const path of [state.store.credentialsPath, platformPaths(where.dataDir).state]) {
      expect(statSync(path).mode & 0o077).toBe(0);
    }
    for (const name of ['supervisor', 'temporal', 's3', 'worker']) {
      expect(readFileSync(platformPaths(where.dataDir).log(name), 'utf8')).not.toContain(secret);
    }
    expect(left(where.dataDir).join('\n')).not.toContain(secret);
  });

  test.each(['temporal', 's3', 'worker'])('has %s back where it was, seconds after it was killed', async (name) => {
    const before = await ensurePlatform(where);
    const { restarts } = await part(where.dataDir, name);
    process.kill(await programOf(where.dataDir, name), 'SIGKILL');
    await eventually(
      `${name} is back`,
      async () => {
        const now = await part(where.dataDir, name);
        return now.restarts > restarts && now.status === 'ready';
      },
      20_000,
    );
    const after = await ensurePlatform(where);
    expect(after.addresses).toEqual(before.addresses);
    expect(await namespaceAnswers(after.addresses.temporal.address, 'default')).toBe(true);
    const others = (each: PartState): boolean => each.name !== name;
    expect(after.state.parts.filter(others)).toEqual(before.state.parts.filter(others));
  });

  test('has a server back whose guard was killed', async () => {
    const { pid = 0, restarts } = await part(where.dataDir, 'temporal');
    process.kill(pid, 'SIGKILL');
    await eventually(
      'it is back',
      async () =>
        (await part(where.dataDir, 'temporal')).restarts > restarts &&
        (await runningPlatform(where.dataDir)) !== undefined,
    );
  });

  test('whose supervisor was killed leaves nothing, and comes up again as it was', async () => {
    const before = await ensurePlatform(where);
    const groups = await groupsOf(where.dataDir);
    process.kill(before.state.supervisor.pid, 'SIGKILL');
    await eventually('it is seen to be dead', async () => (await livingState(where.dataDir)) === undefined);
    // At once, while what it had started is still ending.
    const after = await ensurePlatform(where);
    expect(after.addresses).toEqual(before.addresses);
    expect(after.state.supervisor.pid).not.toBe(before.state.supervisor.pid);
    expect(processes().filter(({ group }) => groups.includes(group))).toEqual([]);
  });

  test('that an older build runs is started anew', async () => {
    const { state, addresses } = await ensurePlatform(where);
    await writeState({ ...state, supervisor: { ...state.supervisor, build: 'older' } });
    const told: string[] = [];
    const after = await ensurePlatform({ ...where, onProgress: (text) => told.push(text) });
    expect(told[0]).toBe('the platform runs an older build; it is started anew');
    expect(after.state.supervisor.pid).not.toBe(state.supervisor.pid);
    expect(after.addresses).toEqual(addresses);
  });

  test('leaves nothing after down, and down again is no error', async () => {
    const groups = await groupsOf(where.dataDir);
    const ending: string[] = [];
    expect(await stopPlatform({ dataDir: where.dataDir, onProgress: (text) => ending.push(text) })).toBe(true);
    expect(left(where.dataDir, groups)).toEqual([]);
    expect(ending[0]).toContain('ending');
    expect(await readState(where.dataDir)).toBeUndefined();
    expect(await stopPlatform(where)).toBe(false);
    expect(await runningPlatform(where.dataDir)).toBeUndefined();
  });
});

test('two calls at once give one platform; a worker per role where that is wanted', async () => {
  const where = { ...options(), processes: true };
  try {
    const both = await Promise.all([ensurePlatform(where), ensurePlatform(where)]);
    expect(both[0].state.supervisor).toEqual(both[1].state.supervisor);
    expect(both[0].state.parts.map(({ name }) => name)).toEqual([
      'temporal',
      's3',
      'worker-orchestrator',
      'worker-io',
      'worker-infer',
      'worker-train',
    ]);
    expect(processesWith(where.dataDir).filter(({ command }) => command.includes('supervisor.ts'))).toHaveLength(1);
  } finally {
    await stopPlatform(where);
  }
  expect(left(where.dataDir)).toEqual([]);
});

test('a worker that cannot start: its last lines are the error, and nothing is left running', async () => {
  process.env.SCRIPTED_WORKER = 'fails';
  const where = options();
  const error = await ensurePlatform(where).catch((caught: unknown) => caught as ArteError);
  expect(error).toMatchObject({
    data: { code: 'PlatformDown', what: 'worker did not start.', details: ['scripted worker: nothing works'] },
  });
  expect(left(where.dataDir)).toEqual([]);
});

test('a port that was asked for and is taken is said at once, and nothing is left running', async () => {
  const [port = 0] = await freePorts(1);
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
  const where = { ...options(), temporalPort: port };
  await expect(ensurePlatform(where)).rejects.toMatchObject({
    data: { code: 'PortTaken', what: expect.stringContaining(`Port ${port}`) as string },
  });
  other.close();
  await eventually('nothing is left', () => left(where.dataDir).length === 0);
  // Nothing stands in the way of the next one.
  const { state } = await ensurePlatform(where);
  expect(state.temporal.address).toBe(`127.0.0.1:${port}`);
  await stopPlatform(where);
});

test('a platform that starts while another one takes its ports waits for it, and then lets the next one', async () => {
  const path = join(cacheDirectory(), 'ports.lock');
  const turn = await waitForLock(path, python.python, { timeoutMs: 30_000 });
  const where = options();
  const starting = ensurePlatform(where);
  const log = platformPaths(where.dataDir).log('supervisor');
  await eventually('it waits', () => existsSync(log) && readFileSync(log, 'utf8').includes('is taking its ports'));
  expect((await readState(where.dataDir))?.temporal.address ?? '').toBe('');
  await turn?.release();
  await starting;
  const next = await waitForLock(path, python.python, { timeoutMs: 30_000 });
  expect(next).toBeDefined();
  await next?.release();
  await stopPlatform(where);
});

test('a disk that was full: the store is started anew once there is room, where it was', async () => {
  const where = options();
  const told = join(folder, 'free-bytes');
  const [, preload = '', program = ''] = where.programs?.supervisor ?? [];
  const worker = where.programs?.worker ?? [];
  process.env.TOLD_DISK = told;
  const supervisor = ['-r', preload, '-r', join(fixtures, 'told-disk.cjs'), program];
  const before = await ensurePlatform({ ...where, programs: { supervisor, worker } });
  delete process.env.TOLD_DISK;
  const log = platformPaths(where.dataDir).log('supervisor');
  writeFileSync(told, '4096');
  await new Promise((resolve) => setTimeout(resolve, 2 * diskLookMs));
  expect(readFileSync(log, 'utf8')).not.toContain('has room again');
  rmSync(told);
  await eventually('it is back', async () => {
    const { restarts, status } = await part(where.dataDir, 's3');
    return restarts === 1 && status === 'ready';
  });
  expect(readFileSync(log, 'utf8')).toContain('the disk was full and has room again');
  const after = await ensurePlatform(where);
  expect(after.addresses).toEqual(before.addresses);
  expect((await part(where.dataDir, 'temporal')).restarts).toBe(0);
  await stopPlatform(where);
});

test('a supervisor whose log cannot be written does its work', async () => {
  const [port = 0] = await freePorts(1);
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
  const { dataDir, programs } = options();
  const settings = { dataDir, build: '', python: python.root, cacheDir: folder, processes: false, workerProgram: [] };
  const full = openSync('/dev/full', 'w');
  const args = [...(programs?.supervisor ?? []), JSON.stringify({ ...settings, temporalPort: port })];
  const supervisor = spawn(process.execPath, args, { stdio: ['ignore', full, full] });
  closeSync(full);
  await once(supervisor, 'exit');
  other.close();
  // It got past its first line, and said in the state why it starts nothing.
  expect(await readState(dataDir)).toMatchObject({ ending: true, problem: { code: 'PortTaken' } });
});

test('a platform whose data directory is removed ends by itself', async () => {
  const where = options();
  await ensurePlatform(where);
  const groups = await groupsOf(where.dataDir);
  // As a person does it: the servers still write into it, and what is left of it for that moment goes the next time.
  await eventually('it can be removed', () => spawnSync('rm', ['-rf', where.dataDir]).status === 0);
  await eventually('it is gone', () => left(where.dataDir, groups).length === 0);
});
