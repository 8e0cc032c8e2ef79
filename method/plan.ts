/**
 * What a run will do, as arithmetic on its config: stages, calls, rows, steps, tokens and money (design promise 1).
 *
 * Owns the counts. The order, the names and the arms of the stages follow workflows/round.ts, so that plan and report can be
 * laid side by side. Leaves reading the tasks and asking the store what is there to the caller.
 *
 * Invariants
 * 1. Pure: no store, no engine, no clock. The same config and facts give the same plan.
 * 2. Counts are exact when nothing fails, is dropped or is asked again; output tokens are ceilings, prompts and their price are estimates, and the notes
 *    say so.
 * 3. What does not depend on the round (tasks, respondents, the arms beside `arte`) is counted once, in round 1.
 */
import { armsOf, armsOfRound, pairKindsOf, pairsLabel, recipeOf, studentLabel, type ArmName } from '../schemas/arms';
import type { ModelConfig } from '../schemas/config/models';
import type { RunConfig } from '../schemas/run-config';
import type { Plan, PlanLeft, PlannedStage } from '../schemas/plan';
import { signalLabel, signalsOf } from '../schemas/signals';
import { respondentArm } from '../schemas/stage-names';
import { studentOfTarget, taughtArms, transferLabel } from '../schemas/transfer';
import { scoresTexts, textScorer } from './served';
import { signals } from './signals';
import { allTasks, isReworded, transferConfig, transferTargets } from './transfer';
import { hasGold } from './warm-up';

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

export type StageReuse = Pick<PlannedStage, 'reused' | 'dependsOn'>;

export interface PlanFacts {
  readonly tasks: readonly PlannedTask[];
  /** The unseen tasks of transfer.tasks. */
  readonly unseen?: readonly PlannedTask[];
  /** Whether the store holds the stage already. Left out: no store was asked. */
  readonly reuseOf?: (stage: Pick<PlannedStage, 'name' | 'round' | 'arm'>) => StageReuse;
}

/** The paper's four technique prompts, which are built in. */
export const builtinTechniques = 4;

/** English text under the tokenizers of today's models: about four characters a token. */
export const charactersPerToken = 4;
/** A question whose text is not known, in tokens: between a line of arithmetic (20) and a logic puzzle (200). */
const questionTokensAssumed = 90;
/** Description, reminder and the words around them, in tokens, where the description is not known. */
const descriptionTokensAssumed = 60;
/** Reminder, "Question:", "Answer:" and the chat template, in tokens. */
const frameTokens = 60;
/** A rationale that is shown as a demonstration, in tokens, where max_tokens does not bound it lower. */
export const rationaleTokensAssumed = 120;

/** A right answer and its tags, in tokens. */
const answerTokensAssumed = 10;

/** The plan of a run. */
export function planRun(config: RunConfig, facts: PlanFacts): Plan {
  const stages = plannedStages(config, facts);
  const sum = (of: (stage: PlannedStage) => number, model?: PlannedStage['model']): number =>
    stages.reduce((total, stage) => total + (model === undefined || stage.model === model ? of(stage) : 0), 0);
  const calls = ({ calls: made }: PlannedStage): number => made;
  const cost = roundMoney(sum((stage) => stage.cost));
  return {
    name: config.name,
    rounds: config.rounds.count,
    tasks: facts.tasks.map(sizeOf),
    ...(facts.unseen && facts.unseen.length > 0 && { unseen: facts.unseen.map(sizeOf) }),
    stages,
    totals: {
      calls: sum(calls),
      teacherCalls: sum(calls, 'teacher'),
      studentCalls: sum(calls, 'student'),
      respondentCalls: sum(calls, 'respondent'),
      otherCalls: sum(calls, 'other'),
      inputTokens: sum((stage) => stage.inputTokens),
      outputTokens: sum((stage) => stage.outputTokens),
      cost,
      trainingSteps: sum((stage) => stage.steps),
    },
    left: leftOf(stages.filter(({ reused }) => reused !== true)),
    currency: config.platform.currency,
    notes: [...planNotes(config, facts), ...capNotes(config, cost)],
  };
}

function sizeOf({ name, validation, test }: PlannedTask): Plan['tasks'][number] {
  return { name, validation, test };
}

