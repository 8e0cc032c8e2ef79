/**
 * What the models are asked, word by word: the paper's four prompts with their slots, and the answer tag.
 *
 * Owns every wording and its slots, the stop strings and the JSON schema that belong to a prompt, and the default techniques.
 * Leaves sampling settings to the config, reading of answers to answers.ts, of questions to parse-questions.ts, of rationales to finish-rationale.ts,
 * what a slot is to prompt-template.ts, judging a config's own wordings to config/wording-problems.ts.
 *
 * Invariants
 * 1. Pure: equal arguments, equal bytes. A change of any built-in wording changes `wordingVersion`, which belongs into stage keys.
 * 2. What is constant comes first (description, demonstration), so that a server's prefix cache serves all rows of one prompt.
 * 3. Text for completion never ends in a space or tab: the tokens of the answer bring their own.
 */
import type { JsonValue } from '../schemas/json';
import type { Prompt } from '../schemas/rows';
import type { ModelConfig } from '../schemas/config/models';
import type { RunConfig } from '../schemas/run-config';
import type { AnswerSpec, AnswerType, TaskItem, TaskRecord, Technique } from '../schemas/task';
import { canonicalAnswer, closeIsUnmistakable, findTags, labelsOf } from './answers';
import { shuffled } from './keys';
import { fill } from './prompt-template';

/** Raised with every change of a built-in wording, stop or schema: stage keys hold it, so that nothing stale is reused. */
export const wordingVersion = 1;

export type PromptStyle = ModelConfig['prompt_style'];
export type QuestionFormat = RunConfig['questions']['format'];

export interface BuiltPrompt {
  readonly prompt: Prompt;
  /** Stop strings that belong to the wording; the config's own come on top. At most two: some servers take no more than four. */
  readonly stop: readonly string[];
  readonly jsonSchema?: JsonValue;
  /** Text that the prompt already holds and the answer continues: put it in front before reading or training. '' when none. */
  readonly assistantPrefix: string;
}

/** A worked question, as a one-shot or k-shot prompt shows it. `rationale` ends in the answer tag. */
export interface Demonstration {
  readonly question: string;
  readonly rationale: string;
}

export interface QuestionItem {
  readonly question: string;
  readonly target: string;
}

/** What follows "Answer:" in the naive and the student prompt. Paper: "Let's think step by step." */
const stepByStep = "Let's think step by step.";

/** Technique prompts of draft rationales. Paper: expert role, recall the rules, plain, eliminate options; worded by this project. */
export const defaultTechniques: readonly Technique[] = [
  {
    name: 'expert-role',
    instruction:
      'You are an expert in this kind of question and explain it to a learner. Explain your answer as such an expert would.',
  },
  {
    name: 'recall-rules',
    instruction: 'First recall the rules or facts that apply to this kind of question, then apply them step by step.',
  },
  { name: 'step-by-step', instruction: 'Answer the question step by step.' },
  {
    name: 'eliminate-options',
    instruction:
      'Go through the possible answers, rule out those that cannot be right and say why, then keep the one left.',
  },
];

// ---- the answer tag --------------------------------------------------------------------------------------------------

/** Quotes keep both forms readable: "<ans>X</ans>" and "The answer is X.". */
const defaultReminders: Readonly<Record<AnswerType, string>> = {
  boolean: 'End with "{open}X{close}", where X is {labels}.',
  'yes-no': 'End with "{open}X{close}", where X is {labels}.',
  choice: 'End with "{open}X{close}", where X is the right option: {labels}.',
  number: 'End with "{open}X{close}", where X is a number without its unit.',
  text: 'End with "{open}X{close}", where X is the answer and nothing else.',
  exact: 'End with "{open}X{close}", where X is the answer, exactly as it must be written.',
};
export const reminderSlots = ['open', 'close', 'labels'] as const;

/** The sentence that asks for the answer tag and names the answers that fit the task. */
export function answerReminder(task: Pick<TaskRecord, 'answer'>, config: RunConfig): string {
  const { answer_open: open, answer_close: close, answer_reminder: own } = config.prompts;
  const path = `prompts.answer_reminder.${task.answer.type}`;
  const template = own?.[task.answer.type] ?? defaultReminders[task.answer.type];
  return fill(template, { open, close, labels: labelsInWords(task.answer) }, reminderSlots, path);
}

function labelsInWords(answer: AnswerSpec): string {
  const labels = labelsOf(answer);
  if (labels.length === 0) return answer.type === 'choice' ? 'its letter, such as (A)' : '';
  if (labels.length === 1) return labels[0] ?? '';
  return `${labels.slice(0, -1).join(', ')} or ${labels.at(-1) ?? ''}`;
}

/** The answer between its tags: `<ans>42</ans>`, or `The answer is 42.` */
export function taggedAnswer(answer: string, config: RunConfig): string {
  return `${config.prompts.answer_open}${answer}${config.prompts.answer_close}`;
}

/** The closing tag stops generation, unless it is a mark that ends any sentence. */
function tagStop(config: RunConfig): readonly string[] {
  const { answer_close: close } = config.prompts;
  return closeIsUnmistakable(close) ? [close] : [];
}

