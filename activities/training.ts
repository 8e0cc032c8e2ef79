/**
 * What train-dpo, train-sft and warm-up share: data to disk, the device freed, the trainer run, checkpoints into the store as they appear, the result
 * committed as a model layer. Owns the checkpoint's way to and from the store; the training is drivers/trainer/, who may train and who waits
 * is leased-stage.ts.
 */
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { log } from '@temporalio/activity';
import type { ArtifactStore } from '../drivers/store/store';
import type { TrainingJob, TrainingProgress, TrainingSettings } from '../drivers/trainer/trainer';
import { artifactRefSchema, type ArtifactRef } from '../schemas/artifact-ref';
import type { JsonObject, JsonValue } from '../schemas/json';
import { failedUploadWaitMs } from '../schemas/limits';
import type { RunConfig } from '../schemas/run-config';
import type { TrainDependencies } from './dependencies';
import { withMeter } from './budget';
import { changeDocument } from './change-document';
import { isGoneOrDamaged, madeAgain } from './damaged';
import type { LeasedContext } from './leased-stage';
import { currentRunId } from './run-of';
import type { StageOutcome } from './stage';
import { withStallDump } from './stall-dump';

type TrainingSection = RunConfig['align'] | RunConfig['sft'] | RunConfig['warm_up'];

/** Whether conversations are begun with BOS where the template does not. Raw text never is: the server that is asked with it later adds none either. */
export function beginsWithBos({ add_bos: asked, prompt_style: style }: RunConfig['models']['student']): boolean {
  return asked && style === 'chat';
}

/** The config's section as the trainer takes it. */
export function trainingSettings(section: TrainingSection, addBos: boolean, seed: number): TrainingSettings {
  return {
    adapter: section.adapter,
    loraRank: section.lora_rank,
    loraAlpha: section.lora_alpha,
    loraDropout: section.lora_dropout,
    learningRate: section.learning_rate,
    batchSize: section.batch_size,
    gradientAccumulation: section.gradient_accumulation,
    epochs: section.epochs,
    maxSteps: section.max_steps,
    warmupRatio: section.warmup_ratio,
    schedule: section.schedule,
    optimizer: section.optimizer,
    weightDecay: section.weight_decay,
    maxLength: section.max_length,
    dtype: section.dtype,
    seed,
    checkpointSteps: section.checkpoint_steps,
    addBos,
  };
}

/** Run a job to its layer. `data` is the stage's TRL-ready rows. */
export async function trainLayer(
  context: LeasedContext,
  dependencies: TrainDependencies,
  data: ArtifactRef,
  job: Pick<TrainingJob, 'kind' | 'model' | 'reference' | 'settings'>,
): Promise<StageOutcome> {
  const { store, key, first, beat, signal } = context;
  const workDir = join(dependencies.trainingDir, key);
  const dataPath = join(workDir, 'data.jsonl');
  await mkdir(workDir, { recursive: true });
  await rm(dataPath, { force: true });
  await store.getFile(data, dataPath);
  const keeper = checkpointKeeper(store, key, await restoreCheckpoint(store, key, workDir));
  let worksSinceMs: number | undefined;
  let found: number | undefined;
  const onProgress = (progress: TrainingProgress): void => {
    if (progress.phase !== 'load') found ??= progress.step;
    beat.report({
      ...first,
      phase: progress.waitsForDevice ? 'device' : progress.phase,
      done: progress.step,
      ...(found !== undefined && { found }),
      total: progress.maxSteps,
      metrics: { ...progress.metrics },
      ...(worksSinceMs !== undefined && { worksSinceMs }),
      ...(progress.device === undefined ? {} : { device: progress.device }),
    });
    if (progress.checkpoint !== undefined) keeper.keep(progress.checkpoint);
  };
  const stalled = { runId: currentRunId(), stage: context.input.stage, key, attempt: beat.attemptId };
  beat.report({ ...first, phase: 'reserve' });
  const askedAt = performance.now();
  const releaseDevice = await dependencies.reserveDevice(signal);
  const waitedSeconds = (performance.now() - askedAt) / 1000;
  const { made: outcome, paidSeconds } = await withMeter(context.account, signal, (stop, begins) =>
    withStallDump(store, dependencies.stallDumps, stalled, () => {
      const onWord = (progress: TrainingProgress): void => {
        // A trainer that takes steps has its device, whether it says so or not.
        if (progress.deviceHeld || progress.phase !== 'load') {
          begins();
          worksSinceMs ??= Date.now();
        }
        onProgress(progress);
      };
      return dependencies.trainer.train({ ...job, dataPath, workDir }, onWord, stop);
    }),
  )
    .finally(releaseDevice)
    .catch(async (error: unknown) => {
      await settledInTime(keeper, signal);
      throw error;
    });
  await keeper.settled();
  beat.report({ ...first, phase: 'upload', done: outcome.steps, total: outcome.steps });
  const layer = await store.putDirectory(outcome.outputDir);
  const facts: JsonObject = {
    adapter: job.settings.adapter,
    steps: outcome.steps,
    rows: outcome.rows,
    trainingSeconds: outcome.seconds,
    waitedSeconds: Math.round(10 * (waitedSeconds + (outcome.waitedSeconds ?? 0))) / 10,
    paidSeconds,
    tokens: outcome.tokens,
    device: outcome.device,
    dtype: outcome.dtype,
    resumedFromSteps: outcome.resumedFromSteps,
    metrics: outcome.metrics,
    curve: outcome.curve,
  };
  return { outputs: { layer }, facts };
}

