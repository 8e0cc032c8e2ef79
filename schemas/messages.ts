/**
 * What crosses the boundary between the client, the workflows and the activities. Types only (no zod), refs only (< 16 KB).
 */
import type { AlignMethod, ArmName } from './arms';
import type { ArtifactRef } from './artifact-ref';
import type { ErrorData } from './errors';
import type { StageUsage } from './manifest';
import type { ModelRef } from './model-ref';
import type { StageName } from './stage-names';
import type { OutcomeCounts } from './rows';
import type { JsonValue } from './json';

/** Task queues by role; one machine may serve all of them. */
export const taskQueues = {
  workflows: 'arte-workflows',
  io: 'arte-io',
  infer: 'arte-infer',
  train: 'arte-train',
} as const;

/** Workflow code is the unit that PINNED pins; its versions belong to this deployment. */
export const deploymentName = 'arte';

export const workerRoles = ['orchestrator', 'io', 'infer', 'train'] as const;
export type WorkerRole = (typeof workerRoles)[number];

/** What a run is made of, as one artifact: the normalised config and the files it names, so that no worker ever reads the client's disk. */
export interface RunBundle {
  readonly schemaVersion: 1;
  /** RunConfig with defaults filled in; secrets stay `${env:NAME}`. Parsed with runConfigSchema by whoever reads it. */
  readonly config: JsonValue;
  /** Task files by the path that the config writes. */
  readonly files: { readonly [path: string]: ArtifactRef };
}

/** alignWorkflow's argument: also what continue-as-new carries from round to round. */
export interface AlignInput {
  readonly runId: string;
  /** The RunBundle, an artifact. */
  readonly bundle: ArtifactRef;
  readonly rounds: number;
  /** Few-shot settings to evaluate, e.g. [0, 3]: one evaluate stage each. */
  readonly shots: readonly number[];
  /** Reference policy of DPO from the second round on. */
  readonly reference: 'previous' | 'initial';
  /** Whether the teacher is trained on the preferences. */
  readonly align: AlignMethod;
  /** Whether the teacher is trained on gold examples before the first round. */
  readonly warmUp: boolean;
  /** The arms of comparison, in the order of the report. */
  readonly arms: readonly ArmName[];
  /** Students trained on each arm's set, each from a seed of its own. */
  readonly trainingSeeds: number;
  /** Shot counts with which each respondent answers the validation items; empty when the preference set is not chosen by IRT. */
  readonly respondentShots: readonly number[];
  /** Set from the second round on. */
  readonly carry?: AlignCarry;
}

export interface AlignCarry {
  /** The round about to run, from 1. */
  readonly round: number;
  /** What resolveModels found at the start of the run. */
  readonly models: ResolvedModels;
  /** The teacher that the last round left behind. */
  readonly teacher: ModelRef;
  /** Evaluations so far, by the key of their stage: decide and report read the manifests. */
  readonly evaluations: readonly EvaluationRecord[];
  readonly bestRound: number;
  readonly startedAt: string;
}

export interface ResolvedModels {
  readonly teacher: ModelRef;
  readonly student: ModelRef;
  /** Respondents of the IRT preference set, where the config names some. */
  readonly respondents: readonly ModelRef[];
}

export interface EvaluationRecord {
  readonly arm: ArmName;
  /** Which of the arm's students, from 1. */
  readonly student: number;
  readonly round: number;
  readonly shots: number;
  readonly key: string;
}

/** One stage to be made: a pure description. Its key follows from it (activities/stage.ts). */
export interface StageInput {
  readonly stage: StageName;
  readonly bundle: ArtifactRef;
  /** Named inputs of the stage: outputs of earlier ones. */
  readonly inputs: { readonly [name: string]: ArtifactRef };
  /** The model that the stage asks or trains, where there is one. */
  readonly model?: ModelRef;
  /** DPO's reference policy where it is not the model itself. */
  readonly reference?: ModelRef;
  /** Small extra settings that are not in the config: {shots: 3}. Part of the key. */
  readonly extra?: { readonly [name: string]: JsonValue };
}

/** What a finished stage says; outputs are refs. */
export interface StageResult {
  readonly stage: StageName;
  readonly key: string;
  readonly reused: boolean;
  readonly outputs: { readonly [name: string]: ArtifactRef };
  /** The model that a training stage made. */
  readonly model?: ModelRef;
  readonly counts: OutcomeCounts;
  readonly usage: StageUsage;
  readonly seconds: number;
  /** The manifest's small facts that a workflow decides by. */
  readonly facts: { readonly [name: string]: JsonValue };
}

