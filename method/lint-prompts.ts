/**
 * Looks over the prompts of a task as the models will see them, for what costs accuracy and no error tells (`arte preview --lint`).
 *
 * Owns the rules. What makes a config unusable is said by config/check-config.ts; how prompts are built is prompts.ts and preview.ts.
 * Invariant: pure, and quiet about the built-in wordings on the built-in families (test/method/lint-prompts.test.ts).
 */
import type { RunConfig } from '../schemas/run-config';
import type { TaskRecord } from '../schemas/task';
import { canonicalAnswer, findTags, isCorrect } from './answers';
import { contaminationCheck } from './contamination';
import { previewTask, type PreviewStep } from './preview';
import { answerReminder, demonstrationOf, techniqueDemonstration } from './prompts';

export const lintRules = [
  'text-like-a-slot',
  'trailing-space',
  'blank-lines',
  'odd-character',
  'template-marker',
  'no-answer-tag',
  'reminder-twice',
  'no-description',
  'demonstration-without-tag',
  'answer-twice',
  'demonstration-contradicts',
  'demonstration-is-item',
  'one-target',
  'stop-in-demonstration',
  'too-long',
] as const;
export type LintRule = (typeof lintRules)[number];

export interface LintFinding {
  readonly rule: LintRule;
  readonly task: string;
  /** The prompts it stands in: "score-drafts", "technique expert-role". Empty: the task itself. */
  readonly where: readonly string[];
  readonly what: string;
  readonly instead: string;
}

/** A character is a quarter of a token at most in English; estimates of length go by it. */
const charactersPerToken = 4;

/** Words of chat templates: a server puts them in itself, and takes them for control where they stand in a message. */
const templateMarkers =
  /<\|(?:im_start|im_end|eot_id|start_header_id|end_header_id|user|assistant|system|end)\|>|\[\/?INST\]|<\/?s>|<(?:start|end)_of_turn>/;

/** Everything there is to say about the prompts of one task, most telling first; none is a reason not to run. */
export function lintPrompts(task: TaskRecord, config: RunConfig): LintFinding[] {
  const findings = new Map<string, { finding: Omit<LintFinding, 'where'>; where: Set<string> }>();
  const add = (rule: LintRule, what: string, instead: string, where?: string): void => {
    const known = findings.get(`${rule} ${what}`);
    const places = known?.where ?? new Set<string>();
    if (where !== undefined) places.add(where);
    if (!known) findings.set(`${rule} ${what}`, { finding: { rule, task: task.name, what, instead }, where: places });
  };
  lintDemonstrations(task, config, add);
  for (const step of previewTask(task, config)) if (step.request !== undefined) lintPrompt(step, task, config, add);
  const order = (rule: LintRule): number => lintRules.indexOf(rule);
  return [...findings.values()]
    .map(({ finding, where }) => ({ ...finding, where: [...where] }))
    .sort((one, other) => order(one.rule) - order(other.rule));
}

type Add = (rule: LintRule, what: string, instead: string, where?: string) => void;

