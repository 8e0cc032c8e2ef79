/**
 * Writes a finished run to an MLflow server. Owns the order, and that a second time writes nothing twice; figures are mlflow-records.ts, the protocol is
 * drivers/mlflow/.
 *
 * Invariants: 1. An MLflow run is known by what it is of (run and bundle, or the place of a training in it), in tags that it has from its creation: a lost answer or a cut-off
 * command is taken up where it stopped. 2. Another config under the same run id is another MLflow run, for parameters cannot be changed there.
 */
import { readDetails } from '../report/report-details';
import { reportPage } from '../report/page/report-page';
import { mlflowStatus, runFigures, trainingFigures, type MlflowFigures } from './mlflow-records';
import { readReport } from '../report/read-report';
import { runKeys } from '../../activities/run-records';
import { openBundle } from '../../activities/bundle';
import type { MlflowRun, MlflowStatus, MlflowTracking } from '../../drivers/mlflow/tracking';
import type { ArtifactStore } from '../../drivers/store/store';
import type { RunRecord } from '../../schemas/messages';

export interface MlflowExport {
  readonly experimentId: string;
  readonly mlflowRunId: string;
  /** Trainings below it. */
  readonly trainings: number;
  /** Whether the report page lies among its artifacts. */
  readonly page: boolean;
}

/** Errors: RunNotFound, ReportNotFound, MlflowUnreachable, MlflowRefused. */
export async function exportToMlflow(
  store: ArtifactStore,
  tracking: MlflowTracking,
  { runId, experiment, onProgress }: { runId: string; experiment: string; onProgress: (text: string) => void },
): Promise<MlflowExport> {
  const report = await readReport(store, runId);
  const record = (await store.getDocument(runKeys.record(runId))) as unknown as RunRecord;
  const config = (await openBundle(store, record.bundle)).config;
  const startedAt = Date.parse(record.createdAt);
  const experimentId = await tracking.experiment(experiment);

  async function write(
    figures: MlflowFigures,
    own: Readonly<Record<string, string>>,
    known: MlflowRun | undefined,
    status: MlflowStatus,
    endedAt: number,
  ): Promise<MlflowRun> {
    const { name, params, tags, metrics } = figures;
    const run = known ?? (await tracking.createRun({ experimentId, name, startedAt, tags: own }));
    // Of the start, which never changes: a report is written anew when a cancelled run goes on, and each point would then stand there twice.
    await tracking.log(run.runId, { params, tags: { 'mlflow.runName': name, ...tags }, metrics, at: startedAt });
    await tracking.end(run.runId, status, endedAt);
    return run;
  }

  const source = { 'mlflow.source.name': 'arte' };
  const identity = { 'arte.run': runId, 'arte.bundle': record.bundle.sha256 };
  const [known] = await tracking.findRuns(experimentId, identity);
  onProgress('the run');
  const parent = await write(
    runFigures(report, config),
    { ...identity, ...source },
    known,
    mlflowStatus(report.status),
    Date.parse(report.writtenAt),
  );
  const trainings = trainingFigures(report);
  const below = { 'mlflow.parentRunId': parent.runId };
  const children = await tracking.findRuns(experimentId, below);
  for (const [index, training] of trainings.entries()) {
    onProgress(`training ${index + 1} of ${trainings.length}`);
    // By its place: two rounds may have the same training, found in the store the second time.
    const child = children.find(({ tags }) => tags['arte.training'] === training.name);
    const own = { ...below, 'arte.training': training.name, 'arte.stage_key': training.key, ...source };
    // The report knows how long a training took, not when: its run begins with the whole one, and its length is true.
    await write(training, own, child, 'FINISHED', startedAt + Math.round(training.seconds * 1000));
  }
  onProgress('the report page');
  const page = await tracking.putFile(
    parent,
    'report.html',
    reportPage(report, await readDetails(store, report), config),
  );
  return { experimentId, mlflowRunId: parent.runId, trainings: trainings.length, page };
}
