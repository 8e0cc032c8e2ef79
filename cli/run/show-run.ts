/** One run as it stands, for `arte status RUN`: gathered from engine and store, as lines or as JSON. Owns what is gathered; words are run-view.ts. */
import { readLedger } from '../../activities/budget';
import { readCallCeiling } from '../../activities/call-ceiling';
import { isGoneOrDamaged } from '../../activities/damaged';
import { noticeWarnings, readNotices } from '../../activities/notices';
import { readActions } from '../../activities/run-actions';
import { readStalls } from '../../activities/stall-dump';
import { hasPrices } from '../../method/ledger';
import { budgetLine, budgetSummary } from './budget-view';
import { ceilingLine } from './ceiling-line';
import { foreign } from '../cells';
import { colorsFor, exitCodes, printJson, printLine } from '../output';
import { fullDiskFix, fullDiskSaid } from '../doctor/full-disk';
import { openBundleOf } from './run-config-of';
import { openEta } from './run-eta';
import { outcomeLines, readOutcome } from './run-outcome';
import { viewRun } from './run-progress';
import { actionLines, endLines, renderRun } from './run-view';
import type { Session } from '../session';
import { stallLines } from './stall-view';
import { exitCodeOfView } from '../watch/watch-run';

/** `--stalls` has all that are kept. */
const stallsShownMax = 3;

/** Exit code: 0 running or done, 1 failed, 3 waiting for a person. */
export async function showRun(session: Session, runId: string, json: boolean): Promise<number> {
  const view = await viewRun(session.client, session.store, runId);
  const unreadable = [...(view.unreadable ?? [])];
  // Where a run is and what it waits for is told whatever else of it is damaged.
  const orLeftOut = async <T>(read: Promise<T>): Promise<T | undefined> => {
    try {
      return await read;
    } catch (error) {
      if (!isGoneOrDamaged(error)) throw error;
      unreadable.push(error.data.what);
      return undefined;
    }
  };
  const config = await orLeftOut(openBundleOf(session.store, runId));
  const actions = await readActions(session.store, runId);
  const secondsLeft = await (await openEta(session.store, runId))(view, Date.now());
  const notices = await readNotices(session.store, runId);
  const ceiling = (await orLeftOut(readCallCeiling(session.store, runId))) ?? null;
  const stalls = await readStalls(session.store, runId, stallsShownMax);
  const ledger = config && hasPrices(config) ? await orLeftOut(readLedger(session.store, runId, config)) : undefined;
  const outcome = await readOutcome(session.store, view);
  if (json) {
    const budget = config && ledger ? { budget: budgetSummary(runId, config, ledger) } : {};
    const left = secondsLeft === undefined ? {} : { secondsLeft: Math.round(secondsLeft) };
    printJson({
      ...{ ...view.progress, ...left, finished: view.finished, live: view.live },
      ...(outcome && { outcome }),
      ...(view.unattended && { unattended: true }),
      ...(view.outdated && { outdated: true }),
      ...(unreadable.length > 0 && { unreadable }),
      ...{ ...budget, callCeiling: ceiling, actions, notices },
      stalls: stalls.map(({ at, stage, code, what, host, file }) => ({ at, stage, code, what, host, file })),
    });
  } else {
    const color = colorsFor(process.stdout);
    const money = config && ledger ? budgetLine(runId, config, ledger) : undefined;
    const over = outcome ? ['', ...outcomeLines(outcome)] : [];
    const lines = [...renderRun(view, new Map(), config, color, secondsLeft), ...over, ...endLines(view, color)];
    const leftOut = unreadable.map(
      (what) => `${what} What is said here is what can be told without it; arte doctor says what to do.`,
    );
    // A run that nobody works on may be one whose platform cannot write.
    const disk = view.unattended ? await fullDiskSaid() : undefined;
    const facts = [
      ...(disk === undefined ? [] : [color.yellow(`${disk} ${fullDiskFix}`)]),
      ...leftOut.map((line) => color.yellow(line)),
      ...[money, ceilingLine(ceiling)].filter((line) => line !== undefined).map((line) => color.dim(line)),
      ...noticeWarnings(notices).map((line) => color.yellow(foreign(line))),
    ];
    const parts = [facts, stallLines(runId, stalls, color), actionLines(actions, color)];
    printLine([...lines, ...parts.flatMap((part) => (part.length > 0 ? ['', ...part] : []))].join('\n'));
  }
  return exitCodeOfView(view) ?? exitCodes.done;
}
