/** What a plan needs to know of the tasks, from a loaded config: counts and mean lengths. */
import { taskNameOf } from '../../method/config/named-parts';
import type { PlannedTask } from '../../method/plan-counts';
import type { PlanFacts } from '../../method/plan-stages';
import type { TaskConfig } from '../../schemas/config/tasks';
import type { TaskRecord } from '../../schemas/task';
import type { LoadedConfig } from '../config/load-config';

/** One entry per task of the config, and per unseen one, in their order; declared tasks by what they declare. */
export function plannedTasks({
  config,
  tasks,
  unseen,
  gold,
}: Pick<LoadedConfig, 'config' | 'tasks' | 'unseen' | 'gold'>): Pick<PlanFacts, 'tasks' | 'unseen'> {
  return {
    tasks: plannedOf(config.tasks, tasks, gold),
    unseen: plannedOf(config.transfer.tasks, unseen, gold),
  };
}

function plannedOf(
  configured: readonly TaskConfig[],
  read: readonly TaskRecord[],
  gold: LoadedConfig['gold'],
): PlannedTask[] {
  const records = new Map(read.map((task) => [task.name, task]));
  return configured.map((task) => {
    const name = taskNameOf(task);
    if (task.source === 'declared') {
      return {
        name,
        validation: task.validation_items,
        test: task.test_items,
        ...(task.techniques === undefined ? {} : { techniques: task.techniques.length }),
        ...(task.description === undefined ? {} : { descriptionCharacters: task.description.length }),
      };
    }
    const record = records.get(name);
    if (record === undefined) throw new Error(`the task ${name} was not read`);
    const items = [...record.seeds, ...record.validation];
    return {
      name,
      validation: record.validation.length,
      test: record.test.length,
      techniques: record.techniques.length,
      ...(gold.has(name) && { gold: gold.get(name) ?? 0 }),
      descriptionCharacters: record.description.length,
      questionCharacters: items.reduce((total, { question }) => total + question.length, 0) / Math.max(1, items.length),
    };
  });
}
