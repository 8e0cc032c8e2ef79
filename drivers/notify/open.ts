/** The notifier of a worker: each kind of target to its own way. */
import { runCommand } from './command';
import { DeliveryFailure, type Notifier } from './notifier';
import { postWebhook } from './webhook';

/**
 * `commands`: whether targets may be programs. Whoever may start a run chooses the program, so workers that serve several people say so themselves.
 */
export function createNotifier({ commands }: { readonly commands: boolean }): Notifier {
  return {
    deliver(target, body, id, signal) {
      if (target.kind === 'webhook') return postWebhook(target, body, id, signal);
      if (commands) return runCommand(target, body, signal);
      return Promise.reject(
        new DeliveryFailure('This worker runs no commands: ARTE_NOTIFY_COMMANDS=1 in its environment lets it.', true),
      );
    },
  };
}
