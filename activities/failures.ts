/**
 * From our errors to Temporal's: an ArteError becomes an ApplicationFailure whose type is the stable code and whose details carry
 * the whole data. Owns how often a retryable failure of our own may repeat before it is final and the run parks.
 *
 * What repeats is counted by failures, not by the engine's attempts: an attempt that ended because its worker was killed says nothing about the work, and a
 * training must not be given up at its first failure because the machine was restarted twice. Nor does one that was called off, or that failed in another
 * way: each code is counted by itself. Failures are counted in the worker's memory: a worker that dies forgets them, and each of several workers
 * counts its own.
 */
import { inspect } from 'node:util';
import { activityInfo, ApplicationFailure, CompleteAsyncError } from '@temporalio/activity';
import { CancelledFailure, TemporalFailure } from '@temporalio/common';
import { ArteError, type ErrorCode, type ErrorData } from '../schemas/errors';
import { errorCharactersMax, failureMessageCharactersMax, retriedErrorBytesMax } from '../schemas/limits';
import type { EndedShard } from '../schemas/messages';
import { rowsDoneAt } from './rows-done';

/**
 * Failures after which a retryable code is taken for final: these are failures of the work itself, and repeating them for an
 * hour would be a silent run. Codes that are not listed (store or endpoint away) are retried as the activity's policy says.
 */
const failuresUntilFinal: Partial<Record<ErrorCode, number>> = {
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

/** Activities, by code, whose failures are remembered: many times what a worker has open at once. The one that failed longest ago is forgotten first. */
const failingMax = 1_000;

/** Wrap every activity of a set so that what it throws is data. */
export function guarded<Activities extends object>(activities: Activities): Activities {
  const failures = new Map<string, number>();
  const wrapped: Record<string, unknown> = {};
  for (const [name, activity] of Object.entries(activities) as [string, (input: unknown) => Promise<unknown>][]) {
    wrapped[name] = async (input: unknown) => {
      try {
        return await activity(input);
      } catch (error) {
        const code = isForEngine(error) ? undefined : errorData(error).code;
        if (code === undefined || failuresUntilFinal[code] === undefined) throw asFailure(error, 1);
        const { workflowExecution, activityId } = activityInfo();
        const place = `${workflowExecution?.runId ?? ''}/${activityId}/${code}`;
        const count = (failures.get(place) ?? 0) + 1;
        failures.delete(place);
        failures.set(place, count);
        const [oldest] = failures.keys();
        if (failures.size > failingMax && oldest !== undefined) failures.delete(oldest);
        throw asFailure(error, count);
      }
    };
  }
  return wrapped as Activities;
}

/**
 * An error as the engine should see it. Cancellation passes through; of a shard, both say how many rows were done.
 * @param failures how often this activity has failed with this code, this time included.
 */
export function asFailure(error: unknown, failures: number): unknown {
  const rowsDone = rowsDoneAt(error);
  const ended: EndedShard[] = rowsDone === undefined ? [] : [{ rowsDone }];
  if (error instanceof CancelledFailure && ended.length > 0) return new CancelledFailure(error.message, ended);
  if (isForEngine(error)) return error;
  const data = errorData(error);
  const limit = failuresUntilFinal[data.code];
  const final = !data.retryable || (limit !== undefined && failures >= limit);
  const failure = ApplicationFailure.create({
    message: cutTo(`${data.what} ${data.why}`, failureMessageCharactersMax),
    type: data.code,
    nonRetryable: final,
    details: [final ? within(data, errorCharactersMax) : withinBytes(data, retriedErrorBytesMax), ...ended],
    // Of a failure that is tried again the engine keeps little (retriedErrorBytesMax); the worker's log has the cause.
    ...(final && error instanceof Error ? { cause: boundedCause(error, causesMax) } : {}),
  });
  // It says the message once more, and that this function was called.
  failure.stack = '';
  return failure;
}

/** Whether it is the engine's own word (a cancellation, work that ends elsewhere), and says nothing of the work. */
function isForEngine(error: unknown): boolean {
  return error instanceof TemporalFailure || error instanceof CancelledFailure || error instanceof CompleteAsyncError;
}

/** Causes of causes that travel along: an SDK wraps what it caught a few times. */
const causesMax = 3;

/** A cause with everything of it cut: an SDK's error may hold a whole answer of a server, in its message and in its stack. */
function boundedCause(error: Error, left: number): Error {
  const { cause } = error;
  const of = cause instanceof Error ? cause : cause === undefined ? undefined : new Error(inspect(cause, { depth: 1 }));
  const bounded = new Error(
    cutTo(error.message, failureMessageCharactersMax),
    of !== undefined && left > 1 ? { cause: boundedCause(of, left - 1) } : {},
  );
  bounded.name = error.name;
  bounded.stack = cutTo(error.stack ?? '', errorCharactersMax);
  return bounded;
}

/** At most so many characters; no half of one is left at its end, which the engine's protocol would refuse. */
function cutTo(text: string, characters: number): string {
  const kept = text.length <= characters ? text : `${text.slice(0, Math.max(0, characters - 1))}…`;
  return Buffer.from(kept, 'utf8').toString('utf8');
}

/** An error that takes no more bytes than that as JSON. */
function withinBytes(data: ErrorData, bytes: number): ErrorData {
  for (let characters = bytes; ; characters = Math.floor(characters * 0.8)) {
    const kept = within(data, characters);
    if (characters === 0 || Buffer.byteLength(JSON.stringify(kept)) <= bytes) return kept;
  }
}

/** As much of an error as may travel through the engine and be shown: its details are examples and log lines of any length. */
function within(data: ErrorData, characters: number): ErrorData {
  let left = characters;
  const cut = (text: string): string => {
    const kept = cutTo(text, left);
    left = Math.max(0, left - kept.length);
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
