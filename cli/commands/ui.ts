/** `arte ui`: a page on this machine that shows all runs live and takes the same orders as the command line. Ctrl-C closes it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { InvalidArgumentError, type Command } from 'commander';
import { dataDirectory, makeDataFolder } from '../../drivers/local/directories';
import { desktopOpener, openOnDesktop } from '../open-on-desktop';
import { exitCodes, printLine, printNote } from '../output';
import { escaped } from '../report/page/report-plots';
import { openSession } from '../session';
import { serveUi } from '../ui/serve';
import { untilLeft, type Leaving } from '../ui/until-left';

/** Loopback: nobody on another machine reaches it. */
const hostDefault = '127.0.0.1';
const portMax = 65_535;

interface Options {
  readonly port: number;
  readonly host: string;
  readonly open: boolean;
}

export function register(program: Command): void {
  program
    .command('ui')
    .description('all runs on a page in the browser, live, with the same orders; Ctrl-C closes it, runs go on')
    .option('--port <n>', 'listen on this port (default: any free one)', parsePort, 0)
    .option(
      '--host <address>',
      'listen on this address; others than loopback reach it then, without encryption',
      hostDefault,
    )
    .option('--no-open', 'only print the address, open no browser')
    .action(serve);
}

async function serve({ port, host, open }: Options): Promise<void> {
  const session = await openSession({ start: false });
  let leaving: Leaving | undefined;
  try {
    const ui = await serveUi(session, { host, port });
    leaving = untilLeft();
    let removeOpener: () => Promise<void> = () => Promise.resolve();
    try {
      printLine(ui.url);
      printNote('Whoever has this address may steer your runs. Ctrl-C closes the page; runs go on.');
      if (!/^(127\.|localhost$|::1$)/.test(host))
        printNote(`It listens on ${host}, without encryption: whoever can read the network can read the address too.`);
      if (open) removeOpener = await openBrowser(ui.url);
      await leaving.left;
    } finally {
      await removeOpener();
      await ui.close();
    }
    process.exitCode = exitCodes.done;
  } finally {
    await session.close();
    leaving?.end();
  }
}

/**
 * The arguments of a program can be read by every user of the machine, and the address holds the token: a file that only we can read leads there. It
 * lies in the data directory: a browser in a sandbox of its own (snap, flatpak) has another /tmp than we have.
 */
async function openBrowser(url: string): Promise<() => Promise<void>> {
  if (desktopOpener() === undefined) return () => Promise.resolve();
  makeDataFolder(dataDirectory(), dataDirectory());
  // Of this user alone: mkdtemp makes it 0700.
  const folder = await mkdtemp(join(dataDirectory(), 'ui-'));
  const file = join(folder, 'open.html');
  const page = `<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer"><meta http-equiv="refresh" content="0; url=${escaped(url)}"><title>arte</title>`;
  await writeFile(file, page, { mode: 0o600 });
  await openOnDesktop(pathToFileURL(file).href);
  return () => rm(folder, { recursive: true, force: true });
}

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= portMax) return port;
  throw new InvalidArgumentError(`a port is a whole number from 0 to ${portMax}.`);
}
