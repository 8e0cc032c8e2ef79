/**
 * One row per kind of activity: queue, timeouts, retries. Owns the numbers and their reasons; limits.ts owns those that others share.
 * Heartbeats are short because they are the wait after a kill -9; start-to-close is the longest legal run, not an expectation.
 */
import type { RetryPolicy } from '@temporalio/common';
import { proxyActivities } from '@temporalio/workflow';
import type { InferActivities, IoActivities, ModelActivities, TrainActivities } from '../activities';
import { finalErrorCodes } from '../schemas/errors';
import { activityAttemptsMax, heartbeatTimeoutMs, ioHeartbeatTimeoutMs } from '../schemas/limits';
import { taskQueues } from '../schemas/messages';

const retry: RetryPolicy = {
  initialInterval: '1 second',
  backoffCoefficient: 2,
  maximumInterval: '1 minute',
  maximumAttempts: activityAttemptsMax,
  nonRetryableErrorTypes: [...finalErrorCodes],
};

/**
 * Whoever is paused or cancelled is so when the work has come to its end: only then is a device free, and what was made recorded. Said, because the
 * SDK (1.24) documents this as its default and takes TRY_CANCEL.
 */
const cancellationType = 'WAIT_CANCELLATION_COMPLETED';

/** Reads and writes the store: minutes at most, but commits of a million rows are allowed their time. */
export const io = proxyActivities<IoActivities>({
  taskQueue: taskQueues.io,
  startToCloseTimeout: '1 hour',
  heartbeatTimeout: ioHeartbeatTimeoutMs,
  cancellationType,
  retry,
});

/** Looks at the bytes of models, which may have to be fetched first. */
export const models = proxyActivities<ModelActivities>({
  taskQueue: taskQueues.models,
  startToCloseTimeout: '12 hours',
  heartbeatTimeout: heartbeatTimeoutMs,
  cancellationType,
  retry,
});

/** Asks models row by row; a shard of 2,000 rows on a slow machine takes hours. */
export const infer = proxyActivities<InferActivities>({
  taskQueue: taskQueues.infer,
  startToCloseTimeout: '12 hours',
  heartbeatTimeout: heartbeatTimeoutMs,
  cancellationType,
  retry,
});

/** Trains on the device, exclusively. */
export const train = proxyActivities<TrainActivities>({
  taskQueue: taskQueues.train,
  startToCloseTimeout: '3 days',
  heartbeatTimeout: heartbeatTimeoutMs,
  cancellationType,
  retry,
});
