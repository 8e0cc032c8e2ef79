/**
 * Judges whether prompts and answers fit where they go: an endpoint's context, a training's max_length. Values in, problems and warnings out.
 *
 * Owns the estimate. The prompts are those that the stages send, made from the longest items of each task; what only a run can know (drafts) is
 * taken as long as the plan takes it. Leaves settings that contradict each other without any item to config/check-config.ts.
 *
 * Invariant: a problem holds whatever the tokenizer (`charactersPerTokenMost`), so that no config is refused that would have run; a warning
 * goes by the plan's estimate.
 */
import type { Prompt } from '../schemas/rows';
import type { RunConfig } from '../schemas/run-config';
import type { TaskItem, TaskRecord } from '../schemas/task';
import { namedModels } from './config/named-parts';
import type { Findings } from './check-items';
import { configProblem, type ConfigProblem, type Segment } from './config/config-problem';
import { charactersPerToken, rationaleTokensAssumed } from './plan-tokens';
import {
  demonstrationOf,
  naivePrompt,
  questionPrompt,
  rationalePrompt,
  studentPrompt,
  type BuiltPrompt,
} from './prompts';

/** No tokenizer of today's models puts more characters of a text into a token, on average (English prose: 4 to 5). */
const charactersPerTokenMost = 6;

/** A prompt that a stage sends, and how long the answer may be. */
interface Asked {
  readonly setting: string;
  readonly characters: number;
  readonly maxTokens: number;
  readonly task: string;
}

/** Judge the lengths of a config whose tasks were read, the unseen ones too; tasks that are only declared are left out. */
export function judgeLengths(
  config: RunConfig,
  tasks: readonly TaskRecord[],
  unseen: readonly TaskRecord[] = [],
): Findings {
  const findings = [...contextFindings(config, tasks, unseen), ...trainingFindings(config, tasks, unseen)];
  return {
    problems: findings.flatMap(({ sure, problem }) => (sure ? [problem] : [])),
    warnings: findings.flatMap(({ sure, problem }) => (sure ? [] : [problem])),
  };
}

interface LengthFinding {
  readonly sure: boolean;
  readonly problem: ConfigProblem;
}

// ---- contexts ----------------------------------------------------------------------------------------------------

function contextFindings(
  config: RunConfig,
  tasks: readonly TaskRecord[],
  unseen: readonly TaskRecord[],
): LengthFinding[] {
  return namedModels(config).flatMap(({ role, segments, model }) => {
    const { endpoint, prompt_style: style } = model;
    if (endpoint.kind !== 'managed') return [];
    const context = endpoint.context_tokens;
    const askedOf = {
      teacher: askedOfTeacher,
      student: askedOfStudent,
      respondent: askedOfRespondent,
      other: evaluated,
    };
    const ofUnseen = { teacher: askedToTailor, student: evaluated, respondent: none, other: none };
    const asked = [
      ...tasks.flatMap((task) => askedOf[role](config, task, style)),
      ...unseen.flatMap((task) => ofUnseen[role](config, task, style)),
    ]
      // Longer answers than the context are a problem without any item (config/model-findings.ts).
      .filter(({ maxTokens }) => maxTokens < context);
    const longest = mostOf(asked, (one) => one.characters / charactersPerToken + one.maxTokens);
    if (longest === undefined) return [];
    const tokens = Math.ceil(longest.characters / charactersPerToken);
    if (tokens + longest.maxTokens <= context) return [];
    const sure = asked.some((one) => one.characters / charactersPerTokenMost + one.maxTokens > context);
    return [
      {
        sure,
        problem: configProblem([...segments, 'endpoint', 'context_tokens'], {
          what: `The longest prompt for the ${role === 'other' ? 'student' : role} has about ${tokens} tokens (task "${longest.task}"), and ${longest.setting} is ${longest.maxTokens}: together ${tokens + longest.maxTokens}, but its server holds ${context}.`,
          why: `A prompt that does not fit is refused, and an answer is cut off where the context ends, before max_tokens. Tokens are estimated at ${charactersPerToken} characters each.`,
          instead: `Write at least ${roundUp(tokens + longest.maxTokens)}, or lower ${longest.setting}.`,
        }),
      },
    ];
  });
}

type Style = Parameters<typeof studentPrompt>[4];

function askedOfTeacher(config: RunConfig, task: TaskRecord, style: Style): Asked[] {
  const { questions, rationales } = config;
  const { question } = longestItem([...task.seeds, ...task.validation]);
  const forQuestions = lengthOf(questionPrompt(task, config, style, questions.per_call, 0));
  const underTechniques = Math.max(
    ...task.techniques.map((technique) => lengthOf(rationalePrompt(task, technique, question, config, style))),
  );
  return [
    asked(task, 'questions.max_tokens', forQuestions, questions.max_tokens),
    asked(task, 'rationales.max_tokens', underTechniques, rationales.max_tokens),
    ...askedToTailor(config, task, style),
    ...(config.arms.includes('teacher') ? evaluated(config, task, style) : []),
  ];
}

function askedToTailor(config: RunConfig, task: TaskRecord, style: Style): Asked[] {
  const { questions, tailor } = config;
  const { question } = longestItem([...task.seeds, ...task.validation]);
  const forQuestions = lengthOf(questionPrompt(task, config, style, questions.per_call, 0));
  const naive = lengthOf(naivePrompt(task, question, config, style));
  return [
    asked(task, 'tailor.questions.max_tokens', forQuestions, tailor.questions.max_tokens),
    asked(task, 'tailor.rationales.max_tokens', naive, tailor.rationales.max_tokens),
  ];
}

const none = (): Asked[] => [];