function leftOf(stages: readonly PlannedStage[]): PlanLeft {
  const sum = (of: (stage: PlannedStage) => number): number => stages.reduce((total, stage) => total + of(stage), 0);
  return {
    calls: sum((stage) => stage.calls),
    inputTokens: sum((stage) => stage.inputTokens),
    outputTokens: sum((stage) => stage.outputTokens),
    cost: roundMoney(sum((stage) => stage.cost)),
    trainingSteps: sum((stage) => stage.steps),
  };
}

// ---- the stages, in the order of workflows/round.ts --------------------------------------------------------------

function plannedStages(config: RunConfig, facts: PlanFacts): PlannedStage[] {
  const { teacher, student } = config.models;
  const stages: PlannedStage[] = [];
  let branch: PlannedStage['branch'];
  const add = (stage: StageDraft): void => {
    const { name, round, arm = '', model = '', calls = 0, rows, steps = 0, input = 0, output = 0, price } = stage;
    stages.push({
      name,
      round,
      arm,
      ...(branch === undefined ? {} : { branch }),
      model,
      calls,
      rows,
      steps,
      ...(facts.reuseOf?.({ name, round, arm }) ?? { reused: null }),
      inputTokens: Math.round(calls * input),
      outputTokens: calls * output,
      cost: roundMoney((calls * (input * (price?.input ?? 0) + output * (price?.output ?? 0))) / 1_000_000),
    });
  };
  const { counts, tokens, evaluate, tailor, train } = armStages(config, facts, add);
  const scoreSample = (round: number, arm: 'gain' | 'agreement', cells: number): void =>
    add({
      ...{ name: 'score-sample', round, arm, model: 'student', calls: cells, rows: cells },
      ...{ input: tokens.asked(1), output: config.score.max_tokens, price: student.price },
    });
  const pairsOf = { both: counts.pairs, question: counts.questionPairs, rationale: counts.rationalePairs };
  const makeArm = (round: number, arm: ArmName): void => {
    const recipe = recipeOf(arm, config.align.method);
    if (recipe.kind === 'asked') {
      evaluate(round, arm, recipe.model);
      return;
    }
    if (recipe.kind === 'chosen') add({ name: 'select-drafts', round, arm, rows: counts.tailored });
    else {
      if (recipe.pairs !== 'none') {
        const rows = pairsOf[recipe.pairs] * (1 + accumulatedRounds(config, round));
        const steps = trainingSteps(rows, config.align);
        add({ name: 'train-dpo', round, arm: pairsLabel(recipe.pairs), model: 'teacher', rows, steps });
      }
      tailor(round, arm);
      if (arm === 'arte' && recipe.pairs !== 'none') {
        if (config.rounds.gates.icl_examples > 0) scoreSample(round, 'gain', counts.gainCells);
        add({ name: 'check-round', round, rows: 1 });
      }
    }
    train(round, arm);
  };

  for (let round = 1; round <= config.rounds.count; round += 1) {
    const first = round === 1;
    if (first) {
      add({ name: 'prepare-tasks', round, rows: counts.items });
      if (hasGold(config)) {
        const rows = counts.gold * (config.warm_up.questions ? 2 : 1);
        add({ name: 'warm-up', round, model: 'teacher', rows, steps: trainingSteps(rows, config.warm_up) });
      }
      for (const respondent of respondentsOf(config)) {
        add({
          name: 'evaluate',
          round,
          arm: respondent.arm,
          model: respondent.role,
          calls: counts.validation,
          rows: counts.validation,
          input: tokens.asked(respondent.shots),
          output: config.probe.max_tokens,
          price: respondent.model.price,
        });
      }
      add({ name: 'select-probes', round, rows: counts.probes });
    }
    add({
      name: 'sample-questions',
      round,
      model: 'teacher',
      calls: counts.questionCalls,
      rows: counts.questions,
      input: tokens.questionPrompt,
      output: config.questions.max_tokens * config.questions.answers_per_call,
      price: teacher.price,
    });
    add({
      name: 'sample-rationales',
      round,
      model: 'teacher',
      calls: counts.drafts,
      rows: counts.drafts,
      input: tokens.asked(0),
      output: config.rationales.max_tokens,
      price: teacher.price,
    });
    const asked = signalsOf(config.score);
    for (const name of asked) {
      const { asks, per } = signals[name];
      const rows = per === 'cell' ? counts.cells : counts.drafts;
      const given = per === 'cell' ? answerTokensAssumed : tokens.rationale;
      add({
        name: 'score-drafts',
        round,
        arm: signalLabel(name, asked),
        model: 'student',
        calls: rows,
        rows,
        input: tokens.asked(per === 'cell' ? 1 : 0) + (asks === 'text' ? given : 0),
        // A server that scores a text writes a token all the same; the scorer writes none.
        output: asks === 'answer' ? config.score.max_tokens : scoresTexts(student.endpoint) ? 1 : 0,
        price: asks === 'answer' ? student.price : textScorer(config).price,
      });
    }
    if (asked.length > 1) add({ name: 'combine-scores', round, rows: counts.drafts });
    if (config.score.reliability_min !== null) add({ name: 'check-scores', round, rows: 1 });
    if (config.probe.agreement_questions > 0) scoreSample(round, 'agreement', counts.agreementCells);
    const arms = armsOfRound(armsOf(config.arms), round);
    for (const kinds of pairKindsOf(arms, config.align.method))
      add({ name: 'build-pairs', round, arm: pairsLabel(kinds), rows: pairsOf[kinds] });
    branch = 'arte';
    makeArm(round, 'arte');
    branch = 'beside';
    for (const arm of arms) if (arm !== 'arte') makeArm(round, arm);
    branch = undefined;
    add({ name: 'decide', round, rows: 1 });
  }
  addTransfer(config, facts, add);
  add({ name: 'report', round: config.rounds.count, rows: 1 });
  return stages;
}

