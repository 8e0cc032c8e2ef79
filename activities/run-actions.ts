/**
 * The actions of a run in the store: appended, read, and what follows from them when the engine's history is gone (a verdict on a round).
 * Owns the documents under runs/<runId>/actions/ and the change of a run's config; what is allowed when is workflows/steering.ts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ArtifactStore } from '../drivers/store/store';
import { ArteError } from '../schemas/errors';
import type { ArtifactRef } from '../schemas/artifact-ref';
import type { JsonValue } from '../schemas/json';
import { documentRacesMax } from '../schemas/limits';
import type { RunRecord, Verdict } from '../schemas/messages';
import { runActionSchema, type RunAction } from '../schemas/run-action';
import { appendAction, readActionDocuments } from './action-log';
import { releaseReservations } from './budget';
import { noSuchRun, runKeys, setRoundsAside } from './run-records';

/** Append an action. `id` makes a repeated call one action. */
export async function recordAction(
  store: ArtifactStore,
  action: Omit<RunAction, 'schemaVersion'>,
  id?: string,
): Promise<void> {
  await appendAction(store, runKeys.actions(action.runId), action, id);
}

/** All actions of a run, in the order in which they happened. Where one cannot be read a verdict is asked for again. */
export async function readActions(store: ArtifactStore, runId: string): Promise<RunAction[]> {
  return (await readActionDocuments(store, runKeys.actions(runId))).map((document) => runActionSchema.parse(document));
}

/** The last word that was said about this very decision of a round. */
export async function findVerdict(
  store: ArtifactStore,
  { runId, round, key }: { readonly runId: string; readonly round: number; readonly key: string },
): Promise<Verdict | undefined> {
  const said = (await readActions(store, runId)).findLast(
    (each) => (each.action === 'approve' || each.action === 'reject') && each.round === round && each.key === key,
  );
  if (!said) return undefined;
  const { by, at, reason } = said;
  return { approved: said.action === 'approve', by, at, ...(reason === undefined ? {} : { reason }) };
}

/**
 * A run goes by another config from now on; the ones before stay known. Repeated, it changes nothing. `from`: hash of the bundle that the other one was made
 * of. Errors: RunNotFound, StoreUnreachable; RunStateConflict where the run goes by another than `from` by now.
 */
export async function reviseRun(
  store: ArtifactStore,
  change: {
    readonly runId: string;
    readonly bundle: ArtifactRef;
    readonly by: string;
    readonly set: readonly string[];
    readonly from?: string | undefined;
  },
): Promise<void> {
  const key = runKeys.record(change.runId);
  for (let race = 0; race < documentRacesMax; race += 1) {
    const standing = await store.getVersion(key);
    if (!standing) throw noSuchRun(change.runId);
    const record = standing.document as unknown as RunRecord;
    if (record.bundle.sha256 === change.bundle.sha256) return;
    if (change.from !== undefined && record.bundle.sha256 !== change.from) throw changedMeanwhile(change.runId);
    if (race === 0) {
      await setRoundsAside(store, change.runId);
      // Under another config work that was killed may never be asked for again.
      await releaseReservations(store, change.runId);
    }
    const before = { bundle: record.bundle, until: new Date().toISOString(), by: change.by, set: change.set };
    const revisions = [...(record.revisions ?? []), before];
    const next: RunRecord = { ...record, bundle: change.bundle, revisions };
    if ((await store.replaceDocument(key, next as unknown as JsonValue, standing.version)) !== undefined) return;
    await sleep(Math.random() * 10 * Math.min(race + 1, 50));
  }
  throw new ArteError('StoreUnreachable', {
    what: `The record of ${change.runId} could not be written.`,
    why: `It was changed by others ${documentRacesMax} times while this one tried.`,
    next: 'Try it again.',
  });
}

/** Two people change one config at a time: each sets something in the config as it was before. */
function changedMeanwhile(runId: string): ArteError {
  return new ArteError('RunStateConflict', {
    what: `Somebody else has changed the config of the run ${runId} meanwhile.`,
    why: 'This change was made of the config as it was before, and would take the other one back.',
    next: 'Give the same command again: it is made of the config as it is now, and the other change stays.',
  });
}
