/** What `--role` may say. */
import { ArteError } from '../schemas/errors';
import { workerRoles, type WorkerRole } from '../schemas/messages';

/** `all`, or roles with commas. Errors: InvalidInput. */
export function parseRoles(text: string | undefined): WorkerRole[] {
  if (text === 'all') return [...workerRoles];
  const roles = (text ?? '').split(',');
  const unknown = roles.find((role) => !(workerRoles as readonly string[]).includes(role));
  if (unknown === undefined) return roles as WorkerRole[];
  throw new ArteError('InvalidInput', {
    what: unknown === '' ? 'The worker was started without a role.' : `There is no role ${unknown}.`,
    why: `The roles are ${workerRoles.join(', ')}, several of them with commas, or all.`,
    next: 'arte worker --role infer',
  });
}
