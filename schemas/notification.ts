/**
 * What is told of a run to whoever asked for it (`notify` in a config): events, the message as it is sent, what became of it. Zod-free, for workflows.
 * Owns the shapes; when something is told is workflows/notify.ts, how it gets there drivers/notify/.
 */
import type { ArtifactRef } from './artifact-ref';
import type { RunStatus } from './messages';

/** budget: parked at the cap. */
export const notifyEvents = ['parked', 'budget', 'needs_approval', 'failed', 'finished', 'cancelled'] as const;
export type NotifyEvent = (typeof notifyEvents)[number];

/** All that need a person, and the end of the run. A cancelled run was cancelled by one. */
export const notifyEventsStanding: readonly NotifyEvent[] = [
  'parked',
  'budget',
  'needs_approval',
  'failed',
  'finished',
];

/** Whether a target that asked for `on` is told of an event: who wants to hear of parked runs hears of those at their cap as well. */
export function isWanted(on: readonly NotifyEvent[], event: NotifyEvent): boolean {
  return on.includes(event) || (event === 'budget' && on.includes('parked'));
}

/** What has happened, as the workflow says it. */
export interface RunNews {
  /** The same in every attempt to send it, and for every target. */
  readonly id: string;
  readonly event: NotifyEvent | 'test';
  /** ISO 8601. */
  readonly at: string;
  readonly status: RunStatus;
  readonly round: number;
  readonly rounds: number;
  /** Of what failed. */
  readonly stage?: string;
  readonly code?: string;
  /** A sentence. */
  readonly what: string;
  readonly why?: string;
  /** The command that goes on, in a sentence. */
  readonly next: string;
}

/** The message: the body of a request, the stdin of a command. Fields are added, never changed (docs/notify.md). */
export interface Notification {
  readonly schemaVersion: 1;
  readonly id: string;
  readonly event: NotifyEvent | 'test';
  readonly run: string;
  readonly name: string;
  readonly status: RunStatus;
  readonly round: number;
  readonly rounds: number;
  readonly what: string;
  readonly code: string | null;
  readonly stage: string | null;
  readonly why: string | null;
  readonly next: string;
  /** In `currency`; null where no model has a price. */
  readonly spent: number | null;
  readonly cap: number | null;
  readonly currency: string | null;
  readonly at: string;
}

/** notifyWorkflow's argument. */
export interface NotifyInput {
  readonly runId: string;
  /** Of the run's config, which has the targets. */
  readonly bundle: ArtifactRef;
  /** Places in the config's list. */
  readonly targets: readonly number[];
  readonly news: RunNews;
  /** How often each target is tried. */
  readonly attempts: number;
  /** Whether the run's records say what became of it; a test message belongs to no run. */
  readonly record: boolean;
}

/** One target of it. */
export interface SendInput extends Omit<NotifyInput, 'targets'> {
  readonly target: number;
}

/** What became of a message to one target: `runs/<runId>/notices/` has one document each. */
export interface Notice {
  readonly schemaVersion: 1;
  readonly id: string;
  readonly event: NotifyEvent | 'test';
  /** Of the event. */
  readonly at: string;
  /** `webhook https://host` or `command NAME`: a path or a header may be a secret. */
  readonly to: string;
  /** trying: it will be tried again. */
  readonly state: 'delivered' | 'trying' | 'failed';
  readonly attempts: number;
  /** Of the last attempt, where that failed. */
  readonly why?: string;
}
