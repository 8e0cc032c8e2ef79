/**
 * Makes this build of the workflow code the current version of its deployment, and sees that the search attributes exist.
 * PINNED: a run stays on the version it started on; new runs start on the current one.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';

/** The server learns of a deployment from its first poll: asked again soon, then with growing pauses, because without it every new run waits. */
const announceFirstPauseMs = 250;
const announcePauseMaxMs = 15_000;
const announceLogEveryMs = 60_000;

/** Temporal's IndexedValueType: keyword 2, int 3. */
const searchAttributes = { ArteStudent: 2, ArteRound: 3, ArteStage: 2, ArteStatus: 2 } as const;

/** Until it is so, or the signal aborts. */
export async function announceDeployment(
  client: Client,
  namespace: string,
  deploymentName: string,
  buildId: string,
  logger: Logger,
  signal?: AbortSignal,
): Promise<void> {
  let logged = Date.now();
  for (let pause = announceFirstPauseMs; ; pause = Math.min(pause * 1.5, announcePauseMaxMs)) {
    try {
      await client.workflowService.setWorkerDeploymentCurrentVersion({
        namespace,
        deploymentName,
        buildId,
        ignoreMissingTaskQueues: true,
        identity: 'arte-orchestrator',
      });
      logger.info({ deploymentName, buildId }, 'workflow version is current');
      return;
    } catch (error) {
      if (Date.now() - logged > announceLogEveryMs) {
        logged = Date.now();
        logger.error(
          { deploymentName, buildId, error: String(error) },
          'workflow version could not be made current; new runs wait until it is',
        );
      }
      await sleep(pause, undefined, { signal }).catch(() => undefined);
      if (signal?.aborted) return;
    }
  }
}

/** gRPC's PERMISSION_DENIED and UNIMPLEMENTED: what Temporal Cloud, and a namespace of somebody else's, answer to those who may not administer it. */
const refusals: readonly unknown[] = [7, 12];

/** Adds what is missing. A server that lets nobody look or add is left alone, and that is said: somebody else may have added them. Errors: the engine's others. */
export async function ensureSearchAttributes(client: Client, namespace: string, logger: Logger): Promise<void> {
  const service = client.connection.operatorService;
  try {
    const known = await service.listSearchAttributes({ namespace });
    const missing = Object.fromEntries(
      Object.entries(searchAttributes).filter(([name]) => !(name in known.customAttributes)),
    );
    if (Object.keys(missing).length > 0) await service.addSearchAttributes({ namespace, searchAttributes: missing });
  } catch (error) {
    if (!refusals.includes((error as { readonly code?: unknown }).code)) throw error;
    logger.warn(
      { namespace, keywords: ['ArteStudent', 'ArteStage', 'ArteStatus'], ints: ['ArteRound'], error: String(error) },
      'search attributes can be neither looked at nor added by this worker; without one of them runs stand still: have them added to the namespace',
    );
  }
}
