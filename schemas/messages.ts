/**
 * What crosses the boundary between the client, the workflows and the activities. Types only (no zod), refs only (< 16 KB).
 */
import type { ArtifactRef } from './artifact-ref';
import type { ErrorData } from './errors';
import type { StageUsage } from './manifest';
import type { ModelRef } from './model-ref';
import type { RowStageName, StageName } from './stage-names';
import type { OutcomeCounts } from './rows';
import type { JsonValue } from './json';

/** Task queues by role; one machine may serve all of them. */
export const taskQueues = {
  workflows: 'arte-workflows',
  io: 'arte-io',
  infer: 'arte-infer',
  train: 'arte-train',
} as const;

export const workerRoles = ['orchestrator', 'io', 'infer', 'train'] as const;
export type WorkerRole = (typeof workerRoles)[number];

/** alignWorkflow's argument: also what continue-as-new carries from round to round. */
export interface AlignInput {
  readonly runId: string;
  /** The normalised RunConfig (secrets as `${env:NAME}`), an artifact. */
  readonly config: ArtifactRef;
  readonly rounds: number;
  /** Few-shot settings to evaluate, e.g. [0, 3]: one evaluate stage each. */
  readonly shots: readonly number[];
  /** Set from the second round on. */
  readonly carry?: AlignCarry;
}

export interface AlignCarry {
  readonly round: number;
  /** What resolveModels found at the start of the run. */
  readonly models: ResolvedModels;
  /** The teacher that the last round left behind. */
  readonly teacher: ModelRef;
  readonly finished: readonly StageRecord[];
  readonly startedAt: string;
}

export interface ResolvedModels {
  readonly teacher: ModelRef;
  readonly student: ModelRef;
  /** Respondents of the IRT preference set, where the config names some. */
  readonly respondents: readonly ModelRef[];
}

/** One stage to be made: a pure description. Its key follows from it (activities/stage.ts). */
export interface StageInput {
  readonly stage: StageName;
  readonly config: ArtifactRef;
  /** Named inputs of the stage: outputs of earlier ones. */
  readonly inputs: { readonly [name: string]: ArtifactRef };
  /** The model that the stage asks or trains, where there is one. */
  readonly model?: ModelRef;
  /** Small extra settings that are not in the config: {shots: 3}, {round: 2}. Part of the key. */
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

/** Opening a row stage: reused whole, or so many shards to run in this wave. */
export type OpenedRowStage =
  | { readonly done: true; readonly result: StageResult }
  | { readonly done: false; readonly key: string; readonly rows: number; readonly shards: number };

export interface ShardInput {
  readonly stage: StageInput & { readonly stage: RowStageName };
  readonly key: string;
  readonly wave: number;
  /** Results of the waves before, in order: a later wave's rows follow from them. */
  readonly waves: readonly ArtifactRef[];
  readonly shard: number;
  readonly offset: number;
  readonly length: number;
}

export interface ShardOutput {
  /** RowResults in row order, JSONL. */
  readonly results: ArtifactRef;
  readonly counts: OutcomeCounts;
  readonly usage: StageUsage;
}

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

export type RunStatus = 'RUNNING' | 'NEEDS_ATTENTION' | 'DONE' | 'FAILED' | 'CANCELLED';

/** Answer of the progress query; also what is written to the store when the run ends or parks. */
export interface RunProgress {
  readonly runId: string;
  readonly status: RunStatus;
  readonly round: number;
  readonly rounds: number;
  /** What is running now, with the shards done of total where it is a row stage. */
  readonly current: readonly { stage: StageName; arm: string; since: string; workflowId?: string }[];
  readonly finished: readonly StageRecord[];
  readonly attention?: { readonly stage: StageName; readonly error: ErrorData; readonly since: string };
  readonly startedAt: string;
  readonly report?: ArtifactRef;
}
