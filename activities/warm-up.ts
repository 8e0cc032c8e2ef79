/**
 * warm-up: the teacher learns the tasks from gold examples before the first round (method/warm-up.ts). Settings: config.warm_up; the work:
 * training.ts. The paper has no such step: its teacher can do the tasks.
 */
import { wordingVersion } from '../method/prompts';
import { warmUpRows } from '../method/warm-up';
import type { JsonValue } from '../schemas/json';
import { goldExampleSchema } from '../schemas/task';
import type { TrainDependencies } from './dependencies';
import type { LeasedStage } from './leased-stage';
import { readRows } from './read-rows';
import { readTasksByName } from './read-tasks';
import { inputRef } from './stage';
import { beginsWithBos, forgetTraining, trainingSettings, trainLayer } from './training';

export const warmUp: LeasedStage<TrainDependencies> = {
  name: 'warm-up',
  version: 1,
  settings: ({ config }) => {
    const { checkpoint_steps: _, ...settings } = config.warm_up;
    const { techniques: __, student_one_shot: ___, ...wording } = config.prompts;
    const { prompt_style: style } = config.models.teacher;
    return {
      ...settings,
      seed: config.seed,
      bos: beginsWithBos(config.models.teacher),
      style,
      format: config.questions.format,
      wording: wording as unknown as JsonValue,
      wordingVersion,
    };
  },
  cleanUp: forgetTraining,
  async run(context, dependencies) {
    const { config, input, store } = context;
    if (!input.model) throw new Error('warm-up was started without a teacher');
    const tasks = await readTasksByName(store, input);
    const gold = await readRows(store, inputRef(input, 'gold'), goldExampleSchema);
    const rows = warmUpRows(gold, tasks, config);
    const sft = await store.putLines(rows.map((row) => JSON.stringify(row)));
    const trained = await trainLayer(context, dependencies, sft, {
      kind: 'sft',
      model: input.model,
      settings: {
        ...trainingSettings(config.warm_up, beginsWithBos(config.models.teacher), config.seed),
        lossOn: config.warm_up.loss_on,
      },
    });
    return { ...trained, outputs: { ...trained.outputs, sft } };
  },
};
