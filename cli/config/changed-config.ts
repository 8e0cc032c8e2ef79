/**
 * A run's config as it stands in the store, with settings changed on the command line: `--set align.batch_size=8`. Judged like a file, all
 * problems at once. Owns the reading of `--set` and what of a run may not be changed so; the judgement is load-config.ts.
 */
import { resolve } from 'node:path';
import { parse } from 'yaml';
import { openBundle } from '../../activities/bundle';
import { noSuchRunIn, runKeys } from '../../activities/run-records';
import type { ArtifactStore } from '../../drivers/store/store';
import { configProblem } from '../../method/config/config-problem';
import type { ConfigProblem, Segment } from '../../method/config/config-problem';
import { ArteError } from '../../schemas/errors';
import type { RunRecord } from '../../schemas/messages';
import { ConfigError } from './config-error';
import { judgeInput, readTaskFile, type Environment, type LoadedConfig } from './load-config';

interface Fixed {
  readonly setting: RegExp;
  readonly why: string;
  readonly instead: string;
  /** A run that is made of another one may have its own. */
  readonly ofRunOnly?: boolean;
}

/** What a run is started with, and goes by to its end. */
const fixed: readonly Fixed[] = [
  {
    setting: /^(version|name)$/,
    why: 'It belongs to the run, whatever its settings.',
    instead: 'arte clone RUN --id NAME makes another run of it.',
    ofRunOnly: true,
  },
  {
    setting: /^platform(\.|$)/,
    why: 'Engine, store and workers are those that the run is on.',
    instead: 'Start the workers with other settings, or the run elsewhere.',
  },
  {
    setting: /^budget(\.|$)/,
    why: 'The cap is kept with what was spent, beside the config.',
    instead: 'arte budget set RUN AMOUNT, in any state of the run.',
    ofRunOnly: true,
  },
];

/** The config of a run with settings put into it. */
export interface ChangedConfig extends LoadedConfig {
  /** Hash of the bundle that they were put into. */
  readonly from: string;
}

/** `--set` may be given more than once. */
export function collectSettings(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

/**
 * The config of a run, with `settings` (`path=value`, the value as YAML) put into it. Task files come from the store, new ones from the
 * folder of the command. Errors: RunNotFound, InvalidInput, ConfigError with all problems at once.
 */
export async function changedConfig(
  store: ArtifactStore,
  runId: string,
  settings: readonly string[],
  { env, isClone = false }: { readonly env: Environment; readonly isClone?: boolean },
): Promise<ChangedConfig> {
  const record = (await store.getDocument(runKeys.record(runId))) as unknown as RunRecord | undefined;
  if (!record) throw await noSuchRunIn(store, runId);
  const { config: stored, files } = await openBundle(store, record.bundle);
  const document = structuredClone(stored) as unknown as Node;
  const problems: ConfigProblem[] = [];
  for (const setting of settings) {
    const { path, segments, value } = parseSetting(setting);
    const refused = fixed.find((each) => each.setting.test(path) && !(isClone && each.ofRunOnly === true));
    if (refused) {
      const { why } = refused;
      const instead = refused.instead.replace('RUN', runId);
      problems.push(configProblem(segments, { what: `${path} of a run cannot be changed.`, why, instead }));
    } else if (!put(document, segments, value)) {
      problems.push(
        configProblem(segments, {
          what: `There is no place ${path} in the config.`,
          why: 'A part of the path is no section and no list.',
          instead:
            'Write the path as in the config: align.batch_size, tasks[0].split.test. arte schema lists all settings.',
        }),
      );
    }
  }
  const configDir = process.cwd();
  const read = async (path: string): ReturnType<typeof readTaskFile> => {
    const known = files[path];
    return known ? (await store.getBlob(known)).toString('utf8') : readTaskFile(resolve(configDir, path));
  };
  const { config, problems: found, ...rest } = await judgeInput(document, configDir, { env, purpose: 'run', read });
  problems.push(...found);
  if (config === undefined || problems.length > 0)
    throw new ConfigError(
      `the config of ${runId}`,
      problems,
      `Correct ${problems.length === 1 ? 'it' : 'them'}, and type the command again. The run is as it was.`,
    );
  return { config, configDir, files, ...rest, from: record.bundle.sha256 };
}

type Node = { [name: string]: unknown } | unknown[];

/** `align.batch_size=8`, `tasks[0].split.test=20`. Errors: InvalidInput. */
export function parseSetting(text: string): { path: string; segments: Segment[]; value: unknown } {
  const at = text.indexOf('=');
  const path = text.slice(0, at).trim();
  // Names of tasks and of headers have hyphens, and may begin with a digit; only what stands in brackets is a place in a list.
  const form = /^[A-Za-z][\w-]*(\[\d+\])*(\.[A-Za-z0-9][\w-]*(\[\d+\])*)*$/;
  if (at < 0 || !form.test(path)) {
    throw new ArteError('InvalidInput', {
      what: `${JSON.stringify(text)} sets nothing.`,
      why: 'A setting is written PATH=VALUE, the path as in the config, the value as YAML.',
      next: 'For example: --set align.batch_size=8, --set tasks[0].split.test=20.',
    });
  }
  const segments = [...path.matchAll(/\[(\d+)\]|[\w-]+/g)].map(([part, place]) =>
    place === undefined ? part : Number(place),
  );
  try {
    return { path, segments, value: parse(text.slice(at + 1)) as unknown };
  } catch {
    throw new ArteError('InvalidInput', {
      what: `The value of ${path} is not YAML.`,
      why: 'A value is written as in the config; texts with ": ", "#", brackets or quotes stand in quotes.',
      next: `Put it in quotes: --set '${path}="..."'`,
    });
  }
}

/** False where the path leads through what has no parts. A section that is not there is made: whether it may be is judged after. */
function put(root: Node, segments: readonly Segment[], value: unknown): boolean {
  let node: Node = root;
  for (const [index, segment] of segments.entries()) {
    const fits = Array.isArray(node)
      ? typeof segment === 'number' && segment <= node.length
      : typeof segment === 'string';
    if (!fits) return false;
    const parts = node as { [name: string | number]: unknown };
    if (index === segments.length - 1) {
      parts[segment] = value;
      return true;
    }
    parts[segment] ??= typeof segments[index + 1] === 'number' ? [] : {};
    if (typeof parts[segment] !== 'object') return false;
    node = parts[segment] as Node;
  }
  return false;
}
