/**
 * What prepare-tasks puts out, as a function of the config and the texts of its task files: the lines of the tasks' records and of their gold examples.
 * Leaves a task to split.ts, gold examples to warm-up.ts. A plan makes the same to look for what follows.
 */
import type { JsonObject } from '../schemas/json';
import type { RunConfig } from '../schemas/run-config';
import type { GoldExample, TaskRecord } from '../schemas/task';
import { taskFilesOf, withConfigTechniques } from './config/named-parts';
import { defaultTechniques } from './prompts';
import { buildTaskRecord, taskSource } from './split';
import { goldExamples } from './warm-up';

/** Lines of the stage's outputs; `gold` is empty where no task has any. */
export interface PreparedTasks {
  readonly tasks: readonly string[];
  readonly gold: readonly string[];
  readonly facts: JsonObject;
}

/** `texts`: of every file that the tasks name, by its path. Errors: those of buildTaskRecord and goldExamples. */
export function preparedTasks(
  { tasks, prompts }: Pick<RunConfig, 'tasks' | 'prompts'>,
  texts: ReadonlyMap<string, string>,
): PreparedTasks {
  const records: TaskRecord[] = [];
  const gold: GoldExample[] = [];
  for (const task of tasks) {
    const contents = new Map(taskFilesOf(task).map(({ setting, path }) => [setting, texts.get(path) ?? '']));
    const record = buildTaskRecord(withConfigTechniques(task, prompts), taskSource(task, contents), defaultTechniques);
    records.push(record);
    // One by one: a call takes some 120,000 arguments, and files have more lines.
    if (task.gold !== undefined)
      for (const example of goldExamples(record, contents.get('gold') ?? '', task.gold)) gold.push(example);
  }
  const sizes = Object.fromEntries(
    records.map((record) => [record.name, { validation: record.validation.length, test: record.test.length }]),
  );
  return {
    tasks: records.map((record) => JSON.stringify(record)),
    gold: gold.map((example) => JSON.stringify(example)),
    facts: { tasks: sizes, ...(gold.length > 0 && { gold: gold.length }) },
  };
}
