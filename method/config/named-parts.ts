/** What a config names, each with its place: tasks and their files, models, secrets. Owns where to look; nothing is judged here. */
import type { ModelConfig } from '../../schemas/config/models';
import type { TaskConfig } from '../../schemas/config/tasks';
import type { RunConfig } from '../../schemas/run-config';
import { headerReferencePattern } from '../../schemas/secrets';
import type { ModelRole } from '../ledger';
import type { Segment } from './config-problem';

/** The name a task goes by: written, or what its source decides. */
export function taskNameOf(task: TaskConfig): string {
  if (task.name !== undefined) return task.name;
  switch (task.source) {
    case 'builtin':
      return task.family;
    case 'bbh-json':
    case 'arc-jsonl':
      return fileStem(task.path);
    case 'gsm8k-jsonl':
    case 'commonsenseqa-jsonl':
    case 'piqa-jsonl':
      return task.source.replace(/-jsonl$/, '');
    default:
      return task.source;
  }
}

/** The files that a task names, with the setting that names each. Relative to the config file. */
export function taskFilesOf(task: TaskConfig): readonly TaskFile[] {
  const gold = task.gold === undefined ? [] : [{ setting: 'gold', path: task.gold }];
  return [...itemFilesOf(task), ...gold];
}

interface TaskFile {
  readonly setting: string;
  readonly path: string;
}

function itemFilesOf(task: TaskConfig): readonly TaskFile[] {
  switch (task.source) {
    case 'builtin':
    case 'declared':
      return [];
    case 'files':
      return (['seeds', 'validation', 'test'] as const).map((setting) => ({ setting, path: task[setting] }));
    case 'piqa-jsonl':
      return [
        { setting: 'path', path: task.path },
        ...(task.labels === undefined ? [] : [{ setting: 'labels', path: task.labels }]),
      ];
    default:
      return [{ setting: 'path', path: task.path }];
  }
}

/** The task with the technique prompts that count: its own, else those that the config gives for all tasks, else what its source brings. */
export function withConfigTechniques(
  task: TaskConfig,
  prompts: Pick<RunConfig['prompts'], 'techniques'> | undefined,
): TaskConfig {
  const techniques = task.techniques ?? prompts?.techniques;
  return techniques === undefined ? task : { ...task, techniques };
}

/** A file's name in lower case, without folders and ending. */
export function fileStem(path: string): string {
  const file = path.split(/[/\\]/).at(-1) ?? path;
  return file.replace(/\.[^.]*$/, '').toLowerCase();
}

interface PlacedTask {
  readonly task: TaskConfig;
  readonly segments: readonly Segment[];
  /** Of transfer.tasks. */
  readonly unseen: boolean;
}

/** Every task that the config names, with its place. */
export function placedTasks({ tasks, transfer }: Pick<RunConfig, 'tasks' | 'transfer'>): readonly PlacedTask[] {
  return [
    ...tasks.map((task, index) => ({ task, segments: ['tasks', index], unseen: false })),
    ...transfer.tasks.map((task, index) => ({ task, segments: ['transfer', 'tasks', index], unseen: true })),
  ];
}

export interface NamedModel {
  readonly role: ModelRole;
  readonly segments: readonly Segment[];
  readonly model: ModelConfig;
}

/** Every model the config names, with its place. */
export function namedModels(config: RunConfig): readonly NamedModel[] {
  return [
    { role: 'teacher', segments: ['models', 'teacher'], model: config.models.teacher },
    { role: 'student', segments: ['models', 'student'], model: config.models.student },
    ...config.probe.respondents.map((model, index) => ({
      role: 'respondent' as const,
      segments: ['probe', 'respondents', index],
      model,
    })),
    ...config.transfer.students.map((model, index) => ({
      role: 'other' as const,
      segments: ['transfer', 'students', index],
      model,
    })),
  ];
}

/** The settings that refer to a secret, with the name of the variable. */
export function secretReferences(
  config: RunConfig,
): readonly { readonly segments: readonly Segment[]; readonly name: string }[] {
  const { store, temporal } = config.platform;
  const candidates: readonly (readonly [readonly Segment[], string | undefined])[] = [
    ...namedModels(config).map(
      ({ segments, model }) =>
        [
          [...segments, 'endpoint', 'api_key'],
          model.endpoint.kind === 'static' ? model.endpoint.api_key : undefined,
        ] as const,
    ),
    ...config.notify.flatMap((target, index) =>
      target.kind === 'command'
        ? []
        : [
            [['notify', index, 'url'], target.url] as const,
            ...Object.entries(target.headers).map(
              ([name, value]) => [['notify', index, 'headers', name], value] as const,
            ),
          ],
    ),
    [['platform', 'temporal', 'api_key'], temporal.api_key],
    [['platform', 'store', 'access_key_id'], store.access_key_id],
    [['platform', 'store', 'secret_access_key'], store.secret_access_key],
  ];
  return candidates.flatMap(([segments, reference]) => {
    const name = reference === undefined ? undefined : headerReferencePattern.exec(reference)?.[2];
    return name === undefined ? [] : [{ segments, name }];
  });
}
