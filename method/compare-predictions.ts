/**
 * Two sets of predictions compared on the items that both answered.
 * Owns the pairing. The statistics are statistics.ts; which arms are compared is the report's and the diff's business.
 */
import type { PredictionRow } from '../schemas/rows';
import { sha256Hex } from './keys';
import { pairedComparison, type PairedComparison } from './statistics';

/** An item of a task, as predictions name it. */
export function itemKey({ task, itemId }: Pick<PredictionRow, 'task' | 'itemId'>): string {
  return `${task}/${itemId}`;
}

/** Paired on items. The bootstrap's seed follows from `about`, which names what is compared: the same each time. */
export function comparePredictions(
  ours: readonly PredictionRow[],
  theirs: readonly PredictionRow[],
  about: string,
): PairedComparison {
  const other = new Map(theirs.map((row) => [itemKey(row), row.correct]));
  const pairs = ours.flatMap((row) => {
    const theirCorrect = other.get(itemKey(row));
    return theirCorrect === undefined ? [] : [[row.correct, theirCorrect] as const];
  });
  const seed = Number.parseInt(sha256Hex(about).slice(0, 7), 16);
  return pairedComparison(
    pairs.map(([mine]) => mine),
    pairs.map(([, correct]) => correct),
    { seed },
  );
}
