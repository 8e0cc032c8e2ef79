/** A student's training set as it is left in the store: the examples with their evidence, and the rows that TRL reads. However it came about. */
import type { ArtifactStore } from '../drivers/store/store';
import { sftRow } from '../method/training-rows';
import { ArteError } from '../schemas/errors';
import type { JsonObject } from '../schemas/json';
import type { TailoredRow } from '../schemas/rows';
import type { RunConfig } from '../schemas/run-config';
import type { TaskRecord } from '../schemas/task';
import type { StageOutcome } from './stage';

/** Errors: OutcomeThreshold when no example is left; `dropped` says why, by reason. */
export async function storeTrainingSet(
  store: ArtifactStore,
  rows: readonly TailoredRow[],
  tasks: ReadonlyMap<string, TaskRecord>,
  config: RunConfig,
  dropped: JsonObject,
): Promise<StageOutcome> {
  if (rows.length === 0) {
    throw new ArteError('OutcomeThreshold', {
      what: 'No tailored example is left to train the student on.',
      why: `Every answer of the teacher was dropped: ${JSON.stringify(dropped)}.`,
      next: 'Look at prompts.naive, tailor.rationales.max_tokens and tailor.require_tag; start the run under another id with the change: what is paid for is reused.',
    });
  }
  const tailored = await store.putLines(rows.map((row) => JSON.stringify(row)));
  const sft = await store.putLines(
    rows.map((row) => JSON.stringify(sftRow(row, tasks.get(row.task) as TaskRecord, config))),
  );
  const agreeing = rows.filter((row) => row.agrees).length;
  const withTag = rows.filter((row) => row.answer !== null).length;
  return { outputs: { tailored, sft }, facts: { examples: rows.length, agreeing, withTag, dropped } };
}
