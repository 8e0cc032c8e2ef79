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
import type { AlignCarry, AlignInput, EvaluationRecord, ResolvedModels, StageResult } from '../schemas/messages';
import type { JsonObject } from '../schemas/json';
import type { ModelRef } from '../schemas/model-ref';
import { respondentArm } from '../schemas/stage-names';
import type { StageRunner } from './run-state';

export interface RoundOutcome {
  /** The models of the run, with the teacher as it is after its warm-up. */
  readonly models: ResolvedModels;
  /** The teacher that DPO made: the next round's. Where nothing is trained, the teacher as it was. */
  readonly teacher: ModelRef;
  /** The student that was trained on the aligned teacher's data. */
  readonly student: ModelRef;
  readonly evaluations: readonly EvaluationRecord[];
  readonly decision: JsonObject;
}

type ArmOutcome = Omit<RoundOutcome, 'decision' | 'models'>;

/** What all arms of a round share: it is made once. */
interface Shared {
  readonly tasks: ArtifactRef;
  readonly drafts: ArtifactRef;
  readonly scores: ArtifactRef;
  readonly pairs: Readonly<Partial<Record<PairKinds, ArtifactRef>>>;
}

export async function runRound(run: StageRunner, input: AlignInput, given: AlignCarry): Promise<RoundOutcome> {
  // data, a teacher that can do the tasks, preference set
  const prepared = await run.stage('prepare-tasks', {});
  const tasks = out(prepared, 'tasks');
  const carry = input.warmUp && given.round === 1 ? await warmUp(run, given, prepared) : given;
  const { teacher, round, models } = carry;
  const { student } = models;
  const arms = armsOfRound(input.arms, round);
  const responses = await askRespondents(run, input, carry, tasks);
  const probes = out(await run.stage('select-probes', { tasks, ...responses }), 'probes');

  // sample drafts, score them with the untuned student, build preference pairs
  const questions = out(await run.stage('sample-questions', { tasks }, { model: teacher }), 'questions');
  const drafts = out(await run.stage('sample-rationales', { tasks, questions }, { model: teacher }), 'drafts');
  const scores = out(await run.stage('score-drafts', { tasks, probes, drafts }, { model: student }), 'scores');
  const pairs: Partial<Record<PairKinds, ArtifactRef>> = {};
  for (const kinds of pairKindsOf(arms, input.align)) {
    const only = kinds === 'both' ? {} : { arm: pairsLabel(kinds), extra: { only: kinds } };
    pairs[kinds] = out(await run.stage('build-pairs', { tasks, questions, drafts, scores }, only), 'dpo');
  }

  // align the teacher, tailor the training set, train the student; beside it what it is compared with
  const shared = { tasks, drafts, scores, pairs };
  const [arte, others] = await run.together(
    () => makeArm(run, input, carry, 'arte', shared),
    async () => {
      const evaluations: EvaluationRecord[] = [];
      for (const arm of arms) {
        if (arm !== 'arte') evaluations.push(...(await makeArm(run, input, carry, arm, shared)).evaluations);
      }
      return evaluations;
    },
  );

  const evaluations = [...others, ...arte.evaluations];
  const decided = await run.stage(
    'decide',
    {},
    { extra: { round, evaluations: [...carry.evaluations, ...evaluations].map((record) => ({ ...record })) } },
  );
  return { ...arte, models, evaluations, decision: decided.facts };
}

/** The teacher learns from the tasks' gold examples; what comes out is the teacher that every arm begins with. */
async function warmUp(run: StageRunner, carry: AlignCarry, prepared: StageResult): Promise<AlignCarry> {
  const inputs = { tasks: out(prepared, 'tasks'), gold: out(prepared, 'gold') };
  const teacher = modelOf(await run.stage('warm-up', inputs, { model: carry.teacher }));
  return { ...carry, teacher, models: { ...carry.models, teacher } };
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
    return { teacher, student: models.student, evaluations: await evaluate(run, input, carry, tasks, asked) };
  }
  const { writer, sft } = await trainingSet(run, input, carry, arm, recipe, shared);
  const students: ModelRef[] = [];
  const evaluations: EvaluationRecord[] = [];
  for (let student = 1; student <= input.trainingSeeds; student += 1) {
    const extra = student === 1 ? {} : { extra: { student } };
    const parts = { model: models.student, arm: studentLabel(arm, student), ...extra };
    const model = modelOf(await run.stage('train-sft', { sft }, parts));
    students.push(model);
    evaluations.push(...(await evaluate(run, input, carry, tasks, { arm, student, model, role: 'student' })));
  }
  return { teacher: writer, student: students[0] ?? models.student, evaluations };
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
  { round }: AlignCarry,
  tasks: ArtifactRef,
  {
    arm,
    student,
    model,
    role,
  }: Pick<EvaluationRecord, 'arm' | 'student'> & {
    readonly model: ModelRef;
    readonly role: 'student' | 'teacher';
  },
): Promise<EvaluationRecord[]> {
  const records: EvaluationRecord[] = [];
  for (const shots of shotCounts) {
    const extra = { shots, split: 'test', ...(role === 'teacher' ? { role } : {}) };
    const label = `${studentLabel(arm, student)}-${shots}shot`;
    const { key } = await run.stage('evaluate', { tasks }, { model, extra, arm: label });
    records.push({ arm, student, round, shots, key });
  }
  return records;
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
  return { round: 1, models, teacher: models.teacher, evaluations: [], bestRound: 0, startedAt };
}

/** What the round after this one begins with. */
export function carryOn(carry: AlignCarry, { models, teacher, evaluations, decision }: RoundOutcome): AlignCarry {
  return {
    ...carry,
    models,
    round: carry.round + 1,
    teacher,
    evaluations: [...carry.evaluations, ...evaluations],
    bestRound: Number(decision['bestRound'] ?? carry.round),
  };
}
