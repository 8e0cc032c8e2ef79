/**
 * One round of ARTE, row by row as the method's table has it (method.md section 1). Each call is one stage: made, or found in the store.
 * Owns the order and what feeds what; everything else is below.
 */
import {
  armsOfRound,
  pairKindsOf,
  pairsLabel,
  recipeOf,
  studentLabel,
  type ArmName,
  type ArmRecipe,
  type PairKinds,
} from '../schemas/arms';
import type { ArtifactRef } from '../schemas/artifact-ref';
import type { AlignCarry, AlignInput, EvaluatedStudent, ResolvedModels, StageResult } from '../schemas/messages';
import type { JsonObject } from '../schemas/json';
import type { ModelRef } from '../schemas/model-ref';
import { signalLabel, standardSignal } from '../schemas/signals';
import { respondentArm } from '../schemas/stage-names';
import type { StageRunner } from './run-state';

export interface RoundOutcome {
  /** The teacher that DPO made: the next round's. Where nothing is trained, the teacher as it was. */
  readonly teacher: ModelRef;
  /** The student that was trained on the aligned teacher's data. */
  readonly student: ModelRef;
  readonly decision: JsonObject;
}

type ArmOutcome = Omit<RoundOutcome, 'decision'>;

/** What all arms of a round share: it is made once. */
interface Shared {
  readonly tasks: ArtifactRef;
  readonly drafts: ArtifactRef;
  readonly scores: ArtifactRef;
  readonly pairs: Readonly<Partial<Record<PairKinds, ArtifactRef>>>;
}

export async function runRound(run: StageRunner, input: AlignInput, carry: AlignCarry): Promise<RoundOutcome> {
  const { teacher, round } = carry;
  const { student } = carry.models;
  const arms = armsOfRound(input.arms, round);

  // data and preference set
  const tasks = out(await run.stage('prepare-tasks', {}), 'tasks');
  const responses = await askRespondents(run, input, carry, tasks);
  const probes = out(await run.stage('select-probes', { tasks, ...responses }), 'probes');

  // sample drafts, score them with the untuned student, build preference pairs
  const questions = out(await run.stage('sample-questions', { tasks }, { model: teacher }), 'questions');
  const drafts = out(await run.stage('sample-rationales', { tasks, questions }, { model: teacher }), 'drafts');
  const scores = await scoreDrafts(run, input, student, { tasks, probes, drafts });
  const pairs: Partial<Record<PairKinds, ArtifactRef>> = {};
  for (const kinds of pairKindsOf(arms, input.align)) {
    const only = kinds === 'both' ? {} : { arm: pairsLabel(kinds), extra: { only: kinds } };
    pairs[kinds] = out(await run.stage('build-pairs', { tasks, questions, drafts, scores }, only), 'dpo');
  }

  // align the teacher, tailor the training set, train the student; beside it what it is compared with
  const shared = { tasks, drafts, scores, pairs };
  const [arte] = await run.together(
    () => makeArm(run, input, carry, 'arte', shared),
    async () => {
      for (const arm of arms) if (arm !== 'arte') await makeArm(run, input, carry, arm, shared);
    },
  );

  const evaluations = await run.evaluations();
  const decided = await run.stage('decide', { evaluations }, { extra: { round } });
  return { ...arte, decision: decided.facts };
}

/** By one signal, or by several and their ranks: each is asked for in a stage of its own, which a run by that signal alone finds again. */
async function scoreDrafts(
  run: StageRunner,
  { signals = [standardSignal] }: AlignInput,
  student: ModelRef,
  inputs: { readonly tasks: ArtifactRef; readonly probes: ArtifactRef; readonly drafts: ArtifactRef },
): Promise<ArtifactRef> {
  const scores: Record<string, ArtifactRef> = {};
  for (const signal of signals) {
    const extra = signal === standardSignal ? {} : { extra: { signal } };
    const parts = { model: student, arm: signalLabel(signal, signals), ...extra };
    scores[signal] = out(await run.stage('score-drafts', inputs, parts), 'scores');
  }
  const [only] = Object.values(scores);
  return only && signals.length === 1 ? only : out(await run.stage('combine-scores', scores), 'scores');
}

