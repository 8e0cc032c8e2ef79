/**
 * What work costs, by the prices of the config (design section 5). Owns the arithmetic; usage is recorded by the row engine and the trainer.
 * Reused stages cost nothing in the run that reuses them; repeated calls count, because they were paid.
 */
import type { RunConfig } from '../schemas/run-config';
import type { StageUsage } from '../schemas/manifest';
import type { StageName } from '../schemas/stage-names';

const perMillion = 1_000_000;
const secondsPerHour = 3_600;

/** Which model of the config a stage asks or trains. */
const roleOf: Partial<Record<StageName, 'teacher' | 'student'>> = {
  'sample-questions': 'teacher',
  'sample-rationales': 'teacher',
  'score-drafts': 'student',
  'train-dpo': 'teacher',
  'tailor-questions': 'teacher',
  'tailor-rationales': 'teacher',
  'train-sft': 'student',
  evaluate: 'student',
};

/**
 * Cost of a stage in platform.currency. `trainingSeconds` counts for the training stages only.
 * Cached input tokens are part of inputTokens and priced apart.
 */
export function costOf(stage: StageName, usage: StageUsage, trainingSeconds: number, config: RunConfig): number {
  const role = roleOf[stage];
  if (!role) return 0;
  const price = config.models[role].price;
  const calls =
    ((usage.inputTokens - usage.cachedInputTokens) * price.input +
      usage.cachedInputTokens * price.cached_input +
      usage.outputTokens * price.output) /
    perMillion;
  const training =
    stage === 'train-dpo' || stage === 'train-sft' ? (trainingSeconds / secondsPerHour) * price.training_hour : 0;
  return calls + training;
}
