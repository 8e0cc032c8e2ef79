/**
 * What activities are given: drivers are handed in, never opened by a stage. Owns nothing but the list; workers/wire.ts opens them.
 */
import type { ModelPool } from '../drivers/model/model';
import type { Notifier } from '../drivers/notify/notifier';
import type { ArtifactStore } from '../drivers/store/store';
import type { Trainer } from '../drivers/trainer/trainer';
import type { ModelConfig } from '../schemas/config/models';
import type { ModelRef } from '../schemas/model-ref';
import type { EngineLimits } from './row-engine/types';

/** Where it is written down what work that stands still waited for. */
export interface StallDumps {
  /** Folder on this machine. */
  readonly dir: string;
  /** What must not stand in them: the secrets of this process, longest first. */
  readonly secrets: readonly string[];
}

/** Of every role: refs in, refs out. */
export interface StoreDependencies {
  readonly store: ArtifactStore;
}

/** Of the io role: also tells of runs. */
export interface IoDependencies extends StoreDependencies {
  readonly notifier: Notifier;
  /** Where `${env:NAME}` is looked up: the worker's own environment. */
  readonly environment: { readonly [name: string]: string | undefined };
}

/** Of the infer role: asks models, row by row. */
export interface InferDependencies extends StoreDependencies {
  readonly pool: ModelPool;
  /** Folder of the row journals on this machine. */
  readonly journalDir: string;
  /** Where `${env:NAME}` is looked up: the worker's own environment. */
  readonly environment: { readonly [name: string]: string | undefined };
  readonly resolveModel: (name: string, config: ModelConfig) => Promise<ModelRef>;
  readonly stallDumps: StallDumps;
  /** Other limits of the row engine than schemas/limits.ts: for tests. */
  readonly engineLimits?: Partial<EngineLimits>;
}

/** Of the train role. */
export interface TrainDependencies extends StoreDependencies {
  readonly trainer: Trainer;
  /** Folder of the trainings on this machine: one folder a stage key, checkpoints inside. */
  readonly trainingDir: string;
  /** Keep the device free of model servers of this process, until the returned function is called. */
  readonly reserveDevice: (signal: AbortSignal) => Promise<() => void>;
  readonly stallDumps: StallDumps;
}
