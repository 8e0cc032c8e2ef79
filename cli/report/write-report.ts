/** The report of a run as one HTML page in a file. Owns the way from the store to the file; the page is report-page.ts. */
import type { ArtifactStore } from '../../drivers/store/store';
import { readReport } from './read-report';
import { readDetails } from './report-details';
import { reportPage } from './page/report-page';
import { openBundleOf } from '../run/run-config-of';
import { writeTextFile } from '../write-file';

/** Write the page; a file that is there is replaced. Errors: RunNotFound, ReportNotFound, InvalidInput. */
export async function writeReportPage(store: ArtifactStore, runId: string, path: string): Promise<void> {
  const report = await readReport(store, runId);
  const config = await openBundleOf(store, runId);
  await writeTextFile(path, reportPage(report, await readDetails(store, report), config));
}
