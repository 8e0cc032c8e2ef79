/**
 * Rows of a shard that were answered before, under another stage: their answers are read anew, by this stage's rules, and recorded without a call.
 *
 * Owns which answers are taken. Not taken: failures and malformed answers (asked again, they may come better), and what is scored token by token
 * (the tokens are not kept). An answer that is taken costs nothing: its usage stands in its row, as it does wherever the row is, and in no account.
 */
import type { ModelAnswer, ModelRequest, RowResult } from '../../schemas/rows';
import { finishRow } from './finish-row';
import type { Resumed } from './resume';
import { resultLine } from './result-line';
import type { ShardRun } from './types';

/** Bytes in the journal's buffer after which it is written. */
const writeAfterBytes = 1024 * 1024;

/** Record what is offered for open rows; how many rows that were. Errors: the store's, DiskFull. */
export async function takeEarlier(run: ShardRun, resumed: Resumed): Promise<number> {
  const { table, journal, askedBefore } = resumed;
  if (!run.earlier || table.done === table.length) return 0;
  const find = await run.earlier.offer();
  if (!find) return 0;
  const open = new Map<string, number[]>();
  for (let index = 0; index < table.length; index += 1) {
    if (table.isDone(index) || askedBefore.has(index)) continue;
    const { key, request } = run.rows.row(index);
    if (request.given !== undefined) continue;
    const rows = open.get(key);
    if (rows) rows.push(index);
    else open.set(key, [index]);
  }
  let taken = 0;
  for await (const result of find(new Set(open.keys()))) {
    run.signal.throwIfAborted();
    for (const index of open.get(result.key) ?? []) {
      const row = run.rows.row(index);
      const answer = answerOf(result, row.request);
      if (!answer) continue;
      const reading = run.read(row, answer);
      if (reading.outcome === 'malformed') continue;
      finishRow(
        resumed,
        { index, ask: 0, outcome: reading.outcome, usage: undefined },
        resultLine(row, reading, answer, result.usage),
      );
      taken += 1;
      if (journal.records.length >= writeAfterBytes) journal.write();
    }
    open.delete(result.key);
  }
  journal.write();
  return taken;
}

/** The answer that a result was read from; undefined where there was none, or it is not worth keeping. */
function answerOf(
  { outcome, text, others, stops, usage }: RowResult,
  { answers }: ModelRequest,
): ModelAnswer | undefined {
  if (outcome === 'failed' || outcome === 'malformed') return undefined;
  if ((answers ?? 1) > 1 && others === undefined) return undefined;
  const finishOf = (at: number): ModelAnswer['finish'] => stops?.[at] ?? 'stop';
  return {
    text,
    finish: finishOf(0),
    ...(others && { others: others.map((other, at) => ({ text: other, finish: finishOf(at + 1) })) }),
    usage,
  };
}
