/**
 * Reads a config from disk and judges it whole: YAML, shape, fields that must fit together, and every file it names.
 *
 * Owns which files are read, and what is no config at all. Leaves YAML and lines to parse-yaml.ts, the words of a problem to config-error.ts, the
 * judgement to method/config/check-config.ts, the reading of task files to method/readers/.
 * Invariants: every problem is found before anything is started; nothing but task files, model folders' listings and the
 * config itself is read; a secret is never repeated.
 */
import { readdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, resolve } from 'node:path';
import { judgeConfig } from '../../method/config/check-config';
import { namedModels, taskFilesOf, taskNameOf, withConfigTechniques } from '../../method/config/named-parts';
import { judgeSeeds, judgeTask } from '../../method/config/task-findings';
import type { ConfigProblem, Segment } from '../../method/config/config-problem';
import type { ConfigPurpose } from '../../method/config/finding';
import { judgeItems, judgeUnseen } from '../../method/check-items';
import { judgeLengths } from '../../method/check-lengths';
import { createScriptedEndpoint } from '../../drivers/model/scripted';
import { scriptedScripts } from '../../drivers/model/scripted-options';
import { configProblem } from '../../method/config/config-problem';
import { nearestName } from '../../method/config/explain-shape';
import { defaultTechniques } from '../../method/prompts';
import { buildTask, taskSource } from '../../method/split';
import { goldExamples } from '../../method/warm-up';
import { sizeWarnings } from '../../method/config/size-warnings';
import { styleWarnings } from '../../method/config/style-warnings';
import { hasLinesOfConfig, whyNotAConfig } from '../../method/config/not-a-config';
import type { ArtifactRef } from '../../schemas/artifact-ref';
import { ArteError } from '../../schemas/errors';
import { configFileBytesMax, taskFileBytesMax } from '../../schemas/limits';
import { taskConfigSchema, type TaskConfig } from '../../schemas/config/tasks';
import type { RunConfig } from '../../schemas/run-config';
import type { TaskRecord } from '../../schemas/task';
import { ConfigError, type PlacedProblem } from './config-error';
import { nearestPath, textOrNearest } from './nearest-path';
import { plannedTasks } from '../plan/plan-facts';
import { parseYaml, placeOf, valueOf, type ParsedYaml } from './parse-yaml';
import { readText, type NoText } from './read-text';

export type Environment = { readonly [name: string]: string | undefined };

export interface LoadOptions {
  readonly env: Environment;
  /** Default `plan`: notes say what a run would still need. */
  readonly purpose?: ConfigPurpose;
}

export interface LoadedConfig {
  /** With defaults filled in; secrets as `${env:NAME}`; model folders and files as absolute paths. */
  readonly config: RunConfig;
  /** Folder of the config file: what relative task paths are relative to. */
  readonly configDir: string;
  /** Task files that are in the store already, by the path that the config writes: of a config that comes from there. */
  readonly files?: Readonly<Record<string, ArtifactRef>>;
  /** The tasks with their items, in the config's order; tasks that are only declared have none and are left out. */
  readonly tasks: readonly TaskRecord[];
  /** The same of the unseen tasks (transfer.tasks). */
  readonly unseen: readonly TaskRecord[];
  /** What a run can be made with and is probably not meant: each with its place, like a problem. */
  readonly warnings: readonly PlacedProblem[];
  /** Gold examples by task, where it has any. */
  readonly gold: ReadonlyMap<string, number>;
  readonly notes: readonly string[];
}

/** A config that can be used. Errors: ConfigError (code InvalidConfig) with all problems at once. */
export async function loadConfig(path: string, { env, purpose = 'plan' }: LoadOptions): Promise<LoadedConfig> {
  const configDir = dirname(resolve(path));
  refuseTaskFile(path);
  const parsed = parseConfig(path, await readConfigFile(path));
  const input = valueOf(path, parsed.document);
  const foreign = whyNotAConfig(input);
  if (foreign !== undefined) throw notAConfig(path, foreign, input);
  const {
    config,
    problems: found,
    warnings,
    ...rest
  } = await judgeInput(input, configDir, {
    env,
    purpose,
  });
  const placed = (problem: ConfigProblem): PlacedProblem => ({ ...problem, ...placeOf(parsed, problem) });
  const problems = found.map(placed);
  if (config === undefined || problems.length > 0) {
    throw new ConfigError(
      path,
      problems.sort((a, b) => (a.line ?? 0) - (b.line ?? 0)),
    );
  }
  return { config, configDir, ...rest, warnings: warnings.map(placed) };
}

