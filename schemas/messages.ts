/**
 * What crosses the boundary between the client, the workflows and the activities. Types only (no zod), refs only (< 16 KB).
 */
import type { AlignMethod, ArmName } from './arms';
import type { ArtifactRef } from './artifact-ref';
import type { ErrorData } from './errors';
import type { StageUsage } from './manifest';
import type { ModelRef } from './model-ref';
import type { NotifyEvent } from './notification';
import type { SignalName } from './signals';
import type { StageName } from './stage-names';
import type { OutcomeCounts } from './rows';
import type { Order } from './run-action';
import type { JsonValue } from './json';
import type { TaughtArm, TransferTarget } from './transfer';

/** Task queues by role; one machine may serve all of them. `models` is infer's, too: what a run begins with does not wait behind other runs' rows. */
export const taskQueues = {
  workflows: 'arte-workflows',
  io: 'arte-io',
  infer: 'arte-infer',
  models: 'arte-models',
  train: 'arte-train',
} as const;

/** All but that of workflow code. */
export const activityQueues = [taskQueues.io, taskQueues.infer, taskQueues.models, taskQueues.train] as const;

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
  /** The signals that drafts are scored by; several are combined by rank. Left out by runs of older versions: icl_accuracy. */
  readonly signals?: readonly SignalName[];
  /** Whether the drafts' scores must be reliable (score.reliability_min), and be compared with all validation items (probe.agreement_questions). */
  readonly checkScores: boolean;
  readonly measureAgreement: boolean;
  /** Whether the examples are shown to the student before it is trained on them (rounds.gates.icl_examples). */
  readonly measureGain: boolean;
  /** DPO also sees the pairs of so many rounds before; null: of all. */
  readonly accumulate: number | null;
  /** What is looked at after the last round; left out where the config asks for nothing. */
  readonly transfer?: {
    /** The other students, in the config's order: `reworded` where one is prompted in another form than the run's own. */
    readonly students: readonly { readonly reworded: boolean }[];
    readonly tasks: boolean;
  };
  /** Whether a person is asked after each round. */
  readonly approval: 'off' | 'every';
  /** Of each target of `notify`: what it is told. Left out by runs of older versions: none. */
  readonly notify?: readonly (readonly NotifyEvent[])[];
  /** When the run was started first, whatever became of it since. */
  readonly startedAt?: string;
  /** Set from the second round on, and where a round begins again with an empty history. */
  readonly carry?: AlignCarry;
}

export interface AlignCarry {
  /** The round about to run, from 1. */
  readonly round: number;
  /** What resolveModels found at the start of the run. */
  readonly models: ResolvedModels;
  /** The teacher that the round starts from: the last round's, or that of the best round. */
  readonly teacher: ModelRef;
  /** 0 while no round was accepted. */
  readonly bestRound: number;
  /** The teacher of the best round; the config's own while there is none. */
  readonly bestTeacher: ModelRef;
  /** Rounds that started again from an earlier teacher: so often drafts are drawn anew. */
  readonly rollBacks: number;
  /** Rounds that a gate kept from becoming the best. */
  readonly rejected: readonly number[];
  /** What students were trained on: the set of the unaligned teacher, and that of the best round. */
  readonly sets: TrainingSets;
  /** The drafts of all rounds, where unseen tasks must not stand in them (transfer.tasks). */
  readonly drafts: readonly ArtifactRef[];
  /** Preference pairs of earlier rounds that DPO may see again, oldest first. */
  readonly pairs: readonly ArtifactRef[];
  /** The training set that the teacher wrote before it was ever aligned: gates measure drift from it. */
  readonly firstSet?: ArtifactRef;
  /** The round before was the last: nothing is promoted any more. */
  readonly stop?: boolean;
  readonly startedAt: string;
}

/** A training set: the examples with their evidence, and the rows that the trainer reads. */
export interface TrainingSet {
  readonly tailored: ArtifactRef;
  readonly sft: ArtifactRef;
}
export type TrainingSets = Readonly<Partial<Record<TaughtArm, TrainingSet>>>;

export interface ResolvedModels {
  readonly teacher: ModelRef;
  readonly student: ModelRef;
  /** Respondents of the IRT preference set, where the config names some. */
  readonly respondents: readonly ModelRef[];
  /** The other students of transfer.students. */
  readonly others: readonly ModelRef[];
}