type AddStage = (stage: StageDraft) => void;

/** The stages that arms have in common: of the run, or of what a transfer puts in its place. `label`: what their arm is called there. */
function armStages(
  config: RunConfig,
  facts: PlanFacts,
  add: AddStage,
  label: (arm: string) => string = (arm) => arm,
  whose: 'student' | 'other' = 'student',
) {
  const counts = countsOf(config, facts);
  const tokens = tokensOf(config, facts);
  const { teacher } = config.models;
  const evaluate = (round: number, arm: string, model: 'student' | 'teacher' = 'student'): void => {
    for (const shots of config.evaluate.shots) {
      add({
        name: 'evaluate',
        round,
        arm: label(`${arm}-${shots}shot`),
        model: model === 'student' ? whose : model,
        calls: counts.test,
        rows: counts.test,
        input: tokens.asked(shots),
        output: config.evaluate.max_tokens,
        price: config.models[model].price,
      });
    }
  };
  const tailor = (round: number, arm: ArmName): void => {
    add({
      name: 'tailor-questions',
      round,
      arm: label(arm),
      model: 'teacher',
      calls: counts.tailorCalls,
      rows: counts.tailoredQuestions,
      input: tokens.questionPrompt,
      output: config.tailor.questions.max_tokens * config.questions.answers_per_call,
      price: teacher.price,
    });
    add({
      name: 'tailor-rationales',
      round,
      arm: label(arm),
      model: 'teacher',
      calls: counts.tailored * answersPerExample(config.tailor),
      rows: counts.tailored,
      input: tokens.asked(0),
      output: config.tailor.rationales.max_tokens,
      price: teacher.price,
    });
  };
  const train = (round: number, arm: ArmName): void => {
    const steps = trainingSteps(counts.tailored, config.sft);
    for (let student = 1; student <= config.sft.seeds; student += 1) {
      const name = studentLabel(arm, student);
      add({ name: 'train-sft', round, arm: label(name), model: whose, rows: counts.tailored, steps });
      evaluate(round, name);
    }
  };
  return { counts, tokens, evaluate, tailor, train };
}

