/**
 * The row engine's boundary: what a shard hands in, what it gets back. engine.ts does it, step by step.
 */
import type { ModelEndpoint } from '../../drivers/model/model';
import type { ArtifactStore } from '../../drivers/store/store';
import type { StageUsage } from '../../schemas/manifest';
import type { ArtifactRef } from '../../schemas/artifact-ref';
import type { OutcomeCounts, RowReading, RowRequest, RowResult, ModelAnswer, Usage } from '../../schemas/rows';
import type { ShardOutput } from '../../schemas/messages';
import type { LimiterRegistry } from './limiters';
import type { Waits } from './waiting-words';

export interface RowSource {
  readonly length: number;
  /** Row i of the shard: pure, cheap, the same every time. Called when the row is due, so a million rows are never held. */
  row(index: number): RowRequest;
  /** End (exclusive) of the rows from `index` on whose prompts begin alike; they are asked one after another, for the prefix cache. */
  readonly runEnd?: (index: number) => number;
}

export interface RowThresholds {
  readonly malformed: number;
  readonly truncated: number;
  readonly refused: number;
  readonly failed: number;
}

/** Answers to the same rows that were had under other stages, and a place for this shard's. */
export interface EarlierAnswers {
  /** Undefined where there are none at all. Else what gives the results under any of these row keys, each whole and verified, in no order. */
  offer(): Promise<((keys: ReadonlySet<string>) => AsyncIterable<RowResult>) | undefined>;
  /** Makes a finished shard's results known to others. `keys`: the beginnings of its row keys, in row order (key-prefixes.ts). */
  remember(results: ArtifactRef, keys: Buffer): Promise<void>;
}

export interface ShardRun {
  /** Identity of the shard: sha256 of stage key, wave, offset and length. Journal and parts live under it. */
  readonly shardKey: string;
  readonly rows: RowSource;
  /** The endpoint to ask. Called once, when it is known that a row is to be asked, and not before; what it throws stops the shard. */
  readonly openEndpoint: () => Promise<OpenedEndpoint>;
  /** Pure reading of an answer: ok with a value, or why not. */
  readonly read: (row: RowRequest, answer: ModelAnswer) => RowReading;
  /** Share of rows that may end badly before the shard is refused with OutcomeThreshold and examples. */
  readonly thresholds: RowThresholds;
  /** How often a malformed answer is asked again with another seed; 0 for greedy sampling, where it would say the same. */
  readonly repairs: number;
  readonly store: ArtifactStore;
  /** Default: every row that is not this shard's own is asked. */
  readonly earlier?: EarlierAnswers;
  /** Folder for journals on this machine: a folder per shard key, a file per attempt. */
  readonly journalDir: string;
  /** Id of the run that pays: recorded with the shard. */
  readonly madeBy: string;
  /** Fences duplicate attempts: recorded in the journal and the parts. */
  readonly attemptId: string;
  /** Called when it is known what stands in the shard and before anything is asked; what it throws stops the shard. */
  readonly admit?: (standing: ShardStanding) => Promise<void>;
  /** Called about once a second. Must not throw. */
  readonly onProgress: (progress: ShardProgress) => void;
  readonly signal: AbortSignal;
  /** Asked when the signal fires: how long answers on their way are waited for before their calls are given up. Default: not at all. */
  readonly drainMs?: () => number;
  /** A ceiling over all shards of a run in this process, beside the endpoint's own; a call takes a place and gives it back. */
  readonly ceiling?: CallCeiling;
  /** Adaptive concurrency by endpoint; the process's own when not given. */
  readonly limiters?: LimiterRegistry;
  /** Other limits than schemas/limits.ts: for tests. */
  readonly limits?: Partial<EngineLimits>;
}

export interface OpenedEndpoint {
  readonly endpoint: ModelEndpoint;
  /** How long of the opening others were waited for: no work of the shard's. Default: not at all. */
  readonly waitedMs?: number;
}

export interface CallCeiling {
  /** Infinity where nobody set one. */
  readonly max: number;
  /** False when there is no place. */
  take(): boolean;
  give(): void;
}

/** What of schemas/limits.ts the engine goes by. */
export interface EngineLimits {
  readonly journalCommitIntervalMs: number;
  readonly partFlushIntervalMs: number;
  readonly progressIntervalMs: number;
  readonly rowAttemptsMax: number;
  readonly retryBackoffBaseMs: number;
  readonly waitsSaidMs: number;
  readonly waitingRowsMax: number;
  readonly endpointDownMs: number;
  readonly rowsStallFloorMs: number;
  readonly rowsStallFirstMs: number;
  readonly rowsStallFactor: number;
  readonly refusalDrainMs: number;
  readonly abortFlushMs: number;
}

/** What an attempt found of its shard. */
export interface ShardStanding {
  /** What the run has paid for of what is there. */
  readonly paid: StageUsage;
  /** What the rows that are open may take at most, each asked once with nothing of its prompt cached. */
  readonly openMax: Usage;
}

/** How an endpoint is asked by this process. All 0 where nothing is asked. */
export interface EndpointConcurrency {
  /** Calls at a time that are allowed now, and at most. */
  readonly limit: number;
  readonly ceiling: number;
  /** Calls on their way, of all shards. */
  readonly inFlight: number;
  /** How long it is left alone. */
  readonly closedForMs: number;
}

export interface ShardProgress {
  readonly done: number;
  /** Of those: rows that this attempt found in journal and parts. Nothing was asked for them now, and they say nothing of its speed. */
  readonly found: number;
  readonly total: number;
  readonly inFlight: number;
  /** Of the endpoint, shared by all shards of this process. */
  readonly concurrency: EndpointConcurrency;
  readonly counts: OutcomeCounts;
  readonly usage: StageUsage;
  /** What of that this run has paid for. */
  readonly paid: StageUsage;
  /** What a person should know: what was found damaged, and how the endpoint fares. */
  readonly note?: string;
  /** Why rows wait instead of being asked, where none has been finished for a while. */
  readonly waits?: Waits;
}

export type RunShard = (run: ShardRun) => Promise<ShardOutput>;
