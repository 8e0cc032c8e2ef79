/** Sums over a run: what its stages took, and how long it was under way by the clock. */
import type { ReportStage, RunReport } from '../../schemas/report';
import type { RunAction } from '../../schemas/run-action';
import type { RunConfig } from '../../schemas/run-config';

export function totalsOf(stages: readonly ReportStage[], config: RunConfig): Omit<RunReport['totals'], 'spent'> {
  const made = stages.filter((stage) => !stage.reused);
  const sum = (of: (stage: ReportStage) => number): number => made.reduce((total, stage) => total + of(stage), 0);
  return {
    calls: sum((stage) => stage.calls),
    inputTokens: sum((stage) => stage.inputTokens),
    cachedInputTokens: sum((stage) => stage.cachedInputTokens),
    outputTokens: sum((stage) => stage.outputTokens),
    lostCalls: sum((stage) => stage.lostCalls),
    lostInputTokens: sum((stage) => stage.lostInputTokens),
    lostOutputTokens: sum((stage) => stage.lostOutputTokens ?? 0),
    estimatedCalls: sum((stage) => stage.estimatedCalls ?? 0),
    seconds: sum((stage) => stage.seconds),
    cost: sum((stage) => stage.cost),
    currency: config.platform.currency,
  };
}

/** The run's time by the clock, and what of it passed between orders to pause and to go on. */
export function wallOf(
  startedAt: string | undefined,
  actions: readonly Pick<RunAction, 'action' | 'at'>[],
  endMs: number,
): Pick<RunReport, 'wall'> {
  if (startedAt === undefined) return {};
  let paused = 0;
  let since: number | undefined;
  for (const { action, at } of actions) {
    if (action === 'pause') since ??= Date.parse(at);
    else if (since !== undefined && goesOn.has(action)) {
      paused += Date.parse(at) - since;
      since = undefined;
    }
  }
  const seconds = Math.max(0, endMs - Date.parse(startedAt)) / 1000;
  return { wall: { startedAt, seconds, pausedSeconds: paused / 1000 } };
}

/** Orders after which a paused run works, or ends. */
const goesOn: ReadonlySet<RunAction['action']> = new Set(['start', 'restart', 'resume', 'retry', 'cancel']);
