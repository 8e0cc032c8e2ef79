/**
 * From our errors to Temporal's: an ArteError becomes an ApplicationFailure whose type is the stable code and whose details carry
 * the whole data. Owns how often a retryable failure of our own may repeat before it is final and the run parks.
 */
import { activityInfo, ApplicationFailure, CompleteAsyncError } from '@temporalio/activity';
import { CancelledFailure, TemporalFailure } from '@temporalio/common';
import { ArteError, type ErrorCode, type ErrorData } from '../schemas/errors';
import { errorCharactersMax } from '../schemas/limits';

/**
 * Attempts after which a retryable code is taken for final: these are failures of the work itself, and repeating them for an
 * hour would be a silent run. Codes that are not listed (store or endpoint away) are retried as the activity's policy says.
 */
const attemptsUntilFinal: Partial<Record<ErrorCode, number>> = {
  TrainerFailed: 3,
  TrainerStalled: 3,
  ModelServerFailed: 3,
  BlobCorrupt: 3,
  BlobMissing: 3,
  RowsStalled: 3,
  EndpointUnreachable: 6,
  StoreUnreachable: 10,
  Unexpected: 5,
};

/** Wrap every activity of a set so that what it throws is data. */
export function guarded<Activities extends object>(activities: Activities): Activities {
  const wrapped: Record<string, unknown> = {};
  for (const [name, activity] of Object.entries(activities) as [string, (input: unknown) => Promise<unknown>][]) {
    wrapped[name] = async (input: unknown) => {
      try {
        return await activity(input);
      } catch (error) {
        throw asFailure(error, activityInfo().attempt);
      }
    };
  }
  return wrapped as Activities;
}

/** An error as the engine should see it. Cancellation passes through unchanged. */
export function asFailure(error: unknown, attempt: number): unknown {
  if (error instanceof TemporalFailure || error instanceof CancelledFailure || error instanceof CompleteAsyncError)
    return error;
  const data = errorData(error);
  const limit = attemptsUntilFinal[data.code];
  const final = !data.retryable || (limit !== undefined && attempt >= limit);
  return ApplicationFailure.create({
    message: `${data.what} ${data.why}`,
    type: data.code,
    nonRetryable: final,
    details: [withinPayload(data)],
    // The engine keeps the last failure of a retried activity up to a few kilobytes, and else only the words that it was too large. The worker's log has the cause.
    ...(final && error instanceof Error ? { cause: error } : {}),
  });
}

/** As much of an error as may travel through the engine and be shown: its details are examples and log lines of any length. */
function withinPayload(data: ErrorData): ErrorData {
  let left = errorCharactersMax;
  const cut = (text: string): string => {
    const kept = text.length <= left ? text : `${text.slice(0, Math.max(0, left - 1))}…`;
    left -= kept.length;
    return kept;
  };
  const { what, why, next, details } = data;
  const said = { ...data, what: cut(what), why: cut(why), next: cut(next) };
  return details ? { ...said, details: details.map(cut).filter((line) => line !== '…' && line !== '') } : said;
}

/** Any thrown value as ErrorData; what is not ours is `Unexpected`, retried a few times and then shown. */
export function errorData(error: unknown): ErrorData {
  if (error instanceof ArteError) return error.data;
  const message = error instanceof Error ? error.message : String(error);
  return {
    code: 'Unexpected',
    what: 'Something failed that arte did not foresee.',
    why: message,
    next: 'Look at the worker log (arte doctor names it); arte retry RUN tries the stage again.',
    retryable: true,
    ...(error instanceof Error && error.stack ? { details: [error.stack.split('\n').slice(0, 6).join('\n')] } : {}),
  };
}
