/**
 * The probe items of a matrix that is to be recorded: the run's validation items and, where these do not do, more of the family's that stand nowhere in
 * the run; all of them, or those that the config's probe.method chooses from more (the respondent is the student).
 */
import { existsSync, writeFileSync } from 'node:fs';
import { evaluate } from '../activities/evaluate';
import { noStudentAnswer, type StudentAnswer } from '../activities/reading';
import { byIrt } from '../activities/select-probes';
import type { ModelEndpoint } from '../drivers/model/model';
import { families } from '../method/families';
import { normaliseQuestion } from '../method/hygiene';
import { probeRowSchema, type DraftRow, type ProbeRow } from '../schemas/rows';
import type { RunConfig } from '../schemas/run-config';
import type { TaskItem, TaskRecord } from '../schemas/task';
import { askRows } from './ask-rows';
import { linesOf } from './matrix-drafts';

/** @throws Error when there are fewer items than asked for. */
function validationOf(
  { name, seeds, validation, test }: TaskRecord,
  drafts: readonly DraftRow[],
  seed: number,
  count: number,
): TaskItem[] {
  const taken = new Set(
    [...seeds, ...validation, ...test, ...drafts].map(({ question }) => normaliseQuestion(question)),
  );
  const missing = count - validation.length;
  const more =
    missing <= 0
      ? []
      : (families.get(name)?.generate(missing + 2 * taken.size, seed + 1) ?? [])
          .filter(({ question }) => !taken.has(normaliseQuestion(question)))
          .map((item, at) => ({ ...item, id: `more-${at}` }));
  const items = [...validation, ...more].slice(0, count);
  if (items.length < count) throw new Error(`${name} has ${items.length} probe items of ${count}`);
  return items;
}

/**
 * Choose, or read what was chosen before from `file`.
 * @param counts items: how many. validation: of how many; not more than items means all.
 */
export async function chosenProbes(
  file: string,
  config: RunConfig,
  task: TaskRecord,
  drafts: readonly DraftRow[],
  { items: size, validation }: { readonly items: number; readonly validation: number },
  endpoint: ModelEndpoint,
): Promise<ProbeRow[]> {
  if (validation <= size || config.probe.method !== 'irt')
    return validationOf(task, drafts, config.seed, size).map(({ id, question, target }) => ({
      ...{ id, task: task.name, question, target },
      discrimination: null,
    }));
  if (existsSync(file)) return linesOf(file, probeRowSchema);
  const shotCounts = config.probe.respondent_shots;
  // Behind them the demonstrations of a respondent, for a task that has no seeds.
  const spare = task.seeds.length > 0 ? 0 : Math.max(...shotCounts);
  const pool = validationOf(task, drafts, config.seed, validation + spare);
  const items = pool.slice(0, validation);
  const asked = { ...task, seeds: spare > 0 ? pool.slice(validation) : task.seeds, validation: items };
  const responses = new Map<string, boolean[]>();
  for (const shots of shotCounts) {
    const loaded = {
      ...{ shots, split: 'validation' as const, config, model: config.models.student },
      items: items.map((item) => ({ task: asked, item })),
      tasks: new Map([[task.name, asked]]),
      itemById: new Map(items.map((item) => [`${task.name}/${item.id}`, item])),
    };
    await askRows(evaluate, loaded, endpoint, (rows) => {
      for (const { meta, reading } of rows) {
        const { item } = meta as { readonly item: string };
        const { correct } = (reading.value ?? noStudentAnswer) as StudentAnswer;
        responses.set(item, [...(responses.get(item) ?? []), correct]);
      }
    });
  }
  const { probes } = byIrt({ ...config.probe, size }, asked, responses);
  writeFileSync(file, probes.map((probe) => `${JSON.stringify(probe)}\n`).join(''));
  return probes;
}
