/**
 * A worker process: one role, or all of them on one machine. Started by the supervisor, by `arte worker`, or by an orchestrator of machines.
 * Owns the process: arguments, signals, its end with its parent. What a role registers is roles.ts; the drivers are opened in wire.ts.
 */
import { rowStages, type RowStages } from '../activities';
import { ArteError } from '../schemas/errors';
import { beginWorker } from './begin-worker';
import { endWithParent } from './lifeline';
import { parseRoles } from './parse-roles';
import { openWorkerPlatform } from './worker-platform';
import { runRoles } from './roles';

/** Run this process as the worker that its arguments name. Ends the process. */
export async function runWorker(stages: RowStages = rowStages): Promise<never> {
  try {
    await run(stages);
  } catch (error) {
    process.stderr.write(
      `${error instanceof ArteError ? `${error.data.code}: ${error.message} ${error.data.next}` : String(error instanceof Error ? error.stack : error)}\n`,
    );
    process.exit(1);
  }
  // The lifeline and the clients' idle connections would keep a process alive that has nothing left to do.
  process.exit(0);
}

async function run(stages: RowStages): Promise<void> {
  const roles = parseRoles(process.argv[process.argv.indexOf('--role') + 1]);
  if (process.env['ARTE_LIFELINE'] === '1') endWithParent();
  const logger = beginWorker(roles);
  const platform = await openWorkerPlatform(process.env);
  await runRoles(roles, platform, logger, stages);
}

if (require.main === module) void runWorker();
