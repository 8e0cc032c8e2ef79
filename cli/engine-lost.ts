/** The engine went away under a command that was talking to it: how that is told from other errors, and its words. */
import { ArteError } from '../schemas/errors';

/** Told by the name of the client's error, so that a command that needs no engine does not load its client. Undefined for other errors. */
export function engineLost(error: unknown): ArteError | undefined {
  if (!(error instanceof Error) || error.name !== 'ServiceError') return undefined;
  return new ArteError(
    'PlatformDown',
    {
      what: 'Temporal stopped answering in the middle of this command.',
      why: error.cause instanceof Error ? error.cause.message : error.message,
      next: 'Nothing is lost: arte up, then arte watch RUN or the same command again. arte doctor looks at each part.',
    },
    { cause: error },
  );
}
