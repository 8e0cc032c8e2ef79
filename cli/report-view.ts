/** The report on the screen: arms with their intervals, stages with what they took, what was made and where it is. Owns words and layout. */
import type { Comparison, ReportArm, RunReport } from '../schemas/report';
import { stageLabel } from '../schemas/stage-names';
import { colorsFor, formatCount, formatSeconds, printLine, table } from './output';

/** Print a report as tables. */
export function printReport(report: RunReport): void {
  const color = colorsFor(process.stdout);
  printLine();
  printLine(
    color.bold(
      `Report of ${report.runId} (${report.status.toLowerCase()}, ${report.rounds.length} ${report.rounds.length === 1 ? 'round' : 'rounds'})`,
    ),
  );
  printLine();
  printLine(color.bold('Students on the held-out test items'));
  const armColumns = [
    { title: 'student trained on' },
    { title: 'round', align: 'right' as const },
    { title: 'shots', align: 'right' as const },
    { title: 'accuracy (95 % interval)' },
    { title: 'n', align: 'right' as const },
    { title: 'answer tag', align: 'right' as const },
    { title: 'unreadable', align: 'right' as const },
    { title: "against the unaligned teacher's student" },
  ];
  printLine(table(armColumns, report.arms.map(armRow)));
  printLine();
  const tasks = [...new Set(report.arms.flatMap((arm) => Object.keys(arm.byTask)))];
  if (tasks.length > 1) {
    printLine(color.bold('By task'));
    const columns = [
      { title: 'student trained on' },
      { title: 'round', align: 'right' as const },
      { title: 'shots', align: 'right' as const },
      ...tasks.map((title) => ({ title })),
    ];
    printLine(
      table(
        columns,
        report.arms.map((arm) => [armTitle(arm), arm.round, arm.shots, ...tasks.map((task) => byTask(arm, task))]),
      ),
    );
    printLine();
  }
  printLine(color.bold('What each stage took'));
  const anyLost = report.stages.some(({ lostCalls }) => lostCalls > 0);
  const stageColumns = [
    { title: 'stage' },
    { title: 'round', align: 'right' as const },
    { title: 'calls', align: 'right' as const },
    ...(anyLost ? [{ title: 'lost in flight', align: 'right' as const }] : []),
    { title: 'tokens in', align: 'right' as const },
    { title: 'of them cached', align: 'right' as const },
    { title: 'tokens out', align: 'right' as const },
    { title: 'time', align: 'right' as const },
    { title: 'cost', align: 'right' as const },
  ];
  const rows = report.stages.map((stage) => [
    stageLabel(stage.name, stage.arm),
    stage.round,
    formatCount(stage.calls),
    ...(anyLost ? [formatCount(stage.lostCalls)] : []),
    formatCount(stage.inputTokens),
    formatCount(stage.cachedInputTokens),
    formatCount(stage.outputTokens),
    stage.reused ? 'from the store' : formatSeconds(stage.seconds),
    stage.reused ? '-' : stage.cost.toFixed(2),
  ]);
  const { totals } = report;
  rows.push([
    'in all, spent by this run',
    '',
    formatCount(totals.calls),
    ...(anyLost ? [formatCount(totals.lostCalls)] : []),
    formatCount(totals.inputTokens),
    formatCount(totals.cachedInputTokens),
    formatCount(totals.outputTokens),
    // Stages run side by side: this is not how long the run took.
    `${formatSeconds(totals.seconds)} summed`,
    `${totals.cost.toFixed(2)} ${totals.currency}`,
  ]);
  printLine(table(stageColumns, rows));
  if (report.notes.length > 0) {
    printLine();
    for (const note of report.notes) printLine(`${color.yellow('note')}  ${note}`);
  }
}

const armTitles: Readonly<Record<string, string>> = {
  untuned: 'nothing (untuned)',
  original_teacher: "unaligned teacher's data",
  arte: "aligned teacher's data",
};

/** An arm in words: what its student was trained on. */
export function armTitle(arm: Pick<ReportArm, 'name'>): string {
  return armTitles[arm.name] ?? arm.name;
}

function armRow(arm: ReportArm): (string | number)[] {
  const baseline = arm.comparisons.find(({ against }) => against === 'original_teacher');
  return [
    armTitle(arm),
    arm.round,
    arm.shots,
    `${points(arm.accuracy)} (${points(arm.low)} to ${points(arm.high)})`,
    arm.n,
    percent(arm.tagRate),
    arm.parseFailures,
    baseline ? difference(baseline) : '',
  ];
}

function difference({ difference: by, low, high, verdict }: Comparison): string {
  const signed = (value: number): string => `${value >= 0 ? '+' : ''}${(value * 100).toFixed(1)}`;
  return `${signed(by)} (${signed(low)} to ${signed(high)}): ${verdict}`;
}

function byTask(arm: ReportArm, task: string): string {
  const measure = arm.byTask[task];
  return measure ? `${points(measure.accuracy)} (${points(measure.low)} to ${points(measure.high)})` : '';
}

function points(share: number): string {
  return (share * 100).toFixed(1);
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
