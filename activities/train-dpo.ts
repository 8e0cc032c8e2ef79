/** train-dpo: the teacher learns the student's preferences. Settings: config.align; the work: training.ts. */
import type { TrainDependencies } from './dependencies';
import type { LeasedStage } from './leased-stage';
import { inputRef } from './stage';
import { beginsWithBos, forgetTraining, trainingSettings, trainLayer } from './training';

export const trainDpo: LeasedStage<TrainDependencies> = {
  name: 'train-dpo',
  version: 1,
  settings: ({ config }) => {
    // How often to checkpoint changes nothing about the result; which reference is used stands in the inputs.
    const {
      checkpoint_steps: _,
      reference: __,
      loss_weights: weights,
      label_smoothing: smoothing,
      ...settings
    } = config.align;
    return {
      ...settings,
      ...(weights.length > 0 && { loss_weights: weights }),
      ...(smoothing > 0 && { label_smoothing: smoothing }),
      seed: config.seed,
      bos: beginsWithBos(config.models.teacher),
    };
  },
  cleanUp: forgetTraining,
  async run(context, dependencies) {
    const { config, input } = context;
    if (!input.model) throw new Error('train-dpo was started without a teacher');
    return trainLayer(context, dependencies, inputRef(input, 'dpo'), {
      kind: 'dpo',
      model: input.model,
      ...(input.reference ? { reference: input.reference } : {}),
      settings: {
        ...trainingSettings(config.align, beginsWithBos(config.models.teacher), config.seed),
        beta: config.align.beta,
        lossType: config.align.loss,
        ...(config.align.loss_weights.length > 0 && { lossWeights: config.align.loss_weights }),
        ...(config.align.label_smoothing > 0 && { labelSmoothing: config.align.label_smoothing }),
      },
    });
  },
};
