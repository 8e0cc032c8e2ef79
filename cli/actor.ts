/** Who gives an order to a run: what ARTE_ACTOR says, else the operating system's user and host. A name that is given, not one that is proved. */
import { hostname, userInfo } from 'node:os';
import type { Order } from '../schemas/run-action';

/** Longest name or reason that is kept: they go through the engine. */
const wordsMax = 1_000;

export function actor(environment: { readonly [name: string]: string | undefined } = process.env): string {
  const named = environment['ARTE_ACTOR']?.trim();
  return (named === undefined || named === '' ? `${userName()}@${hostname()}` : named).slice(0, wordsMax);
}

/** An order with its reason, as every steering command takes it. */
export function orderFor({ reason }: { readonly reason?: string | undefined }): Order {
  return { by: actor(), ...(reason === undefined ? {} : { reason: reason.slice(0, wordsMax) }) };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user id without an entry: containers have such.
    return `uid-${String(process.getuid?.() ?? 'unknown')}`;
  }
}
