/**
 * The probe items of a matrix that is to be recorded: the run's validation items and, where these do not do, more of the family's that stand nowhere in
 * the run; all of them, or those that the config's probe.method chooses from more (the respondent is the student).
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
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
  const shotCounts = config.probe.respondent_shots;
  const count = Math.max(size, validation);
  // Behind them the demonstrations of a respondent, for a task that has no seeds.
  const spare = task.seeds.length > 0 ? 0 : Math.max(...shotCounts);
  const pool = validationOf(task, drafts, config.seed, count + spare);
  const items = pool.slice(0, count);
  const asProbe = ({ id, question, target }: TaskItem): ProbeRow => ({
    ...{ id, task: task.name, question, target },
    discrimination: null,
  });
  if (validation <= size || config.probe.method !== 'irt') return items.slice(0, size).map(asProbe);
  if (existsSync(file))
    return readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => probeRowSchema.parse(JSON.parse(line)));
  const asked = { ...task, seeds: spare > 0 ? pool.slice(count) : task.seeds, validation: items };
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
