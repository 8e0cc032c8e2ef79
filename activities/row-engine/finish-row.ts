/** A row is finished: its result goes to the journal, and the table knows where it stands. */
import type { RowOutcome, Usage } from '../../schemas/rows';
import type { Resumed } from './resume';
import { noUsage } from './shard-usage';

export interface FinishedRow {
  readonly index: number;
  readonly ask: number;
  readonly outcome: RowOutcome;
  /** Of the answer that finished it; undefined when there was none, or it was paid for elsewhere. */
  readonly usage: Usage | undefined;
  /** The usage is an estimate. */
  readonly estimated?: boolean;
}

/** Record it, with its result as a line (result-line.ts). */
export function finishRow(
  { journal, table, attemptNumber, fileNumber }: Resumed,
  { index, ask, outcome, usage, estimated = false }: FinishedRow,
  line: string,
): void {
  const base = journal.readable;
  const how = { answered: usage !== undefined, ...(estimated && { estimated }) };
  const { offset, bytes } = journal.records.answer(
    { final: true, row: index, ask, outcome, ...how, usage: usage ?? noUsage },
    line,
  );
  table.take(index, outcome, attemptNumber, fileNumber, { offset: base + offset, bytes }, false);
  journal.touch();
}
