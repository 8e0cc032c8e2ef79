/**
 * From a checked config to a running workflow: stores the bundle, records the run, starts or attaches.
 * Owns "same id attaches or resumes": one id is one bundle and what `arte retry --set` made of it; a run whose engine history is gone starts
 * again from the store.
 */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { openBundle } from '../../activities/bundle';
import { recordAction } from '../../activities/run-actions';
import { lastWord } from '../../activities/run-records';
import { beginRun, recordRun, statusOf, takeUpRun } from '../../activities/start-run';
import { endStrandedRun } from '../../activities/stranded-run';
import type { ArtifactStore } from '../../drivers/store/store';
import { alignInput } from '../../method/align-input';
import { taskFilesOf } from '../../method/config/named-parts';
import { canonicalJson } from '../../method/keys';
import { allTasks } from '../../method/transfer';
import type { ArtifactRef } from '../../schemas/artifact-ref';
import { ArteError } from '../../schemas/errors';
import type { JsonValue } from '../../schemas/json';
import { clockSkewMaxMs } from '../../schemas/limits';
import type { RunBundle, RunProgress, RunRecord } from '../../schemas/messages';
import type { alignWorkflow } from '../../workflows';
import { orderFor } from '../actor';
import type { LoadedConfig } from '../config/load-config';
import { modelFinder } from '../plan/look-into-store';
import type { Session } from '../session';
import { requireSameModels } from './models-of-run';

export { alignInput };

export type RunHandle = WorkflowHandle<typeof alignWorkflow>;

export interface StartedRun {
  readonly runId: string;
  readonly handle: RunHandle;
  /** What `arte retry --set` has set in this run since it was started; the file says otherwise. */
  readonly set: readonly string[];
  /** started: new. attached: it was running, or another command has just started it. resumed: it had ended without being done, and goes on from the store. done: nothing to do. */
  readonly how: 'started' | 'attached' | 'resumed' | 'done';
  /** Of one that is done: models that were not compared with those that it was made with, since their bytes are not on this machine. */
  readonly modelsUnseen?: readonly string[];
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

/**
 * Start, attach to, or resume the run. One whose config was changed by `arte retry --set` goes on by the changed one, whichever of its configs is
 * named. Errors: RunStateConflict when the id belongs to another config; ModelChanged when the run is done and a model that is here has other bytes now.
 */
export async function startRun(
  session: Session,
  loaded: Pick<LoadedConfig, 'config' | 'configDir' | 'files'>,
  runId: string,
): Promise<StartedRun> {
  const { store } = session;
  const bundle = await storeBundle(store, loaded);
  const record = await recordRun(store, { runId, name: loaded.config.name, bundle });
  const started = await startRecorded(session, record);
  if (started.how !== 'done') return started;
  return { ...started, modelsUnseen: await requireSameModels(store, record, await modelFinder(loaded.configDir)) };
}

/** Start, attach to, or resume a run from its record in the store alone. `order`: who does it, and why, for the run's actions. */
export async function startRecorded(session: Session, record: RunRecord, order = orderFor({})): Promise<StartedRun> {
  const { client, store } = session;
  const { runId, bundle, createdAt } = record;
  const set = (record.revisions ?? []).flatMap((revision) => revision.set);
  const handle = client.workflow.getHandle<typeof alignWorkflow>(runId);
  const before = await statusOf(handle);
  const word = await ownWord(store, record);
  // The engine forgets a run some time after its end (a day, if nobody has said otherwise of the namespace), or loses its database; the store keeps its word.
  if (word && (before === 'COMPLETED' || (before !== 'RUNNING' && word.status === 'DONE')))
    return { runId, handle, set, how: 'done' };
  // `arte gc --drop` took all that one left: this is another run, whose id the engine still knows.
  const wasGivenUp = before === 'COMPLETED';
  if (before === 'RUNNING' && session.embedded) await endStrandedRun(client, runId);
  await takeUpRun(client, store, runId);
  const { config } = await openBundle(store, bundle);
  // Where the engine has lost its history, the run's own word in the store says that there was one.
  const wasThere = word !== undefined || (before !== undefined && !wasGivenUp);
  const input = { ...alignInput(runId, bundle, config), startedAt: createdAt };
  const isOurs = await beginRun(client, input, { wasGivenUp });
  // Of several commands at once one has started it, and the start is recorded once.
  const how = !isOurs ? 'attached' : wasThere ? 'resumed' : 'started';
  if (how !== 'attached') {
    const action = how === 'started' ? 'start' : 'restart';
    await recordAction(store, { runId, action, at: new Date().toISOString(), ...order });
  }
  return { runId, handle, set, how };
}

/** The run's last word. One of before the record is that of another run of the id, which was given up, by a clean-up that was broken off. */
async function ownWord(
  store: ArtifactStore,
  { runId, createdAt }: Pick<RunRecord, 'runId' | 'createdAt'>,
): Promise<RunProgress | undefined> {
  const word = await lastWord(store, runId);
  // Runs of older versions have their beginning by the engine's clock.
  return word && Date.parse(word.startedAt) < Date.parse(createdAt) - clockSkewMaxMs ? undefined : word;
}

/** Config and task files into the store, as one artifact. */
export async function storeBundle(
  store: ArtifactStore,
  { config, configDir, files: known = {} }: Pick<LoadedConfig, 'config' | 'configDir' | 'files'>,
): Promise<ArtifactRef> {
  const files: Record<string, ArtifactRef> = {};
  for (const path of new Set(
    allTasks(config)
      .flatMap(taskFilesOf)
      .map((file) => file.path),
  )) {
    if (known[path]) {
      files[path] = known[path];
      continue;
    }
    const bytes = await readFile(resolve(configDir, path));
    files[path] = await store.putBlob(bytes, { mediaType: 'application/octet-stream', rows: 1 });
  }
  const bundle: RunBundle = { schemaVersion: 1, config: config as unknown as JsonValue, files };
  return store.putBlob(canonicalJson(bundle as unknown as JsonValue), { mediaType: 'application/json', rows: 1 });
}
