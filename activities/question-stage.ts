/**
 * Sampling questions, for drafts (sample-questions) and for the tailored set (tailor-questions): one shape, two settings.
 * Owns: waves until every task has its number, so that what is dropped is written anew. What is dropped and why: method/row-hygiene.ts.
 *
 * With `extra.shown: own` the set is bootstrapped as by Self-Instruct (arXiv 2212.10560): it grows over waves, and from the second wave on the
 * teacher is shown some of its own earlier questions among the seeds.
 */
import { sha256Hex, seedFrom, shuffled } from '../method/keys';
import { parseQuestions } from '../method/parse-questions';
import { questionPrompt, wordingVersion } from '../method/prompts';
import {
  cleanQuestions,
  countReasons,
  rowHygiene,
  sumFound,
  type Cleaned,
  type WrittenQuestion,
} from '../method/row-hygiene';
import { ArteError } from '../schemas/errors';
import type { JsonObject, JsonValue } from '../schemas/json';
import type { DroppedRow, QuestionRow, RowResult } from '../schemas/rows';
import type { RunConfig } from '../schemas/run-config';
import { taskRecordSchema, type TaskRecord } from '../schemas/task';
import { readRows } from './read-rows';
import { readingVersion, refusedReading } from './reading';
import type { RowStage } from './row-stage';
import { samplingOf } from './sampling';
import { inputRef } from './stage';
import { parkOnDirt, storeDropped } from './dropped-rows';

/** A later wave asks for this much more than is missing, because some of it will be unusable again. */
const laterWaveMargin = 1.5;

/** Bootstrapping: the first wave, from seeds alone, asks for this share of the calls; the second for half of what is missing then. */
const firstWaveShare = 0.25;

/** Bootstrapping: of the questions shown, this share is the teacher's own, at least one. Self-Instruct: two of eight. */
const ownShownShare = 0.25;

/** With less than this share of the questions after the last wave, the run parks: the teacher cannot write this task's questions. */
const shareNeededMin = 0.5;

type Settings = RunConfig['questions'];

interface Loaded {
  readonly config: RunConfig;
  readonly tasks: readonly TaskRecord[];
  readonly settings: Settings;
  readonly name: 'sample-questions' | 'tailor-questions';
  readonly bootstrap: boolean;
  /** How often drafts were drawn anew before: a round that starts again from an earlier teacher must not repeat it. */
  readonly draw?: number;
}

interface Meta {
  readonly task: string;
  readonly index: number;
}

interface Usable {
  readonly questions: Map<string, QuestionRow[]>;
  readonly dropped: readonly DroppedRow[];
  readonly found: Cleaned<unknown>['found'];
  /** Calls made so far per task: the next sample index. */
  readonly calls: Map<string, number>;
}

