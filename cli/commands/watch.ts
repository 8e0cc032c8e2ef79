/** `arte watch [RUN]`: one run or all of them, on the whole screen of a terminal; plain lines everywhere else. */
import type { Command } from 'commander';
import { colorsFor, exitCodes, printLine } from '../output';
import { openBundleOf } from '../run/run-config-of';
import { overLines } from '../run/run-outcome';
import { viewRun } from '../run/run-progress';
import { renderRun } from '../run/run-view';
import { openSession, type Session } from '../session';
import { watchOnScreen } from '../watch/full-screen';
import { followList } from '../watch/plain-list';
import { canShowPictures } from '../watch/terminal';
import { exitCodeOfView, leftBehind, watchRun } from '../watch/watch-run';

export function register(program: Command): void {
  program
    .command('watch')
    .argument('[run]', 'id of a run; all runs when left out')
    .description(
      'follow a run, or all: on a terminal the whole screen, with keys that steer it (? lists them); q leaves it running',
    )
    .option('--plain', 'a line per event instead of the screen, until the run ends; as when the output is no terminal')
    .action(async (runId: string | undefined, options: { plain?: boolean }) => {
      const session = await openSession({ start: false });
      try {
        const streams = { input: process.stdin, output: process.stdout };
        const isPlain = options.plain === true || !canShowPictures(streams);
        process.exitCode = isPlain ? await watchPlainly(session, runId) : await watchAtTerminal(session, runId);
      } finally {
        await session.close();
      }
    });
}

async function watchPlainly(session: Session, runId: string | undefined): Promise<number> {
  if (runId === undefined) return followList(session, process.stdout);
  const code = await watchRun(session, runId, { plain: true });
  const view = await viewRun(session.client, session.store, runId);
  for (const line of await overLines(session.store, view, colorsFor(process.stdout))) printLine(line);
  return code;
}

/** The state that was seen last stays on the terminal when the screen is given back. */
async function watchAtTerminal(session: Session, runId: string | undefined): Promise<number> {
  const color = colorsFor(process.stdout);
  const { watched } = await watchOnScreen(session, runId, { input: process.stdin, output: process.stdout }, color);
  if (!watched) return exitCodes.done;
  const { view, rates, secondsLeft } = watched;
  const config = await openBundleOf(session.store, view.progress.runId);
  for (const line of renderRun(view, rates, config, color, secondsLeft)) printLine(line);
  for (const line of await overLines(session.store, view, color)) printLine(line);
  return exitCodeOfView(view) ?? leftBehind(view.progress.runId);
}
