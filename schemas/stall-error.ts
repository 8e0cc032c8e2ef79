/** Work that has stood still for too long: an error that knows what was found. Zod-free. */
import { ArteError, type ErrorCode } from './errors';
import type { LogTail, StallFacts } from './stall-dump';

export class StallError extends ArteError {
  constructor(
    code: ErrorCode,
    text: ConstructorParameters<typeof ArteError>[1],
    readonly facts: StallFacts,
  ) {
    super(code, text);
    this.name = 'StallError';
  }

  /** The same with the end of the log of what was waited for. */
  withLog(log: LogTail | undefined): StallError {
    return log ? new StallError(this.data.code, this.data, { ...this.facts, log }) : this;
  }
}