/** Errors: ConfigError for what is wrong in a config; InvalidConfig for a file that is none. */
function parseConfig(path: string, text: string): ParsedYaml {
  try {
    return parseYaml(path, text);
  } catch (error) {
    if (!(error instanceof ConfigError) || hasLinesOfConfig(text)) throw error;
    const line = error.problems[0]?.line ?? 1;
    throw notAConfig(path, `It is no YAML (line ${line}), and no line begins with version, name, tasks or models.`);
  }
}

function notAConfig(path: string, why: string, input?: unknown): ArteError {
  const isTaskFile = typeof input === 'object' && input !== null && 'examples' in input;
  return new ArteError('InvalidConfig', {
    what: `${path} does not look like an arte config.`,
    why,
    next: isTaskFile
      ? `arte init ${path} writes a config for it.`
      : 'Name a config: arte init TASKFILE writes one for a task file, and examples/ has some to start from.',
  });
}

/** A config's text. Errors: InvalidConfig, with the file that was probably meant where the named one is missing. */
export async function readConfigFile(path: string): Promise<string> {
  return textOrNearest(path, await readText(path, configFileBytesMax), {
    code: 'InvalidConfig',
    advice: 'Name a config file. arte init TASKFILE writes one; examples/ has some.',
  });
}

/** A task file's text, or why it cannot be had. */
export type TaskFileReader = (path: string) => Promise<string | NoText>;

/** Judge a config as values, with the files that it names. `read`: by default from the config's folder. */
export async function judgeInput(
  input: unknown,
  configDir: string,
  { env, purpose = 'plan', read }: LoadOptions & { readonly read?: TaskFileReader },
): Promise<
  Pick<LoadedConfig, 'tasks' | 'unseen' | 'gold' | 'notes'> & {
    config?: RunConfig;
    problems: readonly ConfigProblem[];
    warnings: readonly ConfigProblem[];
  }
> {
  const judged = judgeConfig(input, { purpose, environment: env });
  // A worker's machine need not have what the client's has.
  const here = purpose !== 'worker';
  const {
    tasks,
    unseen,
    gold,
    problems: ofTasks,
    warnings: ofItems,
  } = here
    ? await readAllTasks(input, configDir, judged.config, read)
    : { tasks: [], unseen: [], gold: new Map<string, number>(), problems: [], warnings: [] };
  // Prompts are made by the config's own words: they are measured once it is sound without them.
  const lengths =
    judged.config === undefined || judged.problems.length + ofTasks.length > 0
      ? { problems: [], warnings: [] }
      : judgeLengths(judged.config, tasks, unseen);
  const { config } = judged;
  const isSound = judged.problems.length + ofTasks.length + lengths.problems.length === 0;
  const sizes = config && here && isSound ? sizeWarnings(config, plannedTasks({ config, tasks, unseen, gold })) : [];
  const ofModels =
    judged.config === undefined || !here
      ? []
      : [...scriptProblems(judged.config), ...(await modelPathProblems(judged.config, configDir))];
  return {
    ...(judged.config === undefined ? {} : { config: withAbsoluteModels(judged.config, configDir) }),
    tasks,
    unseen,
    gold,
    problems: [...judged.problems, ...ofTasks, ...ofModels, ...lengths.problems],
    warnings: [...ofItems, ...lengths.warnings, ...sizes, ...(config && here && isSound ? styleWarnings(config) : [])],
    notes: judged.notes,
  };
}

// ---- tasks -------------------------------------------------------------------------------------------------------

interface ReadTasks {
  readonly tasks: readonly TaskRecord[];
  /** Where each of them stands in the config, in the same order. */
  readonly places: readonly (readonly Segment[])[];
  readonly gold: ReadonlyMap<string, number>;
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigProblem[];
}

