/**
 * Goal: the name `arte` is there before anything is built, says what to do then, and is the built command line afterwards.
 * Method: the linked file as a program of its own, here and in a folder without a build.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../drivers/package-root';
import { dataDirectoryBytesMax } from '../../schemas/limits';

const linked = join(packageRoot(), 'cli', 'arte.cjs');

it('is the built command line', () => {
  const { status, stdout } = spawnSync(process.execPath, [linked, '--version'], { encoding: 'utf8' });
  expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(status).toBe(0);
});

it('says how to build it where it is not', () => {
  const folder = mkdtempSync(join(tmpdir(), 'arte-unbuilt-'));
  try {
    mkdirSync(join(folder, 'cli'));
    const copy = join(folder, 'cli', 'arte.cjs');
    copyFileSync(linked, copy);
    const { status, stderr } = spawnSync(process.execPath, [copy, 'status'], { encoding: 'utf8' });
    expect(stderr).toContain('npm run build');
    expect(status).toBe(2);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

it.each([
  ['schema', '-o', '/nonexistent/x.json'],
  ['schema', '-o', '.'],
])('what cannot be written is no fault of arte: %s %s %s', (...words) => {
  const { status, stderr } = spawnSync(process.execPath, [linked, ...words], { encoding: 'utf8' });
  expect(stderr).toContain('was not written');
  expect(status).toBe(2);
});

it.each([
  // No folder can be made there, and Node's own mkdir would go on for ever.
  ['/proc/foo', 'ARTE_DATA_DIR', 'The data directory /proc/foo cannot be used.'],
  ['/dev/null/x', 'ARTE_DATA_DIR', 'The data directory /dev/null/x cannot be used.'],
  [' ', 'ARTE_DATA_DIR', 'has no name'],
  ['', '--data-dir', 'has no name'],
  [' ', '--data-dir', 'has no name'],
  [`/tmp/${'x/'.repeat(dataDirectoryBytesMax / 2)}`, 'ARTE_DATA_DIR', 'is too long'],
])('a data directory that no platform can live in is refused at once: %j by %s', (folder, by, said) => {
  const words = by === '--data-dir' ? [by, folder, 'up'] : ['up'];
  const env = by === '--data-dir' ? process.env : { ...process.env, ARTE_DATA_DIR: folder };
  const { status, stderr } = spawnSync(process.execPath, [linked, ...words], {
    encoding: 'utf8',
    env,
    timeout: 30_000,
  });
  expect(stderr).toContain(said);
  expect(status).toBe(2);
});

it('in a folder that was removed says so', () => {
  const folder = mkdtempSync(join(tmpdir(), 'arte-gone-'));
  const { status, stderr } = spawnSync(
    'sh',
    ['-c', 'cd "$1" && rmdir "$1" && exec "$2" "$3" up', 'sh', folder, process.execPath, linked],
    {
      encoding: 'utf8',
    },
  );
  expect(stderr).toContain('is not there any more');
  expect(status).toBe(2);
});

it('prints a page or JSON on stdout, not both', () => {
  const words = ['report', 'any', '--html', '-', '--json'];
  const { status, stderr } = spawnSync(process.execPath, [linked, ...words], { encoding: 'utf8' });
  expect(stderr).toContain('--html - and --json cannot both be printed');
  expect(status).toBe(2);
});
