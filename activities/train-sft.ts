/**
 * train-sft: the untuned student learns from a training set. Settings: config.sft; the work: training.ts.
 *
 * Invariant: every arm trains in as many steps as the config's whole set takes. A set that came a few examples short is gone through a little
 * further, so that arms differ in what is learnt, not in how long.
 */
import { seedFrom } from '../method/keys';
import { trainingSteps } from '../method/plan-counts';
import type { StageInput } from '../schemas/messages';
import type { RunConfig } from '../schemas/run-config';
import type { TrainDependencies } from './dependencies';
import type { LeasedStage } from './leased-stage';
import { inputRef } from './stage';
import { beginsWithBos, forgetTraining, trainingSettings, trainLayer } from './training';

export const trainSft: LeasedStage<TrainDependencies> = {
  name: 'train-sft',
  version: 2,
  settings: ({ config }, input) => {
    const { checkpoint_steps: _, seeds: __, ...settings } = config.sft;
    return {
      ...settings,
      seed: seedOf(config, input),
      bos: beginsWithBos(config.models.student),
      steps: stepsOf(config),
    };
  },
  cleanUp: forgetTraining,
  async run(context, dependencies) {
    const { config, input } = context;
    if (!input.model) throw new Error('train-sft was started without a student');
    return trainLayer(context, dependencies, inputRef(input, 'sft'), {
      kind: 'sft',
      model: input.model,
      settings: {
        ...trainingSettings(config.sft, beginsWithBos(config.models.student), seedOf(config, input)),
        maxSteps: stepsOf(config),
        lossOn: config.sft.loss_on,
      },
    });
  },
};

/** Every arm's first student is trained from the run's seed, the second of each from another one that they share, and so on. */
function seedOf({ seed }: RunConfig, { extra }: StageInput): number {
  const student = Number(extra?.['student'] ?? 1);
  return student === 1 ? seed : seedFrom(seed, 'train-sft', student);
}

function stepsOf({ tasks, tailor, sft }: RunConfig): number {
  return trainingSteps(tasks.length * tailor.per_task, sft);
}
