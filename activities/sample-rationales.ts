/** sample-rationales: every draft question answered once under each technique prompt (paper: n = 4). */
import { seedFrom } from '../method/keys';
import type { FinishedRationale } from '../method/finish-rationale';
import { rationalePrompt } from '../method/prompts';
import { isCorrect } from '../method/answers';
import { questionRowSchema, type DraftRow, type QuestionRow } from '../schemas/rows';
import type { RunConfig } from '../schemas/run-config';
import { taskRecordSchema, type TaskRecord, type Technique } from '../schemas/task';
import { answerTags } from './question-stage';
import { readRows } from './read-rows';
import { readRationale, readingVersion } from './reading';
import type { RowStage } from './row-stage';
import { samplingOf } from './sampling';
import { inputRef } from './stage';

interface Loaded {
  readonly config: RunConfig;
  readonly drafts: readonly { task: TaskRecord; technique: Technique; question: QuestionRow }[];
  readonly byId: ReadonlyMap<string, { task: TaskRecord; technique: Technique; question: QuestionRow }>;
}

export const sampleRationales: RowStage<Loaded> = {
  name: 'sample-rationales',
  version: 3,
  settings: ({ config }) => {
    const { thresholds: _, ...settings } = config.rationales;
    const { rationale } = config.prompts;
    return {
      ...settings,
      seed: config.seed,
      wording: rationale ?? null,
      style: config.models.teacher.prompt_style,
      tags: answerTags(config),
      reading: readingVersion,
    };
  },
  model: ({ config }) => config.models.teacher,
  async load({ store, config, input }) {
    const tasks = await readRows(store, inputRef(input, 'tasks'), taskRecordSchema);
    const questions = await readRows(store, inputRef(input, 'questions'), questionRowSchema);
    const drafts = tasks.flatMap((task) =>
      // Back to back by technique: its instruction and demonstration are the prefix that the server's cache shares.
      task.techniques.flatMap((technique) =>
        questions.filter((question) => question.task === task.name).map((question) => ({ task, technique, question })),
      ),
    );
    return { config, drafts, byId: new Map(drafts.map((draft) => [draftId(draft.question, draft.technique), draft])) };
  },
  rows: ({ config, drafts }) => ({
    length: drafts.length,
    row(index) {
      const { task, technique, question } = drafts[index] as (typeof drafts)[number];
      const built = rationalePrompt(task, technique, question.question, config, config.models.teacher.prompt_style);
      const seed = seedFrom(config.seed, 'sample-rationales', question.id, technique.name);
      return {
        request: { prompt: built.prompt, sampling: samplingOf(config.rationales, built.stop, seed) },
        sample: 0,
        meta: { draft: draftId(question, technique) },
      };
    },
  }),
  read({ config, byId }, row, answer) {
    const { draft } = row.meta as { draft: string };
    const { task, technique, question } = byId.get(draft) as Loaded['drafts'][number];
    const { assistantPrefix } = rationalePrompt(
      task,
      technique,
      question.question,
      config,
      config.models.teacher.prompt_style,
    );
    return readRationale(answer, assistantPrefix, task, config, config.rationales.answer, question);
  },
  repairs: ({ config }) => (config.rationales.temperature > 0 ? 2 : 0),
  thresholds: ({ config }) => config.rationales.thresholds,
  async collect({ store }, { byId }, results) {
    const dropped: Record<string, number> = {};
    let drafts = 0;
    let agreeing = 0;
    let cut = 0;
    const lines = async function* (): AsyncGenerator<string> {
      for await (const result of results()) {
        // A truncated rationale would teach the student to stop in mid-sentence: counted, kept in the results, not a draft.
        if (result.outcome !== 'ok') {
          dropped[result.outcome] = (dropped[result.outcome] ?? 0) + 1;
          continue;
        }
        const id = (result.meta as { draft: string }).draft;
        const { task, technique, question } = byId.get(id) as Loaded['drafts'][number];
        const { rationale, answer, ...how } = result.value as unknown as FinishedRationale;
        const agrees = answer !== null && isCorrect(answer, question.target, task.answer, question.question);
        const row: DraftRow = {
          id,
          task: task.name,
          questionId: question.id,
          question: question.question,
          target: question.target,
          technique: technique.name,
          rationale,
          answer,
          agrees,
          from: result.key,
        };
        drafts += 1;
        if (agrees) agreeing += 1;
        if (how.cut === true) cut += 1;
        yield JSON.stringify(row);
      }
    };
    const ref = await store.putLines(lines());
    return {
      more: false,
      outcome: { outputs: { drafts: ref }, facts: { drafts, agreeing, ...(cut > 0 && { cut }), dropped } },
    };
  },
};

/** A draft is a question under a technique. */
function draftId(question: QuestionRow, technique: Technique): string {
  return `${question.id}/${technique.name}`;
}
