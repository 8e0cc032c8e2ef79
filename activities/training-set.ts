/**
 * A student's training set as it is left in the store: the examples with their evidence, the rows that TRL reads, and what was left out.
 * However it came about, it was cleaned by the same rules (method/row-hygiene.ts), so that arms differ in where examples come from and in
 * nothing else.
 */
import type { ArtifactStore } from '../drivers/store/store';
import { leaksKept, rowHygiene, withDuplicates, type Cleaned } from '../method/row-hygiene';
import { sftRow } from '../method/training-rows';
import { ArteError } from '../schemas/errors';
import type { JsonObject } from '../schemas/json';
import type { TailoredRow } from '../schemas/rows';
import type { RunConfig } from '../schemas/run-config';
import type { StageName } from '../schemas/stage-names';
import type { TaskRecord } from '../schemas/task';
import { parkOnDirt, storeDropped } from './dropped-rows';
import type { StageOutcome } from './stage';

/** What a set is made of, and what it says of itself besides. */
export interface CleanedSet extends Cleaned<TailoredRow> {
  readonly stage: StageName;
  readonly facts?: JsonObject;
}

/** Store a cleaned set. Errors: OutcomeThreshold when no example is left, DataNotClean when `hygiene` says to park. */
export async function storeTrainingSet(
  store: ArtifactStore,
  { kept: rows, dropped, stage, ...set }: CleanedSet,
  tasks: ReadonlyMap<string, TaskRecord>,
  config: RunConfig,
): Promise<StageOutcome> {
  parkOnDirt(config, stage, set.found, dropped);
  const found = withDuplicates(set.found, rows, config.hygiene.near_duplicates);
  const leaks = leaksKept(rows, tasks, config.hygiene);
  const hygiene = { ...rowHygiene({ kept: rows, found }, dropped), ...(leaks && { leaksKept: leaks }) };
  if (rows.length === 0) {
    throw new ArteError('OutcomeThreshold', {
      what: 'No tailored example is left to train the student on.',
      why: `Every answer of the teacher was dropped: ${JSON.stringify(hygiene.dropped)}.`,
      next: 'Look at prompts.naive, tailor.rationales.max_tokens, tailor.require_tag and tailor.filter; start the run under another id with the change: what is paid for is reused.',
    });
  }
  const tailored = await store.putLines(rows.map((row) => JSON.stringify(row)));
  const sft = await store.putLines(
    rows.map((row) => JSON.stringify(sftRow(row, tasks.get(row.task) as TaskRecord, config))),
  );
  const agreeing = rows.filter((row) => row.agrees).length;
  const withTag = rows.filter((row) => row.answer !== null).length;
  const facts = { examples: rows.length, agreeing, withTag, dropped: hygiene.dropped, ...set.facts, hygiene };
  return {
    outputs: { tailored, sft, ...(await storeDropped(store, dropped)) },
    facts: facts as unknown as JsonObject,
  };
}
