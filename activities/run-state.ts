/**
 * How a run stands, by the engine's word: whether it works, waits for a person, or has ended. Owns the reading of statuses for those who look at
 * many runs (the firing of a schedule); everything else that can be said of one is cli/run/run-progress.ts.
 */
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { defineSearchAttributeKey } from '@temporalio/common';
import type { ArtifactStore } from '../drivers/store/store';
import type { RunProgress } from '../schemas/messages';
import { lastWord, runKeys } from './run-records';

const statusKey = defineSearchAttributeKey('ArteStatus', 'KEYWORD');

/** broken-off: it ended without a word of its own (failed, terminated, or the engine has lost it). */
export type RunState = 'none' | 'running' | 'parked' | 'done' | 'cancelled' | 'broken-off';

export interface StandingRun {
  readonly state: RunState;
  /** Why a parked run waits. */
  readonly waitsFor?: string;
  /** What a person types when it is to go on, as the end of a sentence. */
  readonly goesOn?: string;
}

export async function runState(client: Client, store: ArtifactStore, runId: string): Promise<StandingRun> {
  const engine = await engineStatus(client, runId);
  // Set by the workflow itself, and known to the engine before anything is in the store.
  if (engine?.status === 'RUNNING' && !isStill(engine.own)) return { state: 'running' };
  const stored = await lastWord(store, runId);
  if (engine?.status === 'RUNNING') return { state: 'parked', ...stillOf(runId, engine.own, stored) };
  if (stored?.status === 'DONE') return { state: 'done' };
  if (stored?.status === 'CANCELLED' || engine?.status === 'CANCELLED') return { state: 'cancelled' };
  const isKnown = engine !== undefined || (await store.getDocument(runKeys.record(runId))) !== undefined;
  return { state: isKnown ? 'broken-off' : 'none' };
}

/** Nothing of it goes on by itself: it failed, was paused, or asks for a word about its round. */
function isStill(own: string | undefined): boolean {
  return own === 'NEEDS_ATTENTION' || own === 'NEEDS_APPROVAL' || own === 'PAUSED';
}

function stillOf(
  runId: string,
  own: string | undefined,
  stored: RunProgress | undefined,
): Pick<StandingRun, 'waitsFor' | 'goesOn'> {
  if (own === 'PAUSED') {
    const by = stored?.paused === undefined ? '' : ` by ${stored.paused.by}`;
    return { waitsFor: `It was paused${by}.`, goesOn: `arte resume ${runId} goes on.` };
  }
  if (own === 'NEEDS_APPROVAL') {
    const round = stored?.approval?.round;
    // Read when it may be another round's turn.
    const named = round === undefined ? '' : ` --round ${round}`;
    return {
      waitsFor: `${round === undefined ? 'A round' : `Round ${round}`} waits for a word.`,
      goesOn: `arte approve ${runId}${named} goes on, arte reject ${runId}${named} --reason WHY ends it.`,
    };
  }
  return {
    waitsFor: stored?.attention?.error.what ?? 'It waits for a person.',
    goesOn: `arte status ${runId} says more; arte retry ${runId} goes on.`,
  };
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
