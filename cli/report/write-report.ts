/** The report of a run as one HTML page in a file. Owns the way from the store to the file; the page is report-page.ts. */
import type { ArtifactStore } from '../../drivers/store/store';
import { readReport } from './read-report';
import { readDetails } from './report-details';
import { generatorMark, reportPage } from './page/report-page';
import { openBundleOf } from '../run/run-config-of';
import { refuseOtherFile, writeTextFile } from '../write-file';

/** Write the page; of the files that are there only a report page is replaced. Errors: RunNotFound, ReportNotFound, InvalidInput. */
export async function writeReportPage(store: ArtifactStore, runId: string, path: string): Promise<void> {
  await refuseOtherFile(path, { kind: 'a report page of arte', mark: generatorMark });
  await writeTextFile(path, await readReportPage(store, runId));
}

/** The page as a text. Errors: RunNotFound, ReportNotFound. */
export async function readReportPage(store: ArtifactStore, runId: string): Promise<string> {
  const report = await readReport(store, runId);
  const config = await openBundleOf(store, runId);
  return reportPage(report, await readDetails(store, report), config);
}
