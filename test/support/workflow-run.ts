/**
 * Whole runs on a real Temporal server and a real S3 store: the workflow and the activities as workers run them. Models answer by script, and in place of
 * TRL a stand-in notes its jobs and leaves a layer that follows from what it was given.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { createInferActivities, createIoActivities, createTrainActivities } from '../../activities';
import type { InferDependencies, TrainDependencies } from '../../activities/dependencies';
import { runKeys } from '../../activities/run-records';
import { alignInput } from '../../cli/run/start-run';
import type { ModelEndpoint, ModelPool } from '../../drivers/model/model';
import { createScriptedEndpoint } from '../../drivers/model/scripted';
import { createNotifier } from '../../drivers/notify/open';
import type { ArtifactStore } from '../../drivers/store/store';
import type { TrainingJob } from '../../drivers/trainer/trainer';
import { canonicalJson, sha256Hex } from '../../method/keys';
import type { JsonValue } from '../../schemas/json';
import { activityQueues, taskQueues } from '../../schemas/messages';
import type { ModelRef } from '../../schemas/model-ref';
import type { RunReport } from '../../schemas/report';
import type { RunConfig } from '../../schemas/run-config';
import { startTestS3 } from './s3';
import { quietRuntime, startTemporal, workflowBundle } from './temporal';

/** A training that was asked for, with what it was given. */
export type NotedJob = TrainingJob & { readonly rows: number; readonly data: string };

export interface WorkflowRuns {
  readonly env: TestWorkflowEnvironment;
  readonly store: ArtifactStore;
  /** All trainings so far, in their order. */
  readonly jobs: readonly NotedJob[];
  /** Make a run to its end. */
  run(runId: string, config: RunConfig): Promise<RunReport>;
  stop(): Promise<void>;
}

export interface RunParts {
  /** Who answers in place of a script; undefined where a script is to. */
  readonly lease?: (...of: Parameters<ModelPool['lease']>) => ReturnType<ModelPool['lease']> | undefined;
  /** The model of a role, where its bytes matter. */
  readonly resolve?: (role: string) => ModelRef | undefined;
}

export async function startWorkflowRuns(name: string, { lease, resolve }: RunParts = {}): Promise<WorkflowRuns> {
  quietRuntime();
  const folder = mkdtempSync(join(tmpdir(), `arte-${name}-`));
  const [env, s3] = await Promise.all([startTemporal(), startTestS3()]);
  const store = s3.fresh();
  const jobs: NotedJob[] = [];
  const dependencies = (): InferDependencies & TrainDependencies => ({
    store,
    journalDir: join(folder, 'journals'),
    stallDumps: { dir: join(folder, 'stalls'), secrets: [] },
    environment: {},
    resolveModel: (role) => Promise.resolve(resolve?.(role) ?? modelRef(role)),
    pool: {
      lease: (model, settings, signal) => {
        const other = lease?.(model, settings, signal);
        if (other) return other;
        if (settings.kind !== 'scripted') throw new Error('only scripts answer here');
        const endpoint = createScriptedEndpoint(settings.script, settings.options);
        return Promise.resolve({ endpoint: inOwnWords(model, endpoint), release: () => Promise.resolve() });
      },
      reserve: () => Promise.resolve(() => undefined),
    },
    trainingDir: join(folder, 'trainings'),
    reserveDevice: () => Promise.resolve(() => undefined),
    trainer: {
      async train(job) {
        const data = await readFile(job.dataPath, 'utf8');
        const rows = data.trim().split('\n').length;
        jobs.push({ ...job, rows, data });
        const outputDir = join(job.workDir, 'output');
        await mkdir(outputDir, { recursive: true });
        await writeFile(
          join(outputDir, 'adapter_model.safetensors'),
          sha256Hex(data + canonicalJson({ ...job.settings })),
        );
        const record = { resumedFromSteps: [], curve: { steps: [], metrics: {} } };
        const facts = { seconds: 1, metrics: {}, tokens: 1, device: 'none', dtype: 'float32', ...record };
        return { outputDir, rows, steps: job.settings.maxSteps, ...facts };
      },
    },
  });
  return {
    ...{ env, store, jobs },
    async run(runId, config) {
      const bundle = await store.putBlob(
        canonicalJson({ schemaVersion: 1, config: config as unknown as JsonValue, files: {} }),
        { mediaType: 'application/json', rows: 1 },
      );
      const given = dependencies();
      const activities = {
        ...createIoActivities({ ...given, notifier: createNotifier({ commands: false }) }),
        ...createInferActivities(given),
        ...createTrainActivities(given),
      };
      const { nativeConnection: connection } = env;
      const workers = await Promise.all([
        Worker.create({ connection, taskQueue: taskQueues.workflows, workflowBundle: await workflowBundle() }),
        ...activityQueues.map((taskQueue) => Worker.create({ connection, taskQueue, activities })),
      ]);
      const running = Promise.all(workers.map((worker) => worker.run()));
      try {
        await env.client.workflow.execute('alignWorkflow', {
          workflowId: runId,
          taskQueue: taskQueues.workflows,
          args: [alignInput(runId, bundle, config)],
        });
      } finally {
        for (const worker of workers) worker.shutdown();
        await running;
      }
      return (await store.getDocument(runKeys.report(runId))) as unknown as RunReport;
    },
    async stop() {
      store.close();
      await Promise.all([env.teardown(), s3.stop()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The model of a role, by its name. */
export function modelRef(name: string): ModelRef {
  const sha = sha256Hex(name);
  return { name, source: { kind: 'embedded', name }, baseSha256: sha, layers: [], contentSha256: sha };
}

/** A model that was trained words its rationales in its own way, so that every aligned teacher's set is one of its own. */
function inOwnWords({ layers, contentSha256 }: ModelRef, endpoint: ModelEndpoint): ModelEndpoint {
  if (layers.length === 0) return endpoint;
  return {
    ...endpoint,
    async complete(request, signal) {
      const answer = await endpoint.complete(request, signal);
      return request.jsonSchema === undefined
        ? { ...answer, text: ` ${contentSha256.slice(0, 6)}:${answer.text}` }
        : answer;
    },
  };
}
