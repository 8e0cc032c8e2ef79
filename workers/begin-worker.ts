/** What a process does first when it becomes a worker, whoever started it: the supervisor, `arte worker` or an orchestrator of machines. */
import { setFlagsFromString } from 'node:v8';
import { pino, type Logger } from 'pino';
import { workerHeapGrowthPercent } from '../schemas/limits';
import type { WorkerRole } from '../schemas/messages';

/**
 * The worker's log, at $ARTE_LOG_LEVEL (default info). Takes MALLOC_ARENA_MAX out of this process's environment, and says how its heap grows
 * (workerHeapGrowthPercent).
 */
export function beginWorker(roles: readonly WorkerRole[]): Logger {
  // The C library read it when this process began; how a training or a model server uses memory is their own business.
  delete process.env['MALLOC_ARENA_MAX'];
  setFlagsFromString(`--heap-growing-percent=${String(workerHeapGrowthPercent)}`);
  const options = {
    base: { role: roles.join('+') },
    timestamp: pino.stdTimeFunctions.isoTime,
    level: process.env['ARTE_LOG_LEVEL'] ?? 'info',
  };
  // Written at once. What pino keeps back else is flushed as the process exits, and with a reader that has gone (a supervisor that was killed) this is tried
  // for ever: the worker would stay, with the lock of its data directory, and no platform could be started there again.
  return pino(options, pino.destination({ sync: true }));
}
