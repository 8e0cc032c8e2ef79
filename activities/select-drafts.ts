/**
 * select-drafts: a training set chosen from the unaligned teacher's drafts by the student's scores (method/arms.ts), for the arms that stand
 * against DPO, and for `arte` itself where the teacher cannot be trained.
 */
import { chooseDrafts } from '../method/arms';
import { seedFrom } from '../method/keys';
import { cleanExamples } from '../method/row-hygiene';
import { verifierVersion } from '../method/verify';
import type { DraftChoice } from '../schemas/arms';
import { draftRowSchema, scoreRowSchema, type TailoredRow } from '../schemas/rows';
import type { StoreDependencies } from './dependencies';
import { answerTags } from './question-stage';
import { readTasksByName } from './read-tasks';
import { readRows } from './read-rows';
import { inputRef, type WholeStage } from './stage';
import { storeTrainingSet } from './training-set';

export const selectDrafts: WholeStage<StoreDependencies> = {
  name: 'select-drafts',
  version: 2,
  settings: ({ config }) => ({
    per_task: config.tailor.per_task,
    require_tag: config.tailor.require_tag,
    filter: config.tailor.filter,
    ...(config.tailor.filter === 'verifier' && { verifier: verifierVersion }),
    hygiene: config.hygiene,
    seed: config.seed,
    wording: config.prompts.student_one_shot ?? null,
    style: config.models.student.prompt_style,
    tags: answerTags(config),
  }),
  async run({ store, config, input }) {
    const tasks = await readTasksByName(store, input);
    const drafts = await readRows(store, inputRef(input, 'drafts'), draftRowSchema);
    const scores = await readRows(store, inputRef(input, 'scores'), scoreRowSchema);
    const { questions, rationale } = input.extra as unknown as DraftChoice;
    // Before the choice, so that another draft takes the place of one that is left out.
    const votes = new Map<string, (string | null)[]>();
    for (const { questionId, answer } of drafts) votes.set(questionId, [...(votes.get(questionId) ?? []), answer]);
    const written = drafts.map((draft) => ({ ...draft, votes: votes.get(draft.questionId) ?? [] }));
    const { kept, dropped, found } = cleanExamples(written, tasks, config);
    const chosen = chooseDrafts(kept, scores, {
      questions,
      rationale,
      perTask: config.tailor.per_task,
      requireTag: config.tailor.require_tag,
      seed: seedFrom(config.seed, 'select-drafts'),
    });
    const rows = chosen.drafts.map(
      ({ questionId: id, task, question, target, rationale, answer, agrees, from }): TailoredRow => ({
        ...{ id, task, question, target, rationale, answer, agrees, from },
      }),
    );
    const left = new Set(kept.map(({ task }) => task));
    const empty = [...tasks.keys()].filter((task) => !left.has(task));
    const short = [...chosen.short, ...empty.map((task) => `${task}: 0 of ${config.tailor.per_task}`)];
    const facts = { techniques: { ...chosen.techniques }, short };
    return storeTrainingSet(store, { stage: 'select-drafts', kept: rows, dropped, found, facts }, tasks, config);
  },
};
