/**
 * A run's config as the stages of a transfer go by it: another student, or the unseen tasks, in the place of the run's own. Everything else stays: budgets,
 * seeds, prompts, the tags. So a stage that is made for a transfer has the key that it would have in a run of its own with that student or those tasks.
 */
import type { TaskConfig } from '../schemas/config/tasks';
import type { RunConfig } from '../schemas/run-config';
import { studentOfTarget, targetOfStudent, type TransferTarget } from '../schemas/transfer';

/** The config with the target in its place. Throws when it names no such student. */
export function transferConfig(config: RunConfig, target: TransferTarget): RunConfig {
  const index = studentOfTarget(target);
  if (index === undefined) return { ...config, tasks: config.transfer.tasks };
  const student = config.transfer.students[index];
  if (!student) throw new Error(`the config has no transfer.students[${index}]`);
  return { ...config, models: { ...config.models, student } };
}

/** The targets of a config, in the order in which they are made and stand in the report. */
export function transferTargets({ transfer }: Pick<RunConfig, 'transfer'>): TransferTarget[] {
  return [...transfer.students.keys()].map(targetOfStudent).concat(transfer.tasks.length > 0 ? ['tasks'] : []);
}

/** Whether the sets of a run must be put into the words of another student's prompts before it can be trained on them. */
export function isReworded({ models, transfer }: Pick<RunConfig, 'models' | 'transfer'>, index: number): boolean {
  return transfer.students[index]?.prompt_style !== models.student.prompt_style;
}

/** The tasks of the run and the unseen ones: whoever reads files or names needs all of them. */
export function allTasks({ tasks, transfer }: Pick<RunConfig, 'tasks' | 'transfer'>): readonly TaskConfig[] {
  return [...tasks, ...transfer.tasks];
}
