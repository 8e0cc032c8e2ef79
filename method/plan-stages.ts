/**
 * The stages of a run, in the order of workflows/round.ts and workflows/transfer.ts and under their names and arms, so that plan and report can be
 * laid side by side. What does not depend on the round (tasks, respondents, the arms beside `arte`) is counted once, in round 1.
 */
import { armsOf, armsOfRound, pairKindsOf, pairsLabel, recipeOf, studentLabel, type ArmName } from '../schemas/arms';
import type { ModelConfig } from '../schemas/config/models';
import type { RunConfig } from '../schemas/run-config';
import type { PlannedStage } from '../schemas/plan';
import { signalLabel, signalsOf } from '../schemas/signals';
import { respondentArm } from '../schemas/stage-names';
import { studentOfTarget, taughtArms, transferLabel } from '../schemas/transfer';
import { answersPerExample, countsOf, trainingSteps, type PlannedTask } from './plan-counts';
import { answerTokensAssumed, tokensOf } from './plan-tokens';
import { scoresTexts, textScorer } from './served';
import { signals } from './signals';
import { isReworded, transferConfig, transferTargets } from './transfer';
import { hasGold } from './warm-up';

export type StageReuse = Pick<PlannedStage, 'reused' | 'dependsOn'>;

export interface PlanFacts {
  readonly tasks: readonly PlannedTask[];
  /** The unseen tasks of transfer.tasks. */
  readonly unseen?: readonly PlannedTask[];
  /** Whether the store holds the stage already. Left out: no store was asked. */
  readonly reuseOf?: (stage: Pick<PlannedStage, 'name' | 'round' | 'arm'>) => StageReuse;
}

/** Every stage of a run with its calls, rows, steps, tokens and cost. */
export function plannedStages(config: RunConfig, facts: PlanFacts): PlannedStage[] {
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
  const { counts, tokens, evaluate, tailor, train } = armStages(config, facts.tasks, add);
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
  tasks: readonly PlannedTask[],
  add: AddStage,
  label: (arm: string) => string = (arm) => arm,
  whose: 'student' | 'other' = 'student',
) {
  const counts = countsOf(config, tasks);
  const tokens = tokensOf(config, tasks);
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
    const own = other === undefined ? unseen : tasks;
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

/** Earlier rounds whose pairs DPO of a round sees again. */
function accumulatedRounds({ pairs: { accumulate } }: RunConfig, round: number): number {
  if (accumulate === 'off') return 0;
  return accumulate === 'all' ? round - 1 : Math.min(accumulate, round - 1);
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

/** Amounts as they are shown and kept: to a hundredth of a cent. */
export function roundMoney(amount: number): number {
  return Math.round(amount * 10_000) / 10_000;
}
