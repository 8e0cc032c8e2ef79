/**
 * Training by TRL in a child process: python/train.py on a Hugging Face folder.
 *
 * Owns: the settings file, the child's life, what it says as progress, outcome or error, and the stall limits.
 * Leaves to train.py checkpoints, resuming, the device lock and the output; to materialize.ts the model's folder; to the caller the
 * place where checkpoints and output go from here.
 *
 * Invariants:
 * 1. When `train` has settled, no process of this training is left, however it ended.
 * 2. A silent child is ended after the limit of its phase. Waiting for the device is said by the child and is no silence.
 * 3. The same work folder resumes: nothing here removes what train.py left in it.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { ArteError, errorCodes, type ErrorCode } from '../../schemas/errors';
import { stallLogLinesMax, trainerStallMs } from '../../schemas/limits';
import type { ModelRef } from '../../schemas/model-ref';
import { StallError } from '../../schemas/stall-error';
import { trainingCurveSchema } from '../../schemas/training-curve';
import { startChild, type Child, type ChildExit } from '../process';
import type { Trainer, TrainingJob, TrainingOutcome, TrainingProgress } from './trainer';

export interface TrlTrainerOptions {
  /** Interpreter of the Python environment. */
  readonly python: string;
  /** Folder of train.py. */
  readonly scriptDir: string;
  /** The Hugging Face folder of a model, its layers merged, on this machine. */
  readonly materializeFolder: (model: ModelRef, signal: AbortSignal) => Promise<string>;
  /** One file for one device: model servers and trainings of all processes agree by it. */
  readonly deviceLockPath: string;
  readonly logDir: string;
  /** Default: trainerStallMs. */
  readonly stallMs?: Partial<Readonly<Record<TrainPhase, number>>>;
}

/** The phases that train.py has. */
export type TrainPhase = keyof typeof trainerStallMs;

/** What a shell or a guard makes of an end by SIGKILL (128 + 9). */
const exitOfKilled = 137;

/** What child.py answers with the stacks of its threads, and how long that may take: it is written by a signal handler, at once. */
const stackSignal = 'SIGUSR1';
const stackWaitMs = 500;

/** Lines of the child's log that stand in an error. */
const tailLinesMax = 15;

const count = z.number().int().nonnegative();
/** JSON has no nan and no infinity: train.py writes null there, and a figure that is none is left out. */
const metrics = z
  .record(z.string(), z.number().nullable())
  .transform((all) =>
    Object.fromEntries(Object.entries(all).filter((entry): entry is [string, number] => entry[1] !== null)),
  );

/** What train.py says. Lines that are none of these (device-held, checkpoint-skipped) are signs of life and nothing more. */
const eventSchema = z.discriminatedUnion('event', [
  z.object({
    event: z.literal('progress'),
    phase: z.enum(['load', 'step', 'checkpoint', 'save']),
    step: count,
    max_steps: count,
    metrics,
    checkpoint: z.string().optional(),
    device: z.string().optional(),
    device_held: z.literal(true).optional(),
  }),
  z.object({
    event: z.literal('done'),
    output_dir: z.string(),
    steps: count,
    rows: count,
    seconds: z.number().nonnegative(),
    waited_seconds: z.number().nonnegative().default(0),
    metrics,
    tokens: count,
    device: z.string(),
    dtype: z.string(),
    resumed_from: z.array(count),
    curve: trainingCurveSchema,
  }),
  z.object({ event: z.literal('waiting-for-device') }),
  z.object({ event: z.literal('error'), code: z.string(), what: z.string(), why: z.string(), next: z.string() }),
]);
type TrainerEvent = z.infer<typeof eventSchema>;

/** A trainer whose jobs run one after another on the device of `deviceLockPath`. */
export function createTrlTrainer(options: TrlTrainerOptions): Trainer {
  return {
    async train(job, onProgress, signal) {
      signal.throwIfAborted();
      onProgress({ phase: 'load', step: 0, maxSteps: 0, metrics: {} });
      const modelDir = await options.materializeFolder(job.model, signal);
      const referenceDir = job.reference && (await options.materializeFolder(job.reference, signal));
      signal.throwIfAborted();
      const settingsPath = await writeSettings(job, modelDir, referenceDir, options.deviceLockPath);
      signal.throwIfAborted();
      return watch(job, settingsPath, options, onProgress, signal);
    },
  };
}

