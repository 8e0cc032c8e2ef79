/** What may be said to a running alignWorkflow, and asked of it. Defined here so that the client and the workflow share one definition. */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { BrokenOffStage, RetryOrder, RunProgress, StageProgress } from '../schemas/messages';
import type { Order, VerdictOrder } from '../schemas/run-action';

/** Where the run is: stages done and running, status, what it waits for. */
export const progressQuery = defineQuery<RunProgress>('progress');

/**
 * Go on after NEEDS_ATTENTION: the round is walked again from its start, finished stages come from the store. With another config the whole
 * run is, and it need only be at rest. Refused while the run works. All updates are refused with ErrorData where they do not fit the state.
 */
export const retryUpdate = defineUpdate<RunProgress, [RetryOrder]>('retry');

/** Break off what runs, keeping what it has; answered when nothing runs any more. */
export const pauseUpdate = defineUpdate<RunProgress, [Order]>('pause');

/** Go on after a pause. */
export const resumeUpdate = defineUpdate<RunProgress, [Order]>('resume');

/** Of a round that waits for a person's word (`rounds.approval`): go on from it. Refused where the word is about another decision. */
export const approveUpdate = defineUpdate<RunProgress, [VerdictOrder]>('approve');

/** Of such a round: it is not to be the best, and no further one is made. */
export const rejectUpdate = defineUpdate<RunProgress, [VerdictOrder]>('reject');

/** Of a stageWorkflow: rows of the wave, and how many of them stand in finished shards. Rows of running shards are in their heartbeats. */
export const stageProgressQuery = defineQuery<StageProgress>('stageProgress');

/** Of a stageWorkflow to its run, before it ends without a result: how far it was. */
export const brokenOffSignal = defineSignal<[BrokenOffStage]>('stageBrokenOff');
