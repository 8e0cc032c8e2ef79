/**
 * Goal: doctor says ok where all is well, and for each thing that is wrong names it with a fix; it never throws.
 * Method: the real S3 server for what is well; for what is wrong, folders and a store that misbehave in one way each.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { doctorChecks, type CheckResult } from '../../cli/doctor-checks';
import { freePorts } from '../../drivers/local/ports';
import { startTestS3, type TestS3 } from '../support/s3';

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
