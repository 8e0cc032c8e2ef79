/**
 * Training as the train activities see it: files in, files out, progress on the way, resumable from whole checkpoints.
 * Owns the interface; trl.ts is the subprocess that does it. Conformance: test/drivers/trainer.conformance.ts.
 */
import type { ModelRef } from '../../schemas/model-ref';
import type { TrainingCurve } from '../../schemas/training-curve';

export interface TrainingJob {
  readonly kind: 'dpo' | 'sft';
  /** The model to start from; materialised to a Hugging Face folder by the driver. */
  readonly model: ModelRef;
  /** The reference policy of DPO where it is not `model` itself. */
  readonly reference?: ModelRef;
  /** TRL-ready JSONL on this machine. */
  readonly dataPath: string;
  /** Checkpoints and output live here; the same folder again means: resume. */
  readonly workDir: string;
  /** The trainer's own settings (config sections align / sft), as python/train.py takes them. */
  readonly settings: TrainingSettings;
}

export interface TrainingSettings {
  readonly adapter: 'lora' | 'full';
  readonly loraRank: number;
  readonly loraAlpha: number;
  readonly loraDropout: number;
  readonly learningRate: number;
  readonly batchSize: number;
  readonly gradientAccumulation: number;
  readonly epochs: number;
  /** 0 = by epochs. */
  readonly maxSteps: number;
  readonly warmupRatio: number;
  readonly schedule: 'cosine' | 'linear' | 'constant';
  readonly optimizer: string;
  readonly weightDecay: number;
  readonly maxLength: number;
  readonly dtype: 'auto' | 'float32' | 'bfloat16' | 'float16';
  readonly seed: number;
  readonly checkpointSteps: number;
  /** Make sure that every row begins with the BOS token (Gemma collapses without). */
  readonly addBos?: boolean;
  /** DPO only. */
  readonly beta?: number;
  readonly lossType?: readonly string[];
  /** A weight for each loss type; left out: 1 each. */
  readonly lossWeights?: readonly number[];
  /** Loss robust: the share of preferences taken to be wrong. */
  readonly labelSmoothing?: number;
  /** SFT only: loss on the completion or on all. */
  readonly lossOn?: 'completion' | 'all';
}

export interface TrainingProgress {
  readonly phase: 'load' | 'step' | 'checkpoint' | 'save' | 'upload';
  /** Before its own first step a trainer says where it begins: 0, or the step of the checkpoint that it goes on from. */
  readonly step: number;
  readonly maxSteps: number;
  /** loss, learning_rate, rewards_margins, rewards_accuracies, …: last logged values. */
  readonly metrics: { readonly [name: string]: number };
  /** The newest whole checkpoint folder. */
  readonly checkpoint?: string;
  /** What it trains on, once it has it. */
  readonly device?: string;
  /** Said once: it has waited for the device, and has it from now on. A job whose outcome is there already needs none. */
  readonly deviceHeld?: true;
  /** Said while another process has the device. */
  readonly waitsForDevice?: true;
}

export interface TrainingOutcome {
  /** Folder with safetensors: the adapter (adapter_config.json with the base path rewritten) or the full weights. */
  readonly outputDir: string;
  readonly steps: number;
  readonly rows: number;
  /** Of all its attempts, from their start on, without the waits for the device. */
  readonly seconds: number;
  /** What the last attempt waited for the device; left out where that is not known. */
  readonly waitedSeconds?: number;
  /** Among them `rows_dropped` and `rows_cut`: rows longer than max_length, of whose answers nothing was left, and a part. */
  readonly metrics: { readonly [name: string]: number };
  /** Training tokens, where the trainer counts them. */
  readonly tokens: number;
  /** device and precision that were used: part of the record, not of the key. */
  readonly device: string;
  readonly dtype: string;
  /** The steps of the checkpoints at which an interrupted training went on; empty where it ran through. */
  readonly resumedFromSteps: readonly number[];
  readonly curve: TrainingCurve;
}

export interface Trainer {
  /**
   * Run or resume a job. Errors: TrainerFailed, TrainerStalled, TrainerOutOfMemory, ModelIncomplete, DiskFull.
   * On abort the process group is gone before the promise rejects with the signal's reason.
   */
  train(
    job: TrainingJob,
    onProgress: (progress: TrainingProgress) => void,
    signal: AbortSignal,
  ): Promise<TrainingOutcome>;
}
