/**
 * What a report is made of, read from the store: the rounds' records, the stages' manifests, what people did, the plan of the start. Owns what is
 * read and that nothing is missing of a run that is done; what the figures say is the other files' of this folder.
 */
import type { ArtifactStore } from '../../drivers/store/store';
import { ArteError } from '../../schemas/errors';
import type { ReportInput, RoundRecord, RunRecord, StageRecord } from '../../schemas/messages';
import type { StageManifest } from '../../schemas/manifest';
import type { KeptPlan } from '../../schemas/plan';
import type { RunAction } from '../../schemas/run-action';
import type { RunConfig } from '../../schemas/run-config';
import { openBundle } from '../bundle';
import { asIfGone } from '../damaged';
import { readActions } from '../run-actions';
import { readEarlier, readRounds, runKeys } from '../run-records';
import { finishedStage } from '../stage';

/** Stages' manifests by their keys; of a stage that has gone from the store there is none. */
export type Manifests = ReadonlyMap<string, StageManifest>;

/** What the store has of a run. */
export interface RunTraces {
  readonly config: RunConfig;
  readonly rounds: readonly RoundRecord[];
  /** Made under a config that was changed since. */
  readonly setAside: readonly StageRecord[];
  readonly manifests: Manifests;
  readonly actions: readonly RunAction[];
  /** The plan of the start, where one was kept. */
  readonly kept: KeptPlan | undefined;
  /** When the run was started first. */
  readonly startedAt: string | undefined;
}

/** Read what a report is made of. Errors: BlobMissing, when something of a run that is done has gone. */
export async function gatherRun(store: ArtifactStore, input: ReportInput): Promise<RunTraces> {
  const { config } = await openBundle(store, input.bundle);
  const rounds = await readRounds(store, input.runId, input.rounds);
  const setAside = await readEarlier(store, input.runId);
  const manifests = await readManifests(store, [...rounds.flatMap((round) => round.stages), ...setAside]);
  const actions = await readActions(store, input.runId);
  // A cancelled run must end, with what there is.
  if (input.status === 'DONE') refuseGaps(rounds, manifests);
  const kept = (await asIfGone(store, runKeys.plan(input.runId))) as unknown as KeptPlan | undefined;
  return { config, rounds, setAside, manifests, actions, kept, startedAt: await runStart(store, input.runId) };
}

async function readManifests(
  store: ArtifactStore,
  records: readonly StageRecord[],
): Promise<Map<string, StageManifest>> {
  const manifests = new Map<string, StageManifest>();
  for (const { key } of records) {
    const manifest = manifests.has(key) ? undefined : await finishedStage(store, key);
    if (manifest) manifests.set(key, manifest);
  }
  return manifests;
}

/** A stage that has gone from the store would be a silent zero in the tables. */
function refuseGaps(rounds: readonly RoundRecord[], manifests: Manifests): void {
  const gone = rounds.flatMap(({ stages }) => stages).filter(({ key }) => !manifests.has(key));
  const [first] = gone;
  if (!first) return;
  throw new ArteError('BlobMissing', {
    what: `The report cannot be written: what ${first.stage}${first.arm === '' ? '' : ` of ${first.arm}`} made in round ${first.round} has gone from the store${gone.length > 1 ? `, and of ${gone.length - 1} further stages` : ''}.`,
    why: 'Its manifest or one of its artifacts was removed or damaged after the stage had finished.',
    next: 'The last round is made whole by itself. For an earlier one arte retry RUN begins at the first round: what is still there is reused.',
  });
}

/** When the run was started first, as its record says. */
async function runStart(store: ArtifactStore, runId: string): Promise<string | undefined> {
  const record = (await store.getDocument(runKeys.record(runId))) as unknown as RunRecord | undefined;
  return record?.createdAt;
}
