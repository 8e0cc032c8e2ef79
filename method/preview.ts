/**
 * One question through every prompt and stage (`arte preview`): what the models will be asked and trained on, and how answers are read.
 *
 * Owns which prompt belongs to which stage, and what stands in for words that no model has written yet: a validation item for the
 * drafted question, a seed's worked answer (or "…") for a rationale. Asking is cli/ask-models.ts, the wording is prompts.ts, the
 * training rows are training-rows.ts.
 * Invariant: the steps of a task are the same in number and order, whatever words are known.
 */
import type { JsonValue } from '../schemas/json';
import type { ModelAnswer, ModelRequest } from '../schemas/rows';
import type { RunConfig } from '../schemas/run-config';
import { signalsOf } from '../schemas/signals';
import type { StageName } from '../schemas/stage-names';
import type { TaskItem, TaskRecord } from '../schemas/task';
import { extractAnswer, isCorrect } from './answers';
import { finishRationale } from './finish-rationale';
import { seedFrom } from './keys';
import { parseQuestions } from './parse-questions';
import {
  demonstrationOf,
  naivePrompt,
  questionPrompt,
  questionResponse,
  rationalePrompt,
  studentPrompt,
} from './prompts';
import type { BuiltPrompt, Demonstration, QuestionItem } from './prompts';
import { signals } from './signals';
import { nothingDrawn } from './signals/signal';
import { dpoRow, sftRow } from './training-rows';

export interface PreviewStep {
  readonly stage: StageName;
  /** What it shows, in words: `technique expert-role`, `3-shot`. */
  readonly title: string;
  readonly model: 'teacher' | 'student' | 'respondent';
  /** A call: what is sent. */
  readonly request?: ModelRequest;
  /** Text that the prompt already holds and the answer continues. */
  readonly assistantPrefix?: string;
  /** A training row: what the trainer reads. */
  readonly row?: JsonValue;
}

/** What models have written so far, where they were asked. */
export interface PreviewWords {
  readonly drafted?: QuestionItem;
  /** A draft's rationale, finished. */
  readonly draft?: string;
  /** The tailored rationale, finished. */
  readonly tailored?: string;
}

interface Sampling {
  readonly temperature: number;
  readonly max_tokens: number;
  readonly stop: readonly string[];
  readonly top_p?: number;
  readonly top_k?: number;
  readonly min_p?: number;
}

/** Stands where a model's own words will stand. */
const unknownWords = '…';

/** The item that stands in for a drafted question, and that the student is asked: the first validation item, else a seed. */
export function previewItem(task: TaskRecord): TaskItem {
  const item = task.validation[0] ?? task.seeds[0];
  if (item === undefined) throw new Error(`the task ${task.name} has no items`);
  return item;
}

/** Every prompt and training row of one task, in the order of the stages. */
export function previewTask(task: TaskRecord, config: RunConfig, words: PreviewWords = {}): PreviewStep[] {
  const probe = previewItem(task);
  const drafted = words.drafted ?? probe;
  const { teacher, student } = config.models;
  const steps: PreviewStep[] = [];
  const ask = (
    stage: StageName,
    title: string,
    model: PreviewStep['model'],
    built: BuiltPrompt,
    sampling: Sampling,
  ): void => {
    const { temperature, max_tokens: maxTokens, stop, top_p: topP = 1, top_k: topK = 0, min_p: minP = 0 } = sampling;
    steps.push({
      stage,
      title,
      model,
      request: {
        prompt: built.prompt,
        sampling: {
          temperature,
          topP,
          topK,
          minP,
          maxTokens,
          stop: [...new Set([...built.stop, ...stop])],
          seed: seedFrom(config.seed, 'preview', stage, title),
        },
        ...(built.jsonSchema === undefined ? {} : { jsonSchema: built.jsonSchema }),
      },
      assistantPrefix: built.assistantPrefix,
    });
  };
  const greedy = ({ max_tokens, stop }: Pick<Sampling, 'max_tokens' | 'stop'>): Sampling => ({
    temperature: 0,
    max_tokens,
    stop,
  });
  const askStudent = (demonstrations: readonly Demonstration[], style = student.prompt_style): BuiltPrompt =>
    studentPrompt(task, demonstrations, probe.question, config, style);

  if (config.probe.method === 'irt') {
    const shots = Math.max(...config.probe.respondent_shots);
    const style = (config.probe.respondents[0] ?? student).prompt_style;
    ask(
      'evaluate',
      `respondents of the preference set, ${shots}-shot`,
      'respondent',
      askStudent(seeds(task, shots, config), style),
      greedy(config.probe),
    );
  }
  const perCall = config.questions.per_call;
  const questions = questionPrompt(task, config, teacher.prompt_style, perCall, 0);
  const many = perCall === 1 ? 'one question' : `${perCall} questions`;
  ask('sample-questions', many, 'teacher', questions, config.questions);
  for (const technique of task.techniques) {
    ask(
      'sample-rationales',
      `technique ${technique.name}`,
      'teacher',
      rationalePrompt(task, technique, drafted.question, config, teacher.prompt_style),
      config.rationales,
    );
  }
  for (const name of signalsOf(config.score)) {
    const signal = signals[name];
    const draft = shownDraft(task, config, words);
    if (signal.asks === 'answer')
      ask('score-drafts', 'a draft as the one demonstration', 'student', askStudent([draft]), config.score);
    else {
      const question =
        signal.per === 'cell' ? signal.question(task, draft, probe, config) : signal.question(task, draft, config);
      const title = `${name}: how probable is the given text?`;
      steps.push({ stage: 'score-drafts', title, model: 'student', request: { ...question, sampling: nothingDrawn } });
    }
  }
  steps.push(...pairRows(task, drafted, config));
  ask('tailor-questions', many, 'teacher', questions, config.tailor.questions);
  ask(
    'tailor-rationales',
    'the naive prompt',
    'teacher',
    naivePrompt(task, drafted.question, config, teacher.prompt_style),
    config.tailor.rationales,
  );
  const rationale = words.tailored ?? worked(drafted, task, config);
  steps.push({
    stage: 'train-sft',
    title: 'a tailored example',
    model: 'student',
    row: sftRow({ question: drafted.question, rationale }, task, config) as unknown as JsonValue,
  });
  for (const shots of config.evaluate.shots)
    ask('evaluate', `${shots}-shot`, 'student', askStudent(seeds(task, shots, config)), greedy(config.evaluate));
  return steps;
}

