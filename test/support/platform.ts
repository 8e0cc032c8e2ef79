/** A platform in this process: a real Temporal, workers with the real activities, models by script and a trainer that leaves a few bytes. */
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import type { Session } from '../../cli/session';
import type { ArtifactStore } from '../../drivers/store/store';
import type { Trainer } from '../../drivers/trainer/trainer';
import { activityQueues, taskQueues, type RunProgress } from '../../schemas/messages';
import { progressQuery } from '../../workflows/messages';
import { scriptedActivities } from './made-run';
import { startTemporal, workflowBundle } from './temporal';

/** A platform without processes: one server, one worker a queue, one store. */
export class Platform {
  constructor(
    readonly env: TestWorkflowEnvironment,
    readonly session: Session,
    private readonly workers: readonly Worker[],
    private readonly running: Promise<unknown>,
  ) {}

  static async open(store: ArtifactStore, folder: string, training?: Trainer): Promise<Platform> {
    const env = await startTemporal();
    const { nativeConnection: connection, client } = env;
    const activities = scriptedActivities(store, folder, training);
    const workers = await Promise.all([
      Worker.create({ connection, taskQueue: taskQueues.workflows, workflowBundle: await workflowBundle() }),
      ...activityQueues.map((taskQueue) =>
        Worker.create({ connection, taskQueue, activities, maxHeartbeatThrottleInterval: 100 }),
      ),
    ]);
    const session = { client, store, embedded: false, close: async () => undefined };
    return new Platform(env, session, workers, Promise.all(workers.map((worker) => worker.run())));
  }

  /** Of its Temporal, for a process of its own. */
  get address(): string {
    return this.env.address;
  }

  /** The engine stays. */
  async endWorkers(): Promise<void> {
    for (const worker of this.workers) if (worker.getState() === 'RUNNING') worker.shutdown();
    await this.running;
  }

  /** With everything that the server knew. */
  async close(): Promise<void> {
    await this.endWorkers();
    await this.env.teardown();
  }

  async until(runId: string, isSo: (progress: RunProgress) => boolean): Promise<RunProgress> {
    const handle = this.session.client.workflow.getHandle(runId);
    for (;;) {
      const progress = await handle.query(progressQuery);
      if (isSo(progress)) return progress;
      if (progress.attention) throw new Error(`parked: ${JSON.stringify(progress.attention)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
