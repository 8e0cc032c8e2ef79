/** prepare-tasks: every task of the config as one record with disjoint seeds, validation and test items. */
import { fileStem, taskFilesOf, taskNameOf } from '../method/config/named-parts';
import { preparedTasks } from '../method/prepared-tasks';
import type { JsonValue } from '../schemas/json';
import type { TaskConfig } from '../schemas/config/tasks';
import type { OpenBundle } from './bundle';
import type { StoreDependencies } from './dependencies';
import type { StageContext, WholeStage } from './stage';

export const prepareTasks: WholeStage<StoreDependencies> = {
  name: 'prepare-tasks',
  // 3: the words of the built-in families.
  version: 3,
  settings: ({ config, files }) => ({
    tasks: config.tasks.map((task) => byContent(task, files)) as unknown as JsonValue,
    techniques: (config.prompts.techniques ?? null) as unknown as JsonValue,
  }),
  async run(context) {
    const { store, config } = context;
    const texts = new Map<string, string>();
    for (const { path } of config.tasks.flatMap(taskFilesOf)) texts.set(path, await readTaskFile(context, path));
    const { tasks, gold, facts } = preparedTasks(config, texts);
    const outputs = { tasks: await store.putLines(tasks) };
    return { outputs: gold.length === 0 ? outputs : { ...outputs, gold: await store.putLines(gold) }, facts };
  },
};

/** The task with the content of its files in the place of their paths: a path is a name, not an identity. What a name does decide stands beside it. */
function byContent(task: TaskConfig, files: OpenBundle['files']): object {
  const contents = taskFilesOf(task).map(({ setting, path }) => [setting, files[path]?.sha256 ?? ''] as const);
  // The file's own name says what a BIG-Bench-Hard task is about.
  const about = task.source === 'bbh-json' ? { about: fileStem(task.path) } : {};
  return { ...task, name: taskNameOf(task), ...Object.fromEntries(contents), ...about };
}

async function readTaskFile({ store, bundle }: StageContext, path: string): Promise<string> {
  const ref = bundle.files[path];
  if (!ref) throw new Error(`the run bundle lacks the task file ${path}`);
  return (await store.getBlob(ref)).toString('utf8');
}
