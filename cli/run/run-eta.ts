/** When a run that is looked at will be done, from the plan that it goes by (kept-plan.ts). Owns the reading; the arithmetic is method/eta.ts. */
import { isDamage } from '../../activities/damaged';
import { readStages } from '../../activities/run-records';
import type { ArtifactStore } from '../../drivers/store/store';
import { secondsLeft, type RunningStage } from '../../method/eta';
import type { StageRecord } from '../../schemas/messages';
import { PlanInForce } from './kept-plan';
import type { LiveStage, RunView } from './run-progress';

/**
 * Seconds that are left of a run that works; undefined of one that does not, of one that was started without a plan, and while a stage of it is held up.
 * Looks at one run again and again: how long a stage has made nothing is known from the looks before.
 */
export type Eta = (view: RunView, at: number) => Promise<number | undefined>;

/** The plan and the rounds that are over are read once, and anew when the config of the run was changed. */
export async function openEta(store: ArtifactStore, runId: string): Promise<Eta> {
  const plans = new PlanInForce(store, runId);
  await plans.read();
  const over = new Map<number, readonly StageRecord[]>();
  const idle = new IdleTimes();
  return async ({ progress, finished, live }, at) => {
    if (progress.status !== 'RUNNING') return undefined;
    const { plan: kept, isOther } = await plans.read();
    if (!kept) return undefined;
    if (isOther) over.clear();
    // Until it makes something again nobody knows how long that takes.
    if (live.some(({ held }) => held !== undefined)) return undefined;
    const earlier: StageRecord[] = [];
    for (let round = 1; round < progress.round; round += 1) {
      const stages = over.get(round) ?? (await stagesIn(store, runId, round));
      // Without what it has made nobody knows how fast it is, and a run is looked at for more than its end.
      if (!stages) return undefined;
      over.set(round, stages);
      earlier.push(...stages);
    }
    return secondsLeft(kept.plan, {
      round: progress.round,
      finished: [...earlier, ...finished].map(({ seconds, waitedSeconds = 0, ...stage }) => ({
        ...stage,
        seconds: Math.max(0, seconds - waitedSeconds),
      })),
      running: live.map((stage) => ({ ...runningStage(stage, at), idleSeconds: idle.observe(stage, at) })),
    });
  };
}

/** Undefined where the round's lines are damaged. */
async function stagesIn(
  store: ArtifactStore,
  runId: string,
  round: number,
): Promise<readonly StageRecord[] | undefined> {
  try {
    return await readStages(store, runId, round);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return undefined;
  }
}

/** Since when stages at work have made nothing, by the looks at them. */
class IdleTimes {
  private readonly seen = new Map<string, { readonly made: number; readonly at: number }>();

  /** Seconds; 0 at the first look that finds something made, for nobody knows since when. */
  observe({ label, since, done, found, wave }: LiveStage, at: number): number {
    const key = `${label} ${since} ${wave?.number ?? 1}`;
    const made = done - found;
    const before = this.seen.get(key);
    if (before?.made === made) return Math.max(0, (at - before.at) / 1000);
    this.seen.set(key, { made, at });
    return 0;
  }
}

/**
 * A stage counts from when it has its model: what it has waited says nothing of its speed. In a later wave it has done what the waves before had: the stage's
 * share of the plan goes by all of them.
 */
function runningStage({ label, since, done, found, total, works, wave }: LiveStage, at: number): RunningStage {
  const before = total > 0 ? (wave?.rowsBefore ?? 0) : 0;
  const counted = (foundNow: number): Pick<RunningStage, 'label' | 'done' | 'found' | 'total'> => ({
    ...{ label, done: before + done, found: before + foundNow, total: before + total },
  });
  if (works) {
    const elapsedSeconds = Math.max(0, (at - works.sinceMs) / 1000);
    return { ...counted(Math.max(found, done - works.done)), elapsedSeconds };
  }
  const waits = done <= found;
  return { ...counted(found), elapsedSeconds: waits ? 0 : Math.max(0, (at - Date.parse(since)) / 1000) };
}