/** The job as train.py's strict settings; they hold no secret. Errors: DiskFull. */
async function writeSettings(
  job: TrainingJob,
  modelDir: string,
  referenceDir: string | undefined,
  deviceLockPath: string,
): Promise<string> {
  const { settings } = job;
  const given = {
    kind: job.kind,
    model_dir: modelDir,
    reference_dir: referenceDir,
    data: job.dataPath,
    work_dir: job.workDir,
    device_lock: deviceLockPath,
    adapter: settings.adapter,
    lora_rank: settings.loraRank,
    lora_alpha: settings.loraAlpha,
    lora_dropout: settings.loraDropout,
    learning_rate: settings.learningRate,
    batch_size: settings.batchSize,
    gradient_accumulation: settings.gradientAccumulation,
    epochs: settings.epochs,
    max_steps: settings.maxSteps,
    warmup_ratio: settings.warmupRatio,
    schedule: settings.schedule,
    optimizer: settings.optimizer,
    weight_decay: settings.weightDecay,
    max_length: settings.maxLength,
    dtype: settings.dtype,
    seed: settings.seed,
    checkpoint_steps: settings.checkpointSteps,
    add_bos: settings.addBos,
    beta: settings.beta,
    loss_type: settings.lossType,
    loss_weights: settings.lossWeights,
    label_smoothing: settings.labelSmoothing,
    loss_on: settings.lossOn,
  };
  const path = join(job.workDir, 'settings.json');
  try {
    await mkdir(job.workDir, { recursive: true });
    await writeFile(path, `${JSON.stringify(given, null, 2)}\n`); // undefined is left out
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') {
      throw error;
    }
    throw new ArteError(
      'DiskFull',
      {
        what: `The disk that holds ${job.workDir} is full.`,
        why: String(error),
        next: 'Free some space, then `arte retry`.',
      },
      { cause: error },
    );
  }
  return path;
}

/** One child from its start to its end. */
async function watch(
  job: TrainingJob,
  settingsPath: string,
  options: TrlTrainerOptions,
  onProgress: (progress: TrainingProgress) => void,
  signal: AbortSignal,
): Promise<TrainingOutcome> {
  const logPath = join(options.logDir, 'trainer.log');
  let done: TrainingOutcome | undefined;
  let failure: Extract<TrainerEvent, { event: 'error' }> | undefined;
  const silence = new Silence({ ...trainerStallMs, ...options.stallMs }, () => void endSilent(child));
  const child = startChild({
    name: 'trainer',
    command: options.python,
    args: [join(options.scriptDir, 'train.py'), settingsPath],
    logPath,
    onLine: (line) => {
      const event = parseEvent(line);
      silence.broken(event?.event === 'progress' ? event : undefined);
      switch (event?.event) {
        case 'progress':
          onProgress({
            phase: event.phase,
            step: event.step,
            maxSteps: event.max_steps,
            metrics: event.metrics,
            ...(event.checkpoint === undefined ? {} : { checkpoint: event.checkpoint }),
            ...(event.device === undefined ? {} : { device: event.device }),
            ...(event.device_held && { deviceHeld: event.device_held }),
          });
          break;
        case 'waiting-for-device':
          onProgress({ phase: 'load', step: 0, maxSteps: 0, metrics: {}, waitsForDevice: true });
          break;
        case 'done': {
          const { event: _, output_dir: outputDir, resumed_from: resumedFromSteps, waited_seconds, ...outcome } = event;
          done = { outputDir, resumedFromSteps, waitedSeconds: waited_seconds, ...outcome };
          break;
        }
        case 'error':
          failure = event;
          break;
        case undefined:
          break;
      }
    },
  });
  silence.begins();
  const stop = (): void => void child.stop();
  signal.addEventListener('abort', stop, { once: true });
  const exit = await child.exited;
  signal.removeEventListener('abort', stop);
  silence.ends();

  if (done !== undefined && exit.code === 0) {
    return done;
  }
  signal.throwIfAborted();
  throw silence.tooLong ? stalled(silence, child, logPath) : failed(job, failure, exit, child, logPath);
}

