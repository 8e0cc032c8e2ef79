/** The tasks that a stage is given, as most stages want them. */
import type { ArtifactStore } from '../drivers/store/store';
import type { StageInput } from '../schemas/messages';
import { taskRecordSchema, type TaskRecord } from '../schemas/task';
import { readRows } from './read-rows';
import { inputRef } from './stage';

/** The stage's input `tasks`, by their names. */
export async function readTasksByName(store: ArtifactStore, input: StageInput): Promise<Map<string, TaskRecord>> {
  const tasks = await readRows(store, inputRef(input, 'tasks'), taskRecordSchema);
  return new Map(tasks.map((task) => [task.name, task]));
}
