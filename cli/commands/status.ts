/** `arte status [RUN]`: one run as it stands, or all runs in a table. */
import type { Command } from 'commander';
import { readLedger } from '../../activities/budget';
import { readCallCeiling } from '../../activities/call-ceiling';
import { noticeWarnings, readNotices } from '../../activities/notify';
import { readActions } from '../../activities/run-actions';
import { noSuchRun, runKeys } from '../../activities/run-records';
import { readStalls } from '../../activities/stall-dump';
import { hasPrices } from '../../method/ledger';
import { ArteError } from '../../schemas/errors';
import { stallDumpsOfRunMax } from '../../schemas/limits';
import { listRuns, nowOf } from '../list-runs';
import { colorsFor, exitCodes, printJson, printLine, printVerbatim, table } from '../output';
import { openBundleOf } from '../run-config-of';
import { openEta } from '../run-eta';
import { viewRun } from '../run-progress';
import { actionLines, endLines, renderRun } from '../run-view';
import { openSession, type Session } from '../session';
import { stallDetails, stallLines } from '../stall-view';
import { exitCodeOfView } from '../watch-run';
import { budgetLine, budgetSummary } from './budget';
import { ceilingLine } from './concurrency';

/** `--stalls` has all that are kept. */
const stallsShownMax = 3;

export function register(program: Command): void {
  program
    .command('status')
    .argument('[run]', 'id of a run; all runs when left out')
    .description('where a run is, what it waits for, and what to type next')
    .option('--stalls', 'what work of the run that stood still waited for, each time that it did')
    .option('--json', 'as JSON')
    .action(async (runId: string | undefined, options: { stalls?: boolean; json?: boolean }) => {
      const session = await openSession({ start: false });
      try {
        if (options.stalls === true) {
          await showStalls(session, runId, options.json === true);
          return;
        }
        process.exitCode =
          runId === undefined
            ? await showRuns(session, options.json === true)
            : await showRun(session, runId, options.json === true);
      } finally {
        await session.close();
      }
    });
}

/** All that is kept, oldest first. Errors: InvalidInput, RunNotFound. */
async function showStalls({ store }: Session, runId: string | undefined, json: boolean): Promise<void> {
  if (runId === undefined) {
    throw new ArteError('InvalidInput', {
      what: 'arte status --stalls needs a run.',
      why: 'What stood still is kept with the run whose work it was.',
      next: 'arte status RUN --stalls; arte status lists the runs there are.',
    });
  }
  if ((await store.getDocument(runKeys.record(runId))) === undefined) throw noSuchRun(runId);
  const dumps = await readStalls(store, runId, stallDumpsOfRunMax);
  if (json) printJson(dumps);
  else if (dumps.length === 0) printLine(`No work of ${runId} has stood still.`);
  else {
    const color = colorsFor(process.stdout);
    printVerbatim(dumps.map((dump) => stallDetails(dump, color).join('\n')).join('\n\n'));
  }
}

/** Exit code: 0 running or done, 1 failed, 3 waiting for a person. */
async function showRun(session: Session, runId: string, json: boolean): Promise<number> {
  const view = await viewRun(session.client, session.store, runId);
  const config = await openBundleOf(session.store, runId);
  const actions = await readActions(session.store, runId);
  const secondsLeft = await (await openEta(session.store, runId))(view, Date.now());
  const notices = await readNotices(session.store, runId);
  const ceiling = await readCallCeiling(session.store, runId);
  const stalls = await readStalls(session.store, runId, stallsShownMax);
  const ledger = config && hasPrices(config) ? await readLedger(session.store, runId, config) : undefined;
  if (json) {
    const budget = config && ledger ? { budget: budgetSummary(runId, config, ledger) } : {};
    const left = secondsLeft === undefined ? {} : { secondsLeft: Math.round(secondsLeft) };
    printJson({
      ...{ ...view.progress, ...left, finished: view.finished, live: view.live },
      ...{ ...budget, callCeiling: ceiling, actions, notices },
      stalls: stalls.map(({ at, stage, code, what, host, file }) => ({ at, stage, code, what, host, file })),
    });
  } else {
    const color = colorsFor(process.stdout);
    const money = config && ledger ? budgetLine(runId, config, ledger) : undefined;
    const lines = [...renderRun(view, new Map(), config, color, secondsLeft), ...endLines(view, color)];
    const facts = [
      ...[money, ceilingLine(ceiling)].filter((line) => line !== undefined).map((line) => color.dim(line)),
      ...noticeWarnings(notices).map((line) => color.yellow(line)),
    ];
    const parts = [facts, stallLines(runId, stalls, color), actionLines(actions, color)];
    printLine([...lines, ...parts.flatMap((part) => (part.length > 0 ? ['', ...part] : []))].join('\n'));
  }
  return exitCodeOfView(view) ?? exitCodes.done;
}

async function showRuns(session: Session, json: boolean): Promise<number> {
  const runs = await listRuns(session);
  if (json) printJson(runs);
  else if (runs.length === 0) printLine('There are no runs yet. arte quickstart makes one.');
  else {
    const columns = [{ title: 'run' }, { title: 'status' }, { title: 'round' }, { title: 'now' }, { title: 'started' }];
    printLine(
      table(
        columns,
        runs.map((run) => [run.runId, run.status, `${run.round}/${run.rounds}`, nowOf(run), run.startedAt]),
      ),
    );
  }
  return exitCodes.done;
}
