/** A real browser for tests of pages: Debian's chromium, driven by playwright-core, which brings no browser of its own. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium, type Browser } from 'playwright-core';

const names = ['chromium', 'chromium-browser', 'google-chrome'];

/** Start it. Errors when none is installed: a test of a page is not left out because the browser is missing. */
export async function startChromium(): Promise<Browser> {
  // As root, which CI often is, the sandbox cannot be set up; the pages are ours.
  return chromium.launch({ executablePath: chromiumPath(), args: ['--no-sandbox', '--disable-gpu'] });
}

function chromiumPath(): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const found = folders.flatMap((folder) => names.map((name) => join(folder, name))).find(isProgram);
  if (found !== undefined) return found;
  throw new Error(
    `No browser was found: none of ${names.join(', ')} is in PATH. Install one (Debian: apt-get install chromium); .ci/run does so by itself.`,
  );
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