// ---- the prompts -----------------------------------------------------------------------------------------------------

export const questionSlots = ['task', 'description', 'targets', 'seeds', 'count'] as const;
export const naiveSlots = ['description', 'reminder', 'question'] as const;
export const rationaleSlots = ['technique', 'description', 'reminder', 'demonstration', 'question'] as const;
export const studentSlots = ['description', 'reminder', 'demonstrations', 'question'] as const;

const defaultNaive = `{description} {reminder}\n\nQuestion: {question}\nAnswer: ${stepByStep}`;
const defaultStudent = `{description} {reminder}\n\n{demonstrations}Question: {question}\nAnswer: ${stepByStep}`;
const defaultRationale = '{technique}\n{description} {reminder}\n\n{demonstration}Question: {question}\nAnswer:';

const defaultQuestion: Readonly<Record<`${PromptStyle}-${QuestionFormat}-${'one' | 'many'}`, string>> = {
  'chat-tagged-one': questionRequest(
    'Write one more question of the same kind, different from these, with its correct target. {targets} Keep exactly this format:\n<question>…</question>\n<target>…</target>',
  ),
  'chat-tagged-many': questionRequest(
    'Write {count} more questions of the same kind, different from these and from each other, each with its correct target. {targets} Keep exactly this format for each of them:\n<question>…</question>\n<target>…</target>',
  ),
  'chat-json-one': questionRequest(
    'Write one more question of the same kind, different from these, with its correct target. {targets} Answer with one JSON object in the format of the examples and nothing else.',
  ),
  'chat-json-many': questionRequest(
    'Write {count} more questions of the same kind, different from these and from each other, each with its correct target. {targets} Answer with {count} such objects in a JSON object {"questions": […]} and nothing else.',
  ),
  'completion-tagged-one':
    'Task: {description} {targets}\nDifferent questions of this task, each with its correct target:\n\n{seeds}\n\n',
  'completion-tagged-many':
    'Task: {description} {targets}\nDifferent questions of this task, each with its correct target:\n\n{seeds}\n\n',
  'completion-json-one':
    'Task: {description} {targets}\nDifferent questions of this task, each with its correct target, one JSON object per line:\n{seeds}\n',
  'completion-json-many':
    'Task: {description} {targets}\nDifferent questions of this task, each with its correct target, as JSON:\n{seeds}\n',
};

function questionRequest(request: string): string {
  return `Task: {task}\n{description}\n\nExamples of its questions and their targets:\n\n{seeds}\n\n${request}`;
}

/** Prompts that differ only in the order of the seeds: enough to vary what comes, few enough for a prefix cache to hold. */
const seedOrdersMax = 6;

/**
 * Ask the teacher for `count` new questions with targets.
 * @param variation Which sample this is: picks one of at most six orders of the seeds; 0 is the order of the task. Same order, same prompt.
 */
export function questionPrompt(
  task: TaskRecord,
  config: RunConfig,
  style: PromptStyle,
  count: number,
  variation: number,
): BuiltPrompt {
  const { format } = config.questions;
  const seeds = inOrder(task.seeds, variation);
  const template = config.prompts.question ?? defaultQuestion[`${style}-${format}-${count === 1 ? 'one' : 'many'}`];
  const text = fill(
    template,
    {
      task: task.name,
      description: task.description,
      targets: targetsInWords(task.answer),
      seeds: questionResponse(seeds, format, count),
      count: String(count),
    },
    questionSlots,
    'prompts.question',
  );
  const jsonSchema = format === 'json' ? { jsonSchema: questionSchema(task.answer, count) } : {};
  if (style === 'chat') return { ...asked(text, style), stop: [], ...jsonSchema, assistantPrefix: '' };
  // The last line break belongs to the prompt: a server that constrains the output to JSON would not let the model write it.
  if (format === 'json')
    return {
      prompt: { kind: 'completion', text: `${text.trimEnd()}\n` },
      stop: [],
      ...jsonSchema,
      assistantPrefix: '',
    };
  const opening = '<question>';
  return {
    prompt: { kind: 'completion', text: `${text.trimEnd()}\n\n${opening}` },
    stop: count === 1 ? ['</target>'] : [],
    assistantPrefix: opening,
  };
}

/** Questions in the format in which the teacher is asked for them; also what a preference pair of questions trains on. */
export function questionResponse(items: readonly QuestionItem[], format: QuestionFormat, count: number): string {
  if (format === 'tagged') {
    return items
      .map(({ question, target }) => `<question>${question}</question>\n<target>${target}</target>`)
      .join('\n\n');
  }
  const objects = items.map(
    ({ question, target }) => `{"question": ${JSON.stringify(question)}, "target": ${JSON.stringify(target)}}`,
  );
  return count === 1 ? objects.join('\n') : `{"questions": [${objects.join(', ')}]}`;
}

function inOrder(seeds: readonly TaskItem[], variation: number): readonly TaskItem[] {
  const order = variation % seedOrdersMax;
  return order === 0 ? seeds : shuffled(seeds, order);
}

