/** `arte run CONFIG`: start a run, attach to it, or resume it; watch until it ends. */
import type { Command } from 'commander';
import { loadConfig, type LoadedConfig } from '../config/load-config';
import { planRun } from '../../method/plan';
import { capNotes } from '../../method/plan-notes';
import { exitCodes, printJson, printLine, printNote, progress } from '../output';
import { hasPrices } from '../../method/ledger';
import { agreeOnPrice } from '../plan/agree-on-price';
import { plannedTasks } from '../plan/plan-facts';
import { priceLines } from '../plan/plan-prices';
import { keepPlan, planForStart } from '../plan/price-run';
import { printReport } from '../report/screen/report-view';
import { readReport } from '../report/read-report';
import { viewRun } from '../run/run-progress';
import { openSession, type Session } from '../session';
import { checkRunId, startRun } from '../run/start-run';
import { followedHere, watchRun } from '../watch/watch-run';

interface Options {
  readonly id?: string;
  readonly detach?: boolean;
  readonly json?: boolean;
  readonly yes?: boolean;
}

export function register(program: Command): void {
  program
    .command('run')
    .argument('<config>', "the run's YAML file")
    .description('start a run, or attach to it, or resume it; Ctrl-C leaves it running')
    .option('--id <run>', 'id of the run (default: its name)')
    .option('--detach', 'start it and come back at once')
    .option('--yes', 'start it whatever it may cost (budget.ask_above)')
    .option('--json', 'print the report, of a run that is not done where it is, or with --detach the id, as JSON')
    .action(async (path: string, options: Options) => {
      process.exitCode = await runConfig(path, options);
    });
}

/** The command's body, also of quickstart and smoke. */
export async function runConfig(path: string, options: Options): Promise<number> {
  const loaded = await loadConfig(path, { env: process.env, purpose: 'run' });
  const runId = options.id ?? loaded.config.name;
  checkRunId(runId);
  const { cost } = planRun(loaded.config, plannedTasks(loaded)).totals;
  for (const { path: place, what } of loaded.warnings) printNote(`warn    ${place}: ${what}`);
  for (const note of [...loaded.notes, ...capNotes(loaded.config, cost)]) printNote(`note    ${note}`);
  const line = progress('connecting');
  const session = await openSession({
    platform: loaded.config.platform,
    start: true,
    onProgress: (text) => line.update(text),
  }).catch((error: unknown) => {
    line.fail();
    throw error;
  });
  try {
    return await startAndWatch(session, loaded, runId, options, line);
  } finally {
    await session.close();
  }
}

/** Also of `arte clone`, which has its config from the store. */
export async function startAndWatch(
  session: Session,
  loaded: LoadedConfig,
  runId: string,
  options: Pick<Options, 'detach' | 'json' | 'yes'>,
  line = progress('looking what is there already'),
): Promise<number> {
  line.update('looking what is there already');
  const plan = await planForStart(session.store, loaded, runId);
  if (plan) {
    line.done(`planned the run ${runId}`);
    for (const text of priceLines(plan, hasPrices(loaded.config))) printNote(text);
    if ((await agreeOnPrice(loaded.config, plan, options.yes === true)) === 'interrupted') {
      printNote('\nNothing was started.');
      return exitCodes.interrupted;
    }
  }
  const starting = plan ? progress('starting the run') : line;
  starting.update('starting the run');
  const started = await startRun(session, loaded, runId);
  if (plan) await keepPlan(session.store, runId, plan);
  const words = {
    started: `run ${runId} started`,
    attached: `attached to run ${runId}`,
    resumed: `run ${runId} resumed: what is finished comes from the store`,
    done: `run ${runId} is done already`,
  };
  starting.done(words[started.how]);
  if (started.modelsUnseen && started.modelsUnseen.length > 0)
    printNote(
      `note    not looked at: whether ${started.modelsUnseen.join(', ')} still ${started.modelsUnseen.length === 1 ? 'holds' : 'hold'} the bytes that the run was made with; this machine cannot tell`,
    );
  if (started.set.length > 0)
    printNote(`note    it goes by its config as it was changed since: ${started.set.join(', ')}`);
  if (options.detach) {
    if (options.json) printJson({ runId, how: started.how });
    else printLine(`Watch it with: arte watch ${runId}`);
    return exitCodes.done;
  }
  if (started.how !== 'done') printNote(followedHere);
  const code = await watchRun(session, runId, { quiet: options.json === true });
  if (code !== exitCodes.done) {
    // The one document of --json: a program that reads it learns what the run waits for.
    if (options.json) printJson((await viewRun(session.client, session.store, runId)).progress);
    return code;
  }
  const report = await readReport(session.store, runId);
  if (options.json) printJson(report);
  else printReport(report);
  return code;
}
