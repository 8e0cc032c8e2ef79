/**
 * A long activity beats on a timer while it lives, with its progress in the details.
 * The timer proves that this process lives; that the *work* lives is the stall limits' business (row engine, trainer).
 */
import { activityInfo, cancellationSignal, Context, heartbeat } from '@temporalio/activity';
import type { ActivityProgress } from '../schemas/messages';
import { heartbeatIntervalMs } from '../schemas/limits';

export interface Beat {
  /** Replace the progress that the next beat carries. */
  report(progress: ActivityProgress): void;
  readonly signal: AbortSignal;
  /** Whether the signal fired because the work is not wanted now, and not because this worker or this attempt must end. */
  isCalledOff(): boolean;
  /** Unique to this attempt of this activity: fences duplicates. Grows with the attempt. */
  readonly attemptId: string;
}

/**
 * Activities that tell nothing while they work, and may work for longer than their heartbeat time-out (a commit of a million rows): they beat on
 * the same timer. A worker that hangs is noticed all the same, because its timer hangs with it.
 */
export function beating<Activities extends object>(activities: Activities): Activities {
  const wrapped: Record<string, (input: unknown) => Promise<unknown>> = {};
  for (const [name, run] of Object.entries(activities) as [string, (input: unknown) => Promise<unknown>][]) {
    wrapped[name] = async (input) => {
      const timer = setInterval(() => heartbeat(), heartbeatIntervalMs);
      try {
        return await run(input);
      } finally {
        clearInterval(timer);
      }
    };
  }
  return wrapped as Activities;
}

/** Run work under a heartbeat; the last progress is sent even when the work fails. */
export async function withHeartbeat<T>(first: ActivityProgress, work: (beat: Beat) => Promise<T>): Promise<T> {
  let latest = first;
  heartbeat(latest);
  const timer = setInterval(() => heartbeat(latest), heartbeatIntervalMs);
  const info = activityInfo();
  const context = Context.current();
  try {
    return await work({
      report: (progress) => {
        latest = progress;
      },
      signal: cancellationSignal(),
      isCalledOff() {
        const { cancelRequested = false, workerShutdown = false, timedOut = false } = context.cancellationDetails ?? {};
        return cancelRequested && !workerShutdown && !timedOut;
      },
      attemptId: `${String(info.scheduledTimestampMs)}-${String(info.attempt).padStart(4, '0')}`,
    });
  } finally {
    clearInterval(timer);
    heartbeat(latest);
  }
}
