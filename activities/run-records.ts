/**
 * What a run leaves in the store besides its stages: progress, rounds, ledger, report, under `runs/<runId>/`. A run can be looked at, reported and
 * started again from these when the engine's history is gone. Owns the keys.
 */
import type { ArtifactStore } from '../drivers/store/store';
import type { JsonValue } from '../schemas/json';
import type { RoundRecord, RunProgress, StageRecord } from '../schemas/messages';

export const runKeys = {
  record: (runId: string) => `runs/${runId}/run.json`,
  progress: (runId: string) => `runs/${runId}/progress.json`,
  round: (runId: string, round: number) => `runs/${runId}/rounds/${String(round).padStart(4, '0')}.json`,
  ledger: (runId: string) => `runs/${runId}/ledger.json`,
  edge: (runId: string) => `runs/${runId}/edge.json`,
  report: (runId: string) => `runs/${runId}/report.json`,
} as const;

export async function saveProgress(store: ArtifactStore, progress: RunProgress): Promise<void> {
  await store.putDocument(runKeys.progress(progress.runId), progress as unknown as JsonValue);
}

/**
 * Replaces the record of the same round. What this run made before it was broken off, it finds in the store when it goes on; it has paid
 * for that all the same, so such a stage keeps its first record. A whole round's record is never replaced by that of a round that was broken
 * off: that happens when the engine's history was lost, and the run was started again and cancelled.
 */
export async function saveRound(store: ArtifactStore, record: RoundRecord): Promise<void> {
  const key = runKeys.round(record.runId, record.round);
  const before = (await store.getDocument(key)) as unknown as RoundRecord | undefined;
  if (before && isWhole(before) && !isWhole(record)) return;
  const made = new Map(before?.stages.filter(({ reused }) => !reused).map((stage) => [identityOf(stage), stage]));
  const stages = record.stages.map((stage) => (stage.reused ? made.get(identityOf(stage)) : undefined) ?? stage);
  await store.putDocument(key, { ...record, stages } as unknown as JsonValue);
}

/** A round that came to its end knows the models that it made. */
function isWhole({ models }: RoundRecord): boolean {
  return Object.keys(models).length > 0;
}

function identityOf({ stage, arm, key }: StageRecord): string {
  return JSON.stringify([stage, arm, key]);
}

/** The rounds recorded so far, in order. */
export async function readRounds(store: ArtifactStore, runId: string, rounds: number): Promise<RoundRecord[]> {
  const records: RoundRecord[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const document = await store.getDocument(runKeys.round(runId, round));
    if (document !== undefined) records.push(document as unknown as RoundRecord);
  }
  return records;
}
