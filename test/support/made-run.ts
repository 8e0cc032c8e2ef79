/**
 * A whole run in a store, made in this process in a second or two: every stage by its own activity code in the order of workflows/round.ts,
 * models by script, and in place of TRL a trainer that leaves a few bytes. For tests of what reads runs; the loop itself is tested end to end.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import {
  createInferActivities,
  createIoActivities,
  createTrainActivities,
  type InferActivities,
  type IoActivities,
  type TrainActivities,
} from '../../activities';
import { collectEvaluations, readStages, saveProgress, saveRound, runKeys } from '../../activities/run-records';
import { loadConfig } from '../../cli/config/load-config';
import { alignInput } from '../../cli/run/start-run';
import { createModelPool } from '../../drivers/model/pool';
import { createScriptedEndpoint } from '../../drivers/model/scripted';
import { createNotifier } from '../../drivers/notify/open';
import type { Trainer } from '../../drivers/trainer/trainer';
import type { ArtifactStore } from '../../drivers/store/store';
import { canonicalJson, sha256Hex } from '../../method/keys';
import type { ArtifactRef } from '../../schemas/artifact-ref';
import type { JsonValue } from '../../schemas/json';
import { shardRowsMax } from '../../schemas/limits';
import type {
  AlignCarry,
  ReportInput,
  RunProgress,
  RunStatus,
  StageInput,
  StageRecord,
  StageResult,
  WaveInput,
} from '../../schemas/messages';
import type { ModelRef } from '../../schemas/model-ref';
import { stageLabel, type StageName } from '../../schemas/stage-names';
import { carryOn, firstCarry, runRound } from '../../workflows/round';
import type { RunState } from '../../workflows/run-state';
import { runTransfer } from '../../workflows/transfer';
import { writeScriptedLoop, type ScriptedLoop } from './loop-config';

export interface MadeRun {
  readonly runId: string;
  readonly records: readonly StageRecord[];
  /** Labels of the stages that were not found in the store, round by round. */
  readonly made: readonly string[];
  readonly status: RunStatus;
}

export interface RunToMake extends Partial<ScriptedLoop> {
  readonly runId: string;
  /** Stop before this stage (its label) of this round is made: the run is left as it stands, RUNNING. */
  readonly stopBefore?: { readonly round: number; readonly label: string };
}

class Stopped extends Error {}

/** Make a run; `folder` holds its config, journals and trainings. */
export async function makeRun(store: ArtifactStore, folder: string, toMake: RunToMake): Promise<MadeRun> {
  const { runId, stopBefore } = toMake;
  const path = writeScriptedLoop(folder, { model: 'embedded:SmolLM2-135M-Instruct', ...toMake, name: runId });
  const { config } = await loadConfig(path, { env: {} });
  const bundle = await store.putBlob(
    canonicalJson({ schemaVersion: 1, config: config as unknown as JsonValue, files: {} }),
    { mediaType: 'application/json', rows: 1 },
  );
  const createdAt = new Date().toISOString();
  await store.putOnce(runKeys.record(runId), {
    ...{ schemaVersion: 1, runId, name: config.name, createdAt },
    bundle: { ...bundle },
  });
  const activities = inProcess(store, folder, runId);
  const input = alignInput(runId, bundle, config);
  const models = {
    ...{ teacher: baseModel('teacher'), student: baseModel('student'), respondents: [] },
    others: config.transfer.students.map((_, index) => baseModel(`other-${index}`)),
  };
  let carry: AlignCarry = firstCarry(models, createdAt);
  const save = (status: RunStatus, more: Partial<RunProgress> = {}): Promise<void> => {
    const { round } = carry;
    return saveProgress(store, {
      runId,
      status,
      round,
      rounds: input.rounds,
      current: [],
      startedAt: createdAt,
      ...more,
    });
  };
  const made: string[] = [];
  const records = async (): Promise<StageRecord[]> => {
    const all: StageRecord[] = [];
    for (let round = 1; round <= input.rounds; round += 1) all.push(...(await readStages(store, runId, round)));
    return all;
  };
  try {
    for (let round = 1; round <= input.rounds; round += 1) {
      const stage: RunState['stage'] = async (name, inputs, parts = {}) => {
        const { arm = '', evaluates, ...rest } = parts;
        if (stopBefore?.round === round && stopBefore.label === stageLabel(name, arm)) throw new Stopped();
        const place = { round, arm, ...(evaluates ? { evaluates } : {}) };
        const result = await activities({ stage: name, bundle, inputs, ...rest, place });
        if (!result.reused) made.push(`${round} ${stageLabel(name, arm)}`);
        return result;
      };
      // One after another: a test wants the same order each time.
      const together: RunState['together'] = async (one, other) => [await one(), await other()];
      const evaluations = (): Promise<ArtifactRef> => collectEvaluations(store, runId, round);
      const runner = { stage, together, evaluations };
      const outcome = await runRound(runner, input, carry);
      const { teacher, student, decision, tasks } = outcome;
      carry = carryOn(carry, outcome, input);
      if (round === input.rounds) await runTransfer(runner, input, carry, tasks);
      await saveRound(store, { runId, round, models: { teacher, student }, decision });
    }
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    await save('RUNNING');
    return { runId, records: await records(), made, status: 'RUNNING' };
  }
  const environment = new MockActivityEnvironment({ workflowExecution: { workflowId: runId, runId } });
  const toReport: ReportInput = { runId, bundle, rounds: input.rounds, status: 'DONE' };
  const write = (): Promise<ArtifactRef> => scriptedActivities(store, folder).writeReport(toReport);
  const report: ArtifactRef = await environment.run(write);
  carry = { ...carry, round: input.rounds };
  await save('DONE', { report });
  return { runId, records: await records(), made, status: 'DONE' };
}

