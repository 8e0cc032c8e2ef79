/**
 * What every store driver does. Goal: the invariants of drivers/store/store.ts, seen from outside, on the driver's real server.
 * Method: one `describe` a promise; each test has a store with nothing in it. Damage is done by writing over a blob's key,
 * as another program with the same rights could.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, open, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ArtifactStore } from '../../drivers/store/store';
import { mediaTypes, type ArtifactRef } from '../../schemas/artifact-ref';
import { ArteError } from '../../schemas/errors';
import type { JsonValue } from '../../schemas/json';

export interface StoreUnderTest {
  /** A store that holds nothing, over the same server each time. */
  fresh(): ArtifactStore;
  /** The folder where stores of fresh() keep files on their way. */
  spoolDir: string;
}

const text = { mediaType: 'text/plain', rows: 1 } as const;

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'no error';
  } catch (error) {
    return error instanceof ArteError ? error.data.code : String(error);
  }
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) {
    collected.push(item);
  }
  return collected;
}

/** Lines up to the end or the error, and the error's code. */
async function linesAndCode(store: ArtifactStore, ref: ArtifactRef): Promise<{ lines: string[]; code: string }> {
  const lines: string[] = [];
  const code = await codeOf(
    (async () => {
      for await (const line of store.getLines(ref)) {
        lines.push(line);
      }
    })(),
  );
  return { lines, code };
}

/** A file of pseudo-random bytes, written block by block; returns its sha256. */
export async function writeRandomFile(path: string, megabytes: number): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, 'w');
  const block = randomBytes(1024 * 1024);
  for (let index = 0; index < megabytes; index += 1) {
    block.writeUInt32LE(index);
    hash.update(block);
    await file.writeFile(block);
  }
  await file.close();
  return hash.digest('hex');
}