export function questionStage(
  name: Loaded['name'],
  version: number,
  /** The settings of this use: per_task and sampling differ between drafts and tailored set. */
  settingsOf: (config: RunConfig) => Settings,
  thresholdsOf: (config: RunConfig) => Settings['thresholds'],
  /** Of the questions that are asked for so many are needed; the others are spare. */
  neededOf: (config: RunConfig) => number = (config) => settingsOf(config).per_task,
): RowStage<Loaded> {
  return {
    name,
    version,
    settings: ({ config }) => {
      const { thresholds: _, answers_per_call: answers, ...settings } = settingsOf(config);
      const { question } = config.prompts;
      return {
        ...settings,
        ...(answers > 1 && { answers_per_call: answers }),
        seed: config.seed,
        wording: question ?? null,
        style: config.models.teacher.prompt_style,
        tags: answerTags(config),
        reading: readingVersion,
        hygiene: config.hygiene,
      };
    },
    model: ({ config }) => config.models.teacher,
    async load({ store, config, input }) {
      const tasks = await readRows(store, inputRef(input, 'tasks'), taskRecordSchema);
      const draw = Number(input.extra?.['draw'] ?? 0);
      return { config, tasks, settings: settingsOf(config), name, bootstrap: input.extra?.['shown'] === 'own', draw };
    },
    rows(loaded, before) {
      const { config, settings, tasks, bootstrap, draw = 0 } = loaded;
      const usable = usableQuestions(loaded, before);
      const planned: { task: TaskRecord; index: number }[] = [];
      for (const task of tasks) {
        const missing = settings.per_task - (usable.questions.get(task.name)?.length ?? 0);
        if (missing <= 0) continue;
        const first = usable.calls.get(task.name) ?? 0;
        const share = bootstrap ? bootstrapShare(first, settings) : first > 0 ? laterWaveMargin : 1;
        const calls = Math.ceil((missing / questionsPerCall(settings)) * share);
        for (let index = first; index < first + calls; index += 1) planned.push({ task, index });
      }
      return {
        length: planned.length,
        row(at) {
          const { task, index } = planned[at] as (typeof planned)[number];
          const shown = bootstrap ? withOwnShown(task, usable.questions.get(task.name) ?? [], config, index) : task;
          const built = questionPrompt(shown, config, config.models.teacher.prompt_style, settings.per_call, index);
          const seed = seedFrom(config.seed, name, task.name, index, ...(draw > 0 ? ['draw', draw] : []));
          return {
            request: {
              prompt: built.prompt,
              sampling: samplingOf(settings, built.stop, seed),
              ...(built.jsonSchema === undefined ? {} : { jsonSchema: built.jsonSchema }),
              ...(settings.answers_per_call > 1 && { answers: settings.answers_per_call }),
            },
            sample: index,
            meta: { task: task.name, index },
          };
        },
      };
    },
    read({ tasks, config, settings }, row, answer) {
      const { task: taskName, index } = row.meta as unknown as Meta;
      const task = tasks.find((candidate) => candidate.name === taskName) as TaskRecord;
      const choices = [answer, ...(answer.others ?? [])];
      if (choices.every(({ finish }) => finish === 'refused')) return refusedReading;
      const prefix = questionPrompt(
        task,
        config,
        config.models.teacher.prompt_style,
        settings.per_call,
        index,
      ).assistantPrefix;
      const parsed = choices.map(({ text, finish }) => parseQuestions(prefix + text, settings.format, task, finish));
      const questions = parsed.flatMap((choice) => choice.questions);
      if (questions.length > 0) return { outcome: 'ok', value: questions as unknown as JsonValue };
      const why = parsed.flatMap((choice) => choice.problems)[0] ?? 'holds no question';
      const cut = choices.some(({ finish }) => finish === 'length');
      return cut ? { outcome: 'truncated', why } : { outcome: 'malformed', why };
    },
    repairs: ({ settings }) => (settings.malformed === 'reask' && settings.temperature > 0 ? 2 : 0),
    thresholds: ({ config }) => thresholdsOf(config),
    async collect({ store }, loaded, results, last) {
      const all: RowResult[] = [];
      for await (const result of results()) all.push(result);
      const usable = usableQuestions(loaded, all);
      parkOnDirt(loaded.config, name, usable.found, usable.dropped);
      const short: string[] = [];
      for (const task of loaded.tasks) {
        const have = usable.questions.get(task.name)?.length ?? 0;
        if (have >= loaded.settings.per_task) continue;
        if (!last) return { more: true };
        const needed = neededOf(loaded.config);
        if (have < needed * shareNeededMin)
          throw notEnough(loaded, task.name, have, needed, countReasons(usable.dropped));
        if (have < needed) short.push(`${task.name}: ${have} of ${needed}`);
      }
      const rows = loaded.tasks.flatMap((task) =>
        (usable.questions.get(task.name) ?? []).slice(0, loaded.settings.per_task),
      );
      const questions = await store.putLines(rows.map((row) => JSON.stringify(row)));
      const dropped = await storeDropped(store, usable.dropped);
      const hygiene = rowHygiene({ kept: [...usable.questions.values()].flat(), found: usable.found }, usable.dropped);
      const facts = { questions: rows.length, dropped: hygiene.dropped, short, hygiene } as unknown as JsonObject;
      return { more: false, outcome: { outputs: { questions, ...dropped }, facts } };
    },
  };
}

