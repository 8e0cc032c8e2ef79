/**
 * A schedule that aligns new students: its document in the store, what a firing is told, and what it says. Types only.
 * Owns the shapes; what a firing does is workflows/realign.ts, when it fires is Temporal's.
 */
import type { ArtifactRef } from './artifact-ref';
import type { ErrorData } from './errors';

/** When it fires and what happens when it cannot: as `arte schedule create` was told, in the engine's own words. */
export interface ScheduleTiming {
  /** `1h`. One of the two is set. */
  readonly every?: string;
  readonly cron?: string;
  /** While a firing is under way the next one is left out (skip), or waits and then runs (buffer-one). */
  readonly overlap: 'skip' | 'buffer-one';
  /** A firing that was missed while the engine was down is made good if it is not later than this. */
  readonly catchUp: string;
  readonly jitter?: string;
  readonly pauseOnFailure: boolean;
}

/** `schedules/<name>/schedule.json`: what the engine's schedule was made from, and can be made from again. */
export interface ScheduleRecord {
  readonly schemaVersion: 1;
  readonly name: string;
  /** The RunBundle whose student is replaced by each registered one. */
  readonly bundle: ArtifactRef;
  /** Path of the config as it was given; only shown. */
  readonly config: string;
  readonly timing: ScheduleTiming;
  /** Alignments at once. */
  readonly parallel: number;
  readonly at: string;
  readonly by: string;
}

/**
 * Runs that this firing started, followed or judged, with what was wrong when that failed (else nothing): none is started or judged twice by
 * one firing.
 */
export interface TouchedRuns {
  readonly [runId: string]: string;
}

/** realignWorkflow's argument. */
export interface RealignInput {
  readonly schedule: string;
  readonly bundle: ArtifactRef;
  readonly parallel: number;
  /** End as a failure when a student could not be aligned: what Temporal's pause-on-failure goes by. */
  readonly failOnTrouble: boolean;
  /** `at` of the record that the engine's schedule was made by. Left out of those that an earlier version made. */
  readonly recordedAt?: string;
  /** Only say what a firing would do. */
  readonly preview?: boolean;
  /** Students whose cancelled alignment a person wants to go on. */
  readonly again?: readonly string[];
  /** Set by continue-as-new: what this firing has done already. */
  readonly touched?: TouchedRuns;
}

export const studentActions = [
  'align',
  'go on',
  'judge',
  'under way',
  'waits',
  'cancelled',
  'failed',
  'cannot',
  'nothing',
] as const;

/**
 * align: a new alignment is started. go on: one that was broken off is. judge: one is finished, and whether it becomes current is still to be
 * tested. under way, waits (parked for a person), cancelled: left alone. failed: this firing tried. cannot: the student or the config is at
 * fault. nothing: aligned and judged.
 */
export type StudentAction = (typeof studentActions)[number];

/** A student in the plan of a firing. */
export interface FiringEntry {
  readonly student: string;
  readonly action: StudentAction;
  readonly why: string;
  readonly runId?: string;
  readonly error?: ErrorData;
}

/** The plan of a firing, an artifact: one entry a registered student. */
export interface FiringPlan {
  readonly schemaVersion: 1;
  readonly schedule: string;
  readonly entries: readonly FiringEntry[];
  readonly at: string;
}

export interface PlanFiringInput {
  readonly schedule: string;
  readonly bundle: ArtifactRef;
  readonly parallel: number;
  readonly again: readonly string[];
  readonly touched: TouchedRuns;
  /** Only asked for, and nothing comes of it. */
  readonly preview?: boolean;
}

/** An alignment to start: everything is in the store. */
export interface DueAlignment {
  readonly student: string;
  readonly runId: string;
  readonly bundle: ArtifactRef;
}

/** What a firing has to do now; the whole plan is the artifact. */
export interface PlannedFiring {
  readonly plan: ArtifactRef;
  /** To be started now: as many as there are places. */
  readonly start: readonly DueAlignment[];
  /** To be judged now. */
  readonly judge: readonly { readonly student: string; readonly runId: string }[];
  /** Runs under way. */
  readonly underWay: readonly string[];
  /** Students that need a person: failed, cannot, or parked while this firing followed them. */
  readonly trouble: number;
  /** Of the registry, as it was read. */
  readonly registry: string;
  /** The schedule was deleted, or goes by another config since this firing began: the firing is over. */
  readonly over?: boolean;
}

export interface FollowInput {
  readonly runIds: readonly string[];
  readonly registry: string;
}

export interface JudgeInput {
  readonly schedule: string;
  /** Of the schedule: its promotion settings hold, whatever the run began with. */
  readonly bundle: ArtifactRef;
  readonly student: string;
  readonly runId: string;
}

/** `schedules/<name>/last-firing.json`, and the result of realignWorkflow. */
export interface FiringOutcome {
  readonly schedule: string;
  readonly plan: ArtifactRef;
  readonly trouble: number;
}
