/**
 * `arte retry RUN`: a run that waits for a person goes on; finished stages and rows come from the store. With `--set` it goes on under a changed
 * config, and only what depends on it is made again. A run that ended without being done starts again.
 */
import type { Command } from 'commander';
import { formatMoney, readLedger } from '../../activities/budget';
import { reviseRun, recordAction } from '../../activities/run-actions';
import { runKeys } from '../../activities/run-records';
import { endStrandedRun } from '../../activities/stranded-run';
import { restartPlatform } from '../../drivers/local/platform';
import type { ArtifactStore } from '../../drivers/store/store';
import { ArteError } from '../../schemas/errors';
import type { Ledger } from '../../schemas/ledger';
import type { RetryOrder, RunRecord, RunStatus } from '../../schemas/messages';
import type { RunConfig } from '../../schemas/run-config';
import { retryUpdate } from '../../workflows/messages';
import { orderFor } from '../actor';
import { changedConfig, collectSettings, type ChangedConfig } from '../config/changed-config';
import type { Difference } from '../lineage/diff-runs';
import { colorsFor, exitCodes, printLine, printNote, progress as progressLine, type ExitCode } from '../output';
import { changesOf, sayChange } from '../plan/plan-reuse';
import { keepPlan, planNow } from '../plan/price-run';
import { openBundleOf } from '../run/run-config-of';
import { overLines } from '../run/run-outcome';
import { viewRun } from '../run/run-progress';
import { openSession, type Session } from '../session';
import { alignInput, startRecorded, storeBundle } from '../run/start-run';
import { notUnderWay, steer } from '../run/steer-run';
import { followedHere, watchRun } from '../watch/watch-run';

interface Options {
  readonly set?: readonly string[];
  readonly dryRun?: boolean;
  readonly restartWorkers?: boolean;
  readonly reason?: string;
  readonly detach?: boolean;
}

export type Change = NonNullable<RetryOrder['change']>;

export function register(program: Command): void {
  program
    .command('retry')
    .argument('<run>', 'id of the run')
    .option('--set <setting=value>', 'go on under a changed config; may be given more than once', collectSettings)
    .option('--dry-run', 'with --set: only say what would be made again')
    .option('--restart-workers', "embedded: first start the services again with this shell's environment (a new key)")
    .option('--reason <why>', 'kept with the action, for whoever asks later')
    .option('--detach', 'come back at once')
    .description('go on with a run that waits for you, or that ended without being done')
    .action(retry);
}

async function retry(runId: string, options: Options): Promise<void> {
  const { set = [], detach = false, reason } = options;
  if (options.dryRun === true && set.length === 0) throw nothingToTry(runId);
  let session = await openSession({ start: false });
  try {
    const change = set.length > 0 ? await prepareChange(session, runId, set, options.dryRun === true) : undefined;
    if (options.dryRun === true) return;
    if (options.restartWorkers === true) {
      const { progress } = await viewRun(session.client, session.store, runId);
      const refused = refusedRestart(runId, progress.status, change !== undefined);
      if (refused) throw refused;
      session = await restarted(session);
    }
    process.exitCode = await retryRun(session, runId, { detach, reason, change });
  } finally {
    await session.close();
  }
}

function nothingToTry(runId: string): ArteError {
  return new ArteError('InvalidInput', {
    what: '--dry-run says what a change would make again, and no setting is changed.',
    why: 'Without --set nothing that is finished is made again, and nothing was done now.',
    next: `arte retry ${runId} --set SETTING=VALUE --dry-run, or arte retry ${runId} to go on.`,
  });
}

/**
 * Why the services are not started again for a run of this state: it could not be retried then, and they would have been ended for nothing. Undefined
 * where it can be.
 */
export function refusedRestart(runId: string, status: RunStatus, isChanged: boolean): ArteError | undefined {
  if (status === 'NEEDS_ATTENTION' || status === 'FAILED' || status === 'CANCELLED') return undefined;
  if (status === 'DONE') return notUnderWay(runId, status, 'retry');
  if (isChanged && (status === 'PAUSED' || status === 'NEEDS_APPROVAL')) return undefined;
  const then = { PAUSED: `, and arte resume ${runId} goes on`, NEEDS_APPROVAL: '', RUNNING: '' }[status];
  return new ArteError('RunStateConflict', {
    what: `The run ${runId} is ${status}: there is nothing to retry, and no service was ended.`,
    why: 'retry is for a run that is parked as NEEDS_ATTENTION, or that ended without being done.',
    next: `arte down, then arte up, start the services with this shell's environment: runs under way go on where they were${then}.`,
  });
}

/** The command's body, also of `arte budget set --retry`; quiet: stdout belongs to somebody else. */
export async function retryRun(
  session: Session,
  runId: string,
  {
    detach = false,
    quiet = false,
    reason,
    change,
  }: { detach?: boolean; quiet?: boolean; reason?: string | undefined; change?: Change | undefined } = {},
): Promise<ExitCode> {
  await orderRetry(session, runId, { reason, change });
  const say = quiet ? printNote : printLine;
  say(`run ${runId} goes on`);
  if (detach) return exitCodes.done;
  say(followedHere);
  const code = await watchRun(session, runId, { quiet });
  if (code === exitCodes.interrupted) return code;
  const view = await viewRun(session.client, session.store, runId);
  for (const line of await overLines(session.store, view, colorsFor(quiet ? process.stderr : process.stdout)))
    say(line);
  return code;
}

