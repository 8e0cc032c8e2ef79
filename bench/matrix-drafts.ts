/**
 * The drafts of a matrix that is to be recorded: of a run in the store, of a file, or written now by a model about a family's own questions.
 * Owns where drafts and their tasks come from; what the student makes of them is record-matrix.ts.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { z } from 'zod';
import { openLineage } from '../activities/lineage';
import { readRows } from '../activities/read-rows';
import { sampleRationales } from '../activities/sample-rationales';
import { openSession } from '../cli/session';
import type { ModelEndpoint } from '../drivers/model/model';
import { isCorrect } from '../method/answers';
import { families } from '../method/families';
import type { RunConfig } from '../schemas/run-config';
import { draftRowSchema, type DraftRow, type QuestionRow, type RowReading } from '../schemas/rows';
import { taskRecordSchema, type TaskRecord } from '../schemas/task';
import { askRows } from './ask-rows';

/** Drafts that are there, by task. */
export interface KnownDrafts {
  readonly tasks: readonly { readonly task: TaskRecord; readonly drafts: readonly DraftRow[] }[];
  /** Where they are from, in words. */
  readonly from: string;
}

/** @throws Error for a name that no family has. */
export function familyTask(name: string): TaskRecord {
  const family = families.get(name);
  if (!family) throw new Error(`no family is called ${name}: ${[...families.keys()].join(', ')}`);
  const { category, description, answer, techniques = [] } = family;
  return { name, category, description, answer, seeds: [], validation: [], test: [], techniques: [...techniques] };
}

/** Lines of DraftRow whose tasks are families. */
export function draftsOfFile(file: string): KnownDrafts {
  const drafts = linesOf(file, draftRowSchema);
  return {
    tasks: byTask([...new Set(drafts.map(({ task }) => task))].map(familyTask), drafts),
    from: 'drafts of a file',
  };
}

/**
 * What a round of a run left, from the platform of the data directory or of the environment; and the run's config. The rest of the round need not
 * be finished. Errors: PlatformDown, RunNotFound; Error where the round has no drafts yet.
 */
export async function draftsOfRun(runId: string, round: number): Promise<KnownDrafts & { readonly config: RunConfig }> {
  const session = await openSession({ start: false });
  try {
    const { store } = session;
    const { stages, bundle } = await openLineage(store, runId);
    const rowsOf = async <Schema extends z.ZodType>(stage: string, output: string, schema: Schema) => {
      const found = stages.find(
        ({ record, manifest }) => record.stage === stage && record.round === round && manifest?.outputs[output],
      );
      const ref = found?.manifest?.outputs[output];
      if (ref === undefined) throw new Error(`round ${round} of ${runId} has no whole ${stage}`);
      return readRows(store, ref, schema);
    };
    const tasks = await rowsOf('prepare-tasks', 'tasks', taskRecordSchema);
    const drafts = await rowsOf('sample-rationales', 'drafts', draftRowSchema);
    const { config } = bundle;
    return { config, tasks: byTask(tasks, drafts), from: `drafts of round ${round} of a run of ${config.name}` };
  } finally {
    await session.close();
  }
}

const byTask = (tasks: readonly TaskRecord[], drafts: readonly DraftRow[]): KnownDrafts['tasks'] =>
  tasks.map((task) => ({ task, drafts: drafts.filter((draft) => draft.task === task.name) }));

/** What a model writes about a family's own questions under its techniques. They are kept in `file`, which a second call reads. */
export async function writtenDrafts(
  file: string,
  config: RunConfig,
  task: TaskRecord,
  questionCount: number,
  lease: () => Promise<{ readonly endpoint: ModelEndpoint; release(): Promise<void> }>,
): Promise<DraftRow[]> {
  if (existsSync(file)) return linesOf(file, draftRowSchema);
  const items = families.get(task.name)?.generate(questionCount, config.seed) ?? [];
  const asked = items.flatMap(({ id, question, target }) => {
    const row: QuestionRow = { id, task: task.name, question, target, from: id };
    return task.techniques.map((technique) => ({ id: `${id}/${technique.name}`, task, technique, question: row }));
  });
  const loaded = { config, drafts: asked, byId: new Map(asked.map((draft) => [draft.id, draft])) };
  const readings = new Map<string, RowReading>();
  const leased = await lease();
  await askRows(sampleRationales, loaded, leased.endpoint, (rows) => {
    for (const { meta, reading } of rows) readings.set((meta as { readonly draft: string }).draft, reading);
  });
  await leased.release();
  const drafts = asked.flatMap(({ id, technique, question: { id: questionId, question, target } }) => {
    const { outcome, value } = readings.get(id) as RowReading;
    if (outcome !== 'ok') return [];
    const { rationale, answer } = value as { rationale: string; answer: string | null };
    const agrees = answer !== null && isCorrect(answer, target, task.answer, question);
    const row = { id, task: task.name, questionId, question, target, technique: technique.name, rationale, answer };
    return [{ ...row, agrees, from: id }];
  });
  writeFileSync(file, drafts.map((draft) => `${JSON.stringify(draft)}\n`).join(''));
  return drafts;
}

/** Rows of a JSONL file. @throws ZodError for a line that is none. */
export function linesOf<Row>(file: string, schema: { parse(value: unknown): Row }): Row[] {
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => schema.parse(JSON.parse(line)));
}