/** Questions that one call brings: so many in each of its answers. */
function questionsPerCall({ per_call, answers_per_call }: Settings): number {
  return per_call * answers_per_call;
}

/** Which share of the calls that are missing a wave makes, by the calls made before it. */
function bootstrapShare(made: number, settings: Settings): number {
  if (made === 0) return firstWaveShare;
  const all = settings.per_task / questionsPerCall(settings);
  // The first wave leaves less than half made, the second more; with the third every call is made that would do if nothing were dropped.
  if (made < all / 2) return 0.5;
  return made < all ? 1 : laterWaveMargin;
}

/** The task with some of its seeds replaced by questions that the teacher has written; which ones follows from the call. */
function withOwnShown(task: TaskRecord, own: readonly QuestionRow[], config: RunConfig, index: number): TaskRecord {
  const count = Math.min(own.length, task.seeds.length - 1, Math.max(1, Math.round(task.seeds.length * ownShownShare)));
  if (count < 1) return task;
  const draw = seedFrom(config.seed, 'own-shown', task.name, index);
  const kept = shuffled(task.seeds, draw).slice(0, task.seeds.length - count);
  return { ...task, seeds: [...kept, ...shuffled(own, draw).slice(0, count)] };
}

/** Questions that may be used, in row order: parsed, new, and in none of the labelled sets. */
function usableQuestions({ tasks, settings, name, config }: Loaded, results: readonly RowResult[]): Usable {
  const written = new Map(tasks.map((task) => [task.name, [] as WrittenQuestion[]]));
  const calls = new Map<string, number>();
  for (const result of results) {
    const { task, index } = result.meta as unknown as Meta;
    calls.set(task, Math.max(calls.get(task) ?? 0, index + 1));
    if (result.outcome !== 'ok') continue;
    const parsed = result.value as unknown as { question: string; target: string }[];
    for (const { question, target } of parsed) written.get(task)?.push({ question, target, from: result.key });
  }
  const dedupe = { dedupe: settings.dedupe, rougeLMax: settings.rouge_l_max };
  const questions = new Map<string, QuestionRow[]>();
  const cleaned = tasks.map((task) => cleanQuestions(written.get(task.name) ?? [], task, dedupe, config.hygiene));
  for (const [at, { name: task }] of tasks.entries()) {
    const rows = (cleaned[at]?.kept ?? []).map(({ question, target, from }, place): QuestionRow => {
      const id = sha256Hex(`${name}\u0000${task}\u0000${question}\u0000${target}\u0000${place}`).slice(0, 16);
      return { id, task, question, target, from };
    });
    questions.set(task, rows);
  }
  return {
    questions,
    dropped: cleaned.flatMap(({ dropped }) => dropped),
    found: sumFound(cleaned.map(({ found }) => found)),
    calls,
  };
}

/** The tag's form and our own wording enter prompts and readings, so they enter keys. */
export function answerTags(config: RunConfig): JsonObject {
  const { answer_open, answer_close, answer_reminder } = config.prompts;
  return {
    open: answer_open,
    close: answer_close,
    reminder: answer_reminder ?? null,
    wording: wordingVersion,
  };
}

function notEnough(
  loaded: Loaded,
  task: string,
  have: number,
  needed: number,
  dropped: Readonly<Record<string, number>>,
): ArteError {
  const section = loaded.name === 'sample-questions' ? 'questions' : 'tailor';
  return new ArteError('NotEnoughQuestions', {
    what: `The teacher wrote only ${have} usable questions of ${needed} for task ${task}.`,
    why: `After the last wave the rest was unreadable or dropped (${JSON.stringify(dropped)}).`,
    next: `Ask for fewer (${section}.per_task), allow duplicates (questions.dedupe), or use questions.format: json; then start the run under another id: what is paid for is reused.`,
  });
}
