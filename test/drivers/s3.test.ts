/**
 * The store on S3. Goal: it keeps the promises of every store on the real SeaweedFS, and rides out or names what goes wrong
 * between it and a server. Method: the conformance suite, then a proxy that cuts, loses, refuses and garbles in between.
 */
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ensurePythonEnv } from '../../drivers/local/python-env';
import { freeS3Ports, startS3Server, type S3Server } from '../../drivers/local/s3-server';
import { createS3Store } from '../../drivers/store/s3';
import { ensureBucket } from '../../drivers/store/s3-client';
import type { ArtifactRef } from '../../schemas/artifact-ref';
import { ArteError } from '../../schemas/errors';
import { startFlakyProxy, type FlakyProxy } from '../fixtures/flaky-proxy';
import { startTestS3, type TestS3 } from '../support/s3';
import { codeOf, storeConformance, writeRandomFile } from './store.conformance';

let server: TestS3 | undefined;
async function s3(): Promise<TestS3> {
  server ??= await startTestS3();
  return server;
}
afterAll(async () => server?.stop());

storeConformance('the S3 store', async () => {
  const started = await s3();
  return { fresh: () => started.fresh(), spoolDir: started.options.spoolDir };
});

const bytes = { mediaType: 'application/octet-stream', rows: 1 } as const;

