/**
 * Goal: a child of ours cannot outlive us, cannot be left half-ended, and cannot fill our memory.
 * Method: real child programs with one vice each (test/fixtures/child.cjs), and a real parent that is killed.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startChild, type Child, type ChildOptions } from '../../drivers/process';
import { ArteError } from '../../schemas/errors';
import { childLineCharactersMax, childTailLinesMax, logFileBytesMax } from '../../schemas/limits';
import { eventually, isAlive } from '../support/processes';

const fixtures = join(__dirname, '..', 'fixtures');
let folder: string;
const children: Child[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'arte-process-'));
});
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.stop(0)));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A child with a vice, when it has said that it is ready; its lines. */
async function start(vice: string, options: Partial<ChildOptions> = {}): Promise<{ child: Child; lines: string[] }> {
  const lines: string[] = [];
  const child = startChild({
    name: vice,
    command: process.execPath,
    args: [join(fixtures, 'child.cjs'), vice],
    onLine: (line) => lines.push(line),
    ...options,
  });
  children.push(child);
  await eventually(`${vice} is ready`, () => lines.includes('ready') || options.onLine !== undefined);
  return { child, lines };
}

describe('ending', () => {
  test('a child that obeys is gone at once, with the signal it was ended by', async () => {
    const { child } = await start('obedient');
    const began = Date.now();
    await child.stop();
    expect(Date.now() - began).toBeLessThan(2_000);
    await expect(child.exited).resolves.toEqual({ code: null, signal: 'SIGTERM' });
    expect(isAlive(child.pid)).toBe(false);
  });

  test('a child that ignores SIGTERM is killed when its grace is over', async () => {
    const { child } = await start('ignores-sigterm');
    const began = Date.now();
    await child.stop(300);
    expect(Date.now() - began).toBeGreaterThanOrEqual(290);
    await expect(child.exited).resolves.toEqual({ code: null, signal: 'SIGKILL' });
  });

  test('stopping twice, and stopping what has ended, is stopping once', async () => {
    const { child } = await start('obedient');
    await Promise.all([child.stop(), child.stop()]);
    await child.stop();
    expect(isAlive(child.pid)).toBe(false);
  });

  test('a grandchild that ignores SIGTERM ends with the child that was asked to', async () => {
    const { child, lines } = await start('has-grandchild');
    const grandchild = Number(lines[0]);
    expect(isAlive(grandchild)).toBe(true);
    await child.stop();
    await eventually('the grandchild is gone', () => !isAlive(grandchild));
  });

  test('what a child leaves behind when it ends by itself is killed before its end is reported', async () => {
    const lines: string[] = [];
    const { child } = await start('leaves-grandchild', { onLine: (line) => lines.push(line) });
    await expect(child.exited).resolves.toEqual({ code: 7, signal: null });
    expect(isAlive(Number(lines[0]))).toBe(false);
  });

  test('a parent that is killed with -9 takes its child along', async () => {
    const parent = spawn(
      process.execPath,
      [
        '-r',
        join(fixtures, 'run-typescript.cjs'),
        join(fixtures, 'parent.ts'),
        process.execPath,
        join(fixtures, 'child.cjs'),
        'obedient',
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const lines: string[] = [];
    createInterface(parent.stdout).on('line', (line) => lines.push(line));
    await eventually('parent and child are there', () => lines.includes('ready') && lines.length === 2);
    const pid = Number(lines.find((line) => line !== 'ready'));
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await eventually('the child is gone', () => !isAlive(pid), 5_000);
  });
});

describe('lines', () => {
  test('characters that arrive in pieces, carriage returns and a last line without an end come out whole', async () => {
    const lines: string[] = [];
    const { child } = await start('fragments', { onLine: (line) => lines.push(line) });
    await child.exited;
    expect(lines.filter((line) => line !== 'ready' && line !== 'aready')).toEqual(
      expect.arrayContaining(['two', 'three']),
    );
    expect(lines.join('\n')).toContain('€b');
  });

  test('a line without end is cut, and the next one is whole', async () => {
    const lines: string[] = [];
    const { child } = await start('long-line', { onLine: (line) => lines.push(line) });
    await child.exited;
    expect(lines[0]).toHaveLength(childLineCharactersMax);
    expect(lines.slice(1)).toEqual(['end', 'ready']);
  });

  test('a reader that throws does not end us; the tail says what happened', async () => {
    const child = startChild({
      name: 'obedient',
      command: process.execPath,
      args: [join(fixtures, 'child.cjs'), 'obedient'],
      onLine: () => {
        throw new Error('cannot read this');
      },
    });
    children.push(child);
    await eventually('the tail says so', () => child.tail().some((line) => line.includes('cannot read this')));
  });

  test('a flood on stderr goes to the log; what is kept of it is the end', async () => {
    const logPath = join(folder, 'flood.log');
    const { child } = await start('floods', { logPath });
    await eventually('all of it was written', () => child.tail().at(-1)?.startsWith('line 20000 ') === true);
    expect(child.tail()).toHaveLength(childTailLinesMax);
    await child.exited;
    await eventually('the log is whole', () => readFileSync(logPath, 'utf8').split('\n').length === 20_001);
    expect(statSync(logPath).mode & 0o777).toBe(0o600);
  });

  test('a log that has grown large is set aside', async () => {
    const logPath = join(folder, 'large.log');
    writeFileSync(logPath, Buffer.alloc(logFileBytesMax, 'z'));
    const { child } = await start('floods', { logPath });
    await child.exited;
    expect(statSync(`${logPath}.1`).size).toBe(logFileBytesMax);
    await eventually('the new log is there', () => statSync(logPath).size > 4_000_000);
  });
});

describe('starting', () => {
  test('the environment is ours, with what was laid over it and without what was taken away', async () => {
    const { lines } = await start('environment', { env: { ARTE_GIVEN: 'yes', HOME: undefined } });
    expect(JSON.parse(lines[0] ?? '')).toEqual({ given: 'yes', home: null });
  });

  test.each([
    ['a program that is not there', { command: '/nowhere/program' }, '/nowhere/program is not there.'],
    ['a file that is no program', { command: __filename }, 'may not be executed.'],
    ['a folder that is not there', { cwd: '/nowhere' }, 'Its folder /nowhere is not there.'],
  ])('%s is said at once', (_, options, why) => {
    const begin = (): Child => startChild({ name: 'thing', command: process.execPath, args: [], ...options });
    expect(begin).toThrow(ArteError);
    expect(begin).toThrow(why);
  });
});