/** The tasks of the run and the unseen ones, and whether these are. */
async function readAllTasks(
  input: unknown,
  configDir: string,
  config: RunConfig | undefined,
  read?: TaskFileReader,
): Promise<ReadTasks & { readonly unseen: readonly TaskRecord[] }> {
  const given = input as { tasks?: unknown; transfer?: { tasks?: unknown } } | null;
  const own = await readTasks(given?.tasks, ['tasks'], configDir, config, read);
  const others = await readTasks(given?.transfer?.tasks, ['transfer', 'tasks'], configDir, config, read);
  return {
    ...own,
    unseen: others.tasks,
    problems: [...own.problems, ...others.problems, ...judgeUnseen(others.tasks, own.tasks, others.places)],
    warnings: [...own.warnings, ...others.warnings],
  };
}

/** Reads every task of a list whose own section is sound, even when another part of the config is not: all problems at once. */
async function readTasks(
  list: unknown,
  place: readonly Segment[],
  configDir: string,
  config: RunConfig | undefined,
  read: TaskFileReader = (path) => readTaskFile(resolve(configDir, path)),
): Promise<ReadTasks> {
  const tasks: TaskRecord[] = [];
  const places: (readonly Segment[])[] = [];
  const gold = new Map<string, number>();
  const problems: ConfigProblem[] = [];
  const warnings: ConfigProblem[] = [];
  for (const [index, item] of (Array.isArray(list) ? (list as unknown[]) : []).entries()) {
    const parsed = taskConfigSchema.safeParse(item);
    if (!parsed.success || parsed.data.source === 'declared') continue;
    const {
      task,
      problems: found,
      gold: examples,
      warnings: seen = [],
    } = await readTask(parsed.data, [...place, index], configDir, config, read);
    problems.push(...found);
    warnings.push(...seen);
    if (task === undefined) continue;
    tasks.push(task);
    places.push([...place, index]);
    if (examples) gold.set(task.name, examples);
  }
  return { tasks, places, gold, problems, warnings };
}

async function readTask(
  task: TaskConfig,
  place: readonly Segment[],
  configDir: string,
  config: RunConfig | undefined,
  read: TaskFileReader,
): Promise<{ task?: TaskRecord; gold?: number; problems: ConfigProblem[]; warnings?: readonly ConfigProblem[] }> {
  const texts = new Map<string, string>();
  const problems: ConfigProblem[] = [];
  for (const { setting, path } of taskFilesOf(task)) {
    const text = await read(path);
    if (typeof text === 'string') texts.set(setting, text);
    else {
      const nearest = text.missing ? await nearestPath(path, configDir) : undefined;
      problems.push(
        configProblem([...place, setting], {
          what: `The file ${path} of the task "${taskNameOf(task)}" cannot be read.`,
          why: `${text.why} Paths are relative to the config file; this one is ${resolve(configDir, path)}.`,
          instead:
            nearest === undefined
              ? 'Write the path of a file that is there.'
              : `Write "${nearest}", if that is what was meant.`,
        }),
      );
    }
  }
  if (problems.length > 0) return { problems };
  try {
    const { record, remarks } = buildTask(
      withConfigTechniques(task, config?.prompts),
      taskSource(task, texts),
      defaultTechniques,
    );
    const isOwnFile = config !== undefined && task.source === 'files';
    const unfit = [
      ...judgeTask(record, place, config?.prompts, config?.tailor),
      ...(isOwnFile ? judgeSeeds(record, place, config, place[0] === 'transfer') : []),
    ];
    // What does not fit its answer type is told so; forms and values are then not worth a word.
    if (unfit.length > 0) return { task: record, problems: unfit };
    const gold = task.gold === undefined ? 0 : goldExamples(record, texts.get('gold') ?? '', task.gold).length;
    const { problems: ofItems, warnings } = judgeItems(record, remarks, place);
    return { task: record, gold, problems: [...ofItems], warnings };
  } catch (error) {
    if (!(error instanceof ArteError)) throw error;
    const { what, why, next, details = [] } = error.data;
    const more = details.filter((line) => !why.includes(line)).slice(0, taskDetailsMax);
    return { problems: [configProblem(place, { what, why: [why, ...more].join('\n'), instead: next })] };
  }
}

/** Bad lines of a task file that are listed besides the first. */
const taskDetailsMax = 6;

/** A task file's text, or why it cannot be had. */
export function readTaskFile(path: string): Promise<string | NoText> {
  return readText(path, taskFileBytesMax);
}

