/**
 * select-drafts: a training set chosen from the unaligned teacher's drafts by the student's scores (method/arms.ts), for the arms that stand
 * against DPO, and for `arte` itself where the teacher cannot be trained.
 */
import { chooseDrafts } from '../method/arms';
import { seedFrom } from '../method/keys';
import type { DraftChoice } from '../schemas/arms';
import { draftRowSchema, scoreRowSchema, type TailoredRow } from '../schemas/rows';
import { taskRecordSchema } from '../schemas/task';
import type { StoreDependencies } from './dependencies';
import { answerTags } from './question-stage';
import { readRows } from './read-rows';
import { inputRef, type WholeStage } from './stage';
import { storeTrainingSet } from './training-set';

export const selectDrafts: WholeStage<StoreDependencies> = {
  name: 'select-drafts',
  version: 1,
  settings: ({ config }) => ({
    per_task: config.tailor.per_task,
    require_tag: config.tailor.require_tag,
    seed: config.seed,
    wording: config.prompts.student_one_shot ?? null,
    style: config.models.student.prompt_style,
    tags: answerTags(config),
  }),
  async run({ store, config, input }) {
    const tasks = new Map(
      (await readRows(store, inputRef(input, 'tasks'), taskRecordSchema)).map((task) => [task.name, task]),
    );
    const drafts = await readRows(store, inputRef(input, 'drafts'), draftRowSchema);
    const scores = await readRows(store, inputRef(input, 'scores'), scoreRowSchema);
    const { questions, rationale } = input.extra as unknown as DraftChoice;
    const chosen = chooseDrafts(drafts, scores, {
      questions,
      rationale,
      perTask: config.tailor.per_task,
      requireTag: config.tailor.require_tag,
      seed: seedFrom(config.seed, 'select-drafts'),
    });
    const rows = chosen.drafts.map(({ id: _, questionId, technique: __, ...draft }): TailoredRow => ({
      ...draft,
      id: questionId,
    }));
    const { outputs, facts } = await storeTrainingSet(store, rows, tasks, config, {});
    return { outputs, facts: { ...facts, techniques: { ...chosen.techniques }, short: chosen.short } };
  },
};
