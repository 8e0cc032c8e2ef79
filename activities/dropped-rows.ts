/** What stages leave out of what was written: kept beside their outputs, so that a person can look; and the parking where that is asked for. */
import type { ArtifactStore } from '../drivers/store/store';
import { countReasons, type Cleaned } from '../method/row-hygiene';
import type { ArtifactRef } from '../schemas/artifact-ref';
import { ArteError } from '../schemas/errors';
import type { DroppedRow } from '../schemas/rows';
import type { RunConfig } from '../schemas/run-config';
import type { StageName } from '../schemas/stage-names';

/** The output `dropped`, where anything was. */
export async function storeDropped(
  store: ArtifactStore,
  rows: readonly DroppedRow[],
): Promise<{ readonly dropped?: ArtifactRef }> {
  if (rows.length === 0) return {};
  return { dropped: await store.putLines(rows.map((row) => JSON.stringify(row))) };
}

/** Examples of dirty rows that an error shows, and characters of each. */
const shownRows = 3;
const shownCharacters = 120;

/** Errors: DataNotClean when rows were found that `hygiene` says to park on. */
export function parkOnDirt(
  { hygiene }: RunConfig,
  stage: StageName,
  found: Cleaned<unknown>['found'],
  dropped: readonly DroppedRow[],
): void {
  const contaminated = found.contaminatedTest + found.contaminatedProbe;
  const dirt = [
    ...(hygiene.contamination.action === 'park' && contaminated > 0
      ? [
          {
            setting: 'hygiene.contamination',
            what: `${contaminated} rows repeat labelled items (${found.contaminatedTest} test, ${found.contaminatedProbe} validation)`,
            rows: dropped.filter(({ itemId }) => itemId !== undefined),
          },
        ]
      : []),
    ...(hygiene.near_duplicates.action === 'park' && found.nearDuplicates > 0
      ? [
          {
            setting: 'hygiene.near_duplicates',
            what: `${found.nearDuplicates} questions are nearly the same as earlier ones`,
            rows: dropped.filter(({ reason }) => reason === 'near duplicate'),
          },
        ]
      : []),
  ];
  const [first] = dirt;
  if (!first) return;
  throw new ArteError('DataNotClean', {
    what: `Of what the teacher wrote in ${stage}, ${dirt.map(({ what }) => what).join('; ')}.`,
    why: `${first.setting}.action is park. All that was left out there: ${JSON.stringify(countReasons(dropped))}.`,
    next: `Look at the rows below. With ${first.setting}.action: drop (or keep) in the config, start the run under another id: the stages before this one are reused.`,
    details: first.rows
      .slice(0, shownRows)
      .map(
        ({ task, reason, question }) =>
          `${task}, ${reason}: ${question.replace(/\s+/g, ' ').slice(0, shownCharacters)}`,
      ),
  });
}