// ---- scripts -----------------------------------------------------------------------------------------------------

/** A scripted endpoint whose script or option does not exist. The driver knows what there is; nothing is started. */
export function scriptProblems(config: RunConfig): ConfigProblem[] {
  return namedModels(config).flatMap(({ segments, model }) => {
    const { endpoint } = model;
    if (endpoint.kind !== 'scripted') return [];
    try {
      createScriptedEndpoint(endpoint.script, endpoint.options);
      return [];
    } catch (error) {
      if (!(error instanceof ArteError)) throw error;
      const nearest = nearestName(endpoint.script, Object.keys(scriptedScripts));
      const misspelt = nearest !== undefined && nearest !== endpoint.script;
      const { what, why, next } = error.data;
      const instead = misspelt ? `Write "${nearest}", if that is what was meant. ${next}` : next;
      return [
        configProblem([...segments, 'endpoint', endpoint.script in scriptedScripts ? 'options' : 'script'], {
          what,
          why,
          instead,
        }),
      ];
    }
  });
}

// ---- models on this machine --------------------------------------------------------------------------------------

/** Whether a source is a path of this machine, not an address of something elsewhere. */
function isPath(source: string): boolean {
  return !/^(embedded|hf|hosted|s3):/.test(source);
}

function absolutePath(source: string, configDir: string): string {
  return resolve(configDir, source.replace(/^~(?=\/|$)/, homedir()));
}

/** A model folder or GGUF file that is not there, or lacks what serving and training need. Its content is looked at when the run starts. */
export async function modelPathProblems(config: RunConfig, configDir: string): Promise<ConfigProblem[]> {
  const problems: ConfigProblem[] = [];
  for (const { segments, model } of namedModels(config)) {
    if (!isPath(model.source)) continue;
    const path = absolutePath(model.source, configDir);
    const trouble = await modelTrouble(path);
    if (trouble !== undefined)
      problems.push(
        configProblem([...segments, 'source'], { what: `${model.source} is not a usable model.`, ...trouble }),
      );
  }
  return problems;
}

async function modelTrouble(path: string): Promise<{ why: string; instead: string } | undefined> {
  const instead =
    'Name a folder with config.json, tokenizer and safetensors, a .gguf file, hf:ORG/NAME or embedded:NAME.';
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return { why: `There is nothing at ${path}.`, instead };
  if (found.isFile()) return path.endsWith('.gguf') ? undefined : { why: 'It is a file, and no .gguf.', instead };
  if (!found.isDirectory()) return { why: 'It is a device, a pipe or a socket.', instead };
  const files = new Set(await readdir(path));
  const missing = [
    ...(files.has('config.json') ? [] : ['config.json']),
    ...(['tokenizer.json', 'tokenizer.model', 'vocab.json', 'spiece.model'].some((name) => files.has(name))
      ? []
      : ['a tokenizer (tokenizer.json or tokenizer.model)']),
    ...([...files].some((name) => name.endsWith('.safetensors')) ? [] : ['weights as safetensors']),
  ];
  if (missing.length === 0) return undefined;
  return {
    why: `The folder lacks ${missing.join(' and ')}.`,
    instead: `Put ${missing.length === 1 ? 'it' : 'them'} there; a model saved by transformers with save_pretrained, tokenizer included, has everything.`,
  };
}

/** Workers do not run in the config's folder: what is relative to it is made absolute. */
export function withAbsoluteModels(config: RunConfig, configDir: string): RunConfig {
  const absolute = <Model extends { source: string }>(model: Model): Model =>
    isPath(model.source) ? { ...model, source: absolutePath(model.source, configDir) } : model;
  return {
    ...config,
    models: { teacher: absolute(config.models.teacher), student: absolute(config.models.student) },
    probe: { ...config.probe, respondents: config.probe.respondents.map(absolute) },
    transfer: { ...config.transfer, students: config.transfer.students.map(absolute) },
  };
}

/** A task's items in the place of a config: each of their lines would be a problem of its own. */
function refuseTaskFile(path: string): void {
  if (!/\.jsonl$/i.test(path)) return;
  throw new ArteError('InvalidInput', {
    what: `${path} is no run config.`,
    why: 'A run config is a YAML file; this one has the name of a task file.',
    next: `arte init ${path} writes a config for it.`,
  });
}
