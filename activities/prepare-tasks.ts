/** prepare-tasks: every task of the config as one record with disjoint seeds, validation and test items. */
import { taskFilesOf, withConfigTechniques } from '../method/config/named-parts';
import { buildTaskRecord, taskSource } from '../method/split';
import { defaultTechniques } from '../method/prompts';
import { goldExamples } from '../method/warm-up';
import type { JsonValue } from '../schemas/json';
import type { TaskConfig } from '../schemas/run-config';
import type { GoldExample } from '../schemas/task';
import type { StoreDependencies } from './dependencies';
import type { StageContext, WholeStage } from './stage';

const filesOf = (task: TaskConfig): string[] => taskFilesOf(task).map(({ path }) => path);

export const prepareTasks: WholeStage<StoreDependencies> = {
  name: 'prepare-tasks',
  version: 1,
  settings: ({ config, files }) => ({
    tasks: config.tasks as unknown as JsonValue,
    techniques: (config.prompts.techniques ?? null) as unknown as JsonValue,
    // A path is a name, not an identity: the content of what it points at is.
    files: Object.fromEntries(config.tasks.flatMap(filesOf).map((path) => [path, files[path]?.sha256 ?? ''])),
  }),
  async run(context) {
    const { store, config } = context;
    const records = [];
    const gold: GoldExample[] = [];
    for (const task of config.tasks) {
      const contents = new Map<string, string>();
      for (const { setting, path } of taskFilesOf(task)) contents.set(setting, await readTaskFile(context, path));
      const source = taskSource(task, contents);
      const record = buildTaskRecord(withConfigTechniques(task, config.prompts), source, defaultTechniques);
      records.push(record);
      if (task.gold !== undefined) gold.push(...goldExamples(record, contents.get('gold') ?? '', task.gold));
    }
    const tasks = await store.putLines(records.map((record) => JSON.stringify(record)));
    const sizes = Object.fromEntries(
      records.map((record) => [record.name, { validation: record.validation.length, test: record.test.length }]),
    );
    if (gold.length === 0) return { outputs: { tasks }, facts: { tasks: sizes } };
    const goldRef = await store.putLines(gold.map((example) => JSON.stringify(example)));
    return { outputs: { tasks, gold: goldRef }, facts: { tasks: sizes, gold: gold.length } };
  },
};

async function readTaskFile({ store, bundle }: StageContext, path: string): Promise<string> {
  const ref = bundle.files[path];
  if (!ref) throw new Error(`the run bundle lacks the task file ${path}`);
  return (await store.getBlob(ref)).toString('utf8');
}
