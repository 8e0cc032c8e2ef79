/**
 * One question through every prompt and stage, as the models will see it (`arte preview`). Nothing is asked and nothing kept.
 *
 * Owns which prompt belongs to which stage, and what stands in for answers that do not exist yet: a validation item for the
 * question, a seed's worked answer (or "…") for the rationale. The wording is prompts.ts, the training rows are training-rows.ts.
 */
import type { JsonValue } from '../schemas/json';
import type { Prompt } from '../schemas/rows';
import type { RunConfig } from '../schemas/run-config';
import type { TaskItem, TaskRecord } from '../schemas/task';
import type { StageName } from '../schemas/stage-names';
import {
  demonstrationOf,
  naivePrompt,
  questionPrompt,
  questionResponse,
  rationalePrompt,
  studentPrompt,
  type BuiltPrompt,
  type Demonstration,
} from './prompts';
import { dpoRow, sftRow } from './training-rows';

export interface PreviewStep {
  readonly stage: StageName;
  /** What it shows, in words: `technique expert-role`, `3-shot`. */
  readonly title: string;
  readonly model: 'teacher' | 'student';
  /** A call: what is sent. */
  readonly call?: {
    readonly prompt: Prompt;
    readonly stop: readonly string[];
    readonly temperature: number;
    readonly maxTokens: number;
    readonly jsonSchema?: JsonValue;
  };
  /** A training row: what the trainer reads. */
  readonly row?: JsonValue;
}

interface Sampling {
  readonly temperature: number;
  readonly max_tokens: number;
  readonly stop: readonly string[];
}

/** Stands where a model's own words will stand. */
const unknownWords = '…';

/** The item that stands in for a drafted question: the first validation item, else a seed. */
export function previewItem(task: TaskRecord): TaskItem {
  const item = task.validation[0] ?? task.seeds[0];
  if (item === undefined) throw new Error(`the task ${task.name} has no items`);
  return item;
}

/** Every prompt and training row of one task, in the order of the stages. */
export function previewTask(task: TaskRecord, config: RunConfig): PreviewStep[] {
  const item = previewItem(task);
  const { teacher, student } = config.models;
  const shown = demonstration(task, config);
  const steps: PreviewStep[] = [];
  const ask = (
    stage: StageName,
    title: string,
    model: PreviewStep['model'],
    built: BuiltPrompt,
    sampling: Sampling,
  ): void => {
    const { temperature, max_tokens: maxTokens, stop } = sampling;
    steps.push({
      stage,
      title,
      model,
      call: {
        prompt: built.prompt,
        stop: [...new Set([...built.stop, ...stop])],
        temperature,
        maxTokens,
        ...(built.jsonSchema === undefined ? {} : { jsonSchema: built.jsonSchema }),
      },
    });
  };
  const greedy = ({ max_tokens, stop }: Pick<Sampling, 'max_tokens' | 'stop'>): Sampling => ({
    temperature: 0,
    max_tokens,
    stop,
  });

  if (config.probe.method === 'irt') {
    const shots = Math.max(...config.probe.respondent_shots);
    const respondent = config.probe.respondents[0] ?? student;
    ask(
      'evaluate',
      `respondents of the preference set, ${shots}-shot`,
      'student',
      studentPrompt(task, seeds(task, shots, config), item.question, config, respondent.prompt_style),
      greedy(config.probe),
    );
  }
  const perCall = config.questions.per_call;
  ask(
    'sample-questions',
    perCall === 1 ? 'one question' : `${perCall} questions`,
    'teacher',
    questionPrompt(task, config, teacher.prompt_style, perCall, 0),
    config.questions,
  );
  for (const technique of task.techniques) {
    ask(
      'sample-rationales',
      `technique ${technique.name}`,
      'teacher',
      rationalePrompt(task, technique, item.question, config, teacher.prompt_style),
      config.rationales,
    );
  }
  ask(
    'score-drafts',
    'a draft as the one demonstration',
    'student',
    studentPrompt(task, [shown], item.question, config, student.prompt_style),
    config.score,
  );
  steps.push(...pairRows(task, item, config));
  ask(
    'tailor-questions',
    perCall === 1 ? 'one question' : `${perCall} questions`,
    'teacher',
    questionPrompt(task, config, teacher.prompt_style, perCall, 0),
    config.tailor.questions,
  );
  ask(
    'tailor-rationales',
    'the naive prompt',
    'teacher',
    naivePrompt(task, item.question, config, teacher.prompt_style),
    config.tailor.rationales,
  );
  const example = {
    question: item.question,
    rationale: demonstrationOf({ ...item, rationale: item.rationale ?? unknownWords }, task, config).rationale,
  };
  steps.push({
    stage: 'train-sft',
    title: 'a tailored example',
    model: 'student',
    row: sftRow(example, task, config) as unknown as JsonValue,
  });
  for (const shots of config.evaluate.shots) {
    ask(
      'evaluate',
      `${shots}-shot`,
      'student',
      studentPrompt(task, seeds(task, shots, config), item.question, config, student.prompt_style),
      greedy(config.evaluate),
    );
  }
  return steps;
}

function seeds(task: TaskRecord, shots: number, config: RunConfig): Demonstration[] {
  return task.seeds.slice(0, shots).map((seed) => demonstrationOf(seed, task, config));
}

/** What a draft will look like: a seed with its worked answer, or with words that are not known yet. */
function demonstration(task: TaskRecord, config: RunConfig): Demonstration {
  const seed = task.seeds[0] ?? previewItem(task);
  return demonstrationOf({ ...seed, rationale: seed.rationale ?? unknownWords }, task, config);
}

/** A preference pair of each kind as the trainer reads it. */
function pairRows(task: TaskRecord, item: TaskItem, config: RunConfig): PreviewStep[] {
  const style = config.models.teacher.prompt_style;
  const count = config.pairs.question.response === 'list' ? config.questions.per_call : 1;
  const [first, second] = [task.seeds[0] ?? item, task.seeds[1] ?? item];
  const question = {
    kind: 'question' as const,
    prompt: questionPrompt(task, config, style, count, 0).prompt as unknown as JsonValue,
    chosen: questionResponse([first], config.questions.format, count),
    rejected: questionResponse([second], config.questions.format, count),
  };
  const better = demonstrationOf({ ...item, rationale: `${unknownWords} (the best draft)` }, task, config);
  const worse = demonstrationOf({ ...item, rationale: `${unknownWords} (the worst draft)` }, task, config);
  const rationale = {
    kind: 'rationale' as const,
    prompt: naivePrompt(task, item.question, config, style).prompt as unknown as JsonValue,
    chosen: better.rationale,
    rejected: worse.rationale,
  };
  const step = (title: string, row: typeof question | typeof rationale): PreviewStep => ({
    stage: 'train-dpo',
    title,
    model: 'teacher',
    row: dpoRow(row as Parameters<typeof dpoRow>[0]) as unknown as JsonValue,
  });
  const { pairs } = config;
  return [
    ...(pairs.question.per_task > 0 ? [step('a question pair', question)] : []),
    ...(pairs.rationale.per_task > 0 ? [step('a rationale pair', rationale)] : []),
  ];
}
