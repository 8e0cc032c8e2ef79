/**
 * Goal: doctor says ok where all is well, and for each thing that is wrong names it with a fix; it never throws.
 * Method: the real S3 server for what is well; for what is wrong, folders and a store that misbehave in one way each.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { doctorChecks, type CheckResult } from '../../../cli/doctor/doctor-checks';
import { register as registerDoctor } from '../../../cli/commands/doctor';
import { tryLock } from '../../../drivers/local/lock';
import { platformPaths, readState, writeState, type PlatformState } from '../../../drivers/local/platform-state';
import { freePorts } from '../../../drivers/local/ports';
import { ensurePythonEnv } from '../../../drivers/local/python-env';
import type { ErrorData } from '../../../schemas/errors';
import { runCommand } from '../../support/command';
import { startTestS3, type TestS3 } from '../../support/s3';

const before = { ...process.env };
let folder: string;
let s3: TestS3;
let server: Server | undefined;

beforeAll(async () => {
  s3 = await startTestS3();
}, 600_000);
afterAll(() => s3.stop());

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'arte-doctor-'));
  process.env.ARTE_DATA_DIR = join(folder, '.arte');
});
afterEach(() => {
  for (const name of Object.keys(process.env)) if (!(name in before)) Reflect.deleteProperty(process.env, name);
  Object.assign(process.env, before);
  server?.close();
  server?.closeAllConnections();
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

/** Run the checks of these names, all of them by default. */
async function run(...names: string[]): Promise<Map<string, CheckResult>> {
  const results = new Map<string, CheckResult>();
  for (const check of await doctorChecks()) {
    if (names.length === 0 || names.includes(check.name)) results.set(check.name, await check.run());
  }
  return results;
}

/** The environment names a platform of its own, with this store. */
function nameStore(endpoint: string, { accessKeyId = 'key', secretAccessKey = 'secret' } = {}): void {
  Object.assign(process.env, {
    TEMPORAL_ADDRESS: '127.0.0.1:1',
    ARTE_S3_BUCKET: 'arte',
    AWS_ENDPOINT_URL_S3: endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  });
}

