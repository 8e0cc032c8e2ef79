/**
 * The report of a run: what `arte report RUN --json` prints and every other view draws from. Written by activities/report.ts from
 * manifests and predictions; nothing in it is a number that cannot be followed back to a stage key.
 */
import type { ArmName } from './arms';
import type { ArtifactRef } from './artifact-ref';
import type { JsonObject } from './json';
import type { RunStatus } from './messages';
import type { RunAction } from './run-action';
import type { ModelRef } from './model-ref';
import type { StageName } from './stage-names';

/** Accuracy with its uncertainty; n answers (items, times students where there are several), parse failures and tags apart. */
export interface Measure {
  readonly n: number;
  readonly correct: number;
  readonly accuracy: number;
  readonly stderr: number;
  /** 95 % Wilson interval; several students' answers to one item count as what they add, not as items of their own. */
  readonly low: number;
  readonly high: number;
  /** Share of outputs whose answer stood between the answer tags. */
  readonly tagRate: number;
  /** Outputs in which no answer was found: counted wrong, and counted here. */
  readonly parseFailures: number;
}

/** A paired comparison on the same items. `verdict` is what may be claimed. */
export interface Comparison {
  readonly against: string;
  readonly difference: number;
  /** 95 % bootstrap interval of this comparison alone; the verdict needs it and p. */
  readonly low: number;
  readonly high: number;
  /** Exact McNemar p (several students: exact sign-flip test by item), Holm-adjusted over all comparisons of the report with the same baseline. */
  readonly p: number;
  readonly verdict: 'gain' | 'loss' | 'within noise';
}

/** An average over tasks or categories, each counting the same whatever its number of items. */
export interface MacroMeasure {
  readonly groups: number;
  readonly accuracy: number;
  readonly stderr: number;
}

/** The measure of an arm itself is over items: tasks count by their size (micro average). */
export interface ReportArm extends Measure {
  readonly name: ArmName;
  readonly round: number;
  readonly shots: number;
  readonly stageKey: string;
  readonly byTask: Readonly<Record<string, Measure>>;
  readonly byCategory: Readonly<Record<string, Measure>>;
  readonly macro: { readonly overTasks: MacroMeasure; readonly overCategories: MacroMeasure };
  /** Accuracy of each of its students, and their standard deviation; the arm's own figures are over all their answers. One where one was trained. */
  readonly students: { readonly accuracies: readonly number[]; readonly standardDeviation: number };
  /** What the student was trained on; left out for arms that are only asked. Equal in all arms, but for examples that were dropped. */
  readonly training?: { readonly examples: number; readonly steps: number };
  readonly comparisons: readonly Comparison[];
}

export interface ReportStage {
  readonly name: StageName;
  readonly round: number;
  readonly arm: string;
  readonly key: string;
  readonly calls: number;
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  readonly outputTokens: number;
  /** Calls that a kill cut off in flight, and their input tokens at most: asked again, paid for perhaps; in neither calls nor cost. */
  readonly lostCalls: number;
  readonly lostInputTokens: number;
  readonly seconds: number;
  /** Found in the store: its calls and seconds were spent by an earlier run and are not in this run's totals. */
  readonly reused: boolean;
  readonly cost: number;
  readonly outcomes: JsonObject;
  readonly facts: JsonObject;
}

export interface ReportRound {
  readonly round: number;
  readonly decision: JsonObject;
  readonly teacher: ModelRef;
  readonly student: ModelRef;
  readonly artifacts: Readonly<Record<string, ArtifactRef>>;
}

export interface RunReport {
  readonly schemaVersion: 1;
  readonly runId: string;
  readonly name: string;
  readonly status: RunStatus;
  readonly rounds: readonly ReportRound[];
  readonly arms: readonly ReportArm[];
  readonly stages: readonly ReportStage[];
  readonly totals: {
    readonly calls: number;
    readonly inputTokens: number;
    readonly cachedInputTokens: number;
    readonly outputTokens: number;
    readonly lostCalls: number;
    readonly lostInputTokens: number;
    readonly seconds: number;
    readonly cost: number;
    readonly currency: string;
  };
  /** Sentences a reader must not miss: coarse scores, short tasks, hosted identities, what may not be claimed. */
  readonly notes: readonly string[];
  /** What people did to the run, oldest first. */
  readonly actions?: readonly RunAction[];
  readonly writtenAt: string;
}
