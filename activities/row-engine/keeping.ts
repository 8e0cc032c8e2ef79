/**
 * Keeps what a shard has finished where it outlives this machine: every few seconds as parts in the store, and all of it when the shard is broken off.
 * Owns when; what a part is is parts.ts, what survives a kill on this machine journal.ts.
 */
import { ArteError, errorCodes } from '../../schemas/errors';
import type { Resumed } from './resume';

export class Keeping {
  /** Why parts cannot be stored at the moment; rows are safe in the journal meanwhile. */
  trouble: string | undefined;
  private flushing: Promise<void> | undefined;

  constructor(
    private readonly resumed: Pick<Resumed, 'journal' | 'parts'>,
    /** Told of what no later flush will put right. */
    private readonly onFinal: (error: ArteError) => void,
  ) {}

  /** Put what was finished since the last time into the store; one flush at a time. */
  flush(): void {
    if (this.flushing || !this.resumed.parts.hasMore()) return;
    this.flushing = this.resumed.parts
      .flush()
      .then(
        () => {
          this.trouble = undefined;
        },
        (error: unknown) => {
          this.trouble = error instanceof Error ? error.message : String(error);
          if (error instanceof ArteError && !errorCodes[error.data.code].retryable) this.onFinal(error);
        },
      )
      .finally(() => {
        this.flushing = undefined;
      });
  }

  /** Resolves when no part is on its way: one that arrives after the shard's record would be left over. */
  async arrived(): Promise<void> {
    await this.flushing;
  }

  /** Of a shard that is broken off: all of it to the disk and, in at most `ms`, to the store. */
  async keepAll(ms: number): Promise<void> {
    try {
      await this.resumed.journal.sync();
    } catch {
      // A disk that fails has stopped the shard already, or matters less than what did.
    }
    const flushed = (async () => {
      await this.flushing;
      if (this.resumed.parts.hasMore()) await this.resumed.parts.flush();
    })().catch(() => undefined);
    await atMost(ms, flushed);
  }
}

/** Wait for the work, but no longer than `ms`. */
export async function atMost(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([work, new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}
