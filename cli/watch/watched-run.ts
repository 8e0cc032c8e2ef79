/**
 * What the full screen knows of a run at one moment: the view that every command has (run-progress.ts), and what only somebody who keeps watching
 * can know: speeds, curves, warnings that have passed. Types only; follow-run.ts gathers, run-screen.ts draws.
 */
import type { Rate } from '../run/stage-pace';
import type { RunOutcome } from '../run/run-outcome';
import type { RunView } from '../run/run-progress';

export interface WatchedRun {
  readonly view: RunView;
  /** When it was looked, epoch milliseconds. */
  readonly at: number;
  /** By label of the live stage. */
  readonly rates: ReadonlyMap<string, Rate>;
  /** Until the run is done; undefined where that cannot be said. */
  readonly secondsLeft: number | undefined;
  /** Only of a run that is over. */
  readonly outcome?: RunOutcome;
  /** Undefined of a run without prices. */
  readonly money: Money | undefined;
  /** Rounds that are over, oldest first. */
  readonly rounds: readonly PastRound[];
  /** Of live trainings, by label. */
  readonly curves: ReadonlyMap<string, readonly Curve[]>;
  /** Oldest first. */
  readonly warnings: readonly Warning[];
}

export interface Money {
  readonly spent: number;
  readonly reserved: number;
  /** null: no cap. */
  readonly cap: number | null;
  readonly currency: string;
}

export interface PastRound {
  readonly round: number;
  readonly stages: number;
  /** Of the stages that this run made itself. */
  readonly seconds: number;
  /** `promoted`, `not the best`, …; empty where nothing was decided. */
  readonly decision: string;
}

/** What a training has logged since somebody watches, oldest first. */
export interface Curve {
  readonly name: string;
  readonly values: readonly number[];
}

export interface Warning {
  /** When it was seen last, epoch milliseconds. */
  readonly at: number;
  /** The stage, or what else it is about. */
  readonly about: string;
  readonly text: string;
}
