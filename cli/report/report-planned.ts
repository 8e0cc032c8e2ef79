/** Plan against actual, for the report on the screen and on the page: the plan that was kept when the run was started beside what came. */
import type { Range } from '../../schemas/plan';
import type { ReportStage, RunReport } from '../../schemas/report';
import { stageLabel } from '../../schemas/stage-names';
import { formatCount, formatSeconds } from '../output';
import { stageLines } from './report-stages';
import { formatMoneyShort, formatPlanSeconds, formatRange, shortCount } from '../plan/plan-prices';

export const plannedTitle = 'Plan against actual (planned: actual)';

/** What the columns hold. The total's time is that of the run by the clock, as the plan's is, where its start is known. */
export function plannedNote({ wall }: Pick<RunReport, 'wall'>): string {
  const time = wall
    ? 'its time is by the clock, planned and actual, without pauses that were ordered, and with what it waited for a person as parked (the plan: from branches side by side to one stage after another)'
    : 'its planned time is by the clock, the actual one a sum over stages';
  return `The plan is that of the start of the run. Tokens: written by models. In all: of what the store did not hold then, and what this run made; ${time}.`;
}

export interface PlannedRow {
  readonly stage: string;
  /** "1, 2" of a stage that later rounds found again. */
  readonly round: string;
  readonly calls: string;
  readonly tokens: string;
  readonly seconds: string;
  readonly cost: string;
}

export const plannedColumns: Readonly<Record<keyof PlannedRow, string>> = {
  stage: 'stage',
  round: 'round',
  calls: 'calls',
  tokens: 'tokens out',
  seconds: 'time',
  cost: 'cost',
};

/** Whether there is any money to tell of: where no model has a price, 0.00 would say that it costs nothing. */
export function hasCost({ stages, totals, planned }: Pick<RunReport, 'stages' | 'totals' | 'planned'>): boolean {
  return totals.cost > 0 || stages.some(({ cost }) => cost > 0) || (planned?.left.cost.high ?? 0) > 0;
}

/** A row for each stage that asks or trains a model, and one for all; none for a run that was started without a plan. */
export function plannedRows({
  stages,
  totals,
  planned,
  wall,
}: Pick<RunReport, 'stages' | 'totals' | 'planned' | 'wall'>): PlannedRow[] {
  if (!planned) return [];
  const priced = hasCost({ stages, totals, planned });
  const rows = stageLines(stages).flatMap(({ stage, rounds }): PlannedRow[] => {
    const { planned: said } = stage;
    if (!said || (said.calls === 0 && said.steps === 0)) return [];
    return [{ stage: stageLabel(stage.name, stage.arm), round: rounds, ...cells(stage, said, priced) }];
  });
  const { left } = planned;
  const taken = wall
    ? formatSeconds(Math.max(0, wall.seconds - wall.pausedSeconds))
    : `${formatSeconds(totals.seconds)} summed`;
  rows.push({
    stage: 'in all',
    round: '',
    calls: `${formatCount(left.calls)}: ${formatCount(totals.calls)}`,
    tokens: `${rangeOf(left.outputTokens, shortCount)}: ${shortCount(totals.outputTokens)}`,
    seconds: `${rangeOf(left.seconds, formatPlanSeconds)}: ${taken}`,
    cost: priced ? `${rangeOf(left.cost, formatMoneyShort)}: ${formatMoneyShort(totals.cost)}` : '',
  });
  return rows;
}

function cells(
  { reused, calls, outputTokens, seconds, cost }: ReportStage,
  said: NonNullable<ReportStage['planned']>,
  priced: boolean,
): Omit<PlannedRow, 'stage' | 'round'> {
  const trained = said.steps > 0;
  if (said.reused === true && reused)
    return { calls: trained ? '' : 'reused', tokens: '', seconds: 'reused', cost: '' };
  return {
    calls: trained ? '' : `${formatCount(said.calls)}: ${reused ? 'reused' : formatCount(calls)}`,
    tokens: trained ? '' : `${rangeOf(said.outputTokens, shortCount)}: ${reused ? '-' : shortCount(outputTokens)}`,
    seconds: `${rangeOf(said.seconds, formatPlanSeconds)}: ${reused ? 'reused' : formatSeconds(seconds)}`,
    cost: priced ? `${rangeOf(said.cost, formatMoneyShort)}: ${reused ? '-' : formatMoneyShort(cost)}` : '',
  };
}

/** A range in as few columns as it takes. */
function rangeOf(range: Range, format: (value: number) => string): string {
  return formatRange(range, format).replace(' to ', '–');
}
