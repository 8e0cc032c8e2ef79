/**
 * reword-set: the rows of a training set in the prompts of another student (transfer.students), where that one is prompted in another form than the
 * student the set was made for. The examples are the same; what TRL reads of them is not.
 */
import { sftRow } from '../method/training-rows';
import { tailoredRowSchema } from '../schemas/rows';
import type { TaskRecord } from '../schemas/task';
import type { StoreDependencies } from './dependencies';
import { answerTags } from './question-stage';
import { readTasksByName } from './read-tasks';
import { readRows } from './read-rows';
import { inputRef, type WholeStage } from './stage';

export const rewordSet: WholeStage<StoreDependencies> = {
  name: 'reword-set',
  version: 1,
  settings: ({ config }) => ({
    wording: config.prompts.student_one_shot ?? null,
    style: config.models.student.prompt_style,
    tags: answerTags(config),
  }),
  async run({ store, config, input }) {
    const tasks = await readTasksByName(store, input);
    const rows = await readRows(store, inputRef(input, 'tailored'), tailoredRowSchema);
    const sft = await store.putLines(
      rows.map((row) => JSON.stringify(sftRow(row, tasks.get(row.task) as TaskRecord, config))),
    );
    return { outputs: { sft }, facts: { examples: rows.length } };
  },
};
