/**
 * Whether a file is a run's config at all: of another file every line would be a problem of its own. Owns the reasons; what is wrong with a config
 * is said by check-config.ts.
 */
import { runConfigJsonSchema } from '../../schemas/run-config-json';
import { nearestName } from './explain-shape';
import { showable } from './written-secrets';

/** Settings that no config is without, and hardly another file has. */
const ownSettings = ['tasks', 'models'];
/** So many names of a file are quoted. */
const quotedMax = 4;

/** Why a document that was read as YAML is no config, or undefined where it may be one, if a bad one. */
export function whyNotAConfig(document: unknown): string | undefined {
  if (document === null || document === undefined) return undefined;
  const wanted = 'and a config is a set of settings: "version: 1", then name, tasks, models and others.';
  if (Array.isArray(document)) return `It is a list, ${wanted}`;
  if (typeof document !== 'object') return `It is one text or number, ${wanted}`;
  const names = Object.keys(document);
  const settings = Object.keys(runConfigJsonSchema().properties ?? {});
  const known = names.filter((name) => settings.includes(name));
  if (ownSettings.some((name) => known.includes(name))) return undefined;
  const strange = names.filter((name) => !known.includes(name) && nearestName(name, settings) === undefined);
  if (strange.length === 0 || strange.length < known.length) return undefined;
  const quoted = strange.filter((name) => showable([name], name)).map((name) => `"${name.slice(0, 40)}"`);
  const list = quoted.slice(0, quotedMax).join(', ') + (quoted.length > quotedMax ? ', …' : '');
  return `It has neither tasks nor models, and settings that no config has: ${list}.`;
}

/** Whether a line of a text begins as a setting of a config does: of a file that is no YAML, all that can be told. */
export function hasLinesOfConfig(text: string): boolean {
  return /^[{\s]?["']?(version|name|tasks|models)["']?(\s*[:=]|\s*$|\s+\S+\s*$)/m.test(text);
}
