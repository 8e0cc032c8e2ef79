/**
 * A worker process: one role, or all of them on one machine. Started by the supervisor, by `arte worker`, or by an orchestrator of machines.
 * Owns the process: arguments, signals, its end with its parent. What a role registers is roles.ts; the drivers are opened in wire.ts.
 */
import { pino } from 'pino';
import { ArteError } from '../schemas/errors';
import { workerRoles, type WorkerRole } from '../schemas/messages';
import { endWithParent } from './lifeline';
import { openWorkerPlatform } from './worker-platform';
import { runRoles } from './roles';

async function main(): Promise<void> {
  const roles = parseRoles(process.argv.slice(2));
  if (process.env['ARTE_LIFELINE'] === '1') endWithParent();
  const logger = pino({ base: { role: roles.join('+') }, timestamp: pino.stdTimeFunctions.isoTime, level: process.env['ARTE_LOG_LEVEL'] ?? 'info' });
  const platform = await openWorkerPlatform(process.env);
  await runRoles(roles, platform, logger);
}

function parseRoles(argv: readonly string[]): WorkerRole[] {
  const [flag, value] = argv;
  if (flag !== '--role' || value === undefined) throw usage();
  if (value === 'all') return [...workerRoles];
  const roles = value.split(',');
  for (const role of roles) if (!(workerRoles as readonly string[]).includes(role)) throw usage();
  return roles as WorkerRole[];
}

function usage(): ArteError {
  return new ArteError('InvalidInput', {
    what: 'The worker was started without a role it knows.',
    why: 'It takes --role and one of orchestrator, io, infer, train, several of them with commas, or all.',
    next: 'arte worker --role infer',
  });
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof ArteError ? `${error.data.code}: ${error.message} ${error.data.next}` : String(error instanceof Error ? error.stack : error)}\n`);
  process.exit(1);
});
