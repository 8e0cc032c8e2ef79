/** Whether the run has gone on since its report was written. Owns the words for that; the engine is not asked: the run's own last word is enough. */
import { asIfGone } from '../../activities/damaged';
import { runKeys } from '../../activities/run-records';
import type { ArtifactStore } from '../../drivers/store/store';
import type { RunProgress } from '../../schemas/messages';
import type { RunReport } from '../../schemas/report';

/** A sentence or two for the top of the report; undefined where the report is the run's last word. */
export async function standingOf(store: ArtifactStore, report: RunReport): Promise<string | undefined> {
  const last = (await asIfGone(store, runKeys.progress(report.runId))) as unknown as RunProgress | undefined;
  if (!last || last.status === 'DONE' || last.status === 'CANCELLED') return undefined;
  const does = last.status === 'RUNNING' ? 'is at work again' : `has gone on, and is ${last.status}`;
  const ended = report.status === 'CANCELLED' ? 'was cancelled' : 'was done';
  return `This run ${does} (round ${last.round} of ${last.rounds}). The figures are those of when it ${ended} last, ${report.writtenAt.slice(0, 16).replace('T', ' ')} UTC; a new report is written when it ends. \`arte status ${report.runId}\` shows where it is.`;
}
