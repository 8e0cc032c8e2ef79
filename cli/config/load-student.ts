/**
 * The model of a student from a command line or a file, judged like `models.student` of a config: shape, secrets, scripts, folders.
 * Owns where it is read from. Leaves the judgement to method/config/check-config.ts and load-config.ts; with the config of a schedule it is judged again
 * when that is created, and by every firing.
 */
import { dirname, resolve } from 'node:path';
import { judgeConfig } from '../../method/config/check-config';
import type { ConfigProblem } from '../../method/config/config-problem';
import { ArteError } from '../../schemas/errors';
import { registryNameLengthMax } from '../../schemas/limits';
import type { ModelConfig } from '../../schemas/config/models';
import { registryNameSchema } from '../../schemas/student';
import { modelPathProblems, readConfigFile, scriptProblems, withAbsoluteModels } from './load-config';
import { parseYaml, valueOf } from './parse-yaml';

export interface GivenStudent {
  /** A YAML file: a model as under `models.student`, or a whole config, whose student it is. */
  readonly file?: string;
  readonly source?: string;
  readonly revision?: string;
  readonly promptStyle?: string;
}

/** With defaults filled in and an absolute path. Errors: InvalidConfig with all problems, InvalidInput. */
export async function loadStudent({ file, source, revision, promptStyle }: GivenStudent): Promise<ModelConfig> {
  if ((file === undefined) === (source === undefined)) {
    throw new ArteError('InvalidInput', {
      what: 'Where the student comes from is not clear.',
      why:
        file === undefined
          ? 'Neither --source nor --config-model was given.'
          : '--source and --config-model were both given.',
      next: 'Give one: --source hf:ORG/NAME (or a folder, …), or --config-model FILE with a model as under models.student.',
    });
  }
  const folder = file === undefined ? process.cwd() : dirname(resolve(file));
  const given =
    file === undefined ? { source } : modelIn(valueOf(file, parseYaml(file, await readConfigFile(file)).document));
  const student = {
    ...(given as Record<string, unknown>),
    ...(revision === undefined ? {} : { revision }),
    ...(promptStyle === undefined ? {} : { prompt_style: promptStyle }),
  };
  // A config around it that nothing can be said against: what is left to say is about the student.
  const { config, problems } = judgeConfig(
    {
      version: 1,
      name: 'student',
      tasks: [{ source: 'declared', name: 'task', description: '-', test_items: 1 }],
      models: { teacher: { source: 'hf:unknown/unknown' }, student },
    },
    { purpose: 'plan', environment: process.env },
  );
  const own = problems.filter(isAboutStudent);
  if (config && own.length === 0)
    own.push(...[...scriptProblems(config), ...(await modelPathProblems(config, folder))].filter(isAboutStudent));
  if (!config || own.length > 0) throw unusable(file ?? source ?? '', own);
  return withAbsoluteModels(config, folder).models.student;
}

/** Errors: InvalidInput when this cannot be the name of a student or a schedule. */
export function checkRegistryName(name: string): void {
  if (registryNameSchema.safeParse(name).success) return;
  throw new ArteError('InvalidInput', {
    what: `${JSON.stringify(name)} cannot be the name of a student or a schedule.`,
    why: `It becomes a part of run ids: lower-case letters, digits and "-", at most ${registryNameLengthMax} characters, beginning with a letter or a digit.`,
    next: 'Give another one.',
  });
}

function modelIn(document: unknown): unknown {
  const student = (document as { models?: { student?: unknown } } | null)?.models?.student;
  return student ?? document;
}

function isAboutStudent({ segments }: ConfigProblem): boolean {
  return segments[0] === 'models' && segments[1] === 'student';
}

function unusable(what: string, problems: readonly ConfigProblem[]): ArteError {
  return new ArteError('InvalidConfig', {
    what: `${what} is no student that can be registered: ${problems.length === 1 ? 'one problem' : `${problems.length} problems`}.`,
    why: 'Nothing was registered.',
    next: 'Correct it, then add it again.',
    details: problems.map(({ path, what: found, why, instead }) =>
      [
        path.replace(/^models\.student\.?/, '') || 'the model',
        `  ${found}`,
        `  why    ${why}`,
        `  write  ${instead}`,
      ].join('\n'),
    ),
  });
}
