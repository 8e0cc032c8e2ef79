/**
 * tailor-rationales: a teacher answers its own tailored questions with the naive prompt (the paper: temperature 0), and the student's
 * training set is written: the tailored rows with their evidence, and the rows that TRL reads.
 *
 * The questions of a task are answered in their order until it has its examples: as many as are needed, and in later waves spare ones
 * (tailor.spare) in place of those that could not be used.
 */
import { seedFrom } from '../method/keys';
import { isCorrect } from '../method/answers';
import { answersPerExample } from '../method/plan-counts';
import type { FinishedRationale } from '../method/finish-rationale';
import { naivePrompt } from '../method/prompts';
import { cleanExamples, type WrittenExample } from '../method/row-hygiene';
import { verifierVersion } from '../method/verify';
import { questionRowSchema, type DroppedRow, type QuestionRow, type RowResult } from '../schemas/rows';
import type { RunConfig } from '../schemas/run-config';
import type { TaskRecord } from '../schemas/task';
import { answerTags } from './question-stage';
import { readTasksByName } from './read-tasks';
import { readRows } from './read-rows';
import { readRationale, readingVersion } from './reading';
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

interface Meta {
  readonly question: string;
  /** 0: the answer that is taught. Others vote on it (tailor.filter: majority). */
  readonly sample: number;
}

export const tailorRationales: RowStage<Loaded> = {
  name: 'tailor-rationales',
  version: 3,
  settings: ({ config }) => {
    const { naive, student_one_shot } = config.prompts;
    const { rationales, answer, require_tag, filter, majority, spare, per_task } = config.tailor;
    const style = [config.models.teacher.prompt_style, config.models.student.prompt_style];
    return {
      ...rationales,
      answer,
      require_tag,
      filter,
      ...(filter === 'majority' && { majority }),
      ...(filter === 'verifier' && { verifier: verifierVersion }),
      // Without spare questions all that there are are answered, however many that is.
      ...(spare > 0 && { per_task }),
      hygiene: config.hygiene,
      seed: config.seed,
      wording: [naive ?? null, student_one_shot ?? null],
      style,
      tags: answerTags(config),
      reading: readingVersion,
    };
  },
  model: ({ config }) => config.models.teacher,
  async load({ store, config, input }) {
    const tasks = await readTasksByName(store, input);
    const questions = await readRows(store, inputRef(input, 'questions'), questionRowSchema);
    const examples = questions.map((question) => ({ task: tasks.get(question.task) as TaskRecord, question }));
    return { config, tasks, examples, byId: new Map(examples.map((example) => [example.question.id, example])) };
  },
  // The samples of one prompt follow each other: a server's slot still has it.
  rows: (loaded, before) => {
    const { config } = loaded;
    const each = answersPerExample(config.tailor);
    const examples = nextQuestions(loaded, before);
    return {
      length: examples.length * each,
      row(index) {
        const { task, question } = examples[Math.floor(index / each)] as (typeof examples)[number];
        const sample = index % each;
        const built = naivePrompt(task, question.question, config, config.models.teacher.prompt_style);
        const { rationales, majority } = config.tailor;
        const settings = sample === 0 ? rationales : { ...rationales, temperature: majority.temperature };
        const seed = seedFrom(config.seed, 'tailor-rationales', question.id, ...(sample === 0 ? [] : [sample]));
        return {
          request: { prompt: built.prompt, sampling: samplingOf(settings, built.stop, seed) },
          sample,
          meta: { question: question.id, sample },
        };
      },
    };
  },
  read({ config, byId }, row, answer) {
    const { task, question } = byId.get((row.meta as { question: string }).question) as Loaded['examples'][number];
    const { assistantPrefix } = naivePrompt(task, question.question, config, config.models.teacher.prompt_style);
    return readRationale(answer, assistantPrefix, task, config, config.tailor.answer, question);
  },
  repairs: ({ config }) => (config.tailor.rationales.temperature > 0 ? 2 : 0),
  thresholds: ({ config }) => config.tailor.thresholds,
  async collect({ store }, loaded, results, last) {
    const { tasks, config } = loaded;
    const all: RowResult[] = [];
    for await (const result of results()) all.push(result);
    const made = examplesOf(loaded, all);
    if (!last && nextQuestions(loaded, all, made).length > 0) return { more: true };
    const { kept, dropped, found, unusable } = made;
    const cutOff = new Set(all.filter(wasCut).map(({ meta }) => (meta as unknown as Meta).question));
    const cut = kept.filter(({ id }) => cutOff.has(id)).length;
    const set = {
      stage: 'tailor-rationales' as const,
      kept: kept.map(({ votes: _, ...row }) => row),
      dropped: [...unusable, ...dropped],
      found,
      ...(cut > 0 && { facts: { cut } }),
    };
    return { more: false, outcome: await storeTrainingSet(store, set, tasks, config) };
  },
};

/** Whether it is the answer that is taught, and was cut off before an answer of its own (tailor.answer: given). */
function wasCut({ meta, value }: RowResult): boolean {
  return (meta as unknown as Meta).sample === 0 && (value as unknown as FinishedRationale | undefined)?.cut === true;
}

/** The questions that a wave answers: of each task as many, in their order, as it lacks examples. `made`: what the answers before came to. */
function nextQuestions(
  loaded: Loaded,
  before: readonly RowResult[],
  made = examplesOf(loaded, before),
): Loaded['examples'] {
  const { config, examples, tasks } = loaded;
  // Without spare questions there is one wave, of all there are.
  if (config.tailor.spare === 0) return before.length === 0 ? examples : [];
  const asked = new Set(before.map(({ meta }) => (meta as unknown as Meta).question));
  const { kept } = made;
  return [...tasks.keys()].flatMap((name) => {
    const missing = config.tailor.per_task - kept.filter(({ task }) => task === name).length;
    const left = examples.filter(({ task, question }) => task.name === name && !asked.has(question.id));
    return left.slice(0, Math.max(0, missing));
  });
}

/** What the answers so far are worth: the examples that are kept, what hygiene and filters left out, and what could not be used at all. */
function examplesOf(
  { byId, tasks, config }: Loaded,
  results: readonly RowResult[],
): ReturnType<typeof cleanExamples<WrittenExample & { readonly votes: readonly (string | null)[] }>> & {
  readonly unusable: readonly DroppedRow[];
} {
  const examples: WrittenExample[] = [];
  const unusable: DroppedRow[] = [];
  const votes = new Map<string, (string | null)[]>();
  for (const result of results) {
    const { question: id, sample } = result.meta as unknown as Meta;
    const { task, question } = byId.get(id) as Loaded['examples'][number];
    const value = result.value as { rationale: string; answer: string | null } | undefined;
    if (sample > 0) {
      votes.set(id, [...(votes.get(id) ?? []), result.outcome === 'ok' ? (value?.answer ?? null) : null]);
      continue;
    }
    const { question: text, target } = question;
    const row = { id, task: task.name, question: text, target, from: result.key };
    if (result.outcome !== 'ok' || value === undefined) {
      const { id: _, ...what } = row;
      const reason = result.outcome === 'ok' ? 'empty' : result.outcome;
      unusable.push({ ...what, rationale: value?.rationale ?? result.text, answer: value?.answer ?? null, reason });
      continue;
    }
    const agrees = value.answer !== null && isCorrect(value.answer, target, task.answer, text);
    examples.push({ ...row, rationale: value.rationale, answer: value.answer, agrees });
  }
  const written = examples.map((row) => ({ ...row, votes: votes.get(row.id) ?? [] }));
  return { ...cleanExamples(written, tasks, config), unusable };
}