function targetsInWords(answer: AnswerSpec): string {
  if (answer.type === 'number') return 'Every target is a number.';
  const labels = labelsInWords(answer);
  return labels === '' ? 'Every target is as short as in the examples.' : `Every target is ${labels}.`;
}

/** JSON Schema of one item, or of an object with exactly `count`. Only keywords and a root that llama.cpp, vLLM and OpenAI all take. */
function questionSchema(answer: AnswerSpec, count: number): JsonValue {
  const item = {
    type: 'object',
    properties: { question: { type: 'string' }, target: targetSchema(answer) },
    required: ['question', 'target'],
    additionalProperties: false,
  };
  if (count === 1) return item;
  return {
    type: 'object',
    properties: { questions: { type: 'array', items: item, minItems: count, maxItems: count } },
    required: ['questions'],
    additionalProperties: false,
  };
}

function targetSchema(answer: AnswerSpec): JsonValue {
  const labels = labelsOf(answer);
  if (labels.length > 0) return { type: 'string', enum: labels };
  if (answer.type === 'choice') return { type: 'string', pattern: '^\\([A-Z]\\)$' };
  if (answer.type === 'number') return { type: 'string', pattern: '^-?[0-9]{1,9}(\\.[0-9]{1,4})?$' };
  return { type: 'string' };
}

/** Ask the teacher for a rationale under a technique prompt. */
export function rationalePrompt(
  task: TaskRecord,
  technique: Technique,
  question: string,
  config: RunConfig,
  style: PromptStyle,
): BuiltPrompt {
  const shown = techniqueDemonstration(technique, task, config);
  const demonstration = shown === undefined ? '' : `Question: ${shown.question}\nAnswer: ${shown.rationale}\n\n`;
  const slots = { technique: technique.instruction, description: task.description, demonstration, question };
  const text = fill(
    config.prompts.rationale ?? defaultRationale,
    { ...slots, reminder: answerReminder(task, config) },
    rationaleSlots,
    'prompts.rationale',
  );
  return answering(text, config, style);
}

/** Ask for a rationale with no technique: x of rationale pairs, and how the aligned teacher writes the tailored set. */
export function naivePrompt(task: TaskRecord, question: string, config: RunConfig, style: PromptStyle): BuiltPrompt {
  const slots = { description: task.description, reminder: answerReminder(task, config), question };
  return answering(fill(config.prompts.naive ?? defaultNaive, slots, naiveSlots, 'prompts.naive'), config, style);
}

/** Ask the student: no demonstration (and so its training prompt), one (scoring), or k (evaluation). */
export function studentPrompt(
  task: TaskRecord,
  demonstrations: readonly Demonstration[],
  question: string,
  config: RunConfig,
  style: PromptStyle,
): BuiltPrompt {
  const shown = demonstrations
    .map((one) => `Question: ${one.question}\nAnswer: ${stepByStep} ${one.rationale}\n\n`)
    .join('');
  const text = fill(
    config.prompts.student_one_shot ?? defaultStudent,
    { description: task.description, reminder: answerReminder(task, config), demonstrations: shown, question },
    studentSlots,
    'prompts.student_one_shot',
  );
  return answering(text, config, style);
}

/** A labelled item as a demonstration: its worked answer where the source has one, then the answer tag. */
export function demonstrationOf(item: TaskItem, task: Pick<TaskRecord, 'answer'>, config: RunConfig): Demonstration {
  return { question: item.question, rationale: withAnswer(item.rationale ?? '', item, task, config) };
}

/** A technique's own demonstration as its prompt shows it, where it has one. */
export function techniqueDemonstration(
  { demonstration: shown }: Technique,
  task: Pick<TaskRecord, 'answer'>,
  config: RunConfig,
): Demonstration | undefined {
  if (!shown) return undefined;
  const { question, rationale, answer: target } = shown;
  return { question, rationale: withAnswer(rationale, { question, target }, task, config) };
}

function withAnswer(
  rationale: string,
  { question, target }: Pick<TaskItem, 'question' | 'target'>,
  task: Pick<TaskRecord, 'answer'>,
  config: RunConfig,
): string {
  const { answer_open: open, answer_close: close } = config.prompts;
  const tags = findTags(rationale, { open, close });
  const has = tags.some((tag) => canonicalAnswer(tag.content, task.answer, question) !== null);
  return has ? rationale.trim() : `${rationale.trim()} ${taggedAnswer(target, config)}`.trim();
}

function answering(text: string, config: RunConfig, style: PromptStyle): BuiltPrompt {
  const nextQuestion = style === 'completion' ? ['\nQuestion:'] : [];
  return { ...asked(text, style), stop: [...nextQuestion, ...tagStop(config)], assistantPrefix: '' };
}

function asked(text: string, style: PromptStyle): { prompt: Prompt } {
  const plain = text.trimEnd();
  return {
    prompt:
      style === 'chat'
        ? { kind: 'chat', messages: [{ role: 'user', content: plain }] }
        : { kind: 'completion', text: plain },
  };
}
