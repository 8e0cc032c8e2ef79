/** From a config to what alignWorkflow is told: everything else is read by activities from the bundle. */
import { armsOf } from '../schemas/arms';
import type { ArtifactRef } from '../schemas/artifact-ref';
import type { AlignInput } from '../schemas/messages';
import type { RunConfig } from '../schemas/run-config';
import { signalsOf } from '../schemas/signals';
import { isReworded, transferTargets } from './transfer';
import { hasGold } from './warm-up';

/** What the workflow needs of a config: everything else is read by activities from the bundle. */
export function alignInput(runId: string, bundle: ArtifactRef, config: RunConfig): AlignInput {
  return {
    runId,
    bundle,
    rounds: config.rounds.count,
    shots: config.evaluate.shots,
    reference: config.align.reference,
    align: config.align.method,
    warmUp: hasGold(config),
    arms: armsOf(config.arms),
    trainingSeeds: config.sft.seeds,
    checkScores: config.score.reliability_min !== null,
    measureAgreement: config.probe.agreement_questions > 0,
    measureGain: config.rounds.gates.icl_examples > 0,
    accumulate: accumulatedRounds(config.pairs.accumulate),
    signals: signalsOf(config.score),
    approval: config.rounds.approval,
    notify: config.notify.map(({ on }) => on),
    respondentShots: config.probe.method === 'irt' ? config.probe.respondent_shots : [],
    ...(transferTargets(config).length > 0 && {
      transfer: {
        students: config.transfer.students.map((_, index) => ({ reworded: isReworded(config, index) })),
        tasks: config.transfer.tasks.length > 0,
      },
    }),
  };
}

function accumulatedRounds(accumulate: RunConfig['pairs']['accumulate']): number | null {
  if (accumulate === 'all') return null;
  return accumulate === 'off' ? 0 : accumulate;
}