/** A line of the run's history of stages, as progress, report and status show it. */
export interface StageRecord {
  readonly stage: StageName;
  readonly round: number;
  /** What the stage was made for, where one stage serves several (evaluate: `arte`, `untuned`, …). */
  readonly arm: string;
  readonly key: string;
  readonly reused: boolean;
  readonly seconds: number;
  readonly usage: StageUsage;
}

/** Opening a row stage: reused whole, or so many rows in this wave. */
export type OpenedRowStage =
  | { readonly done: true; readonly result: StageResult }
  | { readonly done: false; readonly key: string; readonly rows: number };

export interface WaveInput {
  readonly stage: StageInput;
  readonly key: string;
  readonly wave: number;
  /** Results of the waves before, in order: a later wave's rows follow from them. */
  readonly waves: readonly ArtifactRef[];
  /** What the stage wrote down about this wave's rows, where listing them from the results again would be dear. */
  readonly plan?: ArtifactRef;
  /** Rows of this wave. */
  readonly rows: number;
  /** When the stage was opened, epoch milliseconds: the manifest says how long the whole stage took. */
  readonly startedAtMs: number;
}

export interface ShardInput extends WaveInput {
  readonly offset: number;
  readonly length: number;
}

export interface ShardOutput {
  /** RowResults in row order, JSONL. */
  readonly results: ArtifactRef;
  readonly counts: OutcomeCounts;
  readonly usage: StageUsage;
  /** Run that had the shard made: another run that finds it has not paid for it. */
  readonly madeBy: string;
}

/** After a wave: the stage is whole, or it needs another one. */
export type CommittedWave =
  | { readonly done: true; readonly result: StageResult }
  | { readonly done: false; readonly wave: ArtifactRef; readonly plan?: ArtifactRef; readonly rows: number };

/** Heartbeat details of a running shard or training: what watch shows live. */
export interface ActivityProgress {
  readonly stage: StageName;
  /** rows | steps: what done and total count. */
  readonly unit: 'rows' | 'steps';
  readonly phase: string;
  readonly done: number;
  readonly total: number;
  readonly usage: StageUsage;
  readonly inFlight: number;
  /** Training loss, reward margin and the like; last values. */
  readonly metrics?: { readonly [name: string]: number };
  readonly note?: string;
}

/** What resolveModels is asked. */
export interface ResolveInput {
  readonly bundle: ArtifactRef;
}

/** What the report activity is asked: it follows the rounds' records in the store. */
export interface ReportInput {
  readonly runId: string;
  readonly bundle: ArtifactRef;
  readonly rounds: number;
  readonly status: RunStatus;
}

/** Answer of a stageWorkflow's stageProgress query. */
export interface StageProgress {
  readonly wave: number;
  readonly rows: number;
  readonly rowsInFinishedShards: number;
  /** Why no shard runs although some are left: money that other work has reserved. */
  readonly waits?: string;
}

export type RunStatus = 'RUNNING' | 'NEEDS_ATTENTION' | 'DONE' | 'FAILED' | 'CANCELLED';

export interface StageFailure {
  readonly stage: StageName;
  readonly error: ErrorData;
  readonly since: string;
}

/** Answer of the progress query; also what is written to the store when the run ends or parks. */
export interface RunProgress {
  readonly runId: string;
  readonly status: RunStatus;
  readonly round: number;
  readonly rounds: number;
  /** What is running now, with the shards done of total where it is a row stage. */
  readonly current: readonly { stage: StageName; arm: string; since: string; workflowId?: string; waits?: string }[];
  readonly finished: readonly StageRecord[];
  readonly attention?: StageFailure;
  /** Said at once: a stage failed for good, and the run parks when what runs beside it has come to its end. */
  readonly failed?: StageFailure;
  readonly startedAt: string;
  readonly report?: ArtifactRef;
}

/** `runs/<runId>/run.json`: written once at the start. The same id with another bundle is another run, and refused. */
export interface RunRecord {
  readonly schemaVersion: 1;
  readonly runId: string;
  readonly name: string;
  readonly bundle: ArtifactRef;
  readonly createdAt: string;
}

/** `runs/<runId>/rounds/<n>.json`: what the round was made of; the report follows the keys to the manifests. */
export interface RoundRecord {
  readonly schemaVersion: 1;
  readonly runId: string;
  readonly round: number;
  readonly stages: readonly StageRecord[];
  readonly models: { readonly [role: string]: ModelRef };
  readonly evaluations: readonly EvaluationRecord[];
  readonly decision: { readonly [name: string]: JsonValue };
}
