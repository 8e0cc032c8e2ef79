/**
 * What a run will do and take, before anything is spent (design promise 1). `arte plan --json` prints exactly this.
 * Owns the shape; the arithmetic is method/plan.ts. Names of stages and arms are those the run itself will record.
 */
import type { StageName } from './stage-names';

/** A figure that is not known exactly: it is expected between the two. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

/** Where figures come from. measured: from finished runs of this store. similar: from its runs of the same model under other settings. declared: a setting. assumed: a rule of thumb, wide. counted: arithmetic. */
export interface FigureSource {
  readonly kind: 'measured' | 'similar' | 'declared' | 'assumed' | 'counted';
  readonly words: string;
  /** Of measured and similar: the runs that measured. */
  readonly runs?: readonly string[];
}

/** What a stage is expected to take, if it is made whole. */
export interface StagePrice {
  readonly inputTokens: Range;
  readonly outputTokens: Range;
  readonly seconds: Range;
  /** Of `seconds`, those in which a device of the workers' own serves or trains. */
  readonly deviceSeconds: Range;
  readonly diskBytes: Range;
  /** In Plan.currency: tokens, and training by the hour. */
  readonly cost: Range;
  readonly from: { readonly seconds: FigureSource; readonly tokens: FigureSource };
  /** Of assumed seconds: stages with the same are off by the same factor, whatever it is. Left out: nothing is known of that. */
  readonly kin?: string;
}

/** The same of several stages. */
export interface PriceTotals extends Omit<StagePrice, 'from'> {
  readonly calls: number;
}

/** Forms of trained models in a cache directory: the weights to train from, and the file that is served. */
export interface ModelForms {
  readonly models: number;
  /** Of those whose weights' number is known from their names; 0: of none. */
  readonly bytes: number;
  /** Of `models`, those that `bytes` does not count. */
  readonly uncounted: number;
}

/** A plan with what it is expected to take. `left`: of what the store is not known to hold. */
export interface PricedPlan extends Plan {
  readonly prices: {
    /** One for each of Plan.stages, in their order. */
    readonly stages: readonly StagePrice[];
    readonly all: PriceTotals;
    /** With the looks at what the store is known to hold, which take a moment each. */
    readonly left: PriceTotals;
    /** What the cache directory comes to hold beside the store for the models that are trained. Left out: none is trained and served here. */
    readonly cache?: ModelForms;
  };
}

/** `runs/<runId>/plan.json`: the plan as it was made when the run was started. No part of any key; the report lays what came of it beside it. */
export interface KeptPlan {
  readonly schemaVersion: 1;
  readonly runId: string;
  readonly madeAt: string;
  readonly plan: PricedPlan;
}

export interface PlannedStage {
  readonly name: StageName;
  readonly round: number;
  /** What the stage is made for, where one stage serves several: `arte`, `untuned-0shot`, `respondent-1-3shot`. */
  readonly arm: string;
  /** Of what runs beside the making of `arte`, and of that: the two go on at the same time. Left out: nothing runs beside it. */
  readonly branch?: 'arte' | 'beside';
  /** Whom it asks or trains. other: one of transfer.students. */
  readonly model: 'teacher' | 'student' | 'respondent' | 'other' | '';
  /** Model calls when nothing fails and nothing is reused. */
  readonly calls: number;
  /** Rows that the stage puts out: items, probes, questions, drafts, cells, pairs, examples, predictions. */
  readonly rows: number;
  /** Optimizer steps of a training stage, else 0. */
  readonly steps: number;
  /** Whether the store already holds it; null where that cannot be known: no store was asked, or it follows from what is not there yet. */
  readonly reused: boolean | null;
  /** What it follows from that is not there, where that is why `reused` is null: `sample-questions of round 1`, `models.teacher`. */
  readonly dependsOn?: string;
  /** Estimated by the length of the prompts; 0 for stages without a model. */
  readonly inputTokens: number;
  /** The ceiling: max_tokens for every call. */
  readonly outputTokens: number;
  /** In Plan.currency, by the prices of the config, nothing cached: answers at their ceiling, prompts as estimated. */
  readonly cost: number;
}

export interface PlanLeft {
  readonly calls: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cost: number;
  readonly trainingSteps: number;
}

export interface Plan {
  readonly name: string;
  readonly rounds: number;
  readonly tasks: readonly { readonly name: string; readonly validation: number; readonly test: number }[];
  /** The unseen tasks of transfer.tasks, where there are some. */
  readonly unseen?: Plan['tasks'];
  readonly stages: readonly PlannedStage[];
  readonly totals: {
    readonly calls: number;
    readonly teacherCalls: number;
    readonly studentCalls: number;
    /** Calls of models that only answer for the preference set (probe.respondents). */
    readonly respondentCalls: number;
    /** Calls of the other students (transfer.students). */
    readonly otherCalls: number;
    readonly inputTokens: number;
    readonly outputTokens: number;
    readonly cost: number;
    readonly trainingSteps: number;
  };
  /** Of these, what is left after reuse: the stages that the store is not known to hold. All of it where no store was asked. */
  readonly left: PlanLeft;
  readonly currency: string;
  /** Things worth knowing before it starts: identity of hosted models, files that are not there yet, coarse scores. */
  readonly notes: readonly string[];
}
