/** A run's report from the store. */
import { noSuchRun, runKeys } from '../activities/run-records';
import type { ArtifactStore } from '../drivers/store/store';
import { ArteError } from '../schemas/errors';
import type { RunReport } from '../schemas/report';

/** Errors: RunNotFound, ReportNotFound when the run has not written one yet. */
export async function readReport(store: ArtifactStore, runId: string): Promise<RunReport> {
  const document = await store.getDocument(runKeys.report(runId));
  if (document !== undefined) return document as unknown as RunReport;
  if ((await store.getDocument(runKeys.record(runId))) === undefined) throw noSuchRun(runId);
  throw new ArteError('ReportNotFound', {
    what: `There is no report of ${runId}.`,
    why: 'A report is written when a run is done or cancelled.',
    next: `arte status ${runId} shows where it is.`,
  });
}
