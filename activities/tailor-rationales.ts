/**
 * tailor-rationales: a teacher answers its own tailored questions with the naive prompt (method.md section 1: T = 0), and the student's
 * training set is written: the tailored rows with their evidence, and the rows that TRL reads.
 */
import { seedFrom } from '../method/keys';
import { isCorrect } from '../method/answers';
import { naivePrompt } from '../method/prompts';
import { questionRowSchema, type QuestionRow, type TailoredRow } from '../schemas/rows';
import type { RunConfig } from '../schemas/run-config';
import { taskRecordSchema, type TaskRecord } from '../schemas/task';
import { answerTags } from './question-stage';
import { readRows } from './read-rows';
import { readRationale } from './reading';
import type { RowStage } from './row-stage';
import { samplingOf } from './sampling';
import { inputRef } from './stage';
import { storeTrainingSet } from './training-set';

interface Loaded {
  readonly config: RunConfig;
  readonly tasks: ReadonlyMap<string, TaskRecord>;
  readonly examples: readonly { task: TaskRecord; question: QuestionRow }[];
  readonly byId: ReadonlyMap<string, { task: TaskRecord; question: QuestionRow }>;
}

export const tailorRationales: RowStage<Loaded> = {
  name: 'tailor-rationales',
  version: 2,
  settings: ({ config }) => {
    const { naive, student_one_shot } = config.prompts;
    const { rationales, answer, require_tag } = config.tailor;
    const style = [config.models.teacher.prompt_style, config.models.student.prompt_style];
    return {
      ...rationales,
      answer,
      require_tag,
      seed: config.seed,
      wording: [naive ?? null, student_one_shot ?? null],
      style,
      tags: answerTags(config),
    };
  },
  model: ({ config }) => config.models.teacher,
  async load({ store, config, input }) {
    const tasks = new Map(
      (await readRows(store, inputRef(input, 'tasks'), taskRecordSchema)).map((task) => [task.name, task]),
    );
    const questions = await readRows(store, inputRef(input, 'questions'), questionRowSchema);
    const examples = questions.map((question) => ({ task: tasks.get(question.task) as TaskRecord, question }));
    return { config, tasks, examples, byId: new Map(examples.map((example) => [example.question.id, example])) };
  },
  rows: ({ config, examples }) => ({
    length: examples.length,
    row(index) {
      const { task, question } = examples[index] as (typeof examples)[number];
      const built = naivePrompt(task, question.question, config, config.models.teacher.prompt_style);
      const seed = seedFrom(config.seed, 'tailor-rationales', question.id);
      return {
        request: { prompt: built.prompt, sampling: samplingOf(config.tailor.rationales, built.stop, seed) },
        sample: 0,
        meta: { question: question.id },
      };
    },
  }),
  read({ config, byId }, row, answer) {
    const { task, question } = byId.get((row.meta as { question: string }).question) as Loaded['examples'][number];
    const { assistantPrefix } = naivePrompt(task, question.question, config, config.models.teacher.prompt_style);
    return readRationale(answer, assistantPrefix, task, config, config.tailor.answer, question.target);
  },
  repairs: ({ config }) => (config.tailor.rationales.temperature > 0 ? 2 : 0),
  thresholds: ({ config }) => config.tailor.thresholds,
  async collect({ store }, { byId, tasks, config }, results) {
    const dropped: Record<string, number> = {};
    const rows: TailoredRow[] = [];
    for await (const result of results()) {
      const { task, question } = byId.get((result.meta as { question: string }).question) as Loaded['examples'][number];
      const value = result.value as { rationale: string; answer: string | null } | undefined;
      const reason =
        result.outcome !== 'ok'
          ? result.outcome
          : config.tailor.require_tag && value?.answer === null
            ? 'no answer tag'
            : undefined;
      if (reason !== undefined || value === undefined) {
        dropped[reason ?? 'empty'] = (dropped[reason ?? 'empty'] ?? 0) + 1;
        continue;
      }
      const agrees = value.answer !== null && isCorrect(value.answer, question.target, task.answer, question.question);
      const { id, question: text, target } = question;
      rows.push({
        id,
        task: task.name,
        question: text,
        target,
        rationale: value.rationale,
        answer: value.answer,
        agrees,
        from: result.key,
      });
    }
    return { more: false, outcome: await storeTrainingSet(store, rows, tasks, config, dropped) };
  },
};
