/**
 * Goal: the two embedded servers are ready when we say so, let nobody in without the key, keep what they were given when
 * they are killed, and leave nothing behind when we are.
 * Method: the real Temporal and SeaweedFS in a temporary folder; every port that SeaweedFS opens is knocked at.
 */
import { execFileSync, spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { freePorts, grpcPortOffset } from '../../drivers/local/ports';
import { ensurePythonEnv, type PythonEnv } from '../../drivers/local/python-env';
import { freeS3Ports, startS3Server, type S3Ports, type S3Server } from '../../drivers/local/s3-server';
import {
  namespaceAnswers,
  searchAttributes,
  startTemporalServer,
  type TemporalServer,
} from '../../drivers/local/temporal';
import { eventually, processesWith } from '../support/processes';

let folder: string;
let env: PythonEnv;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'arte-servers-'));
  env = await ensurePythonEnv();
}, 600_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Kill a server as a lack of memory would: the program and its guard. */
async function kill(server: TemporalServer | S3Server): Promise<void> {
  process.kill(-server.pid, 'SIGKILL');
  await server.exited;
}

describe('Temporal', () => {
  const dataDir = (): string => join(folder, 'temporal');
  let server: TemporalServer;

  function temporal(...args: string[]): string {
    return execFileSync(env.bin('temporal'), [...args, '--address', server.address], {
      encoding: 'utf8',
      stdio: 'pipe',
    });
  }

  beforeAll(async () => {
    server = await startTemporalServer({ env, dataDir: dataDir() });
  });
  afterAll(() => server.stop());

  test('answers for its namespace, and for no other, when it is ready', async () => {
    expect(await namespaceAnswers(server.address, 'default')).toBe(true);
    expect(await namespaceAnswers(server.address, 'other')).toBe(false);
    expect(await namespaceAnswers('127.0.0.1:1', 'default')).toBe(false);
  });

  test('knows our search attributes', () => {
    const list = temporal('operator', 'search-attribute', 'list');
    for (const [name, type] of Object.entries(searchAttributes)) {
      expect(list).toMatch(new RegExp(`${name}\\s+${type}`));
    }
  });

  test('goes on, on the same port, with every workflow it had when it was killed', async () => {
    temporal('workflow', 'start', '--type', 'Nothing', '--task-queue', 'nobody', '--workflow-id', 'kept');
    const port = Number(server.address.split(':')[1]);
    await kill(server);
    server = await startTemporalServer({ env, dataDir: dataDir(), port });
    expect(server.address).toBe(`127.0.0.1:${port}`);
    expect(temporal('workflow', 'describe', '--workflow-id', 'kept', '--output', 'json')).toContain(
      'WORKFLOW_EXECUTION_STATUS_RUNNING',
    );
  });

  test('answers no web page: its API by HTTP refuses whatever name it is called by', async () => {
    const [port = 0] = await freePorts(1);
    const other = await startTemporalServer({
      ...{ env, dataDir: join(folder, 'http'), extraArgs: ['--http-port', String(port)] },
    });
    try {
      const namespace = `http://127.0.0.1:${port}/api/v1/namespaces/default`;
      const asked = (method: string, path: string, host?: string): Promise<number> =>
        new Promise((resolve, reject) => {
          const request = httpRequest(path, { method, ...(host === undefined ? {} : { headers: { host } }) });
          request.on('response', (response) => {
            response.resume();
            resolve(response.statusCode ?? 0);
          });
          request.on('error', reject);
          request.end();
        });
      for (const host of [undefined, 'localhost', 'evil.example.org'])
        expect(await asked('GET', namespace, host)).toBe(403);
      expect(await asked('POST', `${namespace}/workflows/any/terminate`)).toBe(403);
    } finally {
      await other.stop();
    }
  });

  test('says that its port is taken before it starts anything', async () => {
    const port = Number(server.address.split(':')[1]);
    await expect(startTemporalServer({ env, dataDir: join(folder, 'second'), port })).rejects.toMatchObject({
      data: { code: 'PortTaken', what: expect.stringContaining(String(port)) as string },
    });
  });

  test('that cannot start says why, in its own last lines', async () => {
    const broken = join(folder, 'broken');
    mkdirSync(broken);
    writeFileSync(join(broken, 'temporal.db'), 'this is no database '.repeat(1_000));
    await expect(startTemporalServer({ env, dataDir: broken })).rejects.toMatchObject({
      data: {
        code: 'PlatformDown',
        why: 'It ended with status 1.',
        details: expect.arrayContaining([expect.stringContaining('not a database') as string]) as string[],
      },
    });
    expect(processesWith(broken)).toEqual([]);
  });

  test('that is no longer wanted while it starts is ended', async () => {
    const signal = AbortSignal.timeout(50);
    const dataDirOfThis = join(folder, 'fourth');
    await expect(startTemporalServer({ env, dataDir: dataDirOfThis, signal })).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    expect(processesWith(dataDirOfThis)).toEqual([]);
  });
});

