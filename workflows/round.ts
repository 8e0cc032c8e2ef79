/**
 * One round of ARTE, row by row as the method's table has it (method.md section 1). Each call is one stage: made, or found in the store.
 * Owns the order and what feeds what; everything else is below.
 */
import type { ArtifactRef } from '../schemas/artifact-ref';
import type { AlignCarry, AlignInput, EvaluationRecord, ResolvedModels, StageResult } from '../schemas/messages';
import type { JsonObject } from '../schemas/json';
import type { ModelRef } from '../schemas/model-ref';
import { respondentArm } from '../schemas/stage-names';
import type { StageRunner } from './run-state';

export interface RoundOutcome {
  /** The teacher that DPO made: the next round's. */
  readonly teacher: ModelRef;
  /** The student that was trained on the aligned teacher's data. */
  readonly student: ModelRef;
  readonly evaluations: readonly EvaluationRecord[];
  readonly decision: JsonObject;
}

export async function runRound(run: StageRunner, input: AlignInput, carry: AlignCarry): Promise<RoundOutcome> {
  const { teacher, round } = carry;
  const { student } = carry.models;
  const first = round === 1;

  // data and preference set
  const tasks = out(await run.stage('prepare-tasks', {}), 'tasks');
  const responses = await askRespondents(run, input, carry, tasks);
  const probes = out(await run.stage('select-probes', { tasks, ...responses }), 'probes');

  // sample drafts, score them with the untuned student, build preference pairs
  const questions = out(await run.stage('sample-questions', { tasks }, { model: teacher }), 'questions');
  const drafts = out(await run.stage('sample-rationales', { tasks, questions }, { model: teacher }), 'drafts');
  const scores = out(await run.stage('score-drafts', { tasks, probes, drafts }, { model: student }), 'scores');
  const dpo = out(await run.stage('build-pairs', { tasks, questions, drafts, scores }), 'dpo');

  // align the teacher, tailor the training set, train the student; beside it what it is compared with
  const [aligned, baselines] = await run.together(
    () => alignAndTune(run, input, carry, tasks, dpo),
    async () => (first ? await evaluateBaselines(run, input, carry, tasks) : []),
  );

  const evaluations = [...baselines, ...aligned.evaluations];
  const decided = await run.stage(
    'decide',
    {},
    { extra: { round, evaluations: [...carry.evaluations, ...evaluations].map((record) => ({ ...record })) } },
  );
  return { ...aligned, evaluations, decision: decided.facts };
}

/** The paper's own path: DPO on the student's preferences, a set by the aligned teacher, a student trained on it. */
async function alignAndTune(
  run: StageRunner,
  input: AlignInput,
  { teacher, round, models }: AlignCarry,
  tasks: ArtifactRef,
  dpo: ArtifactRef,
): Promise<Pick<RoundOutcome, 'teacher' | 'student' | 'evaluations'>> {
  const reference = input.reference === 'initial' && round > 1 ? { reference: models.teacher } : {};
  const aligned = modelOf(await run.stage('train-dpo', { dpo }, { model: teacher, ...reference }));
  const sft = await tailor(run, 'arte', tasks, aligned);
  const tuned = modelOf(await run.stage('train-sft', { sft }, { model: models.student, arm: 'arte' }));
  return { teacher: aligned, student: tuned, evaluations: await evaluate(run, input, round, 'arte', tasks, tuned) };
}

/**
 * What stands in every table: the untuned student, and one trained at equal budget and seed on the unaligned teacher's data.
 * They belong to the first round, whose teacher is not aligned yet.
 */
async function evaluateBaselines(
  run: StageRunner,
  input: AlignInput,
  { teacher, round, models }: AlignCarry,
  tasks: ArtifactRef,
): Promise<EvaluationRecord[]> {
  const untuned = await evaluate(run, input, round, 'untuned', tasks, models.student);
  const arm = 'original_teacher';
  const sft = await tailor(run, arm, tasks, teacher);
  const tuned = modelOf(await run.stage('train-sft', { sft }, { model: models.student, arm }));
  return [...untuned, ...(await evaluate(run, input, round, arm, tasks, tuned))];
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

/** Questions, then rationales, by one teacher: the rows that a student is trained on. */
async function tailor(run: StageRunner, arm: string, tasks: ArtifactRef, teacher: ModelRef): Promise<ArtifactRef> {
  const questions = out(await run.stage('tailor-questions', { tasks }, { model: teacher, arm }), 'questions');
  return out(await run.stage('tailor-rationales', { tasks, questions }, { model: teacher, arm }), 'sft');
}

/** Accuracy on the held-out test set, once per shot count. */
async function evaluate(
  run: StageRunner,
  input: AlignInput,
  round: number,
  arm: string,
  tasks: ArtifactRef,
  model: ModelRef,
): Promise<EvaluationRecord[]> {
  const records: EvaluationRecord[] = [];
  for (const shots of input.shots) {
    const { key } = await run.stage(
      'evaluate',
      { tasks },
      { model, extra: { shots, split: 'test' }, arm: `${arm}-${shots}shot` },
    );
    records.push({ arm, round, shots, key });
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
export function carryOn(carry: AlignCarry, { teacher, evaluations, decision }: RoundOutcome): AlignCarry {
  return {
    ...carry,
    round: carry.round + 1,
    teacher,
    evaluations: [...carry.evaluations, ...evaluations],
    bestRound: Number(decision['bestRound'] ?? carry.round),
  };
}
