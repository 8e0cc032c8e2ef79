/**
 * The activities by role: what a worker of that role registers, and the types that workflows import.
 * Owns the registry of stages; drivers are handed in (dependencies.ts).
 */
import type { ArtifactRef } from '../schemas/artifact-ref';
import type {
  CommittedWave,
  OpenedRowStage,
  ReportInput,
  ResolvedModels,
  ResolveInput,
  RoundRecord,
  RunProgress,
  ShardInput,
  ShardOutput,
  StageInput,
  StageResult,
  WaveInput,
} from '../schemas/messages';
import type { RowStageName, StageName } from '../schemas/stage-names';
import { buildPairs } from './build-pairs';
import { decide } from './decide';
import type { InferDependencies, StoreDependencies, TrainDependencies } from './dependencies';
import { evaluate } from './evaluate';
import { guarded } from './failures';
import { beating } from './heartbeat';
import { runLeasedStage } from './leased-stage';
import { prepareTasks } from './prepare-tasks';
import { writeReport } from './report';
import { resolveModels } from './resolve-models';
import { commitWave, openRowStage, runShardOf, type AnyRowStage } from './row-stage';
import { saveProgress, saveRound } from './run-records';
import { sampleQuestions } from './sample-questions';
import { sampleRationales } from './sample-rationales';
import { scoreDrafts } from './score-drafts';
import { selectDrafts } from './select-drafts';
import { selectProbes } from './select-probes';
import { runWholeStage } from './stage';
import { tailorQuestions } from './tailor-questions';
import { tailorRationales } from './tailor-rationales';
import { trainDpo } from './train-dpo';
import { trainSft } from './train-sft';
import { warmUp } from './warm-up';

/** The stages of rows that a worker knows: arte's own, or others in their place (a benchmark's). */
export type RowStages = Readonly<Record<RowStageName, AnyRowStage>>;

export const rowStages: RowStages = {
  'sample-questions': sampleQuestions,
  'sample-rationales': sampleRationales,
  'score-drafts': scoreDrafts,
  'tailor-questions': tailorQuestions,
  'tailor-rationales': tailorRationales,
  evaluate,
};

function rowStage(stages: RowStages, name: StageName): AnyRowStage {
  const stage = (stages as Readonly<Record<string, AnyRowStage>>)[name];
  if (!stage) throw new Error(`${name} is not a stage of rows`);
  return stage;
}

/** Queue arte-io: everything that only reads and writes the store. */
export function createIoActivities(dependencies: StoreDependencies, stages: RowStages = rowStages): IoActivities {
  const { store } = dependencies;
  const activities: IoActivities = {
    prepareTasks: runWholeStage(prepareTasks, dependencies),
    selectProbes: runWholeStage(selectProbes, dependencies),
    buildPairs: runWholeStage(buildPairs, dependencies),
    selectDrafts: runWholeStage(selectDrafts, dependencies),
    decide: runWholeStage(decide, dependencies),
    openRowStage: (input: StageInput) => openRowStage(rowStage(stages, input.stage), dependencies, input),
    commitWave: (wave: WaveInput) => commitWave(rowStage(stages, wave.stage.stage), dependencies, wave),
    saveProgress: (progress: RunProgress) => saveProgress(store, progress),
    saveRound: (record: RoundRecord) => saveRound(store, record),
    writeReport: (input: ReportInput) => writeReport(store, input),
  };
  return guarded(beating(activities));
}
export interface IoActivities {
  prepareTasks(input: StageInput): Promise<StageResult>;
  selectProbes(input: StageInput): Promise<StageResult>;
  buildPairs(input: StageInput): Promise<StageResult>;
  selectDrafts(input: StageInput): Promise<StageResult>;
  decide(input: StageInput): Promise<StageResult>;
  openRowStage(input: StageInput): Promise<OpenedRowStage>;
  commitWave(wave: WaveInput): Promise<CommittedWave>;
  saveProgress(progress: RunProgress): Promise<void>;
  saveRound(record: RoundRecord): Promise<void>;
  writeReport(input: ReportInput): Promise<ArtifactRef>;
}

/** Queue arte-infer: everything that asks a model. */
export function createInferActivities(dependencies: InferDependencies, stages: RowStages = rowStages): InferActivities {
  return guarded({
    resolveModels: (input: ResolveInput) => resolveModels(dependencies, input),
    runShard: (shard: ShardInput) => runShardOf(rowStage(stages, shard.stage.stage), dependencies, shard),
  });
}
export interface InferActivities {
  resolveModels(input: ResolveInput): Promise<ResolvedModels>;
  runShard(shard: ShardInput): Promise<ShardOutput>;
}

/** Queue arte-train: everything that takes the device for itself. */
export function createTrainActivities(dependencies: TrainDependencies): TrainActivities {
  return guarded({
    trainDpo: runLeasedStage(trainDpo, dependencies),
    trainSft: runLeasedStage(trainSft, dependencies),
    warmUp: runLeasedStage(warmUp, dependencies),
  });
}
export interface TrainActivities {
  trainDpo(input: StageInput): Promise<StageResult>;
  trainSft(input: StageInput): Promise<StageResult>;
  warmUp(input: StageInput): Promise<StageResult>;
}