function lintPrompt(step: PreviewStep, task: TaskRecord, config: RunConfig, add: Add): void {
  const { request, stage, title } = step;
  if (request === undefined) return;
  const { prompt, sampling } = request;
  const text = prompt.kind === 'completion' ? prompt.text : prompt.messages.map(({ content }) => content).join('\n');
  const where = stage === 'sample-rationales' ? title : stage;
  const slot = /\{[a-z_]+\}/.exec(text)?.[0];
  if (slot !== undefined)
    add(
      'text-like-a-slot',
      `The text ${slot} stands in the prompt.`,
      'Take it out, or write the slot that is meant.',
      where,
    );
  if (/[ \t](?:\n|$)/.test(text))
    add(
      'trailing-space',
      'A line of the prompt ends in a space.',
      'Take it out: a token that begins with the space is then no longer what comes next.',
      where,
    );
  if (/\n[ \t]*\n[ \t]*\n/.test(text))
    add(
      'blank-lines',
      'The prompt has two blank lines together.',
      'Leave one: some models take more for the end.',
      where,
    );
  const odd = /[\u0000-\u0008\u000b-\u001f\u007f\u00a0\u200b-\u200f\u2028\u2029\ufeff]/.exec(text)?.[0];
  if (odd !== undefined)
    add(
      'odd-character',
      `The prompt holds the invisible character U+${odd.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}.`,
      'Take it out of the wording or the task file.',
      where,
    );
  const marker = templateMarkers.exec(text)?.[0];
  if (marker !== undefined)
    add(
      'template-marker',
      `The prompt holds ${marker}.`,
      'Take it out: the chat template writes such marks itself.',
      where,
    );
  const { endpoint } = config.models[step.model === 'teacher' ? 'teacher' : 'student'];
  const tokens = Math.ceil(text.length / charactersPerToken);
  if (
    step.model !== 'respondent' &&
    endpoint.kind === 'managed' &&
    tokens + sampling.maxTokens > endpoint.context_tokens
  )
    add(
      'too-long',
      `About ${tokens} tokens of prompt and ${sampling.maxTokens} of answer do not fit into context_tokens = ${endpoint.context_tokens}.`,
      `Raise models.${step.model}.endpoint.context_tokens, or show fewer demonstrations.`,
      where,
    );
  if (stage === 'sample-questions' || stage === 'tailor-questions') return;
  const reminder = answerReminder(task, config);
  if (findTags(text, { open: config.prompts.answer_open, close: config.prompts.answer_close }).length === 0)
    add(
      'no-answer-tag',
      `The prompt never shows the answer tag ${config.prompts.answer_open.trim()}.`,
      'Put {reminder} into the wording: without the tag no answer is read in strict mode.',
      where,
    );
  if (reminder !== '' && text.split(reminder).length > 2)
    add(
      'reminder-twice',
      'The answer-tag reminder stands twice.',
      'Take it out of the description or the wording.',
      where,
    );
  if (!text.includes(task.description.trim()))
    add('no-description', 'The prompt does not say what the task is.', 'Put {description} into the wording.', where);
}

function lintDemonstrations(task: TaskRecord, config: RunConfig, add: Add): void {
  const tags = { open: config.prompts.answer_open, close: config.prompts.answer_close };
  const stops = [...config.score.stop, ...config.evaluate.stop];
  const judge = (name: string, shown: { question: string; rationale: string }, target: string): void => {
    const found = findTags(shown.rationale, tags);
    const answers = found.flatMap(({ content }) => canonicalAnswer(content, task.answer, shown.question) ?? []);
    const [first] = answers;
    if (first === undefined)
      add(
        'demonstration-without-tag',
        `${name} has no answer in the answer tag.`,
        'Write its answer as the answer type wants it.',
      );
    else if (!isCorrect(first, target, task.answer, shown.question))
      add(
        'demonstration-contradicts',
        `${name} concludes ${first}, and its answer is ${target}.`,
        'Correct one of them.',
      );
    if (answers.length > 1)
      add(
        'answer-twice',
        `${name} shows its answer ${answers.length} times.`,
        'Leave the last: the first is what is read.',
      );
    const stop = stops.find((text) => shown.rationale.trim().includes(text));
    if (stop !== undefined)
      add(
        'stop-in-demonstration',
        `${name} holds ${JSON.stringify(stop)}, at which answers are cut off.`,
        'Take it out of score.stop and evaluate.stop, or out of the demonstration.',
      );
  };
  for (const seed of task.seeds)
    judge(
      `The worked answer of the seed "${clipped(seed.question)}"`,
      demonstrationOf(seed, task, config),
      seed.target,
    );
  const check = contaminationCheck(
    { seeds: [], validation: task.validation, test: task.test },
    config.hygiene.contamination,
  );
  for (const technique of task.techniques) {
    const shown = techniqueDemonstration(technique, task, config);
    if (shown === undefined) continue;
    const name = `The demonstration of technique ${technique.name}`;
    judge(name, shown, technique.demonstration?.answer ?? '');
    const item = check.question(shown.question);
    if (item !== undefined)
      add(
        'demonstration-is-item',
        `${name} is a ${item.split} item (${item.itemId}).`,
        'Show another question: drafts would be written with the answer at hand.',
      );
  }
  const targets = new Set(task.seeds.map(({ target }) => canonicalAnswer(target, task.answer) ?? target));
  if (task.seeds.length > 1 && targets.size === 1)
    add(
      'one-target',
      `All ${task.seeds.length} seeds have the target ${[...targets][0] ?? ''}.`,
      'Choose seeds with different targets (split_seed): models repeat what every demonstration says.',
    );
}

/** Characters of a question that a finding quotes. */
const quotedCharactersMax = 50;

function clipped(text: string): string {
  const line = text.replace(/\s+/g, ' ');
  return line.length > quotedCharactersMax ? `${line.slice(0, quotedCharactersMax)}…` : line;
}
