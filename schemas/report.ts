/**
 * The report of a run: what `arte report RUN --json` prints and every other view draws from. Written by activities/report/ from
 * manifests and predictions; nothing in it is a number that cannot be followed back to a stage key.
 */
import type { ArmName } from './arms';
import type { ArtifactRef } from './artifact-ref';
import type { JsonObject } from './json';
import type { RunStatus } from './messages';
import type { RunAction } from './run-action';
import type { ModelRef } from './model-ref';
import type { PriceTotals, StagePrice } from './plan';
import type { StageName } from './stage-names';
import type { TransferTarget } from './transfer';

/** Answers by how they were read; together all of them. All but the first two are no answer, and count as wrong. */
export type AnswerCounts = {
  /** In a closed answer tag. */
  readonly tagged: number;
  /** Found without the tag, by the rules of extraction: flexible. */
  readonly untagged: number;
  /** Cut off at max_tokens before a tag was closed. */
  readonly truncated: number;
  /** Ended by itself, and no answer could be found in it, or not one alone. */
  readonly unreadable: number;
  /** By the provider. */
  readonly refused: number;
  /** Calls that failed for good. */
  readonly failed: number;
};

/** Accuracy with its uncertainty; n answers (items, times students where there are several), and how they were read. */
export interface Measure {
  readonly n: number;
  readonly correct: number;
  readonly accuracy: number;
  readonly stderr: number;
  /** 95 % Wilson interval; several students' answers to one item count as what they add, not as items of their own. */
  readonly low: number;
  readonly high: number;
  readonly answers: AnswerCounts;
}

/** A paired comparison on the same items. `verdict` is what may be claimed. */
export interface Comparison {
  readonly against: string;
  /** Items that both sides answered. */
  readonly n: number;
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
  /** Share of the answers that stood in a closed answer tag: answers.tagged of n. Left out by older versions. */
  readonly tagRate?: number;
  readonly byTask: Readonly<Record<string, Measure>>;
  readonly byCategory: Readonly<Record<string, Measure>>;
  readonly macro: { readonly overTasks: MacroMeasure; readonly overCategories: MacroMeasure };
  /** Accuracy of each of its students, and their standard deviation; the arm's own figures are over all their answers. One where one was trained. */
  readonly students: { readonly accuracies: readonly number[]; readonly standardDeviation: number };
  /** What the student was trained on; left out for arms that are only asked. Equal in all arms, but for examples that were dropped. */
  readonly training?: { readonly examples: number; readonly steps: number };
  readonly comparisons: readonly Comparison[];
}

/** A line of the transfer table: untuned, original_teacher or arte, for a student or for tasks that the teacher was not aligned for. */
export interface ReportTransfer extends ReportArm {
  readonly to: TransferTarget;
  /** The other student, as the config names its source; left out where it is the run's own. */
  readonly model?: string;
}

/** A plan's figures of a stage. `reused`: it was in the store when the plan was made. */
export interface ReportPlanned extends Pick<StagePrice, 'inputTokens' | 'outputTokens' | 'seconds' | 'cost'> {
  readonly calls: number;
  readonly steps: number;
  readonly reused: boolean | null;
  /** Where the seconds come from. */
  readonly from: string;
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
  /** Calls whose token counts are estimates; left out by older versions. */
  readonly estimatedCalls?: number;
  /** Calls that may have been worked on and brought no answer, and their tokens at most: asked again, paid for perhaps; in neither calls nor cost. */
  readonly lostCalls: number;
  readonly lostInputTokens: number;
  /** Left out by older versions. */
  readonly lostOutputTokens?: number;
  /** From its start to its end: waits for a model, the device or money are in them. */
  readonly seconds: number;
  /** Found in the store: its calls and seconds were spent by an earlier run and are not in this run's totals. */
  readonly reused: boolean;
  readonly cost: number;
  /** What the plan said that was kept when the run was started; left out for a run without one, and a stage that it did not have. */
  readonly planned?: ReportPlanned;
  /** What other runs have paid for in it, at this run's prices: this one found their answers in the store. */
  readonly paidByOthers: readonly { readonly runId: string; readonly calls: number; readonly cost: number }[];
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

/** 2: answers counted by how they were read. */
export const reportVersion = 2;

export interface RunReport {
  readonly schemaVersion: typeof reportVersion;
  readonly runId: string;
  readonly name: string;
  readonly status: RunStatus;
  readonly rounds: readonly ReportRound[];
  /** The round whose teacher and student are the run's result; 0 where every round was rejected by a gate. Left out before the first decision. */
  readonly bestRound?: number;
  readonly arms: readonly ReportArm[];
  /** Target by target; left out where the config asks for no transfer. */
  readonly transfer?: readonly ReportTransfer[];
  readonly stages: readonly ReportStage[];
  readonly totals: {
    readonly calls: number;
    readonly inputTokens: number;
    readonly cachedInputTokens: number;
    readonly outputTokens: number;
    readonly estimatedCalls?: number;
    readonly lostCalls: number;
    readonly lostInputTokens: number;
    readonly lostOutputTokens?: number;
    readonly seconds: number;
    /** Of what stands in the table, as far as this run has paid for it. */
    readonly cost: number;
    /** What the run's ledger has as spent: what `arte budget show` says. Beside `cost` that is work that came to nothing. 0 without prices. */
    readonly spent: number;
    readonly currency: string;
  };
  /** From the run's first start to this report, by the clock of its records; paused: by a person's order. Left out where the start is not known. */
  readonly wall?: { readonly startedAt: string; readonly seconds: number; readonly pausedSeconds: number };
  /** Whose answers were replaced by the target (rationales.answer, tailor.answer: given): such answers agree with it by themselves. */
  readonly answersGiven?: { readonly drafts: boolean; readonly tailored: boolean };
  /** Whether rows that repeat test or validation items stay in training sets (hygiene.contamination.action: keep); else they were left out. */
  readonly leaksKept?: boolean;
  /** The plan as it was made when the run was started: what was left to make then. What a changed config asked for since is not in it. */
  readonly planned?: { readonly madeAt: string; readonly left: PriceTotals };
  /** Sentences a reader must not miss: coarse scores, short tasks, hosted identities, what may not be claimed. */
  readonly notes: readonly string[];
  /** What people did to the run, oldest first. */
  readonly actions?: readonly RunAction[];
  readonly writtenAt: string;
}
