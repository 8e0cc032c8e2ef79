/** `arte worker --role ROLE`: one role in this process, against the platform of a config or of the environment. */
import type { Command } from 'commander';
import { metricsAddress } from '../../drivers/local/metrics-address';
import { addressesOf } from '../../drivers/open';
import { lastWordsMs } from '../../schemas/limits';
import { workerRoles } from '../../schemas/messages';
import { beginWorker } from '../../workers/begin-worker';
import { parseRoles } from '../../workers/parse-roles';
import { runRoles } from '../../workers/roles';
import { openWorkerPlatform } from '../../workers/worker-platform';
import { loadConfig } from '../config/load-config';

export function register(program: Command): void {
  program
    .command('worker')
    .requiredOption('--role <role>', `${workerRoles.join(', ')} or all; several with commas`)
    .option('--config <file>', 'take the addresses from its platform section')
    .description('run one role: orchestrator, io, infer or train')
    .action(async (options: { role: string; config?: string }) => {
      const roles = parseRoles(options.role);
      metricsAddress(process.env);
      const logger = beginWorker(roles);
      const addresses =
        options.config === undefined
          ? undefined
          : addressesOf(
              (await loadConfig(options.config, { env: process.env, purpose: 'worker' })).config.platform,
              process.env,
            );
      const platform = await openWorkerPlatform(process.env, addresses);
      try {
        await runRoles(roles, platform, logger);
      } finally {
        // What went wrong is said meanwhile (main.ts). Threads of a worker that was made and never ran, or another worker of this process, would keep it
        // alive with nothing to do, and whoever starts it again when it ends would wait for ever.
        setTimeout(() => process.exit(), lastWordsMs).unref();
      }
    });
}
