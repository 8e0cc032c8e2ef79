/** When a run that is looked at will be done, from the plan that was kept when it was started. Owns the reading; the arithmetic is method/eta.ts. */
import { asIfGone } from '../../activities/damaged';
import { readStages, runKeys } from '../../activities/run-records';
import type { ArtifactStore } from '../../drivers/store/store';
import { secondsLeft, type RunningStage } from '../../method/eta';
import type { StageRecord } from '../../schemas/messages';
import type { KeptPlan } from '../../schemas/plan';
import type { LiveStage, RunView } from './run-progress';

/** Seconds that are left of a run that works; undefined of one that does not, and of one that was started without a plan. */
export type Eta = (view: RunView, at: number) => Promise<number | undefined>;

/** The plan and the rounds that are over are read once. */
export async function openEta(store: ArtifactStore, runId: string): Promise<Eta> {
  const kept = (await asIfGone(store, runKeys.plan(runId))) as unknown as KeptPlan | undefined;
  const over = new Map<number, readonly StageRecord[]>();
  return async ({ progress, finished, live }, at) => {
    if (!kept || progress.status !== 'RUNNING') return undefined;
    const earlier: StageRecord[] = [];
    for (let round = 1; round < progress.round; round += 1) {
      const stages = over.get(round) ?? (await readStages(store, runId, round));
      over.set(round, stages);
      earlier.push(...stages);
    }
    return secondsLeft(kept.plan, {
      round: progress.round,
      finished: [...earlier, ...finished].map(({ seconds, waitedSeconds = 0, ...stage }) => ({
        ...stage,
        seconds: Math.max(0, seconds - waitedSeconds),
      })),
      running: live.map((stage) => runningStage(stage, at)),
    });
  };
}

/** A stage counts from when it has its model: what it has waited says nothing of its speed. */
function runningStage({ label, since, done, found, total, works }: LiveStage, at: number): RunningStage {
  if (works) {
    const elapsedSeconds = Math.max(0, (at - works.sinceMs) / 1000);
    return { label, total, done, found: Math.max(found, done - works.done), elapsedSeconds };
  }
  const waits = done <= found;
  return { label, total, done, found, elapsedSeconds: waits ? 0 : Math.max(0, (at - Date.parse(since)) / 1000) };
}
