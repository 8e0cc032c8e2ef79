/**
 * A run is pinned to the version of the workflow code it started on. On the embedded platform the worker of an older version does not come
 * back after an upgrade: such a run is ended here, so that it can be started again on this version, with everything finished in the store.
 * On a cluster the old workers drain by themselves; nothing is touched there.
 */
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { deploymentName } from '../schemas/messages';

/** Ends the run and its children if no worker of their version is left. True when it did. */
export async function endStrandedRun(client: Client, runId: string): Promise<boolean> {
  const lookedAt = Date.now();
  const { raw } = await client.workflow.getHandle(runId).describe();
  const pinned = raw.workflowExecutionInfo?.versioningInfo?.deploymentVersion?.buildId;
  if (!pinned) return false;
  const { namespace } = client.options;
  const { workerDeploymentInfo } = await client.workflowService.describeWorkerDeployment({ namespace, deploymentName });
  const current = workerDeploymentInfo?.routingConfig?.currentDeploymentVersion?.buildId;
  if (!current || current === pinned) return false;
  const reason = `its version ${pinned} has no worker any more; started again on ${current}`;
  // Messages about it go on under the new version.
  const query = `RootWorkflowId = "${runId}" AND ExecutionStatus = "Running" AND WorkflowType != "notifyWorkflow"`;
  for await (const { workflowId, runId: execution, startTime } of client.workflow.list({ query })) {
    // What began since then is the same run, started again on this version by somebody who was faster.
    if (startTime.getTime() > lookedAt) continue;
    await client.workflow.getHandle(workflowId, execution).terminate(reason).catch(unlessEnded);
  }
  return true;
}

function unlessEnded(error: unknown): void {
  if (!(error instanceof WorkflowNotFoundError)) throw error;
}
