/** Asks the rows of a stage without the row engine, for benches that keep no answers in a store; tells progress to stderr. */
import type { PlannedRow, PlannedRows, RowStage } from '../activities/row-stage';
import type { ModelEndpoint } from '../drivers/model/model';
import type { RowReading } from '../schemas/rows';

/** How often progress is told. */
const progressMs = 10_000;

export interface AskedRow {
  readonly meta: PlannedRow['meta'];
  readonly reading: RowReading;
}

/**
 * Ask all rows. Those whose prompts begin alike are asked one after another, and told together when they are whole. Errors: the endpoint's.
 * @param onRun Rows of one run, in order.
 */
export async function askRows<Loaded>(
  stage: RowStage<Loaded>,
  loaded: Loaded,
  endpoint: ModelEndpoint,
  onRun: (rows: readonly AskedRow[]) => void,
): Promise<void> {
  const rows: PlannedRows = stage.rows(loaded, []);
  const startedAt = Date.now();
  let toldAt = startedAt;
  let next = 0;
  let done = 0;
  const tell = (): void => {
    const now = Date.now();
    if (now - toldAt < progressMs && done < rows.length) return;
    toldAt = now;
    const seconds = (now - startedAt) / 1000;
    const left = Math.round(((rows.length - done) * seconds) / done);
    const rate = (done / seconds).toFixed(1);
    process.stderr.write(`${stage.name}: ${done} of ${rows.length} (${rate} a second, ${left} s left)\n`);
  };
  const asker = async (): Promise<void> => {
    while (next < rows.length) {
      const start = next;
      next = rows.runEnd?.(start) ?? start + 1;
      const run: AskedRow[] = [];
      for (let index = start, end = next; index < end; index += 1) {
        const { request, meta } = rows.row(index);
        const answer = await endpoint.complete(request, new AbortController().signal);
        run.push({ meta, reading: stage.read(loaded, { key: String(index), request, meta }, answer) });
        done += 1;
        tell();
      }
      onRun(run);
    }
  };
  await Promise.all(Array.from({ length: endpoint.concurrency.max }, asker));
}
