/** What may be said to a running alignWorkflow, and asked of it. Defined here so that the client and the workflow share one definition. */
import { defineQuery, defineUpdate } from '@temporalio/workflow';
import type { RunProgress, StageProgress } from '../schemas/messages';

/** Where the run is: stages done and running, status, what it waits for. */
export const progressQuery = defineQuery<RunProgress>('progress');

/** Go on after NEEDS_ATTENTION: the round is walked again from its start, finished stages come from the store. Refused while the run works. */
export const retryUpdate = defineUpdate<RunProgress>('retry');

/** Of a stageWorkflow: rows of the wave, and how many of them stand in finished shards. Rows of running shards are in their heartbeats. */
export const stageProgressQuery = defineQuery<StageProgress>('stageProgress');