export function baseModel(name: string): ModelRef {
  const sha256 = sha256Hex(name);
  const source = { kind: 'embedded', name: 'SmolLM2-135M-Instruct' } as const;
  return { name, source, baseSha256: sha256, layers: [], contentSha256: sha256 };
}

/** The activities of every role over one store: models by script, and in place of TRL a trainer that leaves a few bytes. */
export function scriptedActivities(
  store: ArtifactStore,
  folder: string,
  training: Trainer = trainer,
  environment: Readonly<Record<string, string>> = {},
): IoActivities & InferActivities & TrainActivities {
  const dir = join(folder, 'work');
  mkdirSync(join(dir, 'journals'), { recursive: true });
  const unused = (): never => {
    throw new Error('scripted models have no files');
  };
  const pool = createModelPool({
    materializer: { folder: unused, gguf: unused },
    ...{ python: '', scriptDir: '', logDir: dir, deviceLockPath: join(dir, 'device.lock') },
    scripted: createScriptedEndpoint,
  });
  const stallDumps = { dir: join(dir, 'stalls'), secrets: [] };
  const resolveModel = async (name: string): Promise<ModelRef> => baseModel(name);
  return {
    ...createIoActivities({ store, environment, notifier: createNotifier({ commands: true }) }),
    ...createInferActivities({
      ...{ store, pool, stallDumps, journalDir: join(dir, 'journals'), environment, resolveModel },
    }),
    ...createTrainActivities({
      store,
      trainer: training,
      trainingDir: join(dir, 'training'),
      stallDumps,
      reserveDevice: async () => () => undefined,
    }),
  };
}

/** A stage by its own activities, as stageWorkflow and the queues would have it made. */
function inProcess(store: ArtifactStore, folder: string, runId: string): (input: StageInput) => Promise<StageResult> {
  const activities = scriptedActivities(store, folder);
  const run = <Output>(work: () => Promise<Output>): Promise<Output> =>
    new MockActivityEnvironment({ workflowExecution: { workflowId: runId, runId } }).run(work);
  const whole: Partial<Record<StageName, (input: StageInput) => Promise<StageResult>>> = {
    'prepare-tasks': (input) => activities.prepareTasks(input),
    'select-probes': (input) => activities.selectProbes(input),
    'check-scores': (input) => activities.checkScores(input),
    'build-pairs': (input) => activities.buildPairs(input),
    'check-round': (input) => activities.checkRound(input),
    'check-unseen': (input) => activities.checkUnseen(input),
    'reword-set': (input) => activities.rewordSet(input),
    decide: (input) => activities.decide(input),
    'train-dpo': (input) => activities.trainDpo(input),
    'train-sft': (input) => activities.trainSft(input),
  };
  return async (input) => {
    const activity = whole[input.stage];
    if (activity) return run(() => activity(input));
    const opened = await run(() => activities.openRowStage(input));
    if (opened.done) return opened.result;
    let wave: WaveInput = {
      stage: input,
      key: opened.key,
      wave: 0,
      waves: [],
      rows: opened.rows,
      startedAtMs: Date.now(),
    };
    for (;;) {
      const { rows } = wave;
      for (let offset = 0; offset < rows; offset += shardRowsMax) {
        const shard = { ...wave, offset, length: Math.min(shardRowsMax, rows - offset) };
        await run(() => activities.runShard(shard));
      }
      const asked = wave;
      const committed = await run(() => activities.commitWave(asked));
      if (committed.done) return committed.result;
      wave = { ...asked, wave: asked.wave + 1, waves: [...asked.waves, committed.wave], rows: committed.rows };
    }
  };
}

/** Leaves as an adapter what it was given: equal data, equal layer. */
export const trainer: Trainer = {
  async train(job) {
    const outputDir = join(job.workDir, 'output');
    mkdirSync(outputDir, { recursive: true });
    const learnt = sha256Hex(`${job.kind} ${job.model.contentSha256} ${readFileSync(job.dataPath, 'utf8')}`);
    writeFileSync(join(outputDir, 'adapter_model.safetensors'), learnt);
    writeFileSync(join(outputDir, 'adapter_config.json'), '{}');
    const nothing = { steps: 1, rows: 1, seconds: 1, tokens: 1, metrics: {}, resumedFromSteps: [] };
    const curve = { steps: [1, 2], metrics: { loss: [0.9, 0.5] } };
    return { outputDir, device: 'none', dtype: 'none', ...nothing, curve };
  },
};
