/** What a run took, on the page: time, calls and money by stage, plan against actual, and how rows ended. */
import type { ReportStage, RunReport } from '../../../schemas/report';
import { rowOutcomes } from '../../../schemas/rows';
import { stageLabel } from '../../../schemas/stage-names';
import { formatCount, formatSeconds } from '../../output';
import { hasCost, plannedColumns, plannedNote, plannedRows, plannedTitle } from '../report-planned';
import { callCells, stageTimeNote } from '../report-stages';
import { capital, table } from './html-table';
import { barPlot, sharePlot } from './report-plots';

export function cost(report: RunReport): string {
  const { stages, totals } = report;
  if (stages.length === 0) return '';
  const hasPrices = hasCost(report);
  const made = stages.filter(({ reused }) => !reused);
  const byStage = (of: (stage: ReportStage) => number): { name: string; value: number }[] => {
    const sums = new Map<string, number>();
    for (const stage of made) {
      const name = stageLabel(stage.name, stage.arm);
      sums.set(name, (sums.get(name) ?? 0) + of(stage));
    }
    return [...sums].map(([name, value]) => ({ name, value }));
  };
  const seconds = byStage((stage) => stage.seconds).map((row) => ({ ...row, words: formatSeconds(row.value) }));
  const priced = byStage((stage) => stage.cost).filter(({ value }) => value > 0);
  const money = priced.map((row) => ({
    ...row,
    words: `${row.value.toFixed(2)} ${totals.currency}`,
  }));
  const said = (rows: readonly { name: string; words: string }[]): string =>
    rows.map(({ name, words }) => `${name} ${words}`).join('; ');
  const rows = stages.map((stage) => [
    stageLabel(stage.name, stage.arm),
    stage.round,
    ...callCells(stage),
    stage.reused ? 'from the store' : formatSeconds(stage.seconds),
    ...(hasPrices ? [stage.reused ? '' : stage.cost.toFixed(2)] : []),
  ]);
  rows.push([
    'In all, spent by this run',
    '',
    ...callCells(totals),
    `${formatSeconds(totals.seconds)} summed`,
    ...(hasPrices ? [totals.cost.toFixed(2)] : []),
  ]);
  const columns = [
    'Stage',
    'Round',
    'Calls',
    'Tokens in',
    'Of them cached',
    'Tokens out',
    'Time, waits included',
    ...(hasPrices ? [`Cost, ${totals.currency}`] : []),
  ];
  return `${made.length === 0 ? '<p>Everything came from the store: this run spent nothing.</p>' : barPlot({ id: 'time', title: 'Time by stage, over all rounds', description: said(seconds) }, seconds, 'arm-aligned')}
${totals.cost > 0 ? barPlot({ id: 'money', title: `Cost by stage, ${totals.currency}`, description: said(money) }, money, 'arm-1') : ''}
${table('cost-table', 'What each stage took', columns, rows)}
<p class="legend">${stageTimeNote}</p>`;
}

export function planned(report: RunReport): string {
  const rows = plannedRows(report);
  if (rows.length === 0) return '';
  return `${table(
    'planned-table',
    plannedTitle,
    Object.values(plannedColumns).map(capital),
    rows.map(({ stage, round, calls, tokens, seconds, cost: money }) => [stage, round, calls, tokens, seconds, money]),
  )}
<p>${plannedNote(report)}</p>`;
}

export function outcomes({ stages }: RunReport): string {
  const rows = stages.flatMap((stage) => {
    const counts = rowOutcomes.map((outcome) => ({ outcome, count: Number(stage.outcomes[outcome] ?? 0) }));
    const all = counts.reduce((sum, { count }) => sum + count, 0);
    return all === 0 ? [] : [{ name: `${stageLabel(stage.name, stage.arm)}, round ${stage.round}`, counts }];
  });
  if (rows.length === 0) return '';
  const said = rows.map(
    ({ name, counts }) =>
      `${name}: ${counts
        .filter(({ count }) => count > 0)
        .map(({ outcome, count }) => `${count} ${outcome}`)
        .join(', ')}`,
  );
  return `${sharePlot(
    { id: 'outcome-shares', title: 'Outcomes of rows by stage', description: said.join('; ') },
    rows.map(({ name, counts }) => ({
      name,
      parts: counts.map(({ outcome, count }) => ({ name: outcome, count, color: `outcome-${outcome}` })),
    })),
  )}
${table(
  'outcome-table',
  'Rows by how they ended',
  ['Stage', ...rowOutcomes],
  rows.map(({ name, counts }) => [name, ...counts.map(({ count }) => formatCount(count))]),
)}`;
}