function askedOfStudent(config: RunConfig, task: TaskRecord, style: Style): Asked[] {
  const { score, probe, rationales } = config;
  const { question } = longestItem([...task.seeds, ...task.validation]);
  const bare = lengthOf(studentPrompt(task, [], longestItem(task.validation).question, config, style));
  // A draft: a question like those of the task, and a rationale as the plan assumes it.
  const draft = question.length + charactersPerToken * Math.min(rationaleTokensAssumed, rationales.max_tokens);
  return [
    asked(task, 'score.max_tokens', bare + draft, score.max_tokens),
    ...evaluated(config, task, style),
    ...(probe.method === 'irt' && probe.respondents.length === 0 ? askedOfRespondent(config, task, style) : []),
  ];
}

function askedOfRespondent(config: RunConfig, task: TaskRecord, style: Style): Asked[] {
  const shots = Math.max(...config.probe.respondent_shots);
  const characters = shotsLength(config, task, style, shots, task.validation);
  return [asked(task, 'probe.max_tokens', characters, config.probe.max_tokens)];
}

function evaluated(config: RunConfig, task: TaskRecord, style: Style): Asked[] {
  const characters = shotsLength(config, task, style, Math.max(...config.evaluate.shots), task.test);
  return [asked(task, 'evaluate.max_tokens', characters, config.evaluate.max_tokens)];
}

/** The longest of some items after so many seed questions as demonstrations. */
function shotsLength(
  config: RunConfig,
  task: TaskRecord,
  style: Style,
  shots: number,
  items: readonly TaskItem[],
): number {
  const demonstrations = task.seeds.slice(0, shots).map((seed) => demonstrationOf(seed, task, config));
  return lengthOf(studentPrompt(task, demonstrations, longestItem(items).question, config, style));
}

// ---- trainings ---------------------------------------------------------------------------------------------------

function trainingFindings(
  config: RunConfig,
  tasks: readonly TaskRecord[],
  unseen: readonly TaskRecord[],
): LengthFinding[] {
  const { align, sft, models, tailor, rationales } = config;
  const trainings = [
    {
      section: 'sft',
      of: [...tasks, ...unseen],
      maxLength: sft.max_length,
      answerTokens: tailor.rationales.max_tokens,
      promptOf: (task: TaskRecord, question: string) =>
        studentPrompt(task, [], question, config, models.student.prompt_style),
    },
    ...(align.method === 'none'
      ? []
      : [
          {
            section: 'align',
            of: tasks,
            maxLength: align.max_length,
            answerTokens: rationales.max_tokens,
            promptOf: (task: TaskRecord, question: string) =>
              naivePrompt(task, question, config, models.teacher.prompt_style),
          },
        ]),
  ];
  return trainings.flatMap(({ section, of, maxLength, answerTokens, promptOf }) => {
    const prompts = of.map((task) => {
      const items = [...task.seeds, ...task.validation, ...task.test];
      const length = (item: Pick<TaskItem, 'question'>): number => lengthOf(promptOf(task, item.question));
      return { shortest: length(shortestItem(items)), longest: length(longestItem(items)) };
    });
    if (prompts.length === 0) return [];
    const place: readonly Segment[] = [section, 'max_length'];
    const longest = Math.max(...prompts.map((prompt) => prompt.longest));
    const needed = Math.ceil(longest / charactersPerToken) + Math.min(rationaleTokensAssumed, answerTokens);
    if (needed <= maxLength) return [];
    const shortest = Math.min(...prompts.map((prompt) => prompt.shortest));
    const sure = shortest / charactersPerTokenMost >= maxLength;
    const about = Math.ceil((sure ? shortest : longest) / charactersPerToken);
    return [
      {
        sure,
        problem: configProblem(place, {
          what: sure
            ? `${section}.max_length is ${maxLength}, and the shortest prompt alone has about ${about} tokens.`
            : `${section}.max_length is ${maxLength}; the longest prompt has about ${about} tokens and its answer ${needed - about} more.`,
          why: sure
            ? 'A row whose prompt alone is as long as max_length is dropped: nothing would be left to train on.'
            : `A longer row is cut at its end, where the answer stands; one whose prompt alone is as long is dropped. Tokens are estimated at ${charactersPerToken} characters each.`,
          instead: `Write at least ${roundUp(needed)}.`,
        }),
      },
    ];
  });
}

// ---- lengths -----------------------------------------------------------------------------------------------------

function asked({ name }: TaskRecord, setting: string, characters: number, maxTokens: number): Asked {
  return { setting, characters, maxTokens, task: name };
}

/** Characters of a prompt; the few tokens of a chat template are within the estimate's error. */
function lengthOf({ prompt }: Pick<BuiltPrompt, 'prompt'>): number {
  return textOf(prompt).length;
}

function textOf(prompt: Prompt): string {
  return prompt.kind === 'completion' ? prompt.text : prompt.messages.map(({ content }) => content).join('\n');
}

function longestItem(items: readonly TaskItem[]): Pick<TaskItem, 'question'> {
  return mostOf(items, ({ question }) => question.length) ?? { question: '' };
}

function shortestItem(items: readonly TaskItem[]): Pick<TaskItem, 'question'> {
  return mostOf(items, ({ question }) => -question.length) ?? { question: '' };
}

function mostOf<Value>(values: readonly Value[], sizeOf: (value: Value) => number): Value | undefined {
  return values.reduce<Value | undefined>(
    (most, value) => (most === undefined || sizeOf(value) > sizeOf(most) ? value : most),
    undefined,
  );
}

/** To the next multiple of 64: a figure that a person would write. */
function roundUp(tokens: number): number {
  return Math.ceil(tokens / 64) * 64;
}
