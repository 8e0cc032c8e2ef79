/**
 * A stage that one activity makes whole, and that is too dear for two runs to make it at once: the trainings. Beside stage.ts's shape it has a
 * heartbeat from its first moment on, because it may wait for another run (lease.ts), and its account in the run's ledger (budget.ts).
 */
import { log } from '@temporalio/activity';
import { noUsage } from '../schemas/manifest';
import type { ArtifactStore } from '../drivers/store/store';
import { priceOf } from '../method/ledger';
import type { ActivityProgress, StageInput, StageResult } from '../schemas/messages';
import { closeMeter, type TrainingAccount } from './budget';
import { withHeartbeat, type Beat } from './heartbeat';
import { underLease, waitingFor } from './lease';
import { currentRunId } from './run-of';
import {
  commitStage,
  reusedStage,
  keyOf,
  tellFinished,
  type StageContext,
  type StageOutcome,
  type StageShape,
} from './stage';

export interface LeasedContext extends StageContext {
  readonly beat: Beat;
  /** What the heartbeat says at first: a stage puts its own progress over it. */
  readonly first: ActivityProgress;
  /** Fires when the activity is cancelled, or another run has taken the stage over. */
  readonly signal: AbortSignal;
  readonly account: TrainingAccount;
}

export interface LeasedStage<Dependencies extends { readonly store: ArtifactStore }> extends StageShape {
  run(context: LeasedContext, dependencies: Dependencies): Promise<StageOutcome>;
  /**
   * Removes what making the stage left beside its outputs. Called when its manifest stands, and not before: what a kill or a store that is away
   * cuts off between the work and its manifest must find the work again.
   */
  cleanUp?(key: string, dependencies: Dependencies): Promise<void>;
}

/** Make such a stage an activity body: parse, key, reuse, wait or run, commit, clean up. */
export function runLeasedStage<Dependencies extends { readonly store: ArtifactStore }>(
  shape: LeasedStage<Dependencies>,
  dependencies: Dependencies,
): (input: StageInput) => Promise<StageResult> {
  return async (input) => {
    const { store } = dependencies;
    const keyed = await keyOf(store, shape, input);
    const { key, bundle } = keyed;
    const { config } = bundle;
    const price = priceOf(config, shape.name, '');
    if (!price) throw new Error(`${shape.name} trains no model of the config`);
    const first: ActivityProgress = {
      stage: shape.name,
      ...(input.place && { arm: input.place.arm }),
      unit: 'steps',
      phase: 'load',
      done: 0,
      total: 0,
      usage: noUsage,
      inFlight: 0,
    };
    const owner = currentRunId();
    // Best effort: the stage is whole, and what stays behind costs disk only.
    const cleanUp = async (): Promise<void> => {
      try {
        await shape.cleanUp?.(key, dependencies);
      } catch (error) {
        log.warn('what making a stage left behind was not removed', { stage: shape.name, key, error: String(error) });
      }
    };
    return withHeartbeat(first, (beat) => {
      const work = { key, stage: shape.name, attempt: beat.attemptId };
      const account = { store, runId: owner, config, price, work };
      const finished = async (): Promise<StageResult | undefined> => {
        const manifest = await reusedStage(store, key);
        if (!manifest) return undefined;
        await closeMeter(account);
        await cleanUp();
        return tellFinished(store, manifest, input, true);
      };
      const make = async (signal: AbortSignal): Promise<StageResult> => {
        // As in stage.ts.
        const started = performance.now();
        const context = { store, bundle, config, input, key, beat, first, signal, account };
        const outcome = await shape.run(context, dependencies);
        const manifest = await commitStage(store, shape, keyed, outcome, (performance.now() - started) / 1000);
        await cleanUp();
        return tellFinished(store, manifest, input, false);
      };
      const onWait = (other: string): void => beat.report({ ...first, ...waitingFor(other) });
      return underLease({ store, key, owner, attempt: beat.attemptId, signal: beat.signal, finished, onWait }, make);
    });
  };
}
