/** From a config to what alignWorkflow is told: everything else is read by activities from the bundle. */
import { armsOf } from '../schemas/arms';
import type { ArtifactRef } from '../schemas/artifact-ref';
import type { AlignInput } from '../schemas/messages';
import type { RunConfig } from '../schemas/run-config';

/** What the workflow needs of a config: everything else is read by activities from the bundle. */
export function alignInput(runId: string, bundle: ArtifactRef, config: RunConfig): AlignInput {
  return {
    runId,
    bundle,
    rounds: config.rounds.count,
    shots: config.evaluate.shots,
    reference: config.align.reference,
    align: config.align.method,
    arms: armsOf(config.arms),
    trainingSeeds: config.sft.seeds,
    respondentShots: config.probe.method === 'irt' ? config.probe.respondent_shots : [],
  };
}
