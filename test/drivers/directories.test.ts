/** Goal: folders are made as by `mkdir -p`, but always come to an end; a file system that counts no blocks is not taken for a full disk. */
import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freeDiskBytes, makeFolder } from '../../drivers/local/directories';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'arte-directories-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('a folder is made with those above it, also where some are there', () => {
  makeFolder(join(folder, 'a', 'b', 'c'), 0o700);
  expect(statSync(join(folder, 'a', 'b')).mode & 0o777).toBe(0o700);
  makeFolder(join(folder, 'a', 'b', 'c'));
  symlinkSync(join(folder, 'a'), join(folder, 'link'));
  makeFolder(join(folder, 'link', 'b', 'd'));
  expect(existsSync(join(folder, 'a', 'b', 'd'))).toBe(true);
});

it('a file or a link that leads nowhere on the way is refused', () => {
  writeFileSync(join(folder, 'file'), '');
  symlinkSync(join(folder, 'nowhere', 'x'), join(folder, 'link'));
  expect(() => makeFolder(join(folder, 'file'))).toThrow('EEXIST');
  expect(() => makeFolder(join(folder, 'file', 'x'))).toThrow('ENOTDIR');
  expect(() => makeFolder(join(folder, 'link', 'x'))).toThrow('EEXIST');
});

it('what the kernel shows as files is no full disk', async () => {
  expect(await freeDiskBytes('/proc/foo')).toBe(Infinity);
  expect(await freeDiskBytes(folder)).toBeLessThan(Infinity);
});