/** An arm from its recipe to its accuracy: a training set, a student trained on it, the test items. Only the set differs between arms. */
async function makeArm(
  run: StageRunner,
  input: AlignInput,
  carry: AlignCarry,
  arm: ArmName,
  shared: Shared,
): Promise<ArmOutcome> {
  const { tasks } = shared;
  const { models, teacher } = carry;
  const recipe = recipeOf(arm, input.align);
  if (recipe.kind === 'asked') {
    const asked = { arm, student: 1, model: models[recipe.model], role: recipe.model };
    await evaluate(run, input, tasks, asked);
    return { teacher, student: models.student };
  }
  const { writer, sft } = await trainingSet(run, input, carry, arm, recipe, shared);
  const students: ModelRef[] = [];
  for (let student = 1; student <= input.trainingSeeds; student += 1) {
    const extra = student === 1 ? {} : { extra: { student } };
    const parts = { model: models.student, arm: studentLabel(arm, student), ...extra };
    const model = modelOf(await run.stage('train-sft', { sft }, parts));
    students.push(model);
    await evaluate(run, input, tasks, { arm, student, model, role: 'student' });
  }
  return { teacher: writer, student: students[0] ?? models.student };
}

/** What an arm's student is trained on, and the teacher it comes from. */
async function trainingSet(
  run: StageRunner,
  input: AlignInput,
  carry: AlignCarry,
  arm: ArmName,
  recipe: Exclude<ArmRecipe, { kind: 'asked' }>,
  { tasks, drafts, scores, pairs }: Shared,
): Promise<{ writer: ModelRef; sft: ArtifactRef }> {
  const { teacher } = carry;
  if (recipe.kind === 'chosen') {
    const selected = await run.stage('select-drafts', { tasks, drafts, scores }, { arm, extra: { ...recipe.choice } });
    return { writer: teacher, sft: out(selected, 'sft') };
  }
  const dpo = recipe.pairs === 'none' ? undefined : pairs[recipe.pairs];
  const writer = dpo ? await align(run, input, carry, arm, dpo) : teacher;
  const shown = recipe.shown === 'own' ? { extra: { shown: 'own' } } : {};
  const questions = out(await run.stage('tailor-questions', { tasks }, { model: writer, arm, ...shown }), 'questions');
  const tailored = await run.stage('tailor-rationales', { tasks, questions }, { model: writer, arm });
  return { writer, sft: out(tailored, 'sft') };
}

/** DPO on the student's preferences. */
async function align(
  run: StageRunner,
  input: AlignInput,
  { teacher, round, models }: AlignCarry,
  arm: ArmName,
  dpo: ArtifactRef,
): Promise<ModelRef> {
  const reference = input.reference === 'initial' && round > 1 ? { reference: models.teacher } : {};
  const named = arm === 'arte' ? {} : { arm };
  return modelOf(await run.stage('train-dpo', { dpo }, { model: teacher, ...reference, ...named }));
}

/** Respondents x items, for the IRT preference set: any models x shot counts; the student where the config names none. */
async function askRespondents(
  run: StageRunner,
  input: AlignInput,
  { models }: AlignCarry,
  tasks: ArtifactRef,
): Promise<Record<string, ArtifactRef>> {
  const responses: Record<string, ArtifactRef> = {};
  const respondents = models.respondents.length > 0 ? models.respondents : [models.student];
  for (const shots of input.respondentShots) {
    for (const [index, model] of respondents.entries()) {
      const extra = { shots, split: 'validation', ...(models.respondents.length > 0 ? { respondent: index } : {}) };
      const arm = respondentArm(index, shots);
      responses[`responses-${index}-${shots}`] = out(
        await run.stage('evaluate', { tasks }, { model, extra, arm }),
        'predictions',
      );
    }
  }
  return responses;
}

/** Accuracy on the held-out test set, once per shot count. */
async function evaluate(
  run: StageRunner,
  { shots: shotCounts }: AlignInput,
  tasks: ArtifactRef,
  {
    arm,
    student,
    model,
    role,
  }: Pick<EvaluatedStudent, 'arm' | 'student'> & {
    readonly model: ModelRef;
    readonly role: 'student' | 'teacher';
  },
): Promise<void> {
  for (const shots of shotCounts) {
    const extra = { shots, split: 'test', ...(role === 'teacher' ? { role } : {}) };
    const label = `${studentLabel(arm, student)}-${shots}shot`;
    await run.stage('evaluate', { tasks }, { model, extra, arm: label, evaluates: { arm, student, shots } });
  }
}

function out(result: StageResult, name: string): ArtifactRef {
  const ref = result.outputs[name];
  if (!ref) throw new Error(`stage ${result.stage} left no output ${name}`);
  return ref;
}

function modelOf(result: StageResult): ModelRef {
  if (!result.model) throw new Error(`stage ${result.stage} left no model`);
  return result.model;
}

/** What the first round begins with. */
export function firstCarry(models: ResolvedModels, startedAt: string): AlignCarry {
  return { round: 1, models, teacher: models.teacher, bestRound: 0, startedAt };
}

/** What the round after this one begins with. */
export function carryOn(carry: AlignCarry, { teacher, decision }: RoundOutcome): AlignCarry {
  return {
    ...carry,
    round: carry.round + 1,
    teacher,
    bestRound: Number(decision['bestRound'] ?? carry.round),
  };
}
