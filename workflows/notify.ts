/**
 * Telling somebody about a run. The message is a workflow of its own that the run starts and leaves: it is tried for as long as it takes, and a
 * receiver that is down holds up no round, no end and no cancellation (decision record 0023).
 * Owns which targets are told and how often each is tried; what a message says and where it goes is activities/notify.ts.
 */
import {
  CancellationScope,
  log,
  ParentClosePolicy,
  proxyActivities,
  setWorkflowOptions,
  startChild,
  uuid4,
} from '@temporalio/workflow';
import type { IoActivities } from '../activities';
import { finalErrorCodes, type ErrorData } from '../schemas/errors';
import { notifyAttemptsMax, notifyHeartbeatMs, notifyLifeMs, notifyRetryMaxMs, notifyRetryMs } from '../schemas/limits';
import { taskQueues, type AlignInput, type RunProgress } from '../schemas/messages';
import { isWanted, type Notice, type NotifyEvent, type NotifyInput, type RunNews } from '../schemas/notification';
import { errorDataOf } from './attention';

// A message may be on its way for longer than a version of this code lives.
setWorkflowOptions({ versioningBehavior: 'AUTO_UPGRADE' }, notifyWorkflow);

/** One message to all of its targets, each for itself. Returns what became of it, in the order of the targets; undefined of one that no worker could try. */
export async function notifyWorkflow({ targets, ...input }: NotifyInput): Promise<(Notice | null)[]> {
  const { sendNotification } = proxyActivities<Pick<IoActivities, 'sendNotification'>>({
    taskQueue: taskQueues.io,
    startToCloseTimeout: '5 minutes',
    heartbeatTimeout: notifyHeartbeatMs,
    retry: {
      initialInterval: notifyRetryMs,
      backoffCoefficient: 2,
      maximumInterval: notifyRetryMaxMs,
      maximumAttempts: input.attempts,
      nonRetryableErrorTypes: [...finalErrorCodes],
    },
  });
  return Promise.all(
    targets.map(async (target) => {
      try {
        return await sendNotification({ ...input, target });
      } catch (error) {
        log.warn('a message about a run could not be sent', { ...errorDataOf(error), target });
        return null;
      }
    }),
  );
}

/** What a run says of an event, beside what its progress says. */
export type Said = Pick<RunNews, 'what' | 'next'> & Partial<Pick<RunNews, 'stage' | 'code' | 'why'>>;

/** Tells whoever asked for it in the config. Never throws, and waits for nothing but that the message is on its way. */
export type Tell = (event: NotifyEvent, said: Said) => Promise<void>;

export function createTell({ runId, bundle, notify = [] }: AlignInput, progress: () => RunProgress): Tell {
  return async (event, said) => {
    const targets = notify.flatMap((on, place) => (isWanted(on, event) ? [place] : []));
    if (targets.length === 0) return;
    const { status, round, rounds } = progress();
    const id = uuid4();
    const news: RunNews = { id, event, at: new Date().toISOString(), status, round, rounds, ...said };
    const input: NotifyInput = { runId, bundle, targets, news, attempts: notifyAttemptsMax, record: true };
    try {
      // Whatever becomes of the run meanwhile: it has happened.
      await CancellationScope.nonCancellable(() =>
        startChild(notifyWorkflow, {
          workflowId: `${runId}/notice/${id}`,
          args: [input],
          parentClosePolicy: ParentClosePolicy.ABANDON,
          workflowExecutionTimeout: notifyLifeMs,
          staticSummary: `tells: ${event}`,
        }),
      );
    } catch (error) {
      log.warn('a message about the run could not be begun', { event, error: String(error) });
    }
  };
}

/** Of a run that waits because something failed. */
export function saidOf({ code, what, why, next }: ErrorData, runId: string): Said {
  const goesOn = /\barte \w/.test(next) ? next : `${next} Then: arte retry ${runId}`;
  return { code, what, why, next: goesOn };
}