describe('between the S3 store and its server', () => {
  let proxy: FlakyProxy;
  let folder: string;
  let throughProxy: (attempts?: number, silenceMs?: number) => ReturnType<typeof createS3Store>;

  beforeAll(async () => {
    await s3();
  }, 900_000);
  beforeEach(async () => {
    const { options } = await s3();
    proxy = await startFlakyProxy(options.endpoint);
    folder = mkdtempSync(join(tmpdir(), 'arte-s3-test-'));
    const prefix = `proxy-${String(Math.random()).slice(2)}`;
    throughProxy = (attempts, silenceMs) =>
      createS3Store({
        ...{ ...options, endpoint: proxy.url, prefix },
        ...(attempts !== undefined && { attempts }),
        ...(silenceMs !== undefined && { silenceMs }),
      });
  });
  afterEach(async () => {
    await proxy.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Changes the one place under a folder where these bytes stand. */
  function damageOnDisk(under: string, marker: Buffer): void {
    for (const entry of readdirSync(under, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.dat')) continue;
      const file = join(entry.parentPath, entry.name);
      const at = readFileSync(file).indexOf(marker);
      if (at < 0) continue;
      const handle = openSync(file, 'r+');
      writeSync(handle, Buffer.alloc(8, 0x21), 0, 8, at);
      closeSync(handle);
      return;
    }
    throw new Error('the server keeps these bytes in no file of its own');
  }

  /** A rule that makes the fault for the first `times` requests that match. */
  function first(times: number, pattern: RegExp, fault: ReturnType<FlakyProxy['rule']>): FlakyProxy['rule'] {
    let left = times;
    return (line) => (pattern.test(line) && left-- > 0 ? fault : undefined);
  }

  it('a new blob is one request, a known one two', async () => {
    const store = throughProxy();
    await store.putBlob('lean', bytes);
    expect(proxy.seen.map((line) => line.split(' ')[0])).toEqual(['PUT']);
    await store.putBlob('lean', bytes);
    expect(proxy.seen.map((line) => line.split(' ')[0])).toEqual(['PUT', 'PUT', 'PUT']);
    store.close();
  });

  it('a download that breaks goes on where it broke', async () => {
    const store = throughProxy();
    const path = join(folder, 'in');
    await writeRandomFile(path, 3);
    const ref = await store.putFile(path, bytes);
    proxy.seen.length = 0;
    proxy.rule = first(2, /^GET/, { kind: 'cut', afterBytes: 1_000_000 });
    await store.getFile(ref, join(folder, 'out'));
    expect(readFileSync(join(folder, 'out')).equals(readFileSync(path))).toBe(true);
    expect(proxy.seen).toHaveLength(3);
    store.close();
  });

  it('a download that breaks without an end is given up', async () => {
    const store = throughProxy();
    const ref = await store.putBlob('x'.repeat(10_000), bytes);
    proxy.rule = (line) => (line.startsWith('GET') ? { kind: 'cut', afterBytes: 0 } : undefined);
    expect(await codeOf(store.getBlob(ref))).toBe('StoreUnreachable');
    expect(await codeOf(store.getObject(ref.uri))).toBe('StoreUnreachable');
    store.close();
  });

  it('a blob damaged on the way is read again, and the stored copy is left alone', async () => {
    const store = throughProxy();
    const ref = await store.putBlob('stored right', bytes);
    proxy.rule = first(1, /^GET/, { kind: 'garble' });
    expect((await store.getBlob(ref)).toString()).toBe('stored right');
    proxy.rule = first(1, /^GET/, { kind: 'garble' });
    const read = async (): Promise<void> => {
      for await (const line of store.getLines(ref)) {
        expect(line).toBe('never seen');
      }
    };
    expect(await codeOf(read())).toBe('BlobCorrupt');
    expect(await store.hasBlob(ref)).toBe(true);
    await store.putDocument('doc', { right: true });
    proxy.rule = first(1, /^GET/, { kind: 'garble' });
    expect(await store.getDocument('doc')).toEqual({ right: true });
    store.close();
  });

  it('a damaged blob is kept in quarantine', async () => {
    const store = throughProxy();
    const ref = await store.putBlob('right', bytes);
    await store.putObject(ref.uri, Buffer.from('wrong'));
    expect(await codeOf(store.getBlob(ref))).toBe('BlobCorrupt');
    const kept = await store.getObject(`quarantine/sha256/${ref.sha256.slice(0, 2)}/${ref.sha256}`);
    expect(kept?.toString()).toBe('wrong');
    expect(await codeOf(store.getBlob(ref))).toBe('BlobMissing');
    store.close();
  });

  it('a damaged blob that was healed while it was looked at is not moved away', async () => {
    const store = throughProxy();
    const direct = throughProxy();
    const ref = await store.putBlob('right', bytes);
    await store.putObject(ref.uri, Buffer.from('wrong'));
    let healed: Promise<unknown> | undefined;
    proxy.rule = (line) => {
      // Between the copy and the removal of the damaged object.
      if (line.startsWith('DELETE') && healed === undefined) {
        healed = direct.putObject(ref.uri, Buffer.from('right'));
        return { kind: 'drop' };
      }
      return undefined;
    };
    expect(await codeOf(store.getBlob(ref))).toBe('BlobCorrupt');
    await healed;
    proxy.rule = () => undefined;
    expect((await store.getBlob(ref)).toString()).toBe('right');
    store.close();
    direct.close();
  });

  it.each([
    ['a small blob', 10_000, 5_000, 20_000],
    ['the middle of a large one', 20 * 1024 * 1024, 12 * 1024 * 1024, 4_000],
  ])(
    '%s that was damaged on the disk of the server is noticed, out of the way, and made again',
    async (_, size, at, silenceMs) => {
      const { options } = await s3();
      // The server says nothing for a minute at each read of the middle of a large one: a store that bears less of it comes to its judgement sooner.
      const store = throughProxy(3, silenceMs);
      const path = join(folder, 'in');
      const content = randomBytes(size);
      writeFileSync(path, content);
      const ref = await store.putFile(path, bytes);
      damageOnDisk(join(dirname(options.spoolDir), 's3'), content.subarray(at, at + 64));
      expect(await codeOf(store.getFile(ref, join(folder, 'out')))).toBe('BlobCorrupt');
      expect(await store.hasBlob(ref)).toBe(false);
      await store.putFile(path, bytes);
      await store.getFile(ref, join(folder, 'out'));
      expect(readFileSync(join(folder, 'out')).equals(content)).toBe(true);
      store.close();
    },
    // The server says nothing for 13 s before it fails on a small one; a large one falls silent three times.
    180_000,
  );

  it('putOnce knows its own write although the answer was lost', async () => {
    const store = throughProxy();
    proxy.rule = first(1, /^PUT/, { kind: 'lose-answer' });
    expect(await store.putOnce('stages/mine.json', { by: 'me' })).toEqual({ won: true, document: { by: 'me' } });
    expect(proxy.seen.map((line) => line.split(' ')[0])).toEqual(['PUT', 'PUT', 'GET']);
    store.close();
  });

  it('replaceDocument knows its own write although the answer was lost', async () => {
    const store = throughProxy();
    await store.putOnce('leases/mine.json', { beat: 0 });
    const { version = '' } = (await store.getVersion('leases/mine.json')) ?? {};
    proxy.rule = first(1, /^PUT/, { kind: 'lose-answer' });
    const next = await store.replaceDocument('leases/mine.json', { beat: 1 }, version);
    expect(await store.getVersion('leases/mine.json')).toEqual({ document: { beat: 1 }, version: next });
    store.close();
  });

  it('a blob and a part whose answers were lost are sent again', async () => {
    const store = throughProxy();
    proxy.rule = first(1, /^PUT/, { kind: 'lose-answer' });
    const ref = await store.putBlob('lost answer', bytes);
    proxy.rule = first(2, /^PUT/, { kind: 'lose-answer' });
    await store.putObject('parts/1', Buffer.from('part'));
    expect((await store.getBlob(ref)).toString()).toBe('lost answer');
    expect((await store.getObject('parts/1'))?.toString()).toBe('part');
    store.close();
  });

  it('an outage of two seconds is ridden out', async () => {
    const store = throughProxy();
    const end = Date.now() + 2_000;
    proxy.rule = () => (Date.now() < end ? { kind: 'drop' } : undefined);
    const ref = await store.putBlob('patient', bytes);
    expect(await store.hasBlob(ref)).toBe(true);
    store.close();
  });

  it('a multipart upload survives broken parts and a lost last answer', async () => {
    const store = throughProxy();
    const path = join(folder, 'in');
    const sha256 = await writeRandomFile(path, 20);
    proxy.rule = first(2, /^PUT/, { kind: 'drop' });
    const ref = await store.putFile(path, bytes);
    expect(ref.sha256).toBe(sha256);
    await store.getFile(ref, join(folder, 'out'));
    await store.remove(ref.uri);
    let posts = 0;
    proxy.rule = (line) => {
      posts += line.startsWith('POST') ? 1 : 0;
      // The first POST opens the upload, the second closes it.
      return line.startsWith('POST') && posts === 2 ? { kind: 'lose-answer' } : undefined;
    };
    await store.putFile(path, bytes);
    expect(await store.hasBlob(ref)).toBe(true);
    store.close();
  });

  it('a large blob that stands there cut short is replaced, and two writers of one file are both right', async () => {
    const store = throughProxy();
    const path = join(folder, 'in');
    const sha256 = await writeRandomFile(path, 17);
    const uri = `blobs/sha256/${sha256.slice(0, 2)}/${sha256}`;
    await store.putObject(uri, Buffer.from('cut short'));
    const refs = await Promise.all([store.putFile(path, bytes), store.putFile(path, bytes)]);
    expect(refs[0]).toEqual(refs[1]);
    await store.getFile(refs[0], join(folder, 'out'));
    store.close();
  });

  it('a file that changes while it is sent is not stored', async () => {
    const store = throughProxy();
    const path = join(folder, 'in');
    const sha256 = await writeRandomFile(path, 17);
    let changed = false;
    proxy.rule = (line) => {
      // The look at the store comes between the hashing and the sending.
      if (line.startsWith('HEAD') && !changed) {
        changed = true;
        writeFileSync(path, 'changed', { flag: 'r+' });
      }
      return undefined;
    };
    expect(await codeOf(store.putFile(path, bytes))).toBe('InvalidInput');
    expect(await store.hasBlob({ uri: `blobs/sha256/${sha256.slice(0, 2)}/${sha256}`, bytes: 17 * 1024 * 1024 })).toBe(
      false,
    );
    store.close();
  });

  it.each([
    ['a full store', 507, '', 'StoreFull'],
    ['a full quota', 403, '<Error><Code>QuotaExceeded</Code></Error>', 'StoreFull'],
    ['a refused key', 403, '<Error><Code>InvalidAccessKeyId</Code></Error>', 'StoreUnauthorized'],
    ['a missing bucket', 404, '<Error><Code>NoSuchBucket</Code></Error>', 'InvalidConfig'],
    ['a server that is not itself', 503, '<Error><Code>SlowDown</Code></Error>', 'StoreUnreachable'],
    ['an answer in HTML', 418, '<html>teapot</html>', 'Unexpected'],
  ])('%s is named', async (_, status, body, code) => {
    const store = throughProxy(1);
    proxy.rule = () => ({ kind: 'answer', status, body });
    expect(await codeOf(store.putBlob('x', bytes))).toBe(code);
    store.close();
  });

  it('a wrong secret is StoreUnauthorized, on every kind of call, and stands in no message', async () => {
    const { options } = await s3();
    const secretAccessKey = 'wrong-secret-value';
    const credentials = { accessKeyId: options.credentials.accessKeyId, secretAccessKey };
    const store = createS3Store({ ...options, credentials });
    const ref = { uri: 'blobs/sha256/00/00', sha256: '00', bytes: 1 };
    const calls: (() => Promise<unknown>)[] = [
      () => store.putBlob('x', bytes),
      () => store.putOnce('a', 1),
      () => store.getBlob(ref),
      () => store.hasBlob(ref),
      () => store.getDocument('a'),
      () => store.remove('a'),
      () => store.list('a')[Symbol.asyncIterator]().next(),
      () => ensureBucket({ ...options, credentials }),
    ];
    for (const call of calls) {
      const error = await call().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(ArteError);
      expect((error as ArteError).data.code).toBe('StoreUnauthorized');
      expect(JSON.stringify((error as ArteError).data)).not.toContain(secretAccessKey);
    }
    store.close();
  });

  it('a server that is killed and started again costs a pause and nothing that it had acknowledged', async () => {
    const env = await ensurePythonEnv();
    const ports = await freeS3Ports();
    const start = (): Promise<S3Server> => startS3Server({ env, dataDir: join(folder, 's3'), bucket: 'arte', ports });
    let server = await start();
    const { endpoint, bucket, region, accessKeyId, secretAccessKey } = server;
    const credentials = { accessKeyId, secretAccessKey };
    const spoolDir = join(folder, 'spool');
    const store = createS3Store({ endpoint, bucket, region, forcePathStyle: true, credentials, spoolDir });
    const path = join(folder, 'in');
    await writeRandomFile(path, 40);
    const acknowledged: ArtifactRef[] = [];
    let killed = false;
    const writing = Promise.all(
      Array.from({ length: 4 }, async (_, writer) => {
        for (let index = 0; !killed || index < 20; index += 1) {
          acknowledged.push(await store.putBlob(`${String(writer)} ${String(index)}`, bytes));
        }
      }),
    );
    const sending = store.putFile(path, bytes);
    await new Promise((resolve) => setTimeout(resolve, 300));
    process.kill(-server.pid, 'SIGKILL');
    await server.exited;
    killed = true;
    server = await start();
    await writing;
    acknowledged.push(await sending);
    for (const ref of acknowledged) {
      expect(await store.hasBlob(ref)).toBe(true);
      await store.getFile(ref, join(folder, 'out'));
    }
    store.close();
    await server.stop();
  }, 120_000);

  it('a server that is not there is StoreUnreachable', async () => {
    const { options } = await s3();
    const store = createS3Store({ ...options, endpoint: 'http://127.0.0.1:9', attempts: 2 });
    expect(await codeOf(store.putBlob('x', bytes))).toBe('StoreUnreachable');
    expect(await codeOf(ensureBucket({ ...options, endpoint: 'http://127.0.0.1:9', attempts: 2 }))).toBe(
      'StoreUnreachable',
    );
    store.close();
  });

  it('a bucket is made once', async () => {
    const { options } = await s3();
    const bucket = `made-${createHash('sha256').update(folder).digest('hex').slice(0, 8)}`;
    const store = createS3Store({ ...options, bucket });
    expect(await codeOf(store.getDocument('a'))).toBe('InvalidConfig');
    await ensureBucket({ ...options, bucket });
    await ensureBucket({ ...options, bucket });
    await store.putDocument('a', 1);
    expect(await store.getDocument('a')).toBe(1);
    store.close();
  });
});
