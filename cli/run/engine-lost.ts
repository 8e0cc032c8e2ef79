/** The engine went away under a command that was talking to it: how that is told from other errors, and its words. */
import { ArteError } from '../../schemas/errors';

/**
 * gRPC's codes of a server that is away, restarts, or does not answer in time: CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, INTERNAL,
 * UNAVAILABLE. With the others it has answered, and would again: no permission, no such method.
 */
const awayCodes: ReadonlySet<unknown> = new Set([1, 2, 4, 8, 13, 14]);

/** Told by the shape of the client's error, so that a command that needs no engine does not load its client. Undefined for other errors. */
export function engineLost(error: unknown): ArteError | undefined {
  if (!(error instanceof Error)) return undefined;
  const isRaw = 'metadata' in error && awayCodes.has(grpcCodeOf(error));
  if (error.name !== 'ServiceError' && !isRaw) return undefined;
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

/** Whether the engine may answer in a moment, of an error that says that it was lost. */
export function mayComeBack(error: unknown): boolean {
  const code = grpcCodeOf(error) ?? (error instanceof Error ? grpcCodeOf(error.cause) : undefined);
  return code === undefined || awayCodes.has(code);
}

/** Requests that the client hands on as they are fail with gRPC's own error; others have it as their cause. */
function grpcCodeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