/** Before it is ended a child that hangs says where: child.py answers the signal with the stacks of its threads, into the log. */
async function endSilent(child: Child): Promise<void> {
  try {
    process.kill(child.pid, stackSignal);
    await Promise.race([child.exited, delay(stackWaitMs)]);
  } catch {
    // It has ended in this moment.
  }
  await child.stop();
}

function parseEvent(line: string): TrainerEvent | undefined {
  try {
    return eventSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

/** Notices when a child has said nothing for longer than its phase allows. */
class Silence {
  tooLong = false;
  phase: TrainPhase = 'load';
  step = 0;
  maxSteps = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    readonly limits: Readonly<Record<TrainPhase, number>>,
    private readonly onTooLong: () => void,
  ) {}

  begins(): void {
    this.broken(undefined);
  }

  /** The child said something; where it was progress, its phase's limit counts from here. */
  broken(
    progress: { readonly phase: TrainPhase; readonly step: number; readonly max_steps: number } | undefined,
  ): void {
    this.phase = progress?.phase ?? this.phase;
    this.step = progress?.step ?? this.step;
    this.maxSteps = progress?.max_steps ?? this.maxSteps;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.tooLong = true;
      this.onTooLong();
    }, this.limits[this.phase]);
  }

  ends(): void {
    clearTimeout(this.timer);
  }
}

function stalled({ phase, step, maxSteps, limits }: Silence, child: Child, logPath: string): StallError {
  const limitMs = limits[phase];
  return new StallError(
    'TrainerStalled',
    {
      what: `The training said nothing for ${String(limitMs / 1_000)} seconds in phase ${phase}, at step ${String(step)}.`,
      why: 'The process hangs, or the machine is far too slow for this batch.',
      next: `It is started again from its last checkpoint. If it stalls again, read ${logPath} and lower batch_size.`,
      details: child.tail().slice(-tailLinesMax),
    },
    {
      ...{ phase, silentMs: limitMs, limitMs, training: { step, maxSteps } },
      log: { path: logPath, lines: child.tail().slice(-stallLogLinesMax) },
    },
  );
}

/**
 * The command that lets a training go on with less memory. Half the rows at a time and twice as many times before a step are the same number of
 * rows a step; rows that cannot be fewer can be shorter.
 */
export function withLessMemory({ kind, settings }: Pick<TrainingJob, 'kind' | 'settings'>): string {
  const section = kind === 'dpo' ? 'align' : 'sft';
  const { batchSize, gradientAccumulation, maxLength } = settings;
  if (batchSize === 1) return `arte retry RUN --set ${section}.max_length=${Math.ceil(maxLength / 2)}`;
  const batch = Math.floor(batchSize / 2);
  const accumulation = Math.ceil((batchSize * gradientAccumulation) / batch);
  return `arte retry RUN --set ${section}.batch_size=${batch} --set ${section}.gradient_accumulation=${accumulation}`;
}

function failed(
  job: TrainingJob,
  failure: Extract<TrainerEvent, { event: 'error' }> | undefined,
  { code, signal }: ChildExit,
  child: Child,
  logPath: string,
): ArteError {
  const details = child.tail().slice(-tailLinesMax);
  if (failure !== undefined) {
    const { what, why, next } = failure;
    const known: ErrorCode = failure.code in errorCodes ? (failure.code as ErrorCode) : 'TrainerFailed';
    const command = known === 'TrainerOutOfMemory' ? `${withLessMemory(job)}   ${next}` : next;
    return new ArteError(known, { what, why, next: command, details });
  }
  const isKilled = signal === 'SIGKILL' || code === exitOfKilled;
  const why = isKilled
    ? 'It was killed; the usual reason is that the machine has no memory left.'
    : `It ended with ${signal ?? `status ${String(code)}`} and without a word.`;
  return new ArteError('TrainerFailed', {
    what: 'The training ended without a result.',
    why,
    next: isKilled
      ? `${withLessMemory(job)} needs less memory; arte retry RUN alone goes on from the last checkpoint. The log is ${logPath}.`
      : `It is started again from its last checkpoint. If it ends so again, read ${logPath}.`,
    details,
  });
}
