/**
 * Goal: whatever ends the watching, the terminal is what it was before: the main buffer with what stood there, the cursor, wrapping, no raw mode.
 * What a file says drives no terminal.
 * Method: a program that takes the screen in a real pseudo-terminal and is left by a key, by signals, by errors nobody catches; a command that shows a
 * file full of control sequences there.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../../drivers/package-root';
import { canShowPictures } from '../../../cli/watch/terminal';
import { closeTerminals, openPseudoTerminal, type PseudoTerminal } from '../../support/pseudo-terminal';

const fixtures = join(packageRoot(), 'test', 'fixtures');

/** A shell line stands before the program, as in life. */
function holdScreen(): PseudoTerminal {
  const program = [process.execPath, '-r', join(fixtures, 'run-typescript.cjs'), join(fixtures, 'hold-screen.ts')];
  return openPseudoTerminal(['sh', '-c', 'echo before; exec "$@"', 'sh', ...program]);
}

afterEach(closeTerminals);

describe('the terminal is given back', () => {
  const endings: readonly [
    string,
    (terminal: PseudoTerminal) => void,
    { code: number | null; signal: number | null },
  ][] = [
    ['by q', (terminal) => terminal.type('q'), { code: 0, signal: null }],
    ['by Ctrl-C', (terminal) => terminal.type('\u0003'), { code: 130, signal: null }],
    ['by SIGINT', (terminal) => terminal.signal('SIGINT'), { code: 130, signal: null }],
    ['by SIGTERM', (terminal) => terminal.signal('SIGTERM'), { code: null, signal: 15 }],
    ['by SIGHUP', (terminal) => terminal.signal('SIGHUP'), { code: null, signal: 1 }],
    ['by an error that is thrown', (terminal) => terminal.type('t'), { code: 1, signal: null }],
    ['by a promise that is rejected', (terminal) => terminal.type('r'), { code: 1, signal: null }],
    ['by process.exit', (terminal) => terminal.type('e'), { code: 7, signal: null }],
  ];

  it.each(endings)('%s', async (how, leave, ending) => {
    const terminal = holdScreen();
    const { screen } = terminal;
    await terminal.until('the picture', () => screen.text().includes('ready'));
    expect(screen).toMatchObject({ isAlternate: true, cursorIsShown: false, wraps: false });
    leave(terminal);
    expect(await terminal.ended).toEqual({ ...ending, restored: true });
    expect(screen).toMatchObject({ isAlternate: false, cursorIsShown: true, wraps: true });
    expect(screen.lines()[0]).toBe('before');
    // What went wrong is read where it stays.
    if (how.includes('error')) expect(screen.text()).toContain('an error that was thrown');
  });
});

it('is not driven by what a file says: preview shows it, and the screen does nothing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'arte-terminal-'));
  try {
    const hostile = '\u001b]52;c;cm0gLXJm\u0007\u001b[2J\u009b3A\u001b[8mhidden';
    const examples = join(packageRoot(), 'examples');
    const items = readFileSync(join(examples, 'tasks', 'animals.jsonl'), 'utf8')
      .trimEnd()
      .split('\n');
    const spoiled = items.map((line) => {
      const item = JSON.parse(line) as { question: string };
      return JSON.stringify({ ...item, question: `${item.question} ${hostile}` });
    });
    mkdirSync(join(folder, 'tasks'));
    writeFileSync(join(folder, 'tasks', 'animals.jsonl'), `${spoiled.join('\n')}\n`);
    writeFileSync(join(folder, 'custom.yaml'), readFileSync(join(examples, 'custom-tasks.yaml')));
    const main = [process.execPath, '-r', join(fixtures, 'run-typescript.cjs'), join(packageRoot(), 'cli', 'main.ts')];
    const terminal = openPseudoTerminal([...main, '--no-color', 'preview', join(folder, 'custom.yaml')]);
    // The screen throws at any sequence but colours and those of our own pictures, of which a preview has none.
    await terminal.until('the last stage', (screen) => screen.text().includes('━━ evaluate'));
    expect(terminal.screen.text()).toContain('\ufffd]52;c;cm0gLXJm\ufffd\ufffd[2J\ufffd3A\ufffd[8mhidden');
    expect(terminal.screen.text()).toContain('━━ sample-questions');
    expect(terminal.screen.hasColors).toBe(false);
    expect(await terminal.ended).toMatchObject({ code: 0 });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

it('is drawn again at another size, and never beyond it', async () => {
  const terminal = holdScreen();
  const { screen } = terminal;
  await terminal.until('the picture', () => screen.text().includes('ready'));
  expect(screen.lines()[0]).toBe('80 x 24');
  expect(screen.extent).toEqual({ rows: 24, columns: 80 });
  screen.forgetExtent();
  terminal.resize(60, 12);
  await terminal.until('the new size', () => screen.lines()[0] === '60 x 12');
  expect(screen.extent).toEqual({ rows: 12, columns: 60 });
  expect(screen.lines()).toHaveLength(12);
  terminal.type('q');
  await terminal.ended;
});

it('only what has changed is written', async () => {
  const terminal = holdScreen();
  const { screen } = terminal;
  await terminal.until('the picture', () => screen.text().includes('ready'));
  screen.forgetExtent();
  terminal.type('a');
  await terminal.until('the key', () => screen.lines()[1] === 'a');
  expect(screen.extent).toEqual({ rows: 2, columns: 1 });
  terminal.type('q');
  await terminal.ended;
});

it('no picture where nobody sits', () => {
  const streams = (input: boolean, output: boolean): Parameters<typeof canShowPictures>[0] =>
    ({ input: { isTTY: input }, output: { isTTY: output } }) as never;
  expect(canShowPictures(streams(true, true), {})).toBe(true);
  expect(canShowPictures(streams(true, false), {})).toBe(false);
  expect(canShowPictures(streams(false, true), {})).toBe(false);
  expect(canShowPictures(streams(true, true), { CI: 'true' })).toBe(false);
  expect(canShowPictures(streams(true, true), { CI: 'false' })).toBe(true);
  expect(canShowPictures(streams(true, true), { TERM: 'dumb' })).toBe(false);
});
