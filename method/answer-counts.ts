/**
 * How answers were read, counted: what stood in its tag, what was found without one, and what was no answer and why.
 *
 * Owns the kinds and their names, the same in evaluation, scoring and every table. Leaves reading an answer to answers.ts.
 *
 * Invariant: every answer is counted once, so that the kinds add up to all of them. Only the first two can be right; the others are wrong answers
 * in every accuracy, and a low accuracy can be told from a low answer rate.
 */
import type { CellRow } from '../schemas/rows';
import type { AnswerCounts } from '../schemas/report';

/** Counts of answers by how they were read. Takes cells of the scores and predictions alike. */
export function countAnswers(rows: readonly Pick<CellRow, 'tagged' | 'outcome'>[]): AnswerCounts {
  const counts = { tagged: 0, untagged: 0, truncated: 0, unreadable: 0, refused: 0, failed: 0 };
  for (const { tagged, outcome } of rows) {
    if (outcome === 'ok') counts[tagged ? 'tagged' : 'untagged'] += 1;
    else counts[outcome === 'malformed' ? 'unreadable' : outcome] += 1;
  }
  return counts;
}