describe('the S3 server', () => {
  const dataDir = (): string => join(folder, 's3');
  let server: S3Server;
  let ports: S3Ports;

  function client({ accessKeyId, secretAccessKey } = server): S3Client {
    const credentials = { accessKeyId, secretAccessKey };
    return new S3Client({
      region: server.region,
      endpoint: server.endpoint,
      forcePathStyle: true,
      credentials,
      maxAttempts: 1,
    });
  }

  async function put(key: string, text: string): Promise<void> {
    await client().send(new PutObjectCommand({ Bucket: server.bucket, Key: key, Body: text }));
  }

  async function get(key: string): Promise<string | undefined> {
    const { Body } = await client().send(new GetObjectCommand({ Bucket: server.bucket, Key: key }));
    return Body?.transformToString();
  }

  beforeAll(async () => {
    ports = await freeS3Ports();
    server = await startS3Server({ env, dataDir: dataDir(), bucket: 'arte', ports });
    await put('folder/secret.txt', 'for us alone');
  });
  afterAll(() => server.stop());

  test('takes and gives objects as soon as it is ready', async () => {
    expect(await get('folder/secret.txt')).toBe('for us alone');
  });

  test('refuses whoever has no key, or another one', async () => {
    const url = `${server.endpoint}/arte`;
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/folder/secret.txt'],
      ['PUT', '/x'],
      ['DELETE', '/folder/secret.txt'],
      ['DELETE', ''],
    ]) {
      const init: RequestInit = { method: method ?? '', ...(method === 'PUT' ? { body: 'x' } : {}) };
      expect((await fetch(`${url}${path ?? ''}`, init)).status).toBe(403);
    }
    const stranger = client({ ...server, secretAccessKey: 'x'.repeat(32) });
    await expect(stranger.send(new ListObjectsV2Command({ Bucket: 'arte' }))).rejects.toMatchObject({
      name: 'SignatureDoesNotMatch',
    });
  });

  test('opens no port but those it was given, all of them on 127.0.0.1', async () => {
    const listening = (): string[] => processesWith(dataDir()).flatMap(({ pid }) => listeningAddresses(pid));
    const expected = Object.values(ports as unknown as Record<string, number>).flatMap((port) => [
      port,
      port + grpcPortOffset,
    ]);
    // Its administration opens last, and nobody waits for that.
    await eventually('all its ports are open', () => new Set(listening()).size >= expected.length);
    expect(new Set(listening())).toEqual(new Set(expected.map((port) => `127.0.0.1:${port}`)));
  });

  test.each(['filer', 'master', 'volume', 'admin'] as const)(
    'its %s answers nobody without our certificate',
    async (part) => {
      const port = ports[part];
      for (const [method, path] of [
        ['GET', '/'],
        ['GET', '/buckets/arte/folder/secret.txt'],
        ['DELETE', '/buckets/arte?recursive=true'],
        ['GET', '/dir/assign'],
        ['GET', '/col/delete?collection=arte'],
      ]) {
        expect(await statusOf(port, method ?? '', path ?? '')).toMatch(/^(HTTP\/1.0 400 Bad Request|not HTTP)$/);
      }
      expect(await talksTls(port)).toBe(false);
      expect(await talksTls(port + grpcPortOffset)).toBe(false);
      expect(await get('folder/secret.txt')).toBe('for us alone');
    },
  );

  test("cannot be administered by SeaweedFS's own shell without our certificate", async () => {
    const { status, said } = await weedShell(
      `fs.rm -rf /buckets/arte/folder\nfs.ls /buckets\ns3.bucket.delete -name arte\n`,
    );
    expect(said).not.toContain('folder');
    expect(status).not.toBe('listed');
    expect(await get('folder/secret.txt')).toBe('for us alone');
  });

  test('keeps keys and certificates from others', () => {
    for (const file of readdirSync(join(dataDir(), 'config')).map((name) => join(dataDir(), 'config', name))) {
      expect(statSync(file).mode & 0o077).toBe(0);
    }
    for (const name of ['credentials.json', 's3.log', 'files', 'config']) {
      expect(statSync(join(dataDir(), name)).mode & 0o077).toBe(0);
    }
    const commands = processesWith(dataDir())
      .map(({ command }) => command)
      .join('\n');
    expect(commands).not.toContain(server.secretAccessKey);
    expect(readFileSync(join(dataDir(), 's3.log'), 'utf8')).not.toContain(server.secretAccessKey);
  });

  test('has every object it acknowledged after it was killed, on the same ports or on others', async () => {
    for (let number = 0; number < 50; number += 1) await put(`many/${number}`, 'x'.repeat(number * 1_000));
    await kill(server);
    server = await startS3Server({ env, dataDir: dataDir(), bucket: 'arte', ports });
    for (let number = 0; number < 50; number += 1) expect((await get(`many/${number}`))?.length).toBe(number * 1_000);
    await server.stop();
    ports = await freeS3Ports();
    const before = server;
    server = await startS3Server({ env, dataDir: dataDir(), bucket: 'arte', ports });
    expect(server.secretAccessKey).toBe(before.secretAccessKey);
    expect(await get('folder/secret.txt')).toBe('for us alone');
    await put('after', 'still writable');
  });

  test('says which of its ports is taken', async () => {
    const [wanted = 0] = await freePorts(1);
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(wanted + grpcPortOffset, '127.0.0.1', resolve));
    const taken = { ...(await freeS3Ports()), filer: wanted };
    const starting = startS3Server({ env, dataDir: join(folder, 's3-second'), bucket: 'arte', ports: taken });
    await expect(starting).rejects.toMatchObject({
      data: { code: 'PortTaken', what: expect.stringContaining('SeaweedFS (filer, gRPC)') as string },
    });
    other.close();
  });

  /** What `weed shell` with default settings gets out of the master. */
  async function weedShell(script: string): Promise<{ status: string; said: string }> {
    const shell = spawn(
      env.bin('weed'),
      ['shell', `-master=127.0.0.1:${ports.master}`, `-filer=127.0.0.1:${ports.filer}`],
      {
        stdio: ['pipe', 'pipe', 'pipe'],
      },
    );
    let said = '';
    shell.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()));
    shell.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()));
    shell.stdin.end(script);
    const patience = setTimeout(() => shell.kill('SIGKILL'), 5_000);
    const code = await new Promise<number | null>((resolve) => shell.once('exit', resolve));
    clearTimeout(patience);
    return { status: code === 0 && said.includes('arte') ? 'listed' : 'refused', said };
  }
});