/** After the last round: in the order of workflows/transfer.ts. */
function addTransfer(config: RunConfig, { tasks, unseen = [] }: PlanFacts, add: AddStage): void {
  const round = config.rounds.count;
  for (const target of transferTargets(config)) {
    const label = (arm: string): string => transferLabel(target, arm);
    const other = studentOfTarget(target);
    const own = { tasks: other === undefined ? unseen : tasks };
    const whose = other === undefined ? 'student' : 'other';
    const made = armStages(transferConfig(config, target), own, add, label, whose);
    if (other === undefined) {
      add({ name: 'prepare-tasks', round, arm: label(''), rows: made.counts.items });
      add({ name: 'check-unseen', round, arm: label(''), rows: 1 });
    }
    made.evaluate(round, 'untuned');
    for (const arm of taughtArms) {
      if (other === undefined) made.tailor(round, arm);
      else if (isReworded(config, other))
        add({ name: 'reword-set', round, arm: label(arm), rows: made.counts.tailored });
      made.train(round, arm);
    }
  }
}

interface StageDraft extends Pick<PlannedStage, 'name' | 'round' | 'rows'> {
  readonly arm?: string;
  readonly model?: PlannedStage['model'];
  readonly calls?: number;
  readonly steps?: number;
  /** Tokens of one call's prompt, and the ceiling of its answer. */
  readonly input?: number;
  readonly output?: number;
  readonly price?: ModelConfig['price'];
}

// ---- counts ------------------------------------------------------------------------------------------------------

