/** What a process does first when it becomes a worker, whoever started it: the supervisor, `arte worker` or an orchestrator of machines. */
import { pino, type Logger } from 'pino';
import type { WorkerRole } from '../schemas/messages';

/** The worker's log, at $ARTE_LOG_LEVEL (default info). Takes MALLOC_ARENA_MAX out of this process's environment. */
export function beginWorker(roles: readonly WorkerRole[]): Logger {
  // The C library read it when this process began; how a training or a model server uses memory is their own business.
  delete process.env['MALLOC_ARENA_MAX'];
  return pino({
    base: { role: roles.join('+') },
    timestamp: pino.stdTimeFunctions.isoTime,
    level: process.env['ARTE_LOG_LEVEL'] ?? 'info',
  });
}