/** A store that takes every write and gives back the last one, and whose clock is off by so many seconds. */
async function misbehavingStore(secondsOff: number): Promise<string> {
  let stored = '';
  server = createServer((request, response) => {
    response.sendDate = false;
    response.setHeader('date', new Date(Date.now() + secondsOff * 1_000).toUTCString());
    if (request.method !== 'PUT') {
      response.end(stored);
      return;
    }
    let body = '';
    request.on('data', (bytes: Buffer) => (body += bytes.toString()));
    request.on('end', () => {
      stored = body;
      response.setHeader('etag', '"x"').end();
    });
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('on a machine that is set up, with nothing running, nothing is a problem', async () => {
  const results = await run();
  expect([...results.keys()]).toEqual([
    'node',
    'build',
    'python',
    'environment',
    'models',
    'disk',
    'platform',
    'secrets',
  ]);
  expect([...results.values()].filter(({ status, name }) => status === 'problem' && name !== 'build')).toEqual([]);
  expect(results.get('platform')).toMatchObject({
    status: 'note',
    says: expect.stringContaining('`arte up` starts it') as string,
  });
  expect(results.get('models')?.says).toMatch(/^embedded:SmolLM2-135M-Instruct, content [0-9a-f]{12}$/);
});

test('a store that works is told from one that is not reached, and the clock is compared with it', async () => {
  nameStore(s3.options.endpoint, s3.options.credentials);
  const results = await run('store', 'clock');
  expect(results.get('store')).toEqual({
    name: 'store',
    status: 'ok',
    says: `${s3.options.endpoint}, bucket arte: key accepted, conditional writes honoured`,
  });
  expect(results.get('clock')?.status).toBe('ok');
});

test('a key that the store refuses is named', async () => {
  nameStore(s3.options.endpoint, { ...s3.options.credentials, secretAccessKey: 'not-the-secret-of-this-store' });
  const result = (await run('store')).get('store');
  expect(result?.status).toBe('problem');
  expect(result?.fix).toBeTruthy();
  expect(JSON.stringify(result)).not.toContain('not-the-secret-of-this-store');
});

test('a store that lets a second writer replace the first, and a clock that is off, are problems', async () => {
  nameStore(await misbehavingStore(7_200));
  const results = await run('store', 'clock');
  expect(results.get('store')).toMatchObject({
    status: 'problem',
    says: expect.stringContaining('conditional writes') as string,
  });
  expect(results.get('clock')).toMatchObject({
    status: 'problem',
    says: expect.stringMatching(/7\d\d\d s behind the store's/) as string,
    fix: expect.stringContaining('Set the clock') as string,
  });
});

test('a Temporal that does not answer is a problem, with its address', async () => {
  const [port = 0] = await freePorts(1);
  nameStore('http://127.0.0.1:1');
  process.env.TEMPORAL_ADDRESS = `127.0.0.1:${port}`;
  expect((await run('temporal')).get('temporal')).toMatchObject({
    status: 'problem',
    says: expect.stringContaining(`127.0.0.1:${port}`) as string,
  });
});

test('half a platform in the environment is a problem of each of its parts', async () => {
  process.env.TEMPORAL_ADDRESS = '127.0.0.1:1';
  const results = await run('store', 'clock');
  expect([...results.values()].map(({ status }) => status)).toEqual(['problem', 'problem']);
  expect(results.get('store')?.fix).toContain('ARTE_S3_BUCKET');
});

describe('a platform whose supervisor was killed', () => {
  let dataDir: string;
  beforeEach(async () => {
    dataDir = join(folder, '.arte');
    const ended = spawn(process.execPath, ['-e', '']);
    await once(ended, 'exit');
    await writeState({
      format: 1,
      dataDir,
      supervisor: {
        pid: ended.pid ?? 0,
        startTicks: 1,
        startedAt: '2026-01-02T03:04:05.000Z',
        arte: '0.1.0',
        build: 'build',
        node: process.version,
        python: '/nowhere',
      },
      ending: false,
      temporal: { address: '127.0.0.1:1', namespace: 'default' },
      store: { endpoint: 'http://127.0.0.1:1', bucket: 'arte', region: 'us-east-1', credentialsPath: '/nowhere' },
      parts: [],
    });
  });

  test('is a problem, with what starts it again; doctor ends with 1', async () => {
    const found = (await run('platform')).get('platform');
    expect(found).toMatchObject({
      status: 'problem',
      says: expect.stringMatching(/started 2026-01-02T03:04:05.000Z\) was killed, or .* Its runs wait\.$/) as string,
      fix: expect.stringContaining('`arte up` starts it again') as string,
    });
    expect((await runCommand(registerDoctor, ['doctor', '--json'])).exitCode).toBe(1);
  });

  test('with a process of it that is still there, says that, too', async () => {
    const { python } = await ensurePythonEnv({});
    const held = await tryLock(platformPaths(dataDir).lock, python);
    try {
      expect((await run('platform')).get('platform')).toMatchObject({
        status: 'problem',
        says: expect.stringContaining('Something that it started still runs.') as string,
        fix: expect.stringContaining('fuser') as string,
      });
    } finally {
      await held?.release();
    }
  });

  test('that could not go on says why', async () => {
    const state = await readState(dataDir);
    const problem = {
      code: 'PortTaken',
      what: 'Port 1 is taken.',
      why: 'By another.',
      next: 'Look.',
      retryable: false,
    };
    await writeState({ ...(state as PlatformState), problem: problem as ErrorData });
    expect((await run('platform')).get('platform')?.says).toContain('could not go on: Port 1 is taken. By another.');
  });
});

test('a key that others can read is a problem, with the command that mends it', async () => {
  const s3Folder = join(folder, '.arte', 's3');
  mkdirSync(s3Folder, { recursive: true });
  const path = join(s3Folder, 'credentials.json');
  writeFileSync(path, '{}');
  chmodSync(path, 0o644);
  expect((await run('secrets')).get('secrets')).toMatchObject({ status: 'problem', fix: `chmod 600 ${path}` });
});

test('an environment that was named but is none is a problem of what needs it', async () => {
  process.env.ARTE_PYTHON_ENV = '/nowhere/env';
  const results = await run('python', 'environment', 'models');
  for (const result of results.values()) {
    expect(result).toMatchObject({ status: 'problem', fix: expect.stringContaining('ARTE_PYTHON_ENV') as string });
  }
});