interface Counts {
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

function countsOf(config: RunConfig, { tasks }: PlanFacts): Counts {
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

/** Earlier rounds whose pairs DPO of a round sees again. */
function accumulatedRounds({ pairs: { accumulate } }: RunConfig, round: number): number {
  if (accumulate === 'off') return 0;
  return accumulate === 'all' ? round - 1 : Math.min(accumulate, round - 1);
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

interface Respondent {
  readonly arm: string;
  readonly role: 'student' | 'respondent';
  readonly model: ModelConfig;
  readonly shots: number;
}

/** Who answers the validation items for the IRT preference set: every respondent with every shot count; the student where none is named. */
function respondentsOf({ probe, models }: RunConfig): Respondent[] {
  if (probe.method !== 'irt') return [];
  const named = probe.respondents.length > 0;
  const respondents = named ? probe.respondents : [models.student];
  return probe.respondent_shots.flatMap((shots) =>
    respondents.map((model, index) => ({
      arm: respondentArm(index, shots),
      role: named ? ('respondent' as const) : ('student' as const),
      model,
      shots,
    })),
  );
}

// ---- tokens and money --------------------------------------------------------------------------------------------

interface PromptTokens {
  /** A prompt that asks for questions: description and seeds. */
  readonly questionPrompt: number;
  /** A prompt that asks a question after so many demonstrations. */
  asked(demonstrations: number): number;
  readonly rationale: number;
}

/** Mean prompt lengths over the tasks. The scripts' own lengths are not rebuilt: a plan wants the size of the bill, not its cents. */
function tokensOf(config: RunConfig, { tasks }: PlanFacts): PromptTokens {
  const mean = (of: (task: PlannedTask) => number): number =>
    tasks.length === 0 ? 0 : tasks.reduce((total, task) => total + of(task), 0) / tasks.length;
  const question = mean(({ questionCharacters: characters }) =>
    characters === undefined ? questionTokensAssumed : characters / charactersPerToken,
  );
  const description = mean(({ descriptionCharacters: characters }) =>
    characters === undefined ? descriptionTokensAssumed : characters / charactersPerToken,
  );
  const rationale = Math.min(rationaleTokensAssumed, config.rationales.max_tokens);
  const seeds = Math.max(
    0,
    ...config.tasks.map((task) => (task.source === 'declared' ? task.seed_items : task.split.seeds)),
  );
  return {
    questionPrompt: description + frameTokens + seeds * (question + frameTokens / 3),
    rationale,
    asked: (demonstrations) => description + frameTokens + question + demonstrations * (question + rationale),
  };
}

function roundMoney(amount: number): number {
  return Math.round(amount * 10_000) / 10_000;
}

// ---- notes -------------------------------------------------------------------------------------------------------

function planNotes(config: RunConfig, facts: PlanFacts): string[] {
  const notes: string[] = [];
  const { probe, models } = config;
  const sizes = facts.tasks.map(({ validation }) =>
    probe.method === 'full' ? validation : Math.min(probe.size, validation),
  );
  const smallest = Math.min(...sizes);
  if (Number.isFinite(smallest) && smallest > 0 && signalsOf(config.score).includes('icl_accuracy')) {
    const step = (100 / smallest).toFixed(1);
    // The standard error of a share is largest at one half.
    const stderr = (100 * Math.sqrt(0.25 / smallest)).toFixed(1);
    notes.push(
      `With ${smallest} probe items one step of a score is ${step} points, and its standard error up to ${stderr}.`,
    );
  }
  for (const [role, model] of [
    ['teacher', models.teacher],
    ['student', models.student],
  ] as const) {
    if (model.source.startsWith('hf:') && model.revision === undefined) {
      notes.push(
        `The ${role} ${model.source} has no revision: the run records the one that it finds. Write models.${role}.revision to pin it.`,
      );
    }
  }
  for (const [index, model] of probe.respondents.entries()) {
    if (model.source.startsWith('hosted:')) {
      notes.push(
        `probe.respondents[${index}] is hosted: its weights cannot be read, so what it answered is known by its name and declared revision only.`,
      );
    }
  }
  if (config.rounds.count > 1 && (config.rounds.on_worse === 'roll-back' || config.rounds.patience > 0)) {
    notes.push(
      `All ${config.rounds.count} rounds are counted, each from the teacher of the one before: what the rounds decide (rounds.on_worse, rounds.patience) is not known before.`,
    );
  }
  if (config.score.mode === 'racing') {
    const { confidence, calls_max: callsMax } = config.score;
    const atMost =
      confidence >= 1 ? 'confidence 1 makes them all' : `at most ${Math.round(100 * callsMax)} % of them are made`;
    notes.push(
      `Racing: the calls of score-drafts are a ceiling (exhaustive scoring); ${atMost}${confidence >= 1 ? '' : ', and fewer where drafts differ much (an estimate: docs/racing.md)'}.`,
    );
  }
  if (signalsOf(config.score).some((name) => signals[name].asks === 'text')) {
    const { endpoint } = textScorer(config);
    notes.push(
      endpoint.kind === 'scorer'
        ? `The student's probabilities come from the project's scorer (${endpoint.dtype}), which reads its weights on the worker's device; their calls are rows of it.`
        : "The student's probabilities come from its own endpoint, a call a row.",
    );
  }
  const all = allTasks(config);
  const declared = all.filter(({ source }) => source === 'declared').length;
  if (declared > 0) notes.push(`${declared} of ${all.length} tasks are only declared: this can be planned, not run.`);
  if (transferTargets(config).length > 0 && config.rounds.count > 1) {
    notes.push(
      'What transfer asks for is made after the last round, whichever that is, with the teacher and the set of the best one.',
    );
  }
  if (config.align.method !== 'none' && config.pairs.question.per_task > questionPairsOfTask(config)) {
    notes.push(
      `${config.questions.per_task} questions give at most ${questionPairsOfTask(config)} question pairs a task, not the ${config.pairs.question.per_task} that pairs.question.per_task asks for.`,
    );
  }
  notes.push(
    `Calls are exact when nothing fails, is asked again, or was asked before under another stage. Output tokens are ceilings (max_tokens). Prompts, and what they cost, are estimates with nothing cached: by the lengths of texts, and of a rationale that is shown ${rationaleTokensAssumed} tokens at most, so that a teacher that reasons longer makes them longer.`,
  );
  return notes;
}

/** What a cap means for the plan, by its cost; `arte run` says the same when it starts. */
export function capNotes({ budget: { cap }, models, platform: { currency } }: RunConfig, cost: number): string[] {
  if (cap === null) return [];
  const notes: string[] = [];
  if (cost > cap) {
    notes.push(
      `About ${cost.toFixed(2)} ${currency}, with answers of max_tokens, pass the cap of ${cap.toFixed(2)}: the run may park before it is done; arte budget set raises the cap.`,
    );
  }
  if (models.teacher.price.training_hour > 0 || models.student.price.training_hour > 0) {
    notes.push(
      'How many hours the trainings take is not known before: they are in what the plan is expected to take, not in the cost of the tokens; the cap holds for them while they run.',
    );
  }
  return notes;
}
