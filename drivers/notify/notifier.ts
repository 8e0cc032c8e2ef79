/**
 * Brings a message to somebody outside: the interface of this folder. One attempt a call; when to try again is the engine's business.
 * Invariants every implementation keeps: 1. It ends within the target's time-out, or when the signal aborts. 2. A failure says in one sentence what
 * the other side did, and holds nothing that was sent.
 */

/** A target with its secrets looked up: never stored, never logged. */
export type NotifyTarget =
  | {
      readonly kind: 'webhook';
      readonly url: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly timeoutMs: number;
    }
  | { readonly kind: 'command'; readonly command: readonly string[]; readonly timeoutMs: number };

export interface Notifier {
  /** Send a JSON text; `id` is the message's own. Errors: DeliveryFailure, or the signal's reason when that aborts. */
  deliver(target: NotifyTarget, body: string, id: string, signal: AbortSignal): Promise<void>;
}

/** `isFinal`: the same again would end the same way. */
export class DeliveryFailure extends Error {
  constructor(
    message: string,
    readonly isFinal: boolean,
  ) {
    super(message);
    this.name = 'DeliveryFailure';
  }
}
