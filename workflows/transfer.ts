/**
 * After the last round: how far the alignment carries (config.transfer). Other students learn from the sets that are there; for unseen tasks both
 * teachers write new ones. The teacher and the set are those of the best round, which are the run's result; where no round was accepted there is none.
 *
 * Owns the order. Invariant: every stage is one that a round has, made by the same code; only its config has another student or other tasks.
 */
import type { ArtifactRef } from '../schemas/artifact-ref';
import type { AlignCarry, AlignInput } from '../schemas/messages';
import { taughtArms, targetOfStudent, transferLabel, type TransferTarget } from '../schemas/transfer';
import type { StageRunner } from './run-state';
import { evaluate, out, trainStudents, written, type StageMaker } from './students';

/** @param carry What a further round would begin with. `tasks`: those of the run. */
export async function runTransfer(
  run: StageRunner,
  input: AlignInput,
  { bestRound, bestTeacher, drafts, models, sets }: AlignCarry,
  tasks: ArtifactRef,
): Promise<void> {
  const { transfer } = input;
  if (!transfer || bestRound === 0) return;
  for (const [index, { reworded }] of transfer.students.entries()) {
    const own = towards(run, targetOfStudent(index));
    const student = models.others[index] ?? models.student;
    await evaluate(own, input, tasks, { arm: 'untuned', student: 1, model: student, role: 'student' });
    for (const arm of taughtArms) {
      const set = sets[arm];
      if (!set) throw new Error(`no set of ${arm} was carried on`);
      const { tailored } = set;
      const sft = reworded ? out(await own.stage('reword-set', { tasks, tailored }, { arm }), 'sft') : set.sft;
      await trainStudents(own, input, tasks, arm, student, sft);
    }
  }
  if (!transfer.tasks) return;
  const own = towards(run, 'tasks');
  const unseen = out(await own.stage('prepare-tasks', {}), 'tasks');
  const seen = Object.fromEntries(drafts.map((ref, at) => [`drafts-${at + 1}`, ref]));
  await own.stage('check-unseen', { tasks: unseen, ...seen });
  await evaluate(own, input, unseen, { arm: 'untuned', student: 1, model: models.student, role: 'student' });
  for (const arm of taughtArms) {
    const teacher = arm === 'arte' ? bestTeacher : models.teacher;
    const sft = out(await written(own, unseen, teacher, arm, {}), 'sft');
    await trainStudents(own, input, unseen, arm, models.student, sft);
  }
}

/** Makes stages for a target: by its config, under its name. */
function towards(run: StageMaker, to: TransferTarget): StageMaker {
  return {
    stage: (name, inputs, { arm = '', evaluates, ...parts } = {}) =>
      run.stage(name, inputs, {
        ...parts,
        arm: transferLabel(to, arm),
        transfer: to,
        ...(evaluates && { evaluates: { ...evaluates, to } }),
      }),
  };
}