/** Whose answers a stage of evaluation is made of. */
export interface EvaluatedStudent {
  readonly arm: ArmName;
  /** Which of the arm's students, from 1. */
  readonly student: number;
  readonly shots: number;
  /** Of a transfer: what to. Such an evaluation decides nothing about a round. */
  readonly to?: TransferTarget;
}

export interface EvaluationRecord extends EvaluatedStudent {
  readonly round: number;
  readonly key: string;
}

/** Where in a run a stage stands. */
export interface StagePlace {
  readonly round: number;
  /** What the stage is made for, where one stage serves several. */
  readonly arm: string;
  readonly evaluates?: EvaluatedStudent;
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
  /**
   * Made for a transfer: the stage goes by the config with another student, or the unseen tasks, in the place of the run's own (method/transfer.ts).
   * No part of the key but by what it changes.
   */
  readonly transfer?: TransferTarget;
  /** Small extra settings that are not in the config: {shots: 3}. Part of the key. */
  readonly extra?: { readonly [name: string]: JsonValue };
  /** Under this the run's records have the stage. No part of the key; a stage without a place is recorded nowhere. */
  readonly place?: StagePlace;
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

/**
 * A line of the run's history of stages, as report and status show it. Written to the store by the activity that finished the stage
 * (activities/run-records.ts): with many arms and students all of them together are more than should travel through the engine.
 */
export interface StageRecord {
  readonly stage: StageName;
  readonly round: number;
  /** What the stage was made for, where one stage serves several (evaluate: `arte`, `untuned`, …). */
  readonly arm: string;
  readonly key: string;
  /** Found in the store, and this run has paid nothing for it. */
  readonly reused: boolean;
  readonly seconds: number;
  /** Of these, waiting for a model or the device. Left out where that is not known. */
  readonly waitedSeconds?: number;
  /** What this run has paid for. */
  readonly usage: StageUsage;
  /** Of a training: what is paid by the hour. */
  readonly paidSeconds?: number;
  /** What a stage that decides something came to, in a few words. */
  readonly says?: string;
  readonly evaluates?: EvaluatedStudent;
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
  /** What the stage wrote down of all results before this wave, so that its commit reads this wave's only. */
  readonly soFar?: ArtifactRef;
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
  /** Run that had the shard made. */
  readonly madeBy: string;
  /** The usage by the run that paid for it: one may have begun what another has finished. */
  readonly paidBy: { readonly [runId: string]: StageUsage };
  /** From when to when the attempt that finished it had its model, in epoch milliseconds. Left out by older workers. */
  readonly askedMs?: readonly [number, number];
}

/** After a wave: the stage is whole, or it needs another one. */
export type CommittedWave =
  | { readonly done: true; readonly result: StageResult }
  | {
      readonly done: false;
      readonly wave: ArtifactRef;
      readonly plan?: ArtifactRef;
      readonly soFar?: ArtifactRef;
      readonly rows: number;
    };

/** Heartbeat details of a running shard or training: what watch shows live. */
export interface ActivityProgress {
  readonly stage: StageName;
  /** Of a stage that is an activity of the run itself: two of them may be at work at once. Left out by shards and by older workers. */
  readonly arm?: string;
  /** rows | steps: what done and total count. */
  readonly unit: 'rows' | 'steps';
  readonly phase: string;
  readonly done: number;
  /** Of those: found by this attempt, and not made by it. Left out: none. */
  readonly found?: number;
  readonly total: number;
  readonly usage: StageUsage;
  readonly inFlight: number;
  /** Training loss, reward margin and the like; last values. */
  readonly metrics?: { readonly [name: string]: number };
  /** Since when it works, in epoch milliseconds. Left out while it waits for its model or the device, and by older workers. */
  readonly worksSinceMs?: number;
  /** What does the work: the endpoint's id, or the device of a training. Left out before that is known. */
  readonly device?: string;
  /** Of rows: calls that the endpoint takes at a time now, and at most. */
  readonly callsAtATime?: { readonly allowed: number; readonly most: number };
  readonly note?: string;
  /** Of rows that wait instead of being asked, when none was finished for a while: why; `held`: nothing is asked meanwhile. Left out by older workers. */
  readonly waits?: { readonly words: string; readonly held: boolean };
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
  /** From 0. */
  readonly wave: number;
  readonly rows: number;
  /** Of the waves before this one, in all. Left out by older workers. */
  readonly rowsBefore?: number;
  readonly rowsInFinishedShards: number;
  /** Why no shard runs although some are left: money that other work has reserved. */
  readonly waits?: string;
}

/** What a shard that is broken off or fails says in the details of its failure, beside the error. */
export interface EndedShard {
  readonly rowsDone: number;
}

/** A row stage that a pause, a cancel or a failure has ended in its middle. What was done is kept, and found when the stage is begun again. */
export interface BrokenOffStage {
  readonly stage: StageName;
  readonly arm: string;
  /** As in StageProgress: rows are those of this wave. */
  readonly wave: number;
  readonly rows: number;
  readonly rowsDone: number;
  /** Not every shard could say how far it was: there may be more. */
  readonly atLeast?: true;
}

export type RunStatus = 'RUNNING' | 'PAUSED' | 'NEEDS_ATTENTION' | 'NEEDS_APPROVAL' | 'DONE' | 'FAILED' | 'CANCELLED';

/** What a person's order is: `by` whom and why; a retry may bring another config. */
export interface RetryOrder extends Order {
  readonly change?: {
    /** The workflow's input under the changed config, whose bundle is in the store. */
    readonly input: AlignInput;
    /** The settings as they were typed: `align.batch_size=8`. */
    readonly set: readonly string[];
    /** Hash of the bundle that they were put into. Left out by commands of older versions. */
    readonly from?: string;
  };
}

/** A person's verdict on a round. */
export interface Verdict {
  readonly approved: boolean;
  readonly by: string;
  readonly at: string;
  readonly reason?: string;
}

export interface StageFailure {
  readonly stage: StageName;
  readonly error: ErrorData;
  readonly since: string;
}

/** Answer of the progress query; also what is written to the store when the run ends or parks. What is finished stands in the run's records. */
export interface RunProgress {
  readonly runId: string;
  readonly status: RunStatus;
  readonly round: number;
  readonly rounds: number;
  /** What is running now, with the shards done of total where it is a row stage. */
  readonly current: readonly { stage: StageName; arm: string; since: string; workflowId?: string; waits?: string }[];
  /** Row stages that were ended in their middle and are not begun again yet. Left out where there is none, and by older workers. */
  readonly brokenOff?: readonly BrokenOffStage[];
  readonly attention?: StageFailure;
  /** Of a paused run: since when, by whom and why. While `current` is not empty it is still coming to rest. */
  readonly paused?: Order & { readonly since: string };
  /** The decision of this round, a stage key, waits for a person's word. */
  readonly approval?: { readonly round: number; readonly key: string; readonly since: string };
  /** Said at once: a stage failed for good, and the run parks when what runs beside it has come to its end. */
  readonly failed?: StageFailure;
  readonly startedAt: string;
  readonly report?: ArtifactRef;
}

/**
 * `runs/<runId>/run.json`: written at the start; only `arte retry --set` changes the bundle. The same id with a bundle that it never had is
 * another run, and refused.
 */
export interface RunRecord {
  readonly schemaVersion: 1;
  readonly runId: string;
  readonly name: string;
  /** Of the config that the run goes by now. */
  readonly bundle: ArtifactRef;
  readonly createdAt: string;
  /** The configs that it went by before, oldest first. */
  readonly revisions?: readonly ConfigRevision[];
}

/** A config that a run went by, and what was set to make the next one of it. */
export interface ConfigRevision {
  readonly bundle: ArtifactRef;
  readonly until: string;
  readonly by: string;
  readonly set: readonly string[];
}

/** What the workflow says of a round that has come to its end. */
export interface RoundEnd {
  readonly runId: string;
  readonly round: number;
  readonly models: { readonly [role: string]: ModelRef };
  readonly decision: { readonly [name: string]: JsonValue };
}

/** What the activity is asked that puts a run's evaluations, up to a round, into one artifact. */
export interface EvaluationsInput {
  readonly runId: string;
  readonly round: number;
}

/** `runs/<runId>/rounds/<n>.json`: what the round was made of; the report follows the keys to the manifests. */
export interface RoundRecord {
  readonly schemaVersion: 1;
  readonly runId: string;
  readonly round: number;
  readonly stages: readonly StageRecord[];
  readonly models: { readonly [role: string]: ModelRef };
  /** Of this round and those before it. */
  readonly evaluations: readonly EvaluationRecord[];
  readonly decision: { readonly [name: string]: JsonValue };
  /** Stages that this run made in this round and that its last walk did not come by: made under another config. They are paid for. */
  readonly earlier?: readonly StageRecord[];
}
