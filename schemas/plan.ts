/** What a run will do and take, before anything is spent (design promise 1). `arte plan --json` prints exactly this. */
import type { StageName } from './stage-names';

export interface PlannedStage {
  readonly name: StageName;
  readonly round: number;
  /** What the stage is made for, where one stage serves several arms. */
  readonly arm: string;
  /** teacher | student | '' for stages without a model. */
  readonly model: string;
  /** Model calls when nothing fails and nothing is reused. */
  readonly calls: number;
  /** Rows that the stage puts out: questions, drafts, cells, pairs, examples, predictions. */
  readonly rows: number;
  /** Optimizer steps of a training stage, else 0. */
  readonly steps: number;
  /** Whether the store already holds it; null where that cannot be told yet (its inputs are still to be made). */
  readonly reused: boolean | null;
  /** Estimated, by the prompts' length and max_tokens; 0 for stages without a model. */
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cost: number;
}

export interface Plan {
  readonly name: string;
  readonly rounds: number;
  readonly tasks: readonly { name: string; validation: number; test: number }[];
  readonly stages: readonly PlannedStage[];
  readonly totals: {
    readonly calls: number;
    readonly teacherCalls: number;
    readonly studentCalls: number;
    readonly inputTokens: number;
    readonly outputTokens: number;
    readonly cost: number;
    readonly trainingSteps: number;
  };
  readonly currency: string;
  /** Things worth knowing before it starts: identity of hosted models, files that are not there yet, coarse scores. */
  readonly notes: readonly string[];
}
