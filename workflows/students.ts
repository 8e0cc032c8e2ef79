/**
 * What the walks of a round and of a transfer have in common: a set in a teacher's own words, students trained on a set, their accuracy.
 * Owns what of these follows what. Which sets and students are wanted is round.ts and transfer.ts.
 */
import { studentLabel, type ArmName } from '../schemas/arms';
import type { ArtifactRef } from '../schemas/artifact-ref';
import type { AlignInput, EvaluatedStudent, StageInput, StageResult, TrainingSet } from '../schemas/messages';
import type { ModelRef } from '../schemas/model-ref';
import type { StageRunner } from './run-state';

/** Makes stages one by one; what of a StageRunner these need. */
export type StageMaker = Pick<StageRunner, 'stage'>;

/** A training set in a teacher's own words: questions, and a rationale for each. */
export async function written(
  run: StageMaker,
  tasks: ArtifactRef,
  model: ModelRef,
  arm: ArmName,
  shown: Pick<StageInput, 'extra'>,
): Promise<StageResult> {
  const questions = out(await run.stage('tailor-questions', { tasks }, { model, arm, ...shown }), 'questions');
  return run.stage('tailor-rationales', { tasks, questions }, { model, arm });
}

/** As many students as the config asks for, each trained on the set from a seed of its own and evaluated. Returns the first. */
export async function trainStudents(
  run: StageMaker,
  input: AlignInput,
  tasks: ArtifactRef,
  arm: ArmName,
  untuned: ModelRef,
  sft: ArtifactRef,
): Promise<ModelRef> {
  const students: ModelRef[] = [];
  for (let student = 1; student <= input.trainingSeeds; student += 1) {
    const extra = student === 1 ? {} : { extra: { student } };
    const parts = { model: untuned, arm: studentLabel(arm, student), ...extra };
    const model = modelOf(await run.stage('train-sft', { sft }, parts));
    students.push(model);
    await evaluate(run, input, tasks, { arm, student, model, role: 'student' });
  }
  return students[0] ?? untuned;
}

/** Accuracy on the held-out test set, once per shot count. */
export async function evaluate(
  run: StageMaker,
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

/** Both forms of a training set. */
export function setOf(result: StageResult): TrainingSet {
  return { tailored: out(result, 'tailored'), sft: out(result, 'sft') };
}

export function out(result: StageResult, name: string): ArtifactRef {
  const ref = result.outputs[name];
  if (!ref) throw new Error(`stage ${result.stage} left no output ${name}`);
  return ref;
}

export function modelOf(result: StageResult): ModelRef {
  if (!result.model) throw new Error(`stage ${result.stage} left no model`);
  return result.model;
}
