/** The config that a run was started with, from its record in the store. */
import { openBundle } from '../../activities/bundle';
import { runKeys } from '../../activities/run-records';
import type { ArtifactStore } from '../../drivers/store/store';
import type { RunRecord } from '../../schemas/messages';
import type { RunConfig } from '../../schemas/run-config';

/** Undefined when the store knows no such run. */
export async function openBundleOf(store: ArtifactStore, runId: string): Promise<RunConfig | undefined> {
  const record = (await store.getDocument(runKeys.record(runId))) as unknown as RunRecord | undefined;
  return record === undefined ? undefined : (await openBundle(store, record.bundle)).config;
}