/** Let it go on, under a changed config where there is one. Errors: RunNotFound, RunStateConflict, BudgetExhausted. */
export async function orderRetry(
  session: Session,
  runId: string,
  { reason, change }: { readonly reason?: string | undefined; readonly change?: Change | undefined },
): Promise<void> {
  const { engine: before, progress } = await viewRun(session.client, session.store, runId);
  // On an older version, whose workers are gone, nobody would take the order: it is started again instead.
  const isStranded = before === 'RUNNING' && session.embedded && (await endStrandedRun(session.client, runId));
  const engine = isStranded ? undefined : before;
  // Under a changed config it may need less: that is what such a change is for.
  if (engine === 'RUNNING' && progress.attention?.error.code === 'BudgetExhausted' && !change)
    await refuseWithoutMoney(session, runId);
  const order = orderFor({ reason });
  if (engine === 'RUNNING')
    await steer(session, runId, retryUpdate, { ...order, ...(change ? { change } : {}) }, 'retry');
  else if (progress.status === 'DONE') throw notUnderWay(runId, progress.status, 'retry');
  else {
    if (change) {
      const { input, set, from } = change;
      await reviseRun(session.store, { runId, bundle: input.bundle, by: order.by, set, from });
      const at = new Date().toISOString();
      await recordAction(session.store, { runId, action: 'retry', at, set: [...set], ...order });
    }
    const record = await session.store.getDocument(runKeys.record(runId));
    // The reason stands once: with the change where there is one, else with the start.
    await startRecorded(session, record as unknown as RunRecord, change ? orderFor({}) : order);
  }
}

/** The work that the run is parked for would be refused again, and the run parked again: that is said instead. Errors: BudgetExhausted. */
async function refuseWithoutMoney({ store }: Session, runId: string): Promise<void> {
  const config = await openBundleOf(store, runId);
  const missing = config && shortfall(await readLedger(store, runId, config));
  if (missing === undefined) return;
  throw new ArteError('BudgetExhausted', {
    what: `${runId} cannot go on under its cap.`,
    why: missing,
    next: `arte budget set ${runId} AMOUNT --retry raises the cap and goes on.`,
  });
}

/** A sentence where the cap is below what the work needs that was last refused; undefined where it is not. */
export function shortfall({ cap, needs }: Ledger): string | undefined {
  if (cap === null || needs === undefined || needs <= cap) return undefined;
  return `The work that it waits with needs a cap of ${formatMoney(shownUp(needs))}, and it is ${formatMoney(cap)}.`;
}

/** The least amount that is written out whole (formatMoney) and is enough: whoever types what is shown gets no second refusal. */
function shownUp(amount: number): number {
  const parts = amount >= 1 ? 100 : 10_000;
  const nearest = Math.round(amount * parts);
  return (nearest / parts >= amount ? nearest : nearest + 1) / parts;
}

/** The changed config, judged and put into the store; what it changes and what is made again is said. Errors: ConfigError, InvalidInput. */
async function prepareChange(
  { store }: Session,
  runId: string,
  set: readonly string[],
  isDry: boolean,
): Promise<Change | undefined> {
  const { loaded, changes, before } = await judgeChange(store, runId, set);
  await sayChange(loaded, before, changes);
  return isDry ? undefined : keepChange(store, runId, set, loaded);
}

/** The run's config with the settings put into it, and what that changes. Errors: RunNotFound, ConfigError, InvalidInput. */
export async function judgeChange(
  store: ArtifactStore,
  runId: string,
  set: readonly string[],
): Promise<{ readonly loaded: ChangedConfig; readonly before: RunConfig; readonly changes: readonly Difference[] }> {
  const loaded = await changedConfig(store, runId, set, { env: process.env });
  const { before, changes } = await changesOf(store, runId, loaded);
  if (changes.length === 0) {
    throw new ArteError('InvalidInput', {
      what: `${set.join(', ')} changes nothing: the run ${runId} has that already.`,
      why: 'Its config in the store says so.',
      next: `arte retry ${runId} goes on without a change.`,
    });
  }
  return { loaded, before, changes };
}

/** A judged change, with its bundle and its plan in the store: part of an order. By the plan the run then says when it ends. */
export async function keepChange(
  store: ArtifactStore,
  runId: string,
  set: readonly string[],
  loaded: ChangedConfig,
): Promise<Change> {
  const bundle = await storeBundle(store, loaded);
  await keepPlan(store, runId, await planNow(store, loaded), bundle);
  return { input: alignInput(runId, bundle, loaded.config), set, from: loaded.from };
}

/** The embedded services again, with this process's environment. Errors: InvalidInput on a platform that is not ours to restart. */
async function restarted(session: Session): Promise<Session> {
  if (!session.embedded) {
    throw new ArteError('InvalidInput', {
      what: 'The workers of this platform are not started by arte up.',
      why: 'Only an embedded platform can be started again from here.',
      next: 'Start the workers again where they run, with the new environment; then arte retry without --restart-workers.',
    });
  }
  const line = progressLine('ending the platform');
  await session.close();
  await restartPlatform({ onProgress: (text) => line.update(text) });
  const opened = await openSession({ start: false });
  line.done('the services have this environment now');
  return opened;
}
