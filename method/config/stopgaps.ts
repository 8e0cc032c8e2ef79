/**
 * The rest of a config whose shape is wrong, so that it can be judged: every value of a wrong shape is replaced by a harmless one. Owns what takes its
 * place, and the paths that were touched; what follows from these is not reported (check-config.ts).
 */
import { type RunConfig, runConfigSchema } from '../../schemas/run-config';
import { pathText, type Segment } from './config-problem';
import { nearestName, type ShapeIssue } from './explain-shape';

/** Harmless values for settings that have no default, so that the rest of a broken config can be judged. */
const stopgapTask = (index: number): unknown => ({
  source: 'declared',
  name: `task-${index}`,
  description: '-',
  test_items: 1,
});

const stopgapSource = 'hf:unknown/unknown';

/** The config with every value of a wrong shape replaced, and the paths that were; undefined when that does not help. */
export function withReplacements(
  input: object,
  first: readonly ShapeIssue[],
): { config: RunConfig; replaced: string[] } | undefined {
  const document = structuredClone(input) as Record<string, unknown>;
  const replaced: string[] = [];
  let issues = first;
  // Taking a value out may uncover that it had no default: a second pass replaces the section around it.
  for (let pass = 0; pass < 3; pass += 1) {
    for (const issue of issues) {
      const path = issue.path.map((segment) => (typeof segment === 'symbol' ? String(segment) : segment));
      const places = issue.code === 'unrecognized_keys' ? (issue.keys ?? []).map((key) => [...path, key]) : [path];
      for (const place of places) {
        replaced.push(pathText(replace(document, place, pass)));
      }
    }
    const parsed = runConfigSchema.safeParse(document);
    if (parsed.success) return { config: parsed.data, replaced: [...replaced, ...meantBy(first, parsed.data)] };
    issues = parsed.error.issues;
  }
  return undefined;
}

/** The settings that unknown keys were probably meant to be: what is judged in their place is a default, which nobody wrote. */
function meantBy(issues: readonly ShapeIssue[], config: RunConfig): string[] {
  return issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') return [];
    const path = issue.path.map((segment) => (typeof segment === 'symbol' ? String(segment) : segment));
    const section = path.reduce<unknown>(
      (value, key) => (value as Record<Segment, unknown> | undefined)?.[key],
      config,
    );
    if (typeof section !== 'object' || section === null) return [];
    return (issue.keys ?? []).flatMap((key) => {
      const meant = nearestName(key, Object.keys(section));
      return meant === undefined ? [] : [pathText([...path, meant])];
    });
  });
}

/** Replaces what stands at a place (from the second pass on: the list item or section around it) and returns where that was. */
function replace(document: Record<string, unknown>, place: readonly Segment[], pass: number): readonly Segment[] {
  const [top, second] = place;
  if (top === 'version' || top === undefined) {
    document.version = 1;
    return place;
  }
  if (top === 'name') {
    document.name = 'unnamed';
    return place;
  }
  if (top === 'tasks') {
    const tasks = document.tasks;
    if (!Array.isArray(tasks) || typeof second !== 'number') {
      document.tasks = [stopgapTask(0)];
      return ['tasks'];
    }
    if (pass > 0 || place.length === 2) {
      tasks[second] = stopgapTask(second);
      return ['tasks', second];
    }
  }
  if (top === 'models') {
    const models =
      typeof document.models === 'object' && document.models !== null && !Array.isArray(document.models)
        ? (document.models as Record<string, unknown>)
        : {};
    document.models = models;
    if (typeof second !== 'string' || place.length === 2 || pass > 0 || place[2] === 'source') {
      const roles = second === 'teacher' || second === 'student' ? [second] : ['teacher', 'student'];
      if (typeof second === 'string' && !roles.includes(second)) Reflect.deleteProperty(models, second);
      else for (const role of roles) models[role] = { source: stopgapSource };
      return typeof second === 'string' ? ['models', second] : ['models'];
    }
  }
  if (pass > 0 || place.length === 1) {
    Reflect.deleteProperty(document, top);
    return [top];
  }
  let parent: unknown = document;
  for (const segment of place.slice(0, -1)) {
    if (typeof parent !== 'object' || parent === null) break;
    parent = (parent as Record<string, unknown>)[segment];
  }
  const last = place.at(-1);
  if (typeof parent === 'object' && parent !== null && last !== undefined) {
    if (Array.isArray(parent)) {
      // Removing one item would move the others away from their paths.
      Reflect.deleteProperty(document, top);
      return [top];
    }
    Reflect.deleteProperty(parent, last);
  }
  return place;
}
