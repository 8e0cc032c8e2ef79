/**
 * The refusal of a shard of which too many rows ended badly: what a person is told, with examples.
 * Owns the words; whether a share is too large is outcomes.ts.
 */
import { ArteError } from '../../schemas/errors';
import type { ModelRequest, RowResult } from '../../schemas/rows';
import type { LastFailure } from './liveness';
import { clipped, type ThresholdName } from './outcomes';
import type { Resumed } from './resume';
import type { RowTable } from './row-table';
import type { ShardRun } from './types';

/** The error that such a shard is parked with. Errors: DiskFull, Unexpected. */
export function refusalOf(
  run: ShardRun,
  { journal, table }: Resumed,
  broken: ThresholdName,
  last: LastFailure | undefined,
): ArteError {
  journal.write();
  const error = thresholdError(run, table, broken, last);
  // Failed rows are asked again when a person says to go on; answers stay.
  if (table.count('failed') > 0) journal.records.reopen();
  return error;
}

function thresholdError(
  { rows, thresholds }: ShardRun,
  table: RowTable,
  broken: ThresholdName,
  last: LastFailure | undefined,
): ArteError {
  const bad = table.count(broken);
  const details: string[] = [];
  for (let row = 0; row < table.length && details.length < 5; row += 1) {
    if (table.outcome(row) !== broken) continue;
    const result = JSON.parse(table.line(row)) as RowResult;
    const answer = result.text === '' ? 'no answer' : `answer: ${clipped(result.text, 400)}`;
    details.push(
      `row ${row} (${result.why ?? broken}): prompt: …${promptTail(rows.row(row).request, 400)} | ${answer}`,
    );
  }
  // Of a part of a stage more may be than the config's share (outcomes.ts), so it is said as rows.
  const most = Math.floor(thresholds[broken] * table.length);
  const advice =
    broken === 'failed'
      ? 'Look at the endpoint and its log, then arte retry RUN: failed rows are asked again, answered ones are kept.'
      : `Look at the examples. If the endpoint was at fault, mend it and arte retry RUN. Else change the prompt, the model or thresholds.${broken} with arte retry RUN --set SETTING=VALUE: answers that still count are reused.`;
  return new ArteError('OutcomeThreshold', {
    what: `${bad} of ${table.done} rows done are ${broken} (${((100 * bad) / table.done).toFixed(1)} %); of the shard's ${table.length} rows ${most === 0 ? 'none' : `no more than ${most}`} may be (thresholds.${broken}).`,
    why: `${details[0] === undefined ? 'No example is left.' : `For example ${clipped(details[0], 300)}`}${failureWords(broken, last)}`,
    next: advice,
    details,
  });
}

/** What a row that failed has for an answer is the failure's message. After a restart nobody remembers one. */
function failureWords(broken: ThresholdName, last: LastFailure | undefined): string {
  return broken === 'failed' && last ? ` | the last failure: ${last.code}: ${clipped(last.message, 300)}` : '';
}

function promptTail(request: ModelRequest, length: number): string {
  const { prompt } = request;
  const text = prompt.kind === 'completion' ? prompt.text : (prompt.messages.at(-1)?.content ?? '');
  return text.slice(-length);
}
