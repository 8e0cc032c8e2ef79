/**
 * Goal: a file is opened by the desktop's own program where there is a desktop, and nowhere else. Method: environments by hand; a program of the
 * test's in the place of xdg-open, and none at all.
 */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { desktopOpener, openOnDesktop } from '../../cli/open-on-desktop';
import { eventually } from '../support/processes';

it('a desktop is told by its display; over SSH there is none', () => {
  expect(desktopOpener('linux', {})).toBeUndefined();
  expect(desktopOpener('linux', { DISPLAY: '' })).toBeUndefined();
  expect(desktopOpener('linux', { DISPLAY: ':0' })).toBe('xdg-open');
  expect(desktopOpener('linux', { WAYLAND_DISPLAY: 'wayland-0' })).toBe('xdg-open');
  expect(desktopOpener('darwin', {})).toBe('open');
  expect(desktopOpener('darwin', { SSH_CONNECTION: '1' })).toBeUndefined();
  expect(desktopOpener('win32', { DISPLAY: ':0' })).toBeUndefined();
});

it('the file is handed over as it is named; a program that is not installed is no failure', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'arte-desktop-'));
  try {
    const given = join(folder, 'given');
    writeFileSync(
      join(folder, 'xdg-open'),
      `#!/bin/sh\nprintf %s "$1" > '${given}.new' && mv '${given}.new' '${given}'\n`,
    );
    chmodSync(join(folder, 'xdg-open'), 0o755);
    const env = { PATH: `${folder}:${process.env['PATH'] ?? ''}` };
    expect(await openOnDesktop('/a report; $(of) a run.html', 'xdg-open', env)).toBe(true);
    await eventually('the program to be run', () => existsSync(given));
    expect(readFileSync(given, 'utf8')).toBe('/a report; $(of) a run.html');
    expect(await openOnDesktop('/report.html', 'xdg-open', { PATH: join(folder, 'nothing') })).toBe(false);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