/**
 * Removes checkpoints and work folder of a training that stands as a stage. Until then they hold all of it: started again, the trainer finds the
 * outcome in the folder, or in the store its last checkpoint.
 */
export async function forgetTraining(
  key: string,
  { store, trainingDir }: Pick<TrainDependencies, 'store' | 'trainingDir'>,
): Promise<void> {
  await rm(join(trainingDir, key), { recursive: true, force: true });
  await store.remove(checkpointKey(key));
}

function checkpointKey(stageKey: string): string {
  return `training/${stageKey}/checkpoint.json`;
}

interface CheckpointKeeper {
  keep(path: string): void;
  settled(): Promise<void>;
}

/** Whoever takes a failed training over goes on from what is in the store: its last checkpoint may be on the way there. Not waited for once called off. */
async function settledInTime(keeper: CheckpointKeeper, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  const late = sleep(failedUploadWaitMs, undefined, { signal: AbortSignal.any([signal, over.signal]) });
  await Promise.race([keeper.settled(), late.catch(() => undefined)]);
  over.abort();
}

/**
 * Puts whole checkpoints into the store, one after another, newest wins; a failed upload costs safety, not the training. `begunFrom`: name of the one that
 * was there at the beginning. A trainer that could not use it begins again below its step, and puts its own in its place.
 */
function checkpointKeeper(store: ArtifactStore, key: string, begunFrom: string | undefined): CheckpointKeeper {
  let chain: Promise<void> = Promise.resolve();
  let newest = '';
  return {
    keep(path) {
      if (path === newest) return;
      newest = path;
      chain = chain.then(async () => {
        if (path !== newest) return;
        try {
          const ref = await store.putDirectory(path);
          const document = { name: basename(path), ref: ref as unknown as JsonValue };
          // An upload that took long may come when another machine, which took the training over, is further.
          await changeDocument(store, checkpointKey(key), 'The last checkpoint of a training', (standing) => {
            const { name } = (standing ?? { name: '' }) as { readonly name: string };
            return stepOf(name) > stepOf(document.name) && name !== begunFrom ? undefined : document;
          });
        } catch (error) {
          log.warn('checkpoint not stored; another machine would start this training again', {
            path,
            error: String(error),
          });
        }
      });
    },
    settled: () => chain,
  };
}

/** A checkpoint as the trainer names it, and the file that it writes when the checkpoint is whole (python/train.py). */
const checkpointName = /^checkpoint-(\d+)$/;
const wholeMark = 'COMPLETE';

/** 0 of a folder that is named in another way. */
function stepOf(name: string): number {
  return Number(checkpointName.exec(name)?.[1] ?? 0);
}

/** The step of the newest whole checkpoint on this machine; -1 where there is none. */
async function newestHere(folder: string): Promise<number> {
  let newest = -1;
  for (const name of await readdir(folder)) {
    const marked = await stat(join(folder, name, wholeMark)).catch(() => undefined);
    if (checkpointName.test(name) && marked) newest = Math.max(newest, stepOf(name));
  }
  return newest;
}

/**
 * Fetch the newest checkpoint from the store where it is further than what this machine has: it may have none, half of one that was being fetched when
 * the worker was killed, or an old one, if another machine has gone on in between. A damaged one is none: the training goes on from what is here.
 * @returns The name of the one in the store.
 */
async function restoreCheckpoint(store: ArtifactStore, key: string, workDir: string): Promise<string | undefined> {
  const folder = join(workDir, 'checkpoints');
  await mkdir(folder, { recursive: true });
  const document = (await madeAgain(store, checkpointKey(key))) as { name: string; ref: JsonValue } | undefined;
  if (document === undefined || stepOf(document.name) <= (await newestHere(folder))) return document?.name;
  const place = join(folder, document.name);
  try {
    // Not whole, or it would be the newest here.
    await rm(place, { recursive: true, force: true });
    await store.getDirectory(artifactRefSchema.parse(document.ref), place);
    return document.name;
  } catch (error) {
    if (!isGoneOrDamaged(error)) throw error;
    log.warn('the checkpoint in the store is gone or damaged: this training goes on from what is on this machine', {
      what: error.data.what,
      why: error.data.why,
    });
    await store.remove(checkpointKey(key));
    return undefined;
  }
}
