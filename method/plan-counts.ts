/**
 * How much of everything a config means: items, drafts, cells, pairs, examples and optimizer steps. Exact when nothing fails or is dropped; what
 * the stages do with these counts is plan-stages.ts, and the stages themselves go by the same functions.
 */
import type { RunConfig } from '../schemas/run-config';

export interface PlannedTask {
  readonly name: string;
  readonly validation: number;
  readonly test: number;
  /** Gold examples of the task, where it has any. */
  readonly gold?: number;
  /** Technique prompts of the task. Default: those of the config, else the four built-in ones. */
  readonly techniques?: number;
  /** Mean length of a question in characters, where the items are known. */
  readonly questionCharacters?: number;
  /** Length of the task's description in characters. */
  readonly descriptionCharacters?: number;
}

/** The paper's four technique prompts, which are built in. */
export const builtinTechniques = 4;

export interface Counts {
  readonly items: number;
  readonly gold: number;
  readonly validation: number;
  readonly test: number;
  readonly probes: number;
  readonly questions: number;
  readonly questionCalls: number;
  readonly drafts: number;
  readonly cells: number;
  readonly questionPairs: number;
  readonly rationalePairs: number;
  readonly pairs: number;
  readonly tailored: number;
  readonly tailoredQuestions: number;
  readonly tailorCalls: number;
  /** Cells of score-sample: examples and drafts on held-out items; drafts of some questions on all items outside of the preference set. */
  readonly gainCells: number;
  readonly agreementCells: number;
}

/** The counts of a run, or of what a transfer puts in its place. */
export function countsOf(config: RunConfig, tasks: readonly PlannedTask[]): Counts {
  const { questions, tailor } = config;
  const questionsPerCall = questions.per_call * questions.answers_per_call;
  const each = (of: (task: PlannedTask) => number): number => tasks.reduce((total, task) => total + of(task), 0);
  const techniques = (task: PlannedTask): number =>
    task.techniques ?? config.prompts.techniques?.length ?? builtinTechniques;
  const drafts = (task: PlannedTask): number => questions.per_task * techniques(task);
  const probes = (task: PlannedTask): number =>
    config.probe.method === 'full' ? task.validation : Math.min(config.probe.size, task.validation);
  const heldOut = (task: PlannedTask): number => task.validation - probes(task);
  const { icl_examples: shown, icl_items: itemsMax } = config.rounds.gates;
  const questionPairs = each(() => questionPairsOfTask(config));
  const rationalePairs = each((task) => rationalePairsOfTask(config, techniques(task)));
  return {
    items: each(({ validation, test }) => validation + test),
    gold: each(({ gold = 0 }) => gold),
    validation: each(({ validation }) => validation),
    test: each(({ test }) => test),
    probes: each(probes),
    questions: each(() => questions.per_task),
    questionCalls: each(() => Math.ceil(questions.per_task / questionsPerCall)),
    drafts: each(drafts),
    cells: each((task) => drafts(task) * probes(task)),
    questionPairs,
    rationalePairs,
    pairs: questionPairs + rationalePairs,
    tailored: each(() => tailor.per_task),
    tailoredQuestions: each(() => tailoredQuestions(tailor)),
    tailorCalls: each(() => Math.ceil(tailoredQuestions(tailor) / questionsPerCall)),
    gainCells: each(
      (task) => (Math.min(shown, tailor.per_task) + Math.min(shown, drafts(task))) * Math.min(itemsMax, heldOut(task)),
    ),
    agreementCells: each(
      (task) => Math.min(config.probe.agreement_questions, questions.per_task) * techniques(task) * heldOut(task),
    ),
  };
}

/** Question pairs that one task can give at most: distinct pairs of the two quarters, or best against worst (method/pairs.ts). */
export function questionPairsOfTask({ pairs, questions }: Pick<RunConfig, 'pairs' | 'questions'>): number {
  const { per_task: wanted, method, response } = pairs.question;
  const size = response === 'list' ? questions.per_call : 1;
  const of = questions.per_task;
  if (method === 'extremes') return Math.min(wanted, Math.floor(Math.floor(of / 2) / size));
  const quarter = of < 2 ? 0 : Math.max(1, Math.floor(of / 4));
  return quarter < size ? 0 : Math.min(wanted, Math.ceil((quarter * quarter) / size));
}

/** Rationale pairs that one task can give at most: one a question, and none with a single technique, which has no best and worst. */
export function rationalePairsOfTask(
  { pairs, questions }: Pick<RunConfig, 'pairs' | 'questions'>,
  techniques: number,
): number {
  return techniques > 1 ? Math.min(pairs.rationale.per_task, questions.per_task) : 0;
}

/** Questions of a task's tailored set, the spare ones among them. */
export function tailoredQuestions({
  per_task: examples,
  spare,
}: Pick<RunConfig['tailor'], 'per_task' | 'spare'>): number {
  return examples + Math.ceil(examples * spare);
}

/** Answers asked for each tailored question: the one that is taught, and those that vote on it (tailor.filter: majority). */
export function answersPerExample({ filter, majority }: Pick<RunConfig['tailor'], 'filter' | 'majority'>): number {
  return filter === 'majority' ? 1 + majority.samples : 1;
}

type TrainingBudget = Pick<RunConfig['sft'], 'batch_size' | 'gradient_accumulation' | 'epochs' | 'max_steps'>;

/** Optimizer steps as transformers' Trainer counts them (5.18: ceil over batches, then over accumulation, then over epochs). */
export function trainingSteps(
  rows: number,
  { batch_size, gradient_accumulation, epochs, max_steps }: TrainingBudget,
): number {
  if (max_steps > 0) return max_steps;
  if (rows === 0) return 0;
  const batches = Math.ceil(rows / batch_size);
  return Math.ceil(epochs * Math.max(1, Math.ceil(batches / gradient_accumulation)));
}
