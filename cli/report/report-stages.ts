/** The stages of a report as lines of a table: one that later rounds found again stands once. Owns the folding, and what a stage's time is. */
import type { ReportStage, RunReport } from '../../schemas/report';
import { formatCount, formatSeconds } from '../output';

/** A stage, and the rounds that it stands in: "1, 2". */
export interface StageLine {
  readonly stage: ReportStage;
  readonly rounds: string;
}

/** Every stage once, in the order of the first round that has it. One that was made in several rounds, by other keys, has a line for each. */
export function stageLines(stages: readonly ReportStage[]): StageLine[] {
  const lines = new Map<string, { readonly stage: ReportStage; readonly rounds: number[] }>();
  for (const stage of stages) {
    // What an earlier round made and this one found is one piece of work, and the line of who made it tells more.
    const name = [stage.key, stage.name, stage.arm].join(' ');
    const before = lines.get(name);
    if (before && stage.reused) before.rounds.push(stage.round);
    else lines.set(before ? `${name} ${stage.round}` : name, { stage, rounds: [stage.round] });
  }
  return [...lines.values()].map(({ stage, rounds }) => ({ stage, rounds: rounds.join(', ') }));
}

/** What was asked, and what was read and written for it, as cells of a table: of a stage, or of all of them. */
export function callCells({
  calls,
  inputTokens,
  cachedInputTokens,
  outputTokens,
}: Pick<ReportStage, 'calls' | 'inputTokens' | 'cachedInputTokens' | 'outputTokens'>): string[] {
  return [calls, inputTokens, cachedInputTokens, outputTokens].map((count) => formatCount(count));
}

export const stageTimeNote =
  'Time: from the start of a stage to its end, with its waits for a model, the device or money. Stages run side by side, so that their times add up to more than the run took.';

/** "3h 12m from start to end, 10m of it paused"; undefined where the start is not known. */
export function wallWords({ wall }: Pick<RunReport, 'wall'>): string | undefined {
  return wall && `${formatSeconds(wall.seconds)} ${wallTitle(wall)}`;
}

/** What the run's time by the clock is: "from start to end, 10m of it paused". */
export function wallTitle({ pausedSeconds }: NonNullable<RunReport['wall']>): string {
  return `from start to end${pausedSeconds > 0 ? `, ${formatSeconds(pausedSeconds)} of it paused` : ''}`;
}
