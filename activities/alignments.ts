/**
 * The alignments of a firing: started, and followed until one needs no following any more. Owns no rule: what is started is activities/plan-firing.ts,
 * what is current is judge-alignment.ts.
 */
import { Context, getClient } from '@temporalio/activity';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { alignInput } from '../method/align-input';
import { firingLookMs, firingPollMs } from '../schemas/limits';
import type { DueAlignment, FollowInput } from '../schemas/schedule';
import { openBundle } from './bundle';
import type { StoreDependencies } from './dependencies';
import { lastWord } from './run-records';
import { runState } from './run-state';
import { beginRun, recordRun, takeUpRun } from './start-run';
import { registryDigest } from './students';

/** Start the run of an alignment, as `arte run` would; one that is running or done is left as it is, and one that was given up is made anew. Errors: RunStateConflict, RunNotFound. */
export async function startAlignment({ store }: StoreDependencies, { runId, bundle }: DueAlignment): Promise<void> {
  const asked = await openBundle(store, bundle);
  // A person may have changed its config since (arte retry --set): it goes on by that.
  const standing = await recordRun(store, { runId, name: asked.config.name, bundle });
  await takeUpRun(getClient(), store, runId);
  const { config } = await openBundle(store, standing.bundle);
  const input = { ...alignInput(runId, standing.bundle, config), startedAt: standing.createdAt };
  const wasGivenUp = (await lastWord(store, runId)) === undefined;
  try {
    await beginRun(getClient(), input, { wasGivenUp });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}

/** Wait until one of the runs works no more (it ended, or waits for a person), the registry has changed, or it is time to look again. */
export async function followAlignments({ store }: StoreDependencies, { runIds, registry }: FollowInput): Promise<void> {
  const until = Date.now() + firingLookMs;
  for (;;) {
    for (const runId of runIds) if ((await runState(getClient(), store, runId)).state !== 'running') return;
    if (Date.now() > until || (await registryDigest(store)) !== registry) return;
    await Context.current().sleep(firingPollMs);
  }
}
