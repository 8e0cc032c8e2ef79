/**
 * What a run will do, as arithmetic on its config: stages, calls, rows, steps, tokens and money (design promise 1).
 *
 * Owns the sums. The stages are plan-stages.ts, counts plan-counts.ts, lengths plan-tokens.ts, notes plan-notes.ts. Leaves reading the tasks and
 * asking the store what is there to the caller.
 *
 * Invariants
 * 1. Pure: no store, no engine, no clock. The same config and facts give the same plan.
 * 2. Counts are exact when nothing fails, is dropped or is asked again; output tokens are ceilings, prompts and their price are estimates, and the notes
 *    say so.
 */
import type { RunConfig } from '../schemas/run-config';
import type { Plan, PlanLeft, PlannedStage } from '../schemas/plan';
import type { PlannedTask } from './plan-counts';
import { capNotes, planNotes } from './plan-notes';
import { plannedStages, roundMoney, type PlanFacts } from './plan-stages';

/** The plan of a run. */
export function planRun(config: RunConfig, facts: PlanFacts): Plan {
  const stages = plannedStages(config, facts);
  const sum = (of: (stage: PlannedStage) => number, model?: PlannedStage['model']): number =>
    stages.reduce((total, stage) => total + (model === undefined || stage.model === model ? of(stage) : 0), 0);
  const calls = ({ calls: made }: PlannedStage): number => made;
  const cost = roundMoney(sum((stage) => stage.cost));
  return {
    name: config.name,
    rounds: config.rounds.count,
    tasks: facts.tasks.map(sizeOf),
    ...(facts.unseen && facts.unseen.length > 0 && { unseen: facts.unseen.map(sizeOf) }),
    stages,
    totals: {
      calls: sum(calls),
      teacherCalls: sum(calls, 'teacher'),
      studentCalls: sum(calls, 'student'),
      respondentCalls: sum(calls, 'respondent'),
      otherCalls: sum(calls, 'other'),
      inputTokens: sum((stage) => stage.inputTokens),
      outputTokens: sum((stage) => stage.outputTokens),
      cost,
      trainingSteps: sum((stage) => stage.steps),
    },
    left: leftOf(stages.filter(({ reused }) => reused !== true)),
    currency: config.platform.currency,
    notes: [...planNotes(config, facts.tasks), ...capNotes(config, cost)],
  };
}

function sizeOf({ name, validation, test }: PlannedTask): Plan['tasks'][number] {
  return { name, validation, test };
}

function leftOf(stages: readonly PlannedStage[]): PlanLeft {
  const sum = (of: (stage: PlannedStage) => number): number => stages.reduce((total, stage) => total + of(stage), 0);
  return {
    calls: sum((stage) => stage.calls),
    inputTokens: sum((stage) => stage.inputTokens),
    outputTokens: sum((stage) => stage.outputTokens),
    cost: roundMoney(sum((stage) => stage.cost)),
    trainingSteps: sum((stage) => stage.steps),
  };
}
