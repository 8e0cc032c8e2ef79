/**
 * Counts that are probably a slip of the keyboard: a run can be made with them, and nobody has seen one of that size. Owns which setting is named;
 * the counts are method/plan.ts.
 */
import { stageRowsMeasured, stageRowsWarned } from '../../schemas/limits';
import type { PlannedStage } from '../../schemas/plan';
import type { RunConfig } from '../../schemas/run-config';
import { stageLabel, type StageName } from '../../schemas/stage-names';
import { planRun } from '../plan';
import type { PlanFacts } from '../plan-stages';
import { configProblem, pathText, valueAt, type ConfigProblem, type Segment } from './config-problem';

const ofQuestions: readonly Segment[] = ['questions', 'per_task'];
const ofTailored: readonly Segment[] = ['tailor', 'per_task'];

/** The setting that decides how much a stage does, where it is one. */
const decidedBy: Partial<Record<StageName, readonly Segment[]>> = {
  'sample-questions': ofQuestions,
  'sample-rationales': ofQuestions,
  'score-drafts': ofQuestions,
  'score-sample': ofQuestions,
  'tailor-questions': ofTailored,
  'tailor-rationales': ofTailored,
  evaluate: ['tasks'],
};

/** A warning for each setting that makes a stage larger than any that was measured by far. */
export function sizeWarnings(config: RunConfig, facts: PlanFacts): ConfigProblem[] {
  // Of each stage one is enough, however many rounds and students there are.
  const { stages } = planRun(
    { ...config, rounds: { ...config.rounds, count: 1 }, sft: { ...config.sft, seeds: 1 } },
    facts,
  );
  const largest = new Map<string, { readonly stage: PlannedStage; readonly segments: readonly Segment[] }>();
  for (const stage of stages) {
    const segments = decidedBy[stage.name];
    if (segments === undefined || amountOf(stage) <= stageRowsWarned) continue;
    const known = largest.get(pathText(segments));
    if (known === undefined || amountOf(known.stage) < amountOf(stage))
      largest.set(pathText(segments), { stage, segments });
  }
  return [...largest.values()].map(({ stage, segments }) => {
    const value = valueAt(config, segments);
    const setting =
      typeof value === 'number' ? `${pathText(segments)} is ${counted(value)}` : 'The tasks have many items';
    return configProblem(segments, {
      what: `${setting}: ${stageLabel(stage.name, stage.arm)} makes ${counted(amountOf(stage))} calls a round.`,
      why: `The largest stage that was measured has ${counted(stageRowsMeasured)} (docs/performance.md); how long a larger one takes, and what it needs, nobody has seen.`,
      instead: 'Write a smaller number if this is a slip. arte plan says what the run takes.',
    });
  });
}

function amountOf({ calls, rows }: PlannedStage): number {
  return Math.max(calls, rows);
}

function counted(value: number): string {
  return value.toLocaleString('en-US');
}