function seeds(task: TaskRecord, shots: number, config: RunConfig): Demonstration[] {
  return task.seeds.slice(0, shots).map((seed) => demonstrationOf(seed, task, config));
}

/** A rationale for an item as it will look: its own, else words that are not known yet. */
function worked(
  item: QuestionItem & Pick<TaskItem, 'rationale'>,
  task: TaskRecord,
  config: RunConfig,
  instead = unknownWords,
): string {
  return demonstrationOf({ id: '-', ...item, rationale: item.rationale ?? instead }, task, config).rationale;
}

function shownDraft(task: TaskRecord, config: RunConfig, { drafted, draft }: PreviewWords): Demonstration {
  if (drafted !== undefined && draft !== undefined) return { question: drafted.question, rationale: draft };
  const seed = task.seeds[0] ?? previewItem(task);
  return { question: seed.question, rationale: worked(seed, task, config) };
}

/** A preference pair of each kind as the trainer reads it. */
function pairRows(task: TaskRecord, drafted: QuestionItem, config: RunConfig): PreviewStep[] {
  const style = config.models.teacher.prompt_style;
  const count = config.pairs.question.response === 'list' ? config.questions.per_call : 1;
  const [first, second] = [task.seeds[0] ?? drafted, task.seeds[1] ?? drafted];
  const question = {
    kind: 'question' as const,
    prompt: questionPrompt(task, config, style, count, 0).prompt as unknown as JsonValue,
    chosen: questionResponse([first], config.questions.format, count),
    rejected: questionResponse([second], config.questions.format, count),
  };
  const { question: asked, target } = drafted;
  const rationale = {
    kind: 'rationale' as const,
    prompt: naivePrompt(task, asked, config, style).prompt as unknown as JsonValue,
    chosen: worked({ question: asked, target }, task, config, `${unknownWords} (the best draft)`),
    rejected: worked({ question: asked, target }, task, config, `${unknownWords} (the worst draft)`),
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

// ---- how answers are read ----------------------------------------------------------------------------------------

export interface PreviewReading {
  /** In words: what the stage makes of the answer. */
  readonly says: string;
  /** What later steps go on with. */
  readonly words: PreviewWords;
}

/** What the step's stage reads in an answer. */
export function readPreview(
  step: PreviewStep,
  answer: ModelAnswer,
  task: TaskRecord,
  config: RunConfig,
  words: PreviewWords,
): PreviewReading {
  if (answer.finish === 'refused') return { says: 'refused', words: {} };
  const text = (step.assistantPrefix ?? '') + answer.text;
  const cut = answer.finish === 'length' ? ' (cut off by max_tokens)' : '';
  switch (step.stage) {
    case 'sample-questions':
    case 'tailor-questions': {
      const { questions, problems } = parseQuestions(text, config.questions.format, task, answer.finish);
      const [first] = questions;
      if (first === undefined)
        return { says: `no question could be read: ${problems[0] ?? 'it holds none'}${cut}`, words: {} };
      const drafted =
        step.stage === 'sample-questions' ? { drafted: { question: first.question, target: first.target } } : {};
      return {
        says: `${questions.length === 1 ? 'one question' : `${questions.length} questions`} read; its target is ${first.target}`,
        words: drafted,
      };
    }
    case 'sample-rationales':
    case 'tailor-rationales': {
      const drafts = step.stage === 'sample-rationales';
      const item = words.drafted ?? previewItem(task);
      const { target } = item;
      const finished = finishRationale(
        text,
        task,
        config,
        drafts ? config.rationales.answer : config.tailor.answer,
        item,
        answer.finish,
      );
      const given = (drafts ? config.rationales.answer : config.tailor.answer) === 'given';
      const says =
        finished.answer === null
          ? `no answer${cut}`
          : given
            ? `its reasoning${finished.cut === true ? cut : ''}, with the target ${target} put in place of its own answer (answer: given)`
            : `answer ${finished.answer}, the target is ${target}`;
      return {
        says,
        words:
          finished.rationale === '' ? {} : drafts ? { draft: finished.rationale } : { tailored: finished.rationale },
      };
    }
    default: {
      const { question, target } = previewItem(task);
      const { answer_open: open, answer_close: close } = config.prompts;
      const found = extractAnswer(text, task.answer, {
        open,
        close,
        mode: config.evaluate.extraction,
        question,
        finish: answer.finish,
      });
      if (found.kind === 'none') return { says: `no answer${cut}`, words: {} };
      if (found.kind === 'truncated') return { says: `no answer: ${found.why}`, words: {} };
      if (found.kind === 'malformed') return { says: `malformed: ${found.why}`, words: {} };
      const right = isCorrect(found.value, target, task.answer, question);
      return {
        says: `answer ${found.value}: ${right ? 'right' : `wrong, it is ${target}`}${found.kind === 'tagged' ? '' : ' (without the answer tag)'}`,
        words: {},
      };
    }
  }
}
