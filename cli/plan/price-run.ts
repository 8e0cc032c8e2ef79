/**
 * A run's plan with its price, from the config and what a store holds; and the plan that is kept with a run when it starts.
 * Owns the gathering. Counts are method/plan.ts, prices method/price-plan.ts, the look is plan-prices.ts.
 */
import { modelsOf } from '../../activities/resolve-models';
import { runKeys } from '../../activities/run-records';
import type { ArtifactStore } from '../../drivers/store/store';
import { planRun } from '../../method/plan';
import { pricePlan } from '../../method/price-plan';
import type { BaseHashes } from '../../method/speed-form';
import type { ArtifactRef } from '../../schemas/artifact-ref';
import type { JsonValue } from '../../schemas/json';
import type { ModelRef } from '../../schemas/model-ref';
import type { KeptPlan, PricedPlan } from '../../schemas/plan';
import type { LoadedConfig } from '../config/load-config';
import { lookForStages, modelFinder, type LookedStage, type ModelFinder } from './look-into-store';
import { measuredRuns } from './measured-runs';
import { plannedTasks } from './plan-facts';

export interface LookedPlan {
  readonly plan: PricedPlan;
  /** Every stage as it was looked for, in the order of the walk. */
  readonly looked: readonly LookedStage[];
}

/** The plan as if the store were empty: nothing is measured, and nothing found. */
export function planAlone(loaded: LoadedConfig): PricedPlan {
  return pricePlan(loaded.config, planRun(loaded.config, plannedTasks(loaded)));
}

/** The plan by what the store holds and its runs have measured. */
export async function planWithStore(
  store: ArtifactStore,
  loaded: LoadedConfig,
  find: ModelFinder,
): Promise<LookedPlan> {
  const looked: LookedStage[] = [];
  const reuseOf = await lookForStages(store, loaded, find, (stage) => looked.push(stage));
  const plan = planRun(loaded.config, { ...plannedTasks(loaded), reuseOf });
  const bases = await basesOf(loaded, find);
  return { plan: pricePlan(loaded.config, plan, { measured: await measuredRuns(store), bases }), looked };
}

/** The models' own bytes, as far as they are here. */
async function basesOf({ config }: LoadedConfig, find: ModelFinder): Promise<BaseHashes> {
  const bases: { teacher?: string; student?: string } = {};
  await modelsOf({ ...config, probe: { ...config.probe, method: 'full' } }, async (name, model) => {
    const ref = await find(name, model);
    if (ref && (name === 'teacher' || name === 'student')) bases[name] = ref.baseSha256;
    // Only the hashes are wanted; what stands for an absent model is looked at by nobody.
    return ref ?? ({} as ModelRef);
  });
  return bases;
}

/**
 * The plan of a run that is about to start for the first time; undefined for one that the store knows. A plan is no condition of a run: where the
 * store cannot be looked through, it is that of an empty one.
 */
export async function planForStart(
  store: ArtifactStore,
  loaded: LoadedConfig,
  runId: string,
): Promise<PricedPlan | undefined> {
  if ((await store.getDocument(runKeys.record(runId))) !== undefined) return undefined;
  return planNow(store, loaded);
}

/** The plan of a run's changed config: what is left of it by what the store holds now. */
export async function planNow(store: ArtifactStore, loaded: LoadedConfig): Promise<PricedPlan> {
  try {
    return (await planWithStore(store, loaded, await modelFinder(loaded.configDir))).plan;
  } catch {
    return planAlone(loaded);
  }
}

/** Keep the plan with the run; the first one stays. `bundle`: that of a changed config, whose plan stands beside the one of the start. */
export async function keepPlan(
  store: ArtifactStore,
  runId: string,
  plan: PricedPlan,
  bundle?: Pick<ArtifactRef, 'sha256'>,
): Promise<void> {
  const kept: KeptPlan = { schemaVersion: 1, runId, madeAt: new Date().toISOString(), plan };
  if (bundle) await store.putDocument(runKeys.changedPlan(runId, bundle.sha256), kept as unknown as JsonValue);
  else await store.putOnce(runKeys.plan(runId), kept as unknown as JsonValue);
}
