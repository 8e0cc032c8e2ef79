/**
 * From a checked config to a running workflow: stores the bundle, records the run, starts or attaches.
 * Owns "same id attaches or resumes": one id is one bundle for ever; a run whose engine history is gone starts again from the store.
 */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { WorkflowNotFoundError, type WorkflowHandle } from '@temporalio/client';
import { beginRun, recordRun } from '../activities/start-run';
import { endStrandedRun } from '../activities/stranded-run';
import { alignInput } from '../method/align-input';
import { taskFilesOf } from '../method/check-config';
import { canonicalJson } from '../method/keys';
import type { ArtifactRef } from '../schemas/artifact-ref';
import { ArteError } from '../schemas/errors';
import type { JsonValue } from '../schemas/json';
import type { RunBundle } from '../schemas/messages';
import type { RunConfig } from '../schemas/run-config';
import type { alignWorkflow } from '../workflows';
import type { Session } from './session';

export { alignInput };

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
  await recordRun(store, { runId, name: loaded.config.name, bundle });
  const handle = client.workflow.getHandle<typeof alignWorkflow>(runId);
  const before = await statusOf(handle);
  if (before === 'COMPLETED') return { runId, handle, how: 'done' };
  const stranded = before === 'RUNNING' && session.embedded && (await endStrandedRun(client, runId));
  await beginRun(client, alignInput(runId, bundle, loaded.config));
  const how = before === 'RUNNING' && !stranded ? 'attached' : before === undefined ? 'started' : 'resumed';
  return { runId, handle, how };
}

/** The config and the files that it names, as one artifact. */
export async function storeBundle(
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
