/**
 * From a checked config to a running workflow: stores the bundle, records the run, starts or attaches.
 * Owns "same id attaches or resumes": one id is one bundle for ever; a run whose engine history is gone starts again from the store.
 */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import {
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
  WorkflowNotFoundError,
  type WorkflowHandle,
} from '@temporalio/client';
import { runKeys } from '../activities/run-records';
import { hasGold } from '../method/warm-up';
import { taskFilesOf } from '../method/check-config';
import { canonicalJson } from '../method/keys';
import { armsOf } from '../schemas/arms';
import type { ArtifactRef } from '../schemas/artifact-ref';
import { ArteError } from '../schemas/errors';
import type { JsonValue } from '../schemas/json';
import { taskQueues, type AlignInput, type RunBundle, type RunRecord } from '../schemas/messages';
import type { RunConfig } from '../schemas/run-config';
import type { alignWorkflow } from '../workflows';
import type { Session } from './session';
import { endStrandedRun } from './stranded-run';

export type RunHandle = WorkflowHandle<typeof alignWorkflow>;

export interface StartedRun {
  readonly runId: string;
  readonly handle: RunHandle;
  /** started: new. attached: it was running. resumed: it had ended without being done, and goes on from the store. done: nothing to do. */
  readonly how: 'started' | 'attached' | 'resumed' | 'done';
}

/** Run ids are parts of keys, of workflow ids and of command lines: nothing that any of them would take apart. */
const runIdForm = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
/** Longest run id; a stage's workflow id adds some 60 characters, and Temporal takes 1,000 in all. */
const runIdLengthMax = 100;

/** Errors: InvalidInput when this cannot be the id of a run. */
export function checkRunId(runId: string): void {
  if (runIdForm.test(runId) && runId.length <= runIdLengthMax) return;
  throw new ArteError('InvalidInput', {
    what: `${JSON.stringify(runId.slice(0, runIdLengthMax))} cannot be the id of a run.`,
    why: `An id has letters, digits, ".", "_" and "-", begins with a letter or a digit, and is at most ${runIdLengthMax} characters long.`,
    next: 'Give another one with --id.',
  });
}

/** Start, attach to, or resume the run. Errors: RunStateConflict when the id belongs to another config. */
export async function startRun(
  session: Session,
  loaded: { config: RunConfig; configDir: string },
  runId: string,
): Promise<StartedRun> {
  const { client, store } = session;
  const bundle = await storeBundle(session, loaded);
  const record: RunRecord = {
    schemaVersion: 1,
    runId,
    name: loaded.config.name,
    bundle,
    createdAt: new Date().toISOString(),
  };
  const { document } = await store.putOnce(runKeys.record(runId), record as unknown as JsonValue);
  const standing = document as unknown as RunRecord;
  if (standing.bundle.sha256 !== bundle.sha256) {
    throw new ArteError('RunStateConflict', {
      what: `The run ${runId} exists with another config or other task files.`,
      why: `It was started on ${standing.createdAt} from bundle ${standing.bundle.sha256.slice(0, 12)}; this one is ${bundle.sha256.slice(0, 12)}.`,
      next: 'Give this one an id of its own with --id; everything that has not changed is reused from the store.',
    });
  }
  const handle = client.workflow.getHandle<typeof alignWorkflow>(runId);
  const before = await statusOf(handle);
  if (before === 'COMPLETED') return { runId, handle, how: 'done' };
  const stranded = before === 'RUNNING' && session.embedded && (await endStrandedRun(client, runId));
  const input = alignInput(runId, bundle, loaded.config);
  await client.workflow.start<typeof alignWorkflow>('alignWorkflow', {
    workflowId: runId,
    taskQueue: taskQueues.workflows,
    args: [input],
    workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
    staticSummary: `arte run ${runId}`,
  });
  const how = before === 'RUNNING' && !stranded ? 'attached' : before === undefined ? 'started' : 'resumed';
  return { runId, handle, how };
}

/** What the workflow needs of a config: everything else is read by activities from the bundle. */
export function alignInput(runId: string, bundle: ArtifactRef, config: RunConfig): AlignInput {
  return {
    runId,
    bundle,
    rounds: config.rounds.count,
    shots: config.evaluate.shots,
    reference: config.align.reference,
    align: config.align.method,
    warmUp: hasGold(config),
    arms: armsOf(config.arms),
    trainingSeeds: config.sft.seeds,
    respondentShots: config.probe.method === 'irt' ? config.probe.respondent_shots : [],
  };
}

async function storeBundle(
  { store }: Session,
  { config, configDir }: { config: RunConfig; configDir: string },
): Promise<ArtifactRef> {
  const files: Record<string, ArtifactRef> = {};
  for (const path of new Set(config.tasks.flatMap(taskFilesOf).map((file) => file.path))) {
    const bytes = await readFile(resolve(configDir, path));
    files[path] = await store.putBlob(bytes, { mediaType: 'application/octet-stream', rows: 1 });
  }
  const bundle: RunBundle = { schemaVersion: 1, config: config as unknown as JsonValue, files };
  return store.putBlob(canonicalJson(bundle as unknown as JsonValue), { mediaType: 'application/json', rows: 1 });
}

/** The workflow's status by the engine, or undefined when it knows none of that id. */
export async function statusOf(handle: RunHandle): Promise<string | undefined> {
  try {
    return (await handle.describe()).status.name;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}
