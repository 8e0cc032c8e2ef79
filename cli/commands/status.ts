/** `arte status [RUN]`: one run as it stands, or all runs in a table. */
import type { Command } from 'commander';
import { readLedger } from '../../activities/budget';
import { readCallCeiling } from '../../activities/call-ceiling';
import { noticeWarnings, readNotices } from '../../activities/notify';
import { readActions } from '../../activities/run-actions';
import { runKeys } from '../../activities/run-records';
import { hasPrices } from '../../method/ledger';
import type { RunProgress } from '../../schemas/messages';
import { colorsFor, exitCodes, printJson, printLine, table } from '../output';
import { openBundleOf } from '../run-config-of';
import { openEta } from '../run-eta';
import { viewRun } from '../run-progress';
import { actionLines, endLines, renderRun } from '../run-view';
import { openSession, type Session } from '../session';
import { exitCodeOfView } from '../watch-run';
import { budgetLine, budgetSummary } from './budget';
import { ceilingLine } from './concurrency';

export function register(program: Command): void {
  program
    .command('status')
    .argument('[run]', 'id of a run; all runs when left out')
    .description('where a run is, what it waits for, and what to type next')
    .option('--json', 'as JSON')
    .action(async (runId: string | undefined, options: { json?: boolean }) => {
      const session = await openSession({ start: false });
      try {
        process.exitCode =
          runId === undefined
            ? await listRuns(session, options.json === true)
            : await showRun(session, runId, options.json === true);
      } finally {
        await session.close();
      }
    });
}

/** Exit code: 0 running or done, 1 failed, 3 waiting for a person. */
async function showRun(session: Session, runId: string, json: boolean): Promise<number> {
  const view = await viewRun(session.client, session.store, runId);
  const config = await openBundleOf(session.store, runId);
  const actions = await readActions(session.store, runId);
  const secondsLeft = await (await openEta(session.store, runId))(view, Date.now());
  const notices = await readNotices(session.store, runId);
  const ceiling = await readCallCeiling(session.store, runId);
  const ledger = config && hasPrices(config) ? await readLedger(session.store, runId, config) : undefined;
  if (json) {
    const budget = config && ledger ? { budget: budgetSummary(runId, config, ledger) } : {};
    const left = secondsLeft === undefined ? {} : { secondsLeft: Math.round(secondsLeft) };
    printJson({
      ...{ ...view.progress, ...left, finished: view.finished, live: view.live },
      ...{ ...budget, callCeiling: ceiling, actions, notices },
    });
  } else {
    const color = colorsFor(process.stdout);
    const money = config && ledger ? budgetLine(runId, config, ledger) : undefined;
    const lines = [...renderRun(view, new Map(), config, color, secondsLeft), ...endLines(view, color)];
    const facts = [
      ...[money, ceilingLine(ceiling)].filter((line) => line !== undefined).map((line) => color.dim(line)),
      ...noticeWarnings(notices).map((line) => color.yellow(line)),
    ];
    const done = actionLines(actions, color);
    printLine(
      [...lines, ...(facts.length > 0 ? ['', ...facts] : []), ...(done.length > 0 ? ['', ...done] : [])].join('\n'),
    );
  }
  return exitCodeOfView(view) ?? exitCodes.done;
}

async function listRuns(session: Session, json: boolean): Promise<number> {
  const runs: RunProgress[] = [];
  for await (const { key } of session.store.list('runs/')) {
    const runId = /^runs\/([^/]+)\/progress\.json$/.exec(key)?.[1];
    if (runId === undefined) continue;
    const document = await session.store.getDocument(runKeys.progress(runId));
    if (document === undefined) continue;
    const stored = document as unknown as RunProgress;
    // Only a run that had not ended when it last wrote needs the engine's word.
    const ended = stored.status === 'DONE' || stored.status === 'CANCELLED';
    runs.push(ended ? stored : (await viewRun(session.client, session.store, runId)).progress);
  }
  if (json) printJson(runs);
  else if (runs.length === 0) printLine('There are no runs yet. arte quickstart makes one.');
  else {
    const columns = [{ title: 'run' }, { title: 'status' }, { title: 'round' }, { title: 'now' }, { title: 'started' }];
    const now = (run: RunProgress): string =>
      (run.status === 'NEEDS_ATTENTION' ? run.attention?.error.what : run.failed?.error.what) ??
      (run.paused ? `paused by ${run.paused.by}` : undefined) ??
      (run.approval ? `round ${run.approval.round} waits for arte approve or arte reject` : undefined) ??
      run.current.map(({ stage }) => stage).join(', ');
    printLine(
      table(
        columns,
        runs.map((run) => [run.runId, run.status, `${run.round}/${run.rounds}`, now(run), run.startedAt]),
      ),
    );
  }
  return exitCodes.done;
}
