/** The report on the screen: arms with their intervals, stages with what they took, what was made and where it is. Owns words and layout. */
import type { ArmName } from '../schemas/arms';
import type { Comparison, MacroMeasure, Measure, ReportArm, RunReport } from '../schemas/report';
import { stageLabel } from '../schemas/stage-names';
import { gateRows, roundSteps } from './report-rounds';
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
  const several = (of: (arm: ReportArm) => number): boolean => Math.max(0, ...report.arms.map(of)) > 1;
  const weighted: readonly Weighted[] = [
    ...(several(({ macro }) => macro.overTasks.groups)
      ? [{ title: 'mean over tasks', of: ({ macro }: ReportArm) => macro.overTasks }]
      : []),
    ...(several(({ macro }) => macro.overCategories.groups)
      ? [{ title: 'over categories', of: ({ macro }: ReportArm) => macro.overCategories }]
      : []),
  ];
  const students = several(({ students: { accuracies } }) => accuracies.length);
  printLine(color.bold('Accuracy on the held-out test items'));
  const armColumns = [
    { title: 'student trained on' },
    { title: 'round', align: 'right' as const },
    { title: 'shots', align: 'right' as const },
    { title: 'accuracy (95 % interval)' },
    ...weighted.map(({ title }) => ({ title, align: 'right' as const })),
    ...(students ? [{ title: 'sd over seeds', align: 'right' as const }] : []),
    { title: 'n', align: 'right' as const },
    { title: 'answer tag', align: 'right' as const },
    { title: 'unreadable', align: 'right' as const },
    { title: 'examples, steps' },
    { title: "against the unaligned teacher's student" },
  ];
  printLine(
    table(
      armColumns,
      report.arms.map((arm) => armRow(arm, report, weighted, students)),
    ),
  );
  printLine();
  printGroups(report, 'By task', ({ byTask }) => byTask);
  printGroups(report, 'By category', ({ byCategory }) => byCategory);
  printRounds(report);
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

/** What each round decided, and the gates that were measured. Not printed for one round in which nothing failed. */
function printRounds(report: RunReport): void {
  const steps = roundSteps(report);
  const gates = gateRows(report);
  if (steps.length < 2 && !gates.some(({ verdict }) => verdict === 'failed')) return;
  printLine(colorsFor(process.stdout).bold('What the rounds decided'));
  printLine(
    table(
      [{ title: 'round', align: 'right' }, { title: 'decision' }, { title: 'why' }, { title: 'after it' }],
      steps.map(({ round, decision, reason, next }) => [round, decision, reason, next]),
    ),
  );
  printLine();
  if (gates.length === 0) return;
  printLine(colorsFor(process.stdout).bold('Gates'));
  printLine(
    table(
      [
        { title: 'gate' },
        { title: 'round', align: 'right' },
        { title: 'measured', align: 'right' },
        { title: 'limit', align: 'right' },
        { title: 'verdict' },
      ],
      gates.map(({ gate, round, value, limit, verdict }) => [gate, round, value, limit, verdict]),
    ),
  );
  printLine();
}

type Groups = ReportArm['byTask'];

/** An average in which tasks or categories count the same, shown where there are several of them. */
interface Weighted {
  readonly title: string;
  readonly of: (arm: ReportArm) => MacroMeasure;
}

/** A table with a column per task or category, where there are several. */
function printGroups(report: RunReport, title: string, of: (arm: ReportArm) => Groups): void {
  const names = [...new Set(report.arms.flatMap((arm) => Object.keys(of(arm))))];
  if (names.length < 2) return;
  printLine(colorsFor(process.stdout).bold(title));
  const columns = [
    { title: 'student trained on' },
    { title: 'round', align: 'right' as const },
    { title: 'shots', align: 'right' as const },
    ...names.map((name) => ({ title: name })),
  ];
  const rows = report.arms.map((arm) => [
    armTitle(arm, report),
    arm.round,
    arm.shots,
    ...names.map((name) => groupCell(of(arm)[name])),
  ]);
  printLine(table(columns, rows));
  printLine();
}

const armTitles: Readonly<Record<ArmName, string>> = {
  teacher: '(the teacher itself)',
  untuned: 'nothing (untuned)',
  original_teacher: "unaligned teacher's data",
  self_instruct: 'the same, self-instruct',
  random_rationale: 'drafts, rationale at random',
  most_preferred: 'drafts, most preferred',
  task_consistent: 'drafts, best technique',
  question_only: 'aligned on questions only',
  rationale_only: 'aligned on rationales only',
  arte: "aligned teacher's data",
};

/**
 * An arm in words: what its student was trained on. Without an alignment the set of `arte` is chosen from drafts: it must not be called the
 * aligned teacher's.
 */
export function armTitle({ name }: Pick<ReportArm, 'name'>, { stages }: Pick<RunReport, 'stages'>): string {
  const chosen = name === 'arte' && stages.some((stage) => stage.name === 'select-drafts' && stage.arm === name);
  return chosen ? "the student's choice of drafts" : armTitles[name];
}

function armRow(
  arm: ReportArm,
  report: RunReport,
  weighted: readonly Weighted[],
  students: boolean,
): (string | number)[] {
  const baseline = arm.comparisons.find(({ against }) => against === 'original_teacher');
  return [
    armTitle(arm, report),
    arm.round,
    arm.shots,
    `${points(arm.accuracy)} (${points(arm.low)} to ${points(arm.high)})`,
    ...weighted.map(({ of }) => `${points(of(arm).accuracy)} ± ${points(of(arm).stderr)}`),
    ...(students ? [arm.students.accuracies.length > 1 ? points(arm.students.standardDeviation) : ''] : []),
    arm.n,
    percent(arm.tagRate),
    arm.parseFailures,
    arm.training ? `${formatCount(arm.training.examples)}, ${formatCount(arm.training.steps)}` : '',
    baseline ? difference(baseline) : '',
  ];
}

function difference({ difference: by, low, high, verdict }: Comparison): string {
  const signed = (value: number): string => `${value >= 0 ? '+' : ''}${(value * 100).toFixed(1)}`;
  return `${signed(by)} (${signed(low)} to ${signed(high)}): ${verdict}`;
}

function groupCell(measure: Measure | undefined): string {
  return measure ? `${points(measure.accuracy)} (${points(measure.low)} to ${points(measure.high)})` : '';
}

function points(share: number): string {
  return (share * 100).toFixed(1);
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
