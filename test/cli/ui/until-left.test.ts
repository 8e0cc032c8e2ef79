/**
 * Goal: however the page's server is left, what it has made is put away, and it ends without a crash.
 * Method: a program that waits as it does, in a real pseudo-terminal that is closed under it.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../../drivers/package-root';
import { closeTerminals, openPseudoTerminal, type PseudoTerminal } from '../../support/pseudo-terminal';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'arte-left-'));
  file = join(folder, 'token');
  writeFileSync(file, '');
});
afterEach(() => {
  closeTerminals();
  rmSync(folder, { recursive: true, force: true });
});

it.each<[string, (terminal: PseudoTerminal) => void, { code: number | null; signal: number | null }]>([
  ['Ctrl-C', (terminal) => terminal.type('\u0003'), { code: 0, signal: null }],
  ['SIGTERM', (terminal) => terminal.signal('SIGTERM'), { code: 0, signal: null }],
  ['its terminal being closed', (terminal) => terminal.hangUp(), { code: null, signal: 1 }],
  [
    'its terminal being closed, and its shell telling it so again',
    (terminal) => {
      terminal.hangUp();
      terminal.signal('SIGHUP');
    },
    { code: null, signal: 1 },
  ],
])('by %s', async (_, leave, ending) => {
  const fixtures = join(packageRoot(), 'test', 'fixtures');
  const program = [process.execPath, '-r', join(fixtures, 'run-typescript.cjs'), join(fixtures, 'hold-page.ts')];
  const terminal = openPseudoTerminal([...program, file]);
  await terminal.until('it waits', (screen) => screen.text().includes('ready'));
  leave(terminal);
  expect(await terminal.ended).toMatchObject(ending);
  expect(existsSync(file)).toBe(false);
});
