/** `arte budget show RUN`, `arte budget set RUN AMOUNT`: what a run has spent, and what it may. */
import type { Command } from 'commander';
import { formatMoney, readLedger, setCap } from '../../activities/budget';
import { recordAction } from '../../activities/run-actions';
import { hasPrices } from '../../method/ledger';
import { noSuchRunIn } from '../../activities/run-records';
import { ArteError } from '../../schemas/errors';
import type { Ledger } from '../../schemas/ledger';
import { budgetCapMax, budgetCapMin } from '../../schemas/limits';
import type { RunStatus } from '../../schemas/messages';
import type { RunConfig } from '../../schemas/run-config';
import { orderFor } from '../actor';
import { budgetLine, budgetSummary } from '../run/budget-view';
import { exitCodes, formatCount, printJson, printLine, printNote, table } from '../output';
import { openBundleOf } from '../run/run-config-of';
import { viewRun } from '../run/run-progress';
import { openSession, type Session } from '../session';
import { notUnderWay } from '../run/steer-run';
import { retryRun, shortfall } from './retry';

export function register(program: Command): void {
  const budget = program
    .command('budget')
    .description('what a run has spent, and its cap')
    .argument('[words...]')
    .usage('show RUN | set RUN AMOUNT')
    .action((words: readonly string[]) => {
      const [run = 'RUN'] = words;
      throw new ArteError('InvalidInput', {
        what: words.length === 0 ? 'arte budget does one of two things.' : `arte budget has no ${JSON.stringify(run)}.`,
        why: 'It shows what a run has spent, or sets how much it may spend.',
        next: `arte budget show ${run}, or arte budget set ${run} AMOUNT.`,
      });
    });
  budget
    .command('show')
    .argument('<run>', 'id of the run')
    .description('what a run has spent, by stage, what work under way has reserved, and its cap')
    .option('--json', 'as JSON: {runId, currency, cap, spent, reserved, left, stages}')
    .action(async (runId: string, { json }: { json?: boolean }) => {
      await withRun(runId, async ({ store }, config) => {
        show(runId, config, await readLedger(store, runId, config), json === true);
        return exitCodes.done;
      });
    });
  budget
    .command('set')
    .argument('<run>', 'id of the run')
    .argument('<amount>', 'the new cap, in the currency of its config; "none" takes the cap away')
    .description('set the cap of a run that is not done; a parked one goes on with arte retry, or --retry')
    .option('--retry', 'go on at once if it is parked or has ended, and watch it')
    .option('--reason <why>', 'kept with the action, for whoever asks later')
    .option('--json', 'as JSON, like show')
    .action(async (runId: string, amount: string, options: { retry?: boolean; reason?: string; json?: boolean }) => {
      const cap = parseAmount(amount);
      await withRun(runId, async (session, config) => {
        const { ledger, parked, underWay } = await orderCap(session, runId, config, cap, options);
        const json = options.json === true;
        show(runId, config, ledger, json);
        if (options.retry === true && underWay === undefined) return retryRun(session, runId, { quiet: json });
        if (options.retry === true) (json ? printNote : printLine)(nothingToRetry(runId, underWay));
        const more = parked ? shortfall(ledger) : undefined;
        if (json) return exitCodes.done;
        if (more !== undefined) printLine(`That is not enough to go on: ${more} Set it to at least that.`);
        else if (parked) printLine(`The run waits: arte retry ${runId} goes on.`);
        return exitCodes.done;
      });
    });
}

async function withRun(runId: string, work: (session: Session, config: RunConfig) => Promise<number>): Promise<void> {
  const session = await openSession({ start: false });
  try {
    const config = await openBundleOf(session.store, runId);
    if (!config) throw await noSuchRunIn(session.store, runId);
    process.exitCode = await work(session, config);
  } finally {
    await session.close();
  }
}

/**
 * Set the cap of a run, null for none. `parked`: it waits, and a retry goes on. `underWay`: its state, where it is and a retry has nothing to do. Errors:
 * InvalidInput where nothing has a price, RunStateConflict where the run is done.
 */
export async function orderCap(
  { client, store }: Session,
  runId: string,
  config: RunConfig,
  cap: number | null,
  { reason }: { readonly reason?: string | undefined },
): Promise<{ readonly ledger: Ledger; readonly parked: boolean; readonly underWay?: RunStatus }> {
  // Everything that can be refused is, before anything is changed.
  if (!hasPrices(config)) throw withoutPrices(runId);
  const { engine, progress } = await viewRun(client, store, runId);
  if (progress.status === 'DONE') throw notUnderWay(runId, 'DONE', 'set a cap for');
  const parked = progress.status === 'NEEDS_ATTENTION' && engine === 'RUNNING';
  const ledger = await setCap(store, runId, config, cap);
  const set = [cap === null ? 'none' : String(cap)];
  await recordAction(store, {
    ...{ runId, action: 'budget', at: new Date().toISOString() },
    ...{ set, ...orderFor({ reason }) },
  });
  return { ledger, parked, ...(engine === 'RUNNING' && !parked && { underWay: progress.status }) };
}

/** What is said of a retry that was asked for beside a cap, of a run that needs none. */
export function nothingToRetry(runId: string, status: RunStatus | undefined): string {
  const more = status === 'PAUSED' ? `; arte resume ${runId} goes on` : '';
  return `The cap is set. Nothing had to be retried: the run is under way (${status ?? 'RUNNING'})${more}.`;
}

/** Errors: InvalidInput. */
export function parseAmount(text: string): number | null {
  if (text === 'none') return null;
  const amount = Number(text);
  const isAmount = /^\d+(\.\d+)?$/.test(text);
  if (isAmount && (amount === 0 || (amount >= budgetCapMin && amount <= budgetCapMax))) return amount;
  throw new ArteError('InvalidInput', {
    what: isAmount ? `${text} cannot be the cap of a run.` : `${JSON.stringify(text)} is no amount of money.`,
    why: isAmount
      ? `A cap is 0, or from ${budgetCapMin.toFixed(6)} to ${formatCount(budgetCapMax)}.`
      : 'A cap is a number in the currency of the config, such as 12.50.',
    next: 'Write a number, or "none" to take the cap away.',
  });
}

function withoutPrices(runId: string): ArteError {
  return new ArteError('InvalidInput', {
    what: `${runId} keeps no account of money: a cap would cap nothing.`,
    why: 'No model of its config has a price.',
    next: 'Give the models a price (models.teacher.price, models.student.price) and start a run from that config; what is finished is reused.',
  });
}

function show(runId: string, config: RunConfig, ledger: Ledger, json: boolean): void {
  const summary = budgetSummary(runId, config, ledger);
  if (json) {
    printJson(summary);
    return;
  }
  const line = budgetLine(runId, config, ledger);
  if (line === undefined) {
    printLine('No model of this run has a price: it keeps no account of money.');
    return;
  }
  printLine(line);
  const rows = Object.entries(summary.stages).map(([stage, spent]) => [stage, formatMoney(spent)]);
  if (rows.length > 0) {
    printLine();
    printLine(table([{ title: 'stage' }, { title: `spent (${summary.currency})`, align: 'right' }], rows));
  }
}
