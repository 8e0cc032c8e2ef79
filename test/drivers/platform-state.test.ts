/**
 * Goal: what a data directory remembers of its platform is right or is not believed: ports, state, keys, and who wrote them.
 * Method: files in a temporary folder, ports that this test occupies, processes whose number is reused.
 */
import { cpSync, mkdtempSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  addressesOfState,
  choosePorts,
  embeddedAddresses,
  isAlive,
  platformPaths,
  readState,
  removeState,
  startByPs,
  startTicks,
  storeCredentialsPath,
  writeState,
  type PlatformPorts,
  type PlatformState,
} from '../../drivers/local/platform-state';
import { freePorts, grpcPortOffset, isPortFree } from '../../drivers/local/ports';
import { s3Credentials } from '../../drivers/local/s3-server';
import { makeCertificate } from '../../drivers/local/certificate';
import { X509Certificate, createPrivateKey } from 'node:crypto';

let dataDir: string;
const servers: Server[] = [];

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'arte-state-'));
});
afterEach(async () => {
  rmSync(dataDir, { recursive: true, force: true });
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

async function occupy(port: number): Promise<void> {
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
}

function stateOf(pid: number, ticks = startTicks(pid)): PlatformState {
  return {
    format: 1,
    dataDir,
    supervisor: { pid, startTicks: ticks, startedAt: '', arte: '', build: '', node: '', python: '' },
    ending: false,
    temporal: { address: '127.0.0.1:1', namespace: 'default' },
    store: {
      endpoint: 'http://127.0.0.1:2',
      bucket: 'arte',
      region: 'us-east-1',
      credentialsPath: storeCredentialsPath(dataDir),
    },
    parts: [],
  };
}

function allPorts({ temporal, s3 }: PlatformPorts): number[] {
  return [temporal, ...Object.values(s3 as unknown as Record<string, number>)];
}

describe('ports', () => {
  test('are free, all different, and below those that systems give to outgoing connections', async () => {
    const ports = await freePorts(20);
    expect(new Set(ports).size).toBe(20);
    for (const port of ports) {
      expect(port + grpcPortOffset).toBeLessThan(32_768);
      expect(await isPortFree(port)).toBe(true);
    }
  });

  test('are never one that somebody else is to have', async () => {
    const [drawn = 0] = await freePorts(1);
    const random = jest.spyOn(Math, 'random');
    // The draw would find the same port for ever: it has to go on to another one.
    const fraction = Math.random();
    random.mockReturnValueOnce(fraction).mockReturnValueOnce(fraction);
    const [first = 0] = await freePorts(1);
    const others = await freePorts(1, [first, drawn]);
    random.mockRestore();
    expect(others).not.toContain(first);
  });

  test('are the same the next time', async () => {
    const first = await choosePorts(dataDir, {}, () => undefined);
    expect(new Set(allPorts(first)).size).toBe(6);
    expect(await choosePorts(dataDir, {}, () => undefined)).toEqual(first);
  });

  test('one that somebody else has taken meanwhile is replaced, said, and kept from then on', async () => {
    const first = await choosePorts(dataDir, {}, () => undefined);
    await occupy(first.s3.filer + grpcPortOffset);
    const moved: string[] = [];
    const second = await choosePorts(dataDir, {}, (what, port) => moved.push(`${what} ${port}`));
    expect(moved).toEqual([`SeaweedFS (filer) ${first.s3.filer}`]);
    expect(second).toEqual({ ...first, s3: { ...first.s3, filer: second.s3.filer } });
    expect(await choosePorts(dataDir, {}, () => undefined)).toEqual(second);
  });

  test('one that was asked for is insisted on', async () => {
    const [wanted = 0, taken = 0] = await freePorts(2);
    expect((await choosePorts(dataDir, { temporal: wanted }, () => undefined)).temporal).toBe(wanted);
    await occupy(taken);
    await expect(choosePorts(dataDir, { temporal: taken }, () => undefined)).rejects.toMatchObject({
      data: { code: 'PortTaken', what: expect.stringContaining(`Port ${taken}`) as string },
    });
  });
});

describe('the state', () => {
  test('is read as it was written, by its owner alone, and has no secret in it', async () => {
    const { secretAccessKey } = await s3Credentials(platformPaths(dataDir).s3);
    const state = stateOf(process.pid);
    await writeState(state);
    expect(await readState(dataDir)).toEqual(state);
    expect(statSync(platformPaths(dataDir).state).mode & 0o777).toBe(0o600);
    expect(JSON.stringify(state)).not.toContain(secretAccessKey);
    await removeState(dataDir);
    expect(await readState(dataDir)).toBeUndefined();
  });

  test('that a power cut has cut off says nothing', async () => {
    await writeState(stateOf(process.pid));
    truncateSync(platformPaths(dataDir).state, 100);
    expect(await readState(dataDir)).toBeUndefined();
  });

  test('of a process that has ended, or whose number another one has now, is not alive', () => {
    expect(isAlive(stateOf(process.pid))).toBe(true);
    expect(isAlive(stateOf(process.pid, startTicks(process.pid) + 1))).toBe(false);
    expect(isAlive(stateOf(4_000_000, 1))).toBe(false);
    // A system that does not say when a process was started.
    expect(isAlive(stateOf(process.pid, 0))).toBe(false);
  });

  test('of a data directory that was copied is not believed in the copy; another path to the same one is', async () => {
    await writeState(stateOf(process.pid));
    const copy = `${dataDir}-copy`;
    const link = `${dataDir}-link`;
    cpSync(dataDir, copy, { recursive: true });
    symlinkSync(dataDir, link);
    expect(await readState(copy)).toBeUndefined();
    expect(await readState(link)).toEqual(stateOf(process.pid));
    for (const path of [copy, link]) rmSync(path, { recursive: true });
  });

  test.each([
    ['Ss   Thu Nov 26 14:34:18 2026\n', Date.UTC(2026, 10, 26, 14, 34, 18)],
    ['S+   Thu Nov  5 04:34:18 2026', Date.UTC(2026, 10, 5, 4, 34, 18)],
    ['Z    Thu Nov 26 14:34:18 2026', -1],
    ['', 0],
  ])('names its process by ps where there is no /proc: %j', (says, expected) => {
    const path = process.env['PATH'];
    writeFileSync(join(dataDir, 'ps'), `#!/bin/sh\n[ "$TZ $LC_ALL" = "UTC C" ] && printf '${says.trim()}\\n'\n`, {
      mode: 0o755,
    });
    process.env['PATH'] = `${dataDir}:${path ?? ''}`;
    try {
      expect(startByPs(process.pid)).toBe(expected);
    } finally {
      process.env['PATH'] = path;
    }
  });

  test('leads to Temporal and to the store with its key', async () => {
    const credentials = await s3Credentials(platformPaths(dataDir).s3);
    const state = stateOf(process.pid);
    await writeState(state);
    const expected = {
      temporal: { address: '127.0.0.1:1', namespace: 'default', tls: false },
      store: {
        endpoint: 'http://127.0.0.1:2',
        bucket: 'arte',
        prefix: '',
        region: 'us-east-1',
        forcePathStyle: true,
        credentials,
      },
    };
    expect(await addressesOfState(state)).toEqual(expected);
    expect(await embeddedAddresses(platformPaths(dataDir).state)).toEqual(expected);
  });

  test('without its key, or that is not there, is a clear error', async () => {
    await expect(addressesOfState(stateOf(process.pid))).rejects.toMatchObject({ data: { code: 'PlatformDown' } });
    await expect(embeddedAddresses(platformPaths(dataDir).state)).rejects.toMatchObject({
      data: { code: 'PlatformDown', next: 'Run `arte up`.' },
    });
  });
});

describe('keys', () => {
  test("the store's is drawn once, for its owner alone", async () => {
    const first = await s3Credentials(dataDir);
    expect(await s3Credentials(dataDir)).toEqual(first);
    expect(first.secretAccessKey.length).toBeGreaterThanOrEqual(32);
    expect(statSync(join(dataDir, 'credentials.json')).mode & 0o777).toBe(0o600);
  });

  test('a key that cannot be read is not silently replaced', async () => {
    writeFileSync(join(dataDir, 'credentials.json'), 'rubbish');
    await expect(s3Credentials(dataDir)).rejects.toMatchObject({ data: { code: 'PlatformDown' } });
  });

  test('the certificate is for this machine, signed by the authority that was made with it, and differs each time', () => {
    const made = makeCertificate();
    const authority = new X509Certificate(made.authority);
    const certificate = new X509Certificate(made.certificate);
    expect(authority.ca).toBe(true);
    expect(certificate.ca).toBe(false);
    expect(certificate.checkIssued(authority)).toBe(true);
    expect(certificate.verify(authority.publicKey)).toBe(true);
    expect(certificate.checkPrivateKey(createPrivateKey(made.key))).toBe(true);
    expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(certificate.checkHost('localhost')).toBe('localhost');
    expect(Date.parse(certificate.validTo)).toBeGreaterThan(Date.parse('2200-01-01'));
    expect(certificate.verify(new X509Certificate(makeCertificate().authority).publicKey)).toBe(false);
  });
});
