/**
 * What is known of a row stage that stops in its middle: how many rows were done. A shard says it in the details of its failure; the stage adds up, and
 * tells the run before it ends, because of a stage that is over nobody can ask.
 */
import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  getExternalWorkflowHandle,
  log,
  workflowInfo,
} from '@temporalio/workflow';
import type { BrokenOffStage, EndedShard } from '../schemas/messages';
import { brokenOffSignal } from './messages';

/** Rows that a shard had done when it was broken off or failed; undefined where it has not said so. */
export function rowsDoneOf(error: unknown): number | undefined {
  const cause = error instanceof ActivityFailure ? error.cause : undefined;
  if (!(cause instanceof CancelledFailure || cause instanceof ApplicationFailure)) return undefined;
  const said = (cause.details ?? []).find(
    (detail): detail is EndedShard => typeof detail === 'object' && detail !== null && 'rowsDone' in detail,
  );
  return said?.rowsDone;
}

/** Tell the run whose stage this is, also while all is being cancelled. A run that is over by then has nobody to tell. */
export async function tellBrokenOff(stage: BrokenOffStage): Promise<void> {
  const { parent } = workflowInfo();
  if (!parent || stage.rows === 0) return;
  try {
    await CancellationScope.nonCancellable(() =>
      getExternalWorkflowHandle(parent.workflowId, parent.runId).signal(brokenOffSignal, stage),
    );
  } catch (error) {
    log.warn('the run was not told how far its stage had come', { stage: stage.stage, why: String(error) });
  }
}