test('a starter that is killed leaves neither server behind', async () => {
  const own = join(folder, 'killed');
  const fixtures = join(__dirname, '..', 'fixtures');
  const starter = spawn(
    process.execPath,
    ['-r', join(fixtures, 'run-typescript.cjs'), join(fixtures, 'start-servers.ts'), own],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: process.env,
    },
  );
  await new Promise((resolve) => starter.stdout.once('data', resolve));
  expect(processesWith(own).length).toBeGreaterThanOrEqual(4);
  starter.kill('SIGKILL');
  await eventually('all of them are gone', () => processesWith(own).length === 0, 15_000);
});

/** Whether a port completes a TLS handshake with somebody who has no certificate and answers a request. */
function talksTls(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTls({
      port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      ALPNProtocols: ['h2', 'http/1.1'],
    });
    socket.once('secureConnect', () => socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
    socket.once('data', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}

/**
 * What a port answers to a plain HTTP request: its status line, or that it does not speak HTTP. Go says 400 to what it
 * recognises as HTTP on a TLS port (GET, PUT, POST), and hangs up on the rest.
 */
function statusOf(port: number, method: string, path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(`${method} ${path} HTTP/1.0\r\n\r\n`));
    let said = '';
    socket.on('data', (bytes) => (said += bytes.toString('latin1')));
    socket.once('error', () => undefined);
    socket.once('close', () => resolve(said.startsWith('HTTP/') ? (said.split('\r\n')[0] ?? '') : 'not HTTP'));
  });
}

/** Addresses on which a process listens, from /proc. */
function listeningAddresses(pid: number): string[] {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return [/^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? ''];
      } catch {
        // It was closed while we were looking.
        return [];
      }
    }),
  );
  return ['tcp', 'tcp6'].flatMap((family) =>
    readFileSync(`/proc/${pid}/net/${family}`, 'utf8')
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === '0A' && inodes.has(fields[9] ?? ''))
      .map((fields) => readable(fields[1] ?? '')),
  );
}

/** "0100007F:4E20" -> "127.0.0.1:20000". */
function readable(address: string): string {
  const [host = '', port = ''] = address.split(':');
  const bytes = (host.match(/../g) ?? []).map((pair) => parseInt(pair, 16)).reverse();
  return `${bytes.join('.')}:${parseInt(port, 16)}`;
}
