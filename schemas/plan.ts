/**
 * What a run will do and take, before anything is spent (design promise 1). `arte plan --json` prints exactly this.
 * Owns the shape; the arithmetic is method/plan.ts. Names of stages and arms are those the run itself will record.
 */
import type { StageName } from './stage-names';

export interface PlannedStage {
  readonly name: StageName;
  readonly round: number;
  /** What the stage is made for, where one stage serves several: `arte`, `untuned-0shot`, `respondent-1-3shot`. */
  readonly arm: string;
  /** Whom it asks or trains. */
  readonly model: 'teacher' | 'student' | 'respondent' | '';
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
  /** In Plan.currency, by the prices of the config, nothing cached: a ceiling too. */
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
  readonly stages: readonly PlannedStage[];
  readonly totals: {
    readonly calls: number;
    readonly teacherCalls: number;
    readonly studentCalls: number;
    /** Calls of models that only answer for the preference set (probe.respondents). */
    readonly respondentCalls: number;
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
