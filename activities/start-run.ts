/**
 * Starting a run, by whoever starts it: a command or a firing of a schedule. One id is one bundle for ever, and what says the same as it.
 * Owns the run's record and how its workflow is started; what the run is made of is the caller's business.
 */
import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
  WorkflowNotFoundError,
  type Client,
  type WorkflowHandle,
} from '@temporalio/client';
import { ZodError } from 'zod';
import type { ArtifactStore } from '../drivers/store/store';
import { canonicalJson } from '../method/keys';
import type { ArtifactRef } from '../schemas/artifact-ref';
import { ArteError } from '../schemas/errors';
import type { JsonValue } from '../schemas/json';
import { taskQueues, type AlignInput, type RunRecord } from '../schemas/messages';
import { releaseReservations } from './budget';
import { openBundle } from './bundle';
import { isDamage, isGoneOrDamaged } from './damaged';
import { renewed } from './reuse';
import { noSuchRunIn, runKeys } from './run-records';

/**
 * Record a run, if it is not recorded; the record as it stands. A run whose config was changed goes on by the changed one, whichever of its
 * configs is named. Errors: RunStateConflict when the id belongs to another bundle.
 */
export async function recordRun(
  store: ArtifactStore,
  { runId, name, bundle }: Pick<RunRecord, 'runId' | 'name' | 'bundle'>,
): Promise<RunRecord> {
  const record: RunRecord = { schemaVersion: 1, runId, name, bundle, createdAt: new Date().toISOString() };
  const { document } = await store.putOnce(runKeys.record(runId), record as unknown as JsonValue);
  const standing = document as unknown as RunRecord;
  const known = [standing.bundle, ...(standing.revisions ?? []).map((revision) => revision.bundle)];
  if (!known.some(({ sha256 }) => sha256 === bundle.sha256) && !(await saysTheSame(store, known, bundle))) {
    throw new ArteError('RunStateConflict', {
      what: `The run ${runId} exists with another config or other task files.`,
      why: `It was started on ${standing.createdAt} from bundle ${standing.bundle.sha256.slice(0, 12)}; this one is ${bundle.sha256.slice(0, 12)}.`,
      next: `Give this one an id of its own with --id; everything that has not changed is reused from the store. Or change the run itself: arte retry ${runId} --set SETTING=VALUE.`,
    });
  }
  return standing;
}

/**
 * Whether one of the bundles is what the other one is to a worker: an earlier version of arte stored none of the settings that came since, and they have
 * their defaults there. One that cannot be read, or not any more, is none.
 */
async function saysTheSame(store: ArtifactStore, known: readonly ArtifactRef[], bundle: ArtifactRef): Promise<boolean> {
  const said = async (ref: ArtifactRef): Promise<string> =>
    canonicalJson((await openBundle(store, ref)) as unknown as JsonValue);
  const wanted = await said(bundle);
  for (const ref of known) {
    try {
      if ((await said(ref)) === wanted) return true;
    } catch (error) {
      if (!isGoneOrDamaged(error) && !(error instanceof ZodError)) throw error;
    }
  }
  return false;
}

/**
 * Take up a recorded run, right before it is begun: an `arte gc --drop` of it that is under way leaves it alone from here on, or was first; and what
 * killed work of it had reserved is free where no execution of it is open, since that work may be asked for under another key, or never.
 * Errors: RunNotFound, when its record has gone.
 */
export async function takeUpRun(client: Client, store: ArtifactStore, runId: string): Promise<void> {
  if ((await renewed(store, runKeys.record(runId))) === undefined) throw await noSuchRunIn(store, runId);
  try {
    await releaseReservations(store, runId, () => hasEnded(client, runId));
  } catch (error) {
    // Who wants money next is told of a ledger that cannot be read; a run without prices needs none.
    if (!isDamage(error)) throw error;
  }
}

/** What the engine calls a workflow of which nothing is under way any more. */
const ended: ReadonlySet<string> = new Set(['COMPLETED', 'FAILED', 'CANCELLED', 'TERMINATED', 'TIMED_OUT']);

/** No execution of the run is open: the last one has ended, or the engine knows none. */
async function hasEnded(client: Client, runId: string): Promise<boolean> {
  const status = await statusOf(client.workflow.getHandle(runId));
  return status === undefined || ended.has(status);
}

/** The workflow's status by the engine, or undefined when it knows none of that id. */
export async function statusOf(handle: Pick<WorkflowHandle, 'describe'>): Promise<string | undefined> {
  try {
    return (await handle.describe()).status.name;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/**
 * Start the workflow of a run; one that is running is left alone. Whether it is this call that has started it: of several at once one has.
 * `wasGivenUp`: the one of this id that the engine knows as done is another run, of which the store has nothing.
 * Errors: WorkflowExecutionAlreadyStartedError for one that is done.
 */
export async function beginRun(client: Client, input: AlignInput, { wasGivenUp = false } = {}): Promise<boolean> {
  try {
    await client.workflow.start('alignWorkflow', {
      workflowId: input.runId,
      taskQueue: taskQueues.workflows,
      args: [input],
      workflowIdReusePolicy: wasGivenUp
        ? WorkflowIdReusePolicy.ALLOW_DUPLICATE
        : WorkflowIdReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
      workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL,
      staticSummary: `arte run ${input.runId}`,
    });
    return true;
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    const { status } = await client.workflow.getHandle(input.runId).describe();
    if (status.name === 'RUNNING') return false;
    throw error;
  }
}
