/**
 * Objects that a store has and cannot read. Goal: damage under the store is told from a store that is away, and a blob so damaged is made again.
 * Method: a small S3 server in this process that fails as SeaweedFS does, on one key or on all; the real one is damaged in s3.test.ts.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createS3Store } from '../../drivers/store/s3';
import type { ArtifactStore } from '../../drivers/store/store';
import { ArteError, type ErrorData } from '../../schemas/errors';
import { storeDamageMs, storePatienceMs } from '../../schemas/limits';
import { codeOf } from './store.conformance';

const bytes = { mediaType: 'application/octet-stream', rows: 1 } as const;
const objects = new Map<string, Buffer>();
/** Keys, without bucket, whose bytes cannot be read; what all requests are answered with. */
let damaged: (key: string) => boolean = () => false;
let allFailWith: number | undefined;
/** A store tries anew before it gives up. */
let triesForMs = 0;
let reads = 0;
let server: Server;
let store: ArtifactStore;

beforeAll(async () => {
  server = createServer((request, response) => {
    const key = decodeURIComponent((request.url ?? '').split('?')[0] ?? '').replace(/^\/bucket\//, '');
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const refuse = (status: number, code: string): void => {
        response.writeHead(status, { 'content-type': 'application/xml' });
        response.end(request.method === 'HEAD' ? '' : `<Error><Code>${code}</Code></Error>`);
      };
      const standing = objects.get(key);
      if (allFailWith !== undefined) refuse(allFailWith, allFailWith === 500 ? 'InternalError' : 'SlowDown');
      else if (request.method === 'PUT') {
        if (request.headers['if-none-match'] === '*' && standing) refuse(412, 'PreconditionFailed');
        else {
          objects.set(key, Buffer.concat(chunks));
          response.writeHead(200, { etag: '"e"' }).end();
        }
      } else if (request.method === 'DELETE') {
        objects.delete(key);
        response.writeHead(204).end();
      } else if (!standing) refuse(404, 'NoSuchKey');
      else if (request.method === 'GET' && damaged(key)) {
        reads += 1;
        setTimeout(() => refuse(500, 'InternalError'), triesForMs);
      } else {
        response.writeHead(200, { etag: '"e"', 'content-length': standing.length });
        response.end(request.method === 'HEAD' ? '' : standing);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  objects.clear();
  damaged = () => false;
  allFailWith = undefined;
  triesForMs = 0;
  reads = 0;
  store = open();
});
afterEach(() => store.close());

function open(host = '127.0.0.1', attempts?: number, silenceMs?: number): ArtifactStore {
  return createS3Store({
    endpoint: `http://${host}:${String((server.address() as AddressInfo).port)}`,
    ...{ region: 'r', bucket: 'bucket', forcePathStyle: true, spoolDir: join(tmpdir(), 'arte-s3-damage') },
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    ...(attempts === undefined ? {} : { attempts }),
    ...(silenceMs === undefined ? {} : { silenceMs }),
  });
}

/** Leads to this machine, and is not among the addresses that are known to. */
const notLoopback = '0.0.0.0';

async function errorOf(work: Promise<unknown>): Promise<ErrorData> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ArteError);
  return (error as ArteError).data;
}

it('a blob that the store cannot read while it gives others is corrupt, is out of the way, and is made again', async () => {
  const ref = await store.putBlob('right', bytes);
  damaged = (key) => key === ref.uri;
  const began = Date.now();
  const { code, why, next } = await errorOf(store.getBlob(ref));
  expect(code).toBe('BlobCorrupt');
  expect(why).toContain('HTTP 500 InternalError');
  expect(why).toContain('took and gave another object');
  expect(next).toContain('makes it again');
  expect(Date.now() - began).toBeLessThan(storeDamageMs + 5_000);
  expect(await store.hasBlob(ref)).toBe(false);
  damaged = () => false;
  await store.putBlob('right', bytes);
  expect((await store.getBlob(ref)).toString()).toBe('right');
}, 30_000);

it('a store that tries for long before it gives up is asked twice, and waited for by a command that is not patient', async () => {
  const ref = await store.putBlob('right', bytes);
  damaged = (key) => key === ref.uri;
  triesForMs = storeDamageMs + 500;
  expect(await codeOf(store.getBlob(ref))).toBe('BlobCorrupt');
  expect(reads).toBe(2);
  await store.putBlob('right', bytes);
  const impatient = open('127.0.0.1', undefined, 300);
  triesForMs = 1_500;
  expect(await codeOf(impatient.getBlob(ref))).toBe('BlobCorrupt');
  impatient.close();
}, 30_000);

it('a document is corrupt too, stays until its owner moves it, and one that is looked at once is judged at once', async () => {
  await store.putDocument('stages/a.json', { a: 1 });
  damaged = (key) => key === 'stages/a.json';
  const once = open('127.0.0.1', 1);
  const began = Date.now();
  expect(await errorOf(once.getDocument('stages/a.json'))).toMatchObject({
    code: 'BlobCorrupt',
    what: 'stages/a.json is in the store and cannot be read.',
    next: expect.stringContaining('arte doctor') as string,
  });
  expect(Date.now() - began).toBeLessThan(storeDamageMs);
  expect(objects.has('stages/a.json')).toBe(true);
  expect(await once.setAside('stages/a.json')).toBe(true);
  expect(await once.getDocument('stages/a.json')).toBeUndefined();
  once.close();
});

it('a server that gives nothing else either is away, not damaged', async () => {
  await store.putDocument('doc', 1);
  const once = open('127.0.0.1', 1);
  damaged = () => true;
  expect(await codeOf(once.getDocument('doc'))).toBe('StoreUnreachable');
  expect(await once.setAside('doc')).toBe(false);
  damaged = () => false;
  for (allFailWith of [500, 503]) expect(await codeOf(once.getDocument('doc'))).toBe('StoreUnreachable');
  allFailWith = undefined;
  expect(await once.getDocument('doc')).toBe(1);
  once.close();
});

it('a server that comes back within the usual patience has lost nothing', async () => {
  const ref = await store.putBlob('right', bytes);
  damaged = () => true;
  setTimeout(() => (damaged = () => false), storeDamageMs + 1_500);
  expect((await store.getBlob(ref)).toString()).toBe('right');
  expect(storeDamageMs + 1_500).toBeLessThan(storePatienceMs);
}, 30_000);

it('of a store on another machine nothing is removed: the person is told what to remove', async () => {
  const elsewhere = open(notLoopback, 1);
  const ref = await store.putBlob('right', bytes);
  damaged = (key) => key === ref.uri;
  const { code, next } = await errorOf(elsewhere.getBlob(ref));
  expect(code).toBe('BlobCorrupt');
  expect(next).toContain(`remove ${ref.uri} from bucket bucket`);
  expect(await store.hasBlob(ref)).toBe(true);
  elsewhere.close();
});
