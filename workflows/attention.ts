/** From a failed activity or child workflow to the ErrorData that a person reads. Owns only the unwrapping. */
import { ActivityFailure, ApplicationFailure, ChildWorkflowFailure } from '@temporalio/workflow';
import type { ErrorData } from '../schemas/errors';

/** The innermost ApplicationFailure's data; what carries none is described by its message. */
export function errorDataOf(error: unknown): ErrorData {
  let cause: unknown = error;
  while ((cause instanceof ActivityFailure || cause instanceof ChildWorkflowFailure) && cause.cause)
    cause = cause.cause;
  if (cause instanceof ApplicationFailure) {
    const data = cause.details?.[0] as ErrorData | undefined;
    if (data && typeof data === 'object' && 'code' in data) return data;
  }
  const message = cause instanceof Error ? cause.message : String(cause);
  return {
    code: 'Unexpected',
    what: 'A step of the run failed.',
    why: message,
    next: 'arte retry RUN tries again; the worker log has the details.',
    retryable: true,
  };
}
