/** `--reason WHY` of the commands that record one beside what they change, and the name that it had before. */
import { Option } from 'commander';
import type { Order } from '../schemas/run-action';
import { orderFor } from './actor';

export interface ReasonOptions {
  readonly reason?: string;
  readonly why?: string;
}

/** `--why`, which scripts may still write; not in the help. */
export function earlierReason(): Option {
  return new Option('--why <text>').hideHelp();
}

/** Who gives the order, and why. */
export function orderWith(options: ReasonOptions): Order {
  const reason = reasonOf(options);
  return orderFor(reason === '' ? {} : { reason });
}

/** Empty where none was given. */
export function reasonOf({ reason, why }: ReasonOptions): string {
  return reason ?? why ?? '';
}
