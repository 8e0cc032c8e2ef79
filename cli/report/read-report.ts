/** A run's report from the store. */
import { noSuchRunIn, runKeys } from '../../activities/run-records';
import type { ArtifactStore } from '../../drivers/store/store';
import { ArteError } from '../../schemas/errors';
import { reportVersion, type RunReport } from '../../schemas/report';

/** Errors: RunNotFound; ReportNotFound when the run has not written one yet, or another version of arte wrote it. */
export async function readReport(store: ArtifactStore, runId: string): Promise<RunReport> {
  const document = await store.getDocument(runKeys.report(runId));
  if (document !== undefined) {
    const report = document as unknown as RunReport;
    const { schemaVersion }: { schemaVersion: number } = report;
    if (schemaVersion === reportVersion) return report;
    throw new ArteError('ReportNotFound', {
      what: `The report of ${runId} has another form (${schemaVersion}) than this arte reads (${reportVersion}).`,
      why: 'It was written by another version of arte, which counted other things.',
      next: 'Start the run under another id: what is still valid in the store is reused, and the report is written anew.',
    });
  }
  if ((await store.getDocument(runKeys.record(runId))) === undefined) throw await noSuchRunIn(store, runId);
  throw new ArteError('ReportNotFound', {
    what: `There is no report of ${runId}.`,
    why: 'A report is written when a run is done or cancelled.',
    next: `arte status ${runId} shows where it is.`,
  });
}
