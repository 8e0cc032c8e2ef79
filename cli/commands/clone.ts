/** `arte clone RUN --id NAME`: another run from a run's config as it stands in the store, with settings changed. */
import type { Command } from 'commander';
import { changedConfig, collectSettings } from '../config/changed-config';
import { changesOf, sayChange } from '../plan/plan-reuse';
import { openSession } from '../session';
import { checkRunId } from '../run/start-run';
import { startAndWatch } from './run';

interface Options {
  readonly id: string;
  readonly set?: readonly string[];
  readonly dryRun?: boolean;
  readonly detach?: boolean;
  readonly json?: boolean;
  readonly yes?: boolean;
}

export function register(program: Command): void {
  program
    .command('clone')
    .argument('<run>', 'id of the run whose config is taken')
    .requiredOption('--id <run>', 'id of the new run')
    .option(
      '--set <setting=value>',
      'a setting that is to be another one; may be given more than once',
      collectSettings,
    )
    .option('--dry-run', 'only say what would be made, and what the settings make again')
    .option('--detach', 'start it and come back at once')
    .option('--yes', 'start it whatever it may cost (budget.ask_above)')
    .option('--json', 'print the report, of a run that is not done where it is, or with --detach the id, as JSON')
    .description(
      'another run of a config that the store has, with settings changed; what does not depend on them is reused',
    )
    .action(async (runId: string, options: Options) => {
      checkRunId(options.id);
      const session = await openSession({ start: false });
      try {
        const loaded = await changedConfig(session.store, runId, options.set ?? [], {
          env: process.env,
          isClone: true,
        });
        if (options.dryRun === true) {
          const { before, changes } = await changesOf(session.store, runId, loaded);
          await sayChange(loaded, before, changes);
          return;
        }
        process.exitCode = await startAndWatch(session, loaded, options.id, options);
      } finally {
        await session.close();
      }
    });
}
