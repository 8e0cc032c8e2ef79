/**
 * How a run stands, by the engine's word: whether it works, waits for a person, or has ended. Owns the reading of statuses for those who look at
 * many runs (the firing of a schedule); everything else that can be said of one is cli/run-progress.ts.
 */
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { defineSearchAttributeKey } from '@temporalio/common';
import type { ArtifactStore } from '../drivers/store/store';
import type { RunProgress } from '../schemas/messages';
import { runKeys } from './run-records';

const statusKey = defineSearchAttributeKey('ArteStatus', 'KEYWORD');

/** broken-off: it ended without a word of its own (failed, terminated, or the engine has lost it). */
export type RunState = 'none' | 'running' | 'parked' | 'done' | 'cancelled' | 'broken-off';

export interface StandingRun {
  readonly state: RunState;
  /** Why a parked run waits. */
  readonly waitsFor?: string;
}

export async function runState(client: Client, store: ArtifactStore, runId: string): Promise<StandingRun> {
  const engine = await engineStatus(client, runId);
  // Set by the workflow itself, and known to the engine before anything is in the store.
  if (engine?.status === 'RUNNING' && engine.own !== 'NEEDS_ATTENTION') return { state: 'running' };
  const stored = (await store.getDocument(runKeys.progress(runId))) as unknown as RunProgress | undefined;
  if (engine?.status === 'RUNNING')
    return { state: 'parked', waitsFor: stored?.attention?.error.what ?? 'It waits for a person.' };
  if (stored?.status === 'DONE') return { state: 'done' };
  if (stored?.status === 'CANCELLED' || engine?.status === 'CANCELLED') return { state: 'cancelled' };
  const isKnown = engine !== undefined || (await store.getDocument(runKeys.record(runId))) !== undefined;
  return { state: isKnown ? 'broken-off' : 'none' };
}

async function engineStatus(client: Client, runId: string): Promise<{ status: string; own?: string } | undefined> {
  try {
    const { status, typedSearchAttributes } = await client.workflow.getHandle(runId).describe();
    const own = typedSearchAttributes.get(statusKey);
    return { status: status.name, ...(own === undefined ? {} : { own }) };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}
