/**
 * Whether what the newest runs that are done have made is still there, and what to do where it is not: such a run walks no stage again by itself.
 * Owns that look, for `arte doctor`. Leaves damaged documents to doctor-documents.ts, and runs under way to themselves.
 *
 * Invariant: reads only, and a bounded number (limits.ts). Looked for is what any clean-up leaves a kept run: its config, its report, and the last round
 * with its stages; that an artifact is there with its size, not what is in it.
 */
import { asIfGone, isDamage } from '../../activities/damaged';
import { isWholeStage } from '../../activities/find-stage';
import { lastEnded, readRounds, runKeys, runsByLastWord } from '../../activities/run-records';
import type { ArtifactStore } from '../../drivers/store/store';
import { doctorRunsMax } from '../../schemas/limits';
import type { RunProgress, RunRecord } from '../../schemas/messages';

export interface HollowRun {
  readonly runId: string;
  /** What of it has gone, in words: `its config`, `2 of 14 stages`. */
  readonly gone: readonly string[];
  readonly fix: string;
}

/** The newest runs that are done, and those of which something has gone. Errors: the store's, but for damage. */
export async function readDoneRuns(
  store: ArtifactStore,
): Promise<{ readonly looked: number; readonly hollow: readonly HollowRun[] }> {
  const hollow: HollowRun[] = [];
  let looked = 0;
  for (const { runId } of (await runsByLastWord(store)).slice(0, doctorRunsMax)) {
    const progress = (await asIfGone(store, runKeys.progress(runId))) as unknown as RunProgress | undefined;
    const record = (await asIfGone(store, runKeys.record(runId))) as unknown as RunRecord | undefined;
    if (progress?.status !== 'DONE' || !record) continue;
    looked += 1;
    const gone = await whatHasGone(store, record, progress);
    if (gone.length > 0) hollow.push({ runId, gone, fix: adviceFor(runId) });
  }
  return { looked, hollow };
}

async function whatHasGone(
  store: ArtifactStore,
  { runId, bundle }: RunRecord,
  { report, rounds }: RunProgress,
): Promise<string[]> {
  const gone: string[] = [];
  if (!(await store.hasBlob(bundle))) gone.push('its config');
  if (report && !(await store.hasBlob(report))) gone.push('its report');
  const records = await readRounds(store, runId, rounds).catch((error: unknown) => {
    if (isDamage(error)) return [];
    throw error;
  });
  const keys = new Set(lastEnded(records)?.stages.map(({ key }) => key));
  let lost = 0;
  for (const key of keys) if (!(await isWholeStage(store, key))) lost += 1;
  if (lost > 0) gone.push(`${lost} of the ${keys.size} stages of its last round`);
  return gone;
}

function adviceFor(runId: string): string {
  return `\`arte run CONFIG --id OTHER\` with the same config makes again what has gone, and reuses the rest; \`arte gc --drop ${runId}\` then removes this one. (\`arte run CONFIG --id ${runId}\` stores its config again, and nothing else: the run is done.)`;
}
