/** train-sft: the untuned student learns from a tailored set (method.md section 1, SFT). Settings: config.sft; the work: training.ts. */
import type { TrainDependencies } from './dependencies';
import type { LeasedStage } from './leased-stage';
import { inputRef } from './stage';
import { trainingSettings, trainLayer } from './training';

export const trainSft: LeasedStage<TrainDependencies> = {
  name: 'train-sft',
  version: 1,
  settings: ({ config }) => {
    const { checkpoint_steps: _, ...settings } = config.sft;
    return { ...settings, seed: config.seed, bos: config.models.student.add_bos };
  },
  async run(context, dependencies) {
    const { config, input } = context;
    if (!input.model) throw new Error('train-sft was started without a student');
    return trainLayer(context, dependencies, inputRef(input, 'sft'), {
      kind: 'sft',
      model: input.model,
      settings: {
        ...trainingSettings(config.sft, config.models.student.add_bos, config.seed),
        lossOn: config.sft.loss_on,
      },
    });
  },
};