/** Run all promises of the interface against a driver. Call it at the top of the driver's test file. */
export function storeConformance(name: string, start: () => Promise<StoreUnderTest>): void {
  describe(`${name} keeps the promises of a store`, () => {
    let under: StoreUnderTest;
    let store: ArtifactStore;
    let folder: string;

    beforeAll(async () => {
      under = await start();
    }, 900_000);
    beforeEach(() => {
      store = under.fresh();
      folder = mkdtempSync(join(tmpdir(), 'arte-store-'));
    });
    afterEach(() => {
      store.close();
      rmSync(folder, { recursive: true, force: true });
    });

    describe('blobs', () => {
      it('gives back what was put, under its own sha256', async () => {
        const ref = await store.putBlob('grüße\n', { mediaType: 'text/plain', rows: 1, schemaVersion: 3 });
        const sha256 = createHash('sha256').update('grüße\n').digest('hex');
        expect(ref).toEqual({
          uri: `blobs/sha256/${sha256.slice(0, 2)}/${sha256}`,
          sha256,
          bytes: 8,
          rows: 1,
          mediaType: 'text/plain',
          schemaVersion: 3,
        });
        expect((await store.getBlob(ref)).toString()).toBe('grüße\n');
        expect(await store.hasBlob(ref)).toBe(true);
        expect(await store.hasBlob({ ...ref, bytes: 7 })).toBe(false);
      });

      it('takes the same bytes twice as one object', async () => {
        const [first, second] = [await store.putBlob('same', text), await store.putBlob(Buffer.from('same'), text)];
        expect(second).toEqual(first);
        const [listed, ...others] = await collect(store.list('blobs/'));
        expect(listed).toMatchObject({ key: first.uri, bytes: 4 });
        expect(others).toEqual([]);
        // Whole seconds, and a clock of its own.
        expect(Math.abs(Date.now() - listed!.modifiedAt.getTime())).toBeLessThan(60_000);
      });

      it('makes young what is put again, small and large', async () => {
        const path = join(folder, 'large');
        await writeFile(path, randomBytes(17 * 1024 * 1024));
        const put = async (): Promise<ArtifactRef[]> => [
          await store.putBlob('known', text),
          await store.putLines(['known']),
          await store.putFile(path, text),
        ];
        const ages = async (refs: ArtifactRef[]): Promise<number[]> =>
          Promise.all(refs.map(async ({ uri }) => (await store.lookAt(uri))!.modifiedAt.getTime()));
        const refs = await put();
        const before = await ages(refs);
        await new Promise((resolve) => setTimeout(resolve, 1_100));
        expect(await put()).toEqual(refs);
        const after = await ages(refs);
        for (const [index, age] of after.entries()) expect(age).toBeGreaterThan(before[index]!);
        await store.getFile(refs[2]!, join(folder, 'out'));
        expect((await readFile(join(folder, 'out'))).equals(await readFile(path))).toBe(true);
        expect(await store.lookAt('blobs/none')).toBeUndefined();
      });

      it('names the folders under a folder, and only those', async () => {
        for (const key of [
          'runs/b/x.json',
          'runs/a/deep/y.json',
          'runs/a/z.json',
          'runs/file.json',
          'runs-ended/c/x.json',
        ])
          await store.putDocument(key, {});
        const names: string[] = [];
        for await (const name of store.folders('runs/')) names.push(name);
        expect(names).toEqual(['a', 'b']);
      });

      it('takes the same bytes from many writers at once', async () => {
        const refs = await Promise.all(Array.from({ length: 16 }, () => store.putBlob('raced', text)));
        expect(new Set(refs.map((ref) => ref.sha256)).size).toBe(1);
        expect((await store.getBlob(refs[0] as ArtifactRef)).toString()).toBe('raced');
      });

      it('keeps an empty blob', async () => {
        const ref = await store.putBlob('', text);
        expect(ref.bytes).toBe(0);
        expect(await store.getBlob(ref)).toHaveLength(0);
        expect(await collect(store.getLines(ref))).toEqual([]);
      });

      it('reads JSON, and says when a blob is none', async () => {
        const value: JsonValue = { b: [1, null, 'ä'], a: { deep: true } };
        const ref = await store.putBlob(JSON.stringify(value), { mediaType: mediaTypes.json, rows: 1 });
        expect(await store.getJson(ref)).toEqual(value);
        expect(await codeOf(store.getJson(await store.putBlob('{', text)))).toBe('InvalidInput');
      });

      it('streams a blob', async () => {
        const ref = await store.putBlob('streamed', text);
        expect(Buffer.concat((await collect(await store.openBlob(ref))) as Buffer[]).toString()).toBe('streamed');
      });

      it('says BlobMissing of what is not there', async () => {
        const ref = await store.putBlob('soon gone', text);
        await store.remove(ref.uri);
        expect(await store.hasBlob(ref)).toBe(false);
        expect(await codeOf(store.getBlob(ref))).toBe('BlobMissing');
        expect(await codeOf(store.getFile(ref, join(folder, 'x')))).toBe('BlobMissing');
        expect(await codeOf(store.getDirectory(ref, join(folder, 'y')))).toBe('BlobMissing');
        expect(await codeOf(store.openBlob(ref))).toBe('BlobMissing');
        expect((await linesAndCode(store, ref)).code).toBe('BlobMissing');
        expect(readdirSync(folder)).toEqual([]);
      });
    });

    describe('damage', () => {
      it.each([
        ['of the same size', 'wrong!'],
        ['cut short', 'rig'],
        ['emptied', ''],
      ])('is noticed on read, is no hit afterwards, and is healed by the next put: %s', async (_, damage) => {
        const ref = await store.putBlob('right.', text);
        await store.putObject(ref.uri, Buffer.from(damage));
        expect(await codeOf(store.getBlob(ref))).toBe('BlobCorrupt');
        expect(await store.hasBlob(ref)).toBe(false);
        await store.putBlob('right.', text);
        expect((await store.getBlob(ref)).toString()).toBe('right.');
      });

      it.each([
        ['of the same size', 'wrong!'],
        ['cut short', 'rig'],
      ])('is healed by a put before anyone has read it: %s', async (_, damage) => {
        const ref = await store.putBlob('right.', text);
        await store.putObject(ref.uri, Buffer.from(damage));
        await store.putBlob('right.', text);
        expect((await store.getBlob(ref)).toString()).toBe('right.');
      });

      it('never lets the last line of a damaged blob out', async () => {
        const lines = Array.from({ length: 5_000 }, (_, index) => JSON.stringify({ index, text: 'x'.repeat(60) }));
        const ref = await store.putLines(lines);
        const bytes = await store.getBlob(ref);
        bytes[10] = 0x7a;
        await store.putObject(ref.uri, bytes);
        const read = await linesAndCode(store, ref);
        expect(read.code).toBe('BlobCorrupt');
        expect(read.lines).not.toContain(lines.at(-1));
        expect(await store.hasBlob(ref)).toBe(false);
      });

      it('leaves an existing file alone and nothing half-made beside it', async () => {
        const ref = await store.putBlob('right.', text);
        await store.putObject(ref.uri, Buffer.from('wrong!'));
        const path = join(folder, 'file');
        await writeFile(path, 'before');
        expect(await codeOf(store.getFile(ref, path))).toBe('BlobCorrupt');
        expect(await readFile(path, 'utf8')).toBe('before');
        expect(readdirSync(folder)).toEqual(['file']);
      });

      it('does not touch an object that a wrong ref names', async () => {
        const right = await store.putBlob('right.', text);
        const wrong = { ...right, sha256: createHash('sha256').update('other').digest('hex') };
        expect(await codeOf(store.getBlob(wrong))).toBe('BlobCorrupt');
        expect((await store.getBlob(right)).toString()).toBe('right.');
      });
    });

    describe('lines', () => {
      it.each([0, 1, 3])('%i of them come back', async (count) => {
        const lines = Array.from({ length: count }, (_, index) => `{"row":${String(index)}}`);
        const ref = await store.putLines(lines, { schemaVersion: 2 });
        expect(ref).toMatchObject({ rows: count, mediaType: mediaTypes.jsonl, schemaVersion: 2 });
        expect(await collect(store.getLines(ref))).toEqual(lines);
      });

      it('come back when they are many, long and not ASCII, from an async source too', async () => {
        const line = (index: number): string => JSON.stringify({ index, text: 'é→🂡'.repeat(1 + (index % 97)) });
        const count = 30_000;
        async function* source(): AsyncGenerator<string> {
          for (let index = 0; index < count; index += 1) {
            yield line(index);
            if (index % 1000 === 0) {
              await Promise.resolve();
            }
          }
          yield 'x'.repeat(500_000);
        }
        const ref = await store.putLines(source());
        expect(ref.rows).toBe(count + 1);
        let index = 0;
        for await (const read of store.getLines(ref)) {
          if (read !== (index < count ? line(index) : 'x'.repeat(500_000))) {
            throw new Error(`line ${String(index)} differs`);
          }
          index += 1;
        }
        expect(index).toBe(count + 1);
        const again = await store.putLines(Array.from({ length: 3 }, (_, at) => line(at)));
        expect((await store.getBlob(again)).toString()).toBe([0, 1, 2].map((at) => `${line(at)}\n`).join(''));
      });

      it('leave no spool file, not even when their source fails', async () => {
        async function* failing(): AsyncGenerator<string> {
          for (let index = 0; index < 30_000; index += 1) {
            yield 'y'.repeat(100);
          }
          await Promise.resolve();
          throw new Error('source failed');
        }
        await expect(store.putLines(failing())).rejects.toThrow('source failed');
        expect(spooled(under.spoolDir)).toEqual([]);
      });

      it('may be left before the end', async () => {
        const ref = await store.putLines(Array.from({ length: 50_000 }, () => 'z'.repeat(100)));
        for await (const read of store.getLines(ref)) {
          expect(read).toHaveLength(100);
          break;
        }
        expect(await store.hasBlob(ref)).toBe(true);
      });

      it('are refused when one holds a line break', async () => {
        await expect(store.putLines(['a\nb'])).rejects.toThrow(RangeError);
      });
    });

    describe('files and folders', () => {
      it('stores a file and gives it back', async () => {
        await writeFile(join(folder, 'in'), 'content');
        const ref = await store.putFile(join(folder, 'in'), { mediaType: mediaTypes.bytes, rows: 1 });
        await store.getFile(ref, join(folder, 'deep', 'out'));
        expect(await readFile(join(folder, 'deep', 'out'), 'utf8')).toBe('content');
        expect(readdirSync(join(folder, 'deep'))).toEqual(['out']);
      });

      it('says what is wrong with a path', async () => {
        expect(await codeOf(store.putFile(join(folder, 'none'), text))).toBe('InvalidInput');
        expect(await codeOf(store.putFile(folder, text))).toBe('InvalidInput');
        expect(await codeOf(store.putDirectory(join(folder, 'none')))).toBe('InvalidInput');
      });

      it('moves 200 MB in and out in bounded memory, once', async () => {
        const path = join(folder, 'large');
        const sha256 = await writeRandomFile(path, 200);
        const memory = watchMemory();
        const ref = await store.putFile(path, { mediaType: mediaTypes.bytes, rows: 1 });
        await store.putFile(path, { mediaType: mediaTypes.bytes, rows: 1 });
        await store.getFile(ref, join(folder, 'back'));
        expect(memory.stop()).toBeLessThan(96 * 1024 * 1024);
        expect(ref).toMatchObject({ sha256, bytes: 200 * 1024 * 1024 });
        expect(await collect(store.list('blobs/'))).toHaveLength(1);
      }, 120_000);

      it('stores a folder by content and gives it back', async () => {
        const source = join(folder, 'model');
        await mkdir(join(source, 'sub', 'empty'), { recursive: true });
        await writeFile(join(source, 'b.txt'), 'b');
        await writeFile(join(source, 'a.bin'), Buffer.from([0, 255]));
        await writeFile(join(source, 'sub', 'c'), '');
        const ref = await store.putDirectory(source);
        expect(ref).toMatchObject({ rows: 3, mediaType: mediaTypes.directory });
        const manifest = (await store.getJson(ref)) as { files: { path: string; blob: ArtifactRef }[] };
        expect(manifest.files.map((file) => file.path)).toEqual(['a.bin', 'b.txt', 'sub/c']);
        const target = join(folder, 'copy');
        await store.getDirectory(ref, target);
        expect(readdirSync(target).sort()).toEqual(['a.bin', 'b.txt', 'sub']);
        expect(readFileSync(join(target, 'a.bin'))).toEqual(Buffer.from([0, 255]));
        expect(await store.putDirectory(target)).toEqual(ref);
        // Another process may have unpacked the same: that is fine. Something else in its place is not.
        await store.getDirectory(ref, target);
        await writeFile(join(target, 'b.txt'), 'changed');
        expect(await codeOf(store.getDirectory(ref, target))).toBe('InvalidInput');
        expect(readdirSync(folder).sort()).toEqual(['copy', 'model']);
      });

      it('gives out no folder when one of its files is damaged or gone', async () => {
        await mkdir(join(folder, 'model'));
        await writeFile(join(folder, 'model', 'weights'), 'weights');
        await writeFile(join(folder, 'model', 'config'), 'config');
        const ref = await store.putDirectory(join(folder, 'model'));
        const manifest = (await store.getJson(ref)) as { files: { path: string; blob: ArtifactRef }[] };
        const weights = manifest.files.find((file) => file.path === 'weights')?.blob as ArtifactRef;
        await store.putObject(weights.uri, Buffer.from('wEights'));
        expect(await codeOf(store.getDirectory(ref, join(folder, 'copy')))).toBe('BlobCorrupt');
        expect(await codeOf(store.getDirectory(ref, join(folder, 'copy')))).toBe('BlobMissing');
        expect(readdirSync(folder)).toEqual(['model']);
      });

      it('refuses links in a folder, and a manifest that leads out of one', async () => {
        await mkdir(join(folder, 'model'));
        await symlink('/etc/hostname', join(folder, 'model', 'link'));
        expect(await codeOf(store.putDirectory(join(folder, 'model')))).toBe('InvalidInput');
        const blob = await store.putBlob('evil', text);
        for (const path of ['../evil', '/evil', 'a/../../evil', 'a//b', '.', 'a\\b']) {
          const manifest = JSON.stringify({ schemaVersion: 1, files: [{ path, blob }] });
          const ref = await store.putBlob(manifest, { mediaType: mediaTypes.directory, rows: 1 });
          expect([path, await codeOf(store.getDirectory(ref, join(folder, 'copy')))]).toEqual([path, 'InvalidInput']);
        }
      });
    });

    describe('documents', () => {
      it('are written once by one of sixteen, whose bytes all get', async () => {
        const outcomes = await Promise.all(
          Array.from({ length: 16 }, (_, writer) => store.putOnce('stages/raced.json', { writer })),
        );
        const winners = outcomes.flatMap((outcome, writer) => (outcome.won ? [writer] : []));
        expect(winners).toHaveLength(1);
        for (const outcome of outcomes) {
          expect(outcome.document).toEqual({ writer: winners[0] });
        }
        expect(await store.getDocument('stages/raced.json')).toEqual({ writer: winners[0] });
        expect(await store.putOnce('stages/raced.json', { writer: 99 })).toEqual({
          won: false,
          document: { writer: winners[0] },
        });
      });

      it('are replaced, read, removed, and undefined when they are not there', async () => {
        expect(await store.getDocument('runs/a.json')).toBeUndefined();
        await store.putDocument('runs/a.json', { status: 'RUNNING' });
        await store.putDocument('runs/a.json', ['done', null]);
        expect(await store.getDocument('runs/a.json')).toEqual(['done', null]);
        await store.remove('runs/a.json');
        await store.remove('runs/a.json');
        expect(await store.getDocument('runs/a.json')).toBeUndefined();
        expect((await store.putOnce('runs/a.json', 1)).won).toBe(true);
      });

      it('are replaced on condition by one of sixteen who read the same version', async () => {
        await store.putOnce('leases/raced.json', { holder: 'nobody' });
        const read = await store.getVersion('leases/raced.json');
        const replaced = await Promise.all(
          Array.from({ length: 16 }, (_, writer) =>
            store.replaceDocument('leases/raced.json', { holder: writer }, read?.version ?? ''),
          ),
        );
        const winners = replaced.flatMap((version, writer) => (version === undefined ? [] : [writer]));
        expect(read?.document).toEqual({ holder: 'nobody' });
        expect(winners).toHaveLength(1);
        expect(await store.getVersion('leases/raced.json')).toEqual({
          document: { holder: winners[0] },
          version: replaced.find((version) => version !== undefined),
        });
      });

      it('are not replaced on condition when they are gone, and the new version is good for the next time', async () => {
        expect(await store.getVersion('leases/gone.json')).toBeUndefined();
        await store.putDocument('leases/gone.json', 1);
        const { version = '' } = (await store.getVersion('leases/gone.json')) ?? {};
        const next = await store.replaceDocument('leases/gone.json', 2, version);
        const last = await store.replaceDocument('leases/gone.json', 3, next ?? '');
        expect(last).toBeDefined();
        await store.remove('leases/gone.json');
        expect(await store.replaceDocument('leases/gone.json', 4, last ?? '')).toBeUndefined();
        expect(await store.getDocument('leases/gone.json')).toBeUndefined();
      });

      it('say when they were overwritten by something else', async () => {
        await store.putObject('runs/b.json', Buffer.from('<html>'));
        expect(await codeOf(store.getDocument('runs/b.json'))).toBe('BlobCorrupt');
      });

      it('raw objects are replaced and read', async () => {
        expect(await store.getObject('parts/1')).toBeUndefined();
        await store.putObject('parts/1', Buffer.from('one'));
        await store.putObject('parts/1', new Uint8Array([1, 2]));
        expect(await store.getObject('parts/1')).toEqual(Buffer.from([1, 2]));
      });

      it('are listed in order, page after page, without those of others', async () => {
        const key = (index: number): string => `parts/run/${String(index).padStart(6, '0')}`;
        const indexes = Array.from({ length: 1_050 }, (_, index) => index);
        for (let from = 0; from < indexes.length; from += 50) {
          await Promise.all(
            indexes.slice(from, from + 50).map((index) => store.putObject(key(index), Buffer.from(String(index)))),
          );
        }
        await store.putObject('parts/other', Buffer.from('x'));
        const listed = await collect(store.list('parts/run/'));
        expect(listed.map((item) => item.key)).toEqual(indexes.map(key));
        expect(listed[10]).toMatchObject({ key: key(10), bytes: 2 });
        expect(await collect(store.list('nothing/'))).toEqual([]);
      });

      it.each(['', '/a', 'a//b', '../a', 'a/./b', 'a/'])('have no key like %p', async (key) => {
        await expect(store.putDocument(key, 1)).rejects.toThrow(RangeError);
      });
    });

    it('keeps stores with different prefixes apart', async () => {
      const other = under.fresh();
      const ref = await store.putBlob('mine', text);
      expect(await other.hasBlob(ref)).toBe(false);
      other.close();
    });
  });
}

function spooled(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Greatest growth of what this process holds (heap and buffers), in bytes, until stop(). */
function watchMemory(): { stop(): number } {
  const held = (): number => {
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const before = held();
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, held());
  }, 10);
  return {
    stop: () => {
      clearInterval(timer);
      return most - before;
    },
  };
}
