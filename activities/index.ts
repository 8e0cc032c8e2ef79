/**
 * The activities by role: what a worker of that role registers, and the types that workflows import.
 * Owns the registry of stages; drivers are handed in (dependencies.ts).
 */
import type { ArtifactRef } from '../schemas/artifact-ref';
import type {
  CommittedWave,
  EvaluationsInput,
  OpenedRowStage,
  ReportInput,
  ResolvedModels,
  ResolveInput,
  RoundEnd,
  RunProgress,
  ShardInput,
  ShardOutput,
  StageInput,
  StageResult,
  Verdict,
  WaveInput,
} from '../schemas/messages';
import type { Notice, SendInput } from '../schemas/notification';
import type { RunAction } from '../schemas/run-action';
import type { RowStageName, StageName } from '../schemas/stage-names';
import type {
  DueAlignment,
  FiringOutcome,
  FollowInput,
  JudgeInput,
  PlanFiringInput,
  PlannedFiring,
} from '../schemas/schedule';
import type { StudentEvent } from '../schemas/student';
import { followAlignments, startAlignment } from './alignments';
import { buildPairs } from './build-pairs';
import { combineScoreRows } from './combine-scores';
import { checkRound } from './check-round';
import { checkScores } from './check-scores';
import { checkUnseen } from './check-unseen';
import { decide } from './decide';
import type { InferDependencies, IoDependencies, TrainDependencies } from './dependencies';
import { evaluate } from './evaluate';
import { guarded } from './failures';
import { beating } from './heartbeat';
import { runLeasedStage } from './leased-stage';
import { judgeAlignment } from './judge-alignment';
import { sendNotification } from './notify';
import { planFiring } from './plan-firing';
import { prepareTasks } from './prepare-tasks';
import { writeReport } from './report/write-report';
import { resolveModels } from './resolve-models';
import { rewordSet } from './reword-set';
import type { AnyRowStage } from './row-stage';
import { runShardOf } from './row-stage-shard';
import { commitWave, openRowStage } from './row-stage-wave';
import { findVerdict, recordAction, reviseRun } from './run-actions';
import { collectEvaluations, saveProgress, saveRound } from './run-records';
import { saveFiring } from './schedules';
import { sampleQuestions } from './sample-questions';
import { sampleRationales } from './sample-rationales';
import { scoreDrafts } from './score-drafts';
import { scoreSample } from './score-sample';
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
  'score-sample': scoreSample,
  evaluate,
};

function rowStage(stages: RowStages, name: StageName): AnyRowStage {
  const stage = (stages as Readonly<Record<string, AnyRowStage>>)[name];
  if (!stage) throw new Error(`${name} is not a stage of rows`);
  return stage;
}

/** Queue arte-io: everything that only reads and writes the store. */
export function createIoActivities(dependencies: IoDependencies, stages: RowStages = rowStages): IoActivities {
  const { store } = dependencies;
  const activities: IoActivities = {
    prepareTasks: runWholeStage(prepareTasks, dependencies),
    selectProbes: runWholeStage(selectProbes, dependencies),
    combineScores: runWholeStage(combineScoreRows, dependencies),
    checkScores: runWholeStage(checkScores, dependencies),
    buildPairs: runWholeStage(buildPairs, dependencies),
    selectDrafts: runWholeStage(selectDrafts, dependencies),
    checkRound: runWholeStage(checkRound, dependencies),
    checkUnseen: runWholeStage(checkUnseen, dependencies),
    rewordSet: runWholeStage(rewordSet, dependencies),
    decide: runWholeStage(decide, dependencies),
    openRowStage: (input: StageInput) => openRowStage(rowStage(stages, input.stage), dependencies, input),
    commitWave: (wave: WaveInput) => commitWave(rowStage(stages, wave.stage.stage), dependencies, wave),
    saveProgress: (progress: RunProgress) => saveProgress(store, progress),
    collectEvaluations: ({ runId, round }: EvaluationsInput) => collectEvaluations(store, runId, round),
    saveRound: (end: RoundEnd) => saveRound(store, end),
    writeReport: (input: ReportInput) => writeReport(store, input),
    startAlignment: (due: DueAlignment) => startAlignment(dependencies, due),
    followAlignments: (input: FollowInput) => followAlignments(dependencies, input),
    judgeAlignment: (input: JudgeInput) => judgeAlignment(dependencies, input),
    saveFiring: (outcome: FiringOutcome) => saveFiring(store, outcome),
    recordAction: ({ id, ...action }) => recordAction(store, action, id),
    findVerdict: (of) => findVerdict(store, of),
    reviseRun: (change) => reviseRun(store, change),
    sendNotification: (message: SendInput) => sendNotification(dependencies, message),
  };
  return guarded(beating(activities));
}
export interface IoActivities {
  prepareTasks(input: StageInput): Promise<StageResult>;
  selectProbes(input: StageInput): Promise<StageResult>;
  combineScores(input: StageInput): Promise<StageResult>;
  checkScores(input: StageInput): Promise<StageResult>;
  buildPairs(input: StageInput): Promise<StageResult>;
  selectDrafts(input: StageInput): Promise<StageResult>;
  checkRound(input: StageInput): Promise<StageResult>;
  checkUnseen(input: StageInput): Promise<StageResult>;
  rewordSet(input: StageInput): Promise<StageResult>;
  decide(input: StageInput): Promise<StageResult>;
  openRowStage(input: StageInput): Promise<OpenedRowStage>;
  commitWave(wave: WaveInput): Promise<CommittedWave>;
  saveProgress(progress: RunProgress): Promise<void>;
  collectEvaluations(input: EvaluationsInput): Promise<ArtifactRef>;
  saveRound(end: RoundEnd): Promise<void>;
  writeReport(input: ReportInput): Promise<ArtifactRef>;
  startAlignment(due: DueAlignment): Promise<void>;
  followAlignments(input: FollowInput): Promise<void>;
  judgeAlignment(input: JudgeInput): Promise<StudentEvent['action']>;
  saveFiring(outcome: FiringOutcome): Promise<void>;
  recordAction(action: Omit<RunAction, 'schemaVersion'> & { readonly id: string }): Promise<void>;
  findVerdict(of: Parameters<typeof findVerdict>[1]): Promise<Verdict | undefined>;
  reviseRun(change: Parameters<typeof reviseRun>[1]): Promise<void>;
  sendNotification(message: SendInput): Promise<Notice>;
}

/** Queue arte-models: what looks at the bytes of models, before a run or a firing begins. */
export function createModelActivities(dependencies: InferDependencies): ModelActivities {
  return guarded({
    resolveModels: (input: ResolveInput) => resolveModels(dependencies, input),
    ...beating({ planFiring: (input: PlanFiringInput) => planFiring(dependencies, input) }),
  });
}
export interface ModelActivities {
  resolveModels(input: ResolveInput): Promise<ResolvedModels>;
  planFiring(input: PlanFiringInput): Promise<PlannedFiring>;
}

/** Queue arte-infer: everything that asks a model; and what older versions of the workflow code, to which runs are pinned, ask for there. */
export function createInferActivities(dependencies: InferDependencies, stages: RowStages = rowStages): InferActivities {
  return {
    ...createModelActivities(dependencies),
    ...guarded({
      runShard: (shard: ShardInput) => runShardOf(rowStage(stages, shard.stage.stage), dependencies, shard),
    }),
  };
}
export interface InferActivities extends ModelActivities {
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
