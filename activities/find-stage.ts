/**
 * A stage looked for in the store, not made: under the very key that making it would have.
 * Owns the list of every stage's shape; keys and manifests are stage.ts, the order of stages is workflows/round.ts.
 */
import type { ArtifactStore } from '../drivers/store/store';
import type { StageInput, StageResult } from '../schemas/messages';
import { rowStageNames, type RowStageName, type StageName } from '../schemas/stage-names';
import type { OpenBundle } from './bundle';
import { buildPairs } from './build-pairs';
import { combineScoreRows } from './combine-scores';
import { checkRound } from './check-round';
import { checkScores } from './check-scores';
import { checkUnseen } from './check-unseen';
import { asIfGone } from './damaged';
import { decide } from './decide';
import { rowStages } from './index';
import { prepareTasks } from './prepare-tasks';
import { rewordSet } from './reword-set';
import { servedShape } from './row-stage';
import { selectProbes } from './select-probes';
import { finishedStage, keyIn, stageResult, type KeyedStage, type StageShape } from './stage';
import { selectDrafts } from './select-drafts';
import { trainDpo } from './train-dpo';
import { trainSft } from './train-sft';
import { warmUp } from './warm-up';

export type { KeyedStage };

const wholeStages: Readonly<Record<Exclude<StageName, RowStageName | 'report'>, StageShape>> = {
  'prepare-tasks': prepareTasks,
  'select-probes': selectProbes,
  'combine-scores': combineScoreRows,
  'check-scores': checkScores,
  'build-pairs': buildPairs,
  'select-drafts': selectDrafts,
  'check-round': checkRound,
  'check-unseen': checkUnseen,
  'reword-set': rewordSet,
  decide,
  'train-dpo': trainDpo,
  'train-sft': trainSft,
  'warm-up': warmUp,
};

/** What the engine would be told of the stage if it ran now and found it finished; undefined when it is to be made. */
export async function findStage(
  store: ArtifactStore,
  bundle: OpenBundle,
  input: StageInput,
): Promise<StageResult | undefined> {
  const manifest = await finishedStage(store, keyOfAnyStage(bundle, input).key, asIfGone);
  return manifest && stageResult(manifest, input, true);
}

/** Whether the stage of that key is whole in the store; a damaged manifest is none. */
export async function isWholeStage(store: ArtifactStore, key: string): Promise<boolean> {
  return (await finishedStage(store, key, asIfGone)) !== undefined;
}

/** The key of a stage of any kind. */
export function keyOfAnyStage(bundle: OpenBundle, input: StageInput): KeyedStage {
  const name = input.stage;
  if (name === 'report') throw new Error('a report has no key: every run writes its own');
  const shape = isRowStage(name) ? servedShape(rowStages[name]) : wholeStages[name];
  return keyIn(bundle, shape, input);
}

function isRowStage(name: StageName): name is RowStageName {
  return (rowStageNames as readonly StageName[]).includes(name);
}
