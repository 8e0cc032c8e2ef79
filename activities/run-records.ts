/**
 * What a run leaves in the store besides its stages: progress, rounds, ledger, report, actions, under `runs/<runId>/`. A run can be looked at, reported and
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
  report: (runId: string) => `runs/${runId}/report.json`,
  /** A folder of documents. */
  actions: (runId: string) => `runs/${runId}/actions/`,
  ceiling: (runId: string) => `runs/${runId}/ceiling.json`,
} as const;

export async function saveProgress(store: ArtifactStore, progress: RunProgress): Promise<void> {
  await store.putDocument(runKeys.progress(progress.runId), progress as unknown as JsonValue);
}

/**
 * Replaces the record of the same round. What this run made before it was broken off, it finds in the store when it goes on; it has paid
 * for that all the same, so such a stage keeps its first record. A whole round's record is never replaced by that of a round that was broken
 * off: that happens when the engine's history was lost, and the run was started again and cancelled. Unless the config is another one now.
 * What this run made in the round under another config stays in its account, as `earlier`.
 */
export async function saveRound(store: ArtifactStore, record: RoundRecord): Promise<void> {
  const key = runKeys.round(record.runId, record.round);
  const before = (await store.getDocument(key)) as unknown as RoundRecord | undefined;
  if (before && isWhole(before) && !isWhole(record) && before.bundle === record.bundle) return;
  const paid = [...(before?.earlier ?? []), ...(before?.stages ?? [])].filter(({ reused }) => !reused);
  const made = new Map(paid.map((stage) => [identityOf(stage), stage]));
  // In the account already, under another arm or in an earlier round.
  const counted = new Set([...paid.map((stage) => stage.key), ...(await keysMadeBefore(store, record))]);
  const stages = record.stages.map((stage) => {
    const first = made.get(identityOf(stage));
    if (first && (stage.reused || stage.own)) return first;
    if (!stage.own || !counted.has(stage.key)) return stage;
    const { own: _, ...again } = stage;
    return { ...again, reused: true };
  });
  for (const stage of stages) made.delete(identityOf(stage));
  const earlier = made.size > 0 ? { earlier: [...made.values()] } : {};
  await store.putDocument(key, { ...record, stages, ...earlier } as unknown as JsonValue);
}

/** Stages that earlier rounds have in the account already. */
async function keysMadeBefore(store: ArtifactStore, { runId, round, stages }: RoundRecord): Promise<string[]> {
  if (!stages.some(({ own }) => own)) return [];
  const rounds = await readRounds(store, runId, round - 1);
  return rounds.flatMap((before) => before.stages.filter(({ reused }) => !reused).map(({ key }) => key));
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
