/** The students on the screen: accuracy, comparisons, how answers were read, by task and category, and what the alignment is worth elsewhere. */
import type { AnswerCounts, Comparison, Measure, ReportArm, ReportTransfer, RunReport } from '../../../schemas/report';
import { formatCount, printLine, table, wrapped, type TableColumn } from '../../output';
import { answerKinds, answerKindsIn } from '../report-answers';
import { macroAverages } from '../report-averages';
import { targetLegends, targetTitle, transferComparisons, transferTitle, unseenReport } from '../report-transfer';
import {
  armTitle,
  baselineTitles,
  interval,
  nameOf,
  points,
  printText,
  reportWidthMax,
  right,
  signed,
  textWidthMax,
} from '../report-words';

export function printArms(report: RunReport, heading: (title: string) => void): void {
  const { arms } = report;
  const name = nameOf(report);
  const several = (of: (arm: ReportArm) => number): boolean => Math.max(...arms.map(of)) > 1;
  const shots = [...new Set(arms.map((arm) => arm.shots))];
  const inAll = shots.length === 1 ? `, ${shots[0] ?? 0}-shot` : '';

  heading(`Accuracy on the held-out test items${inAll}, %`);
  const students = several(({ students: { accuracies } }) => accuracies.length);
  const training = arms.flatMap((arm) => (arm.training ? [words(arm.training)] : []));
  const equal = new Set(training).size <= 1;
  printLine(
    table(
      [
        ...name.columns,
        { title: 'accuracy (95 % interval)' },
        right('n'),
        ...(students ? [right('sd over seeds')] : []),
        ...(equal ? [] : [{ title: 'examples, steps' }]),
      ],
      arms.map((arm) => [
        ...name.cells(arm),
        interval(arm),
        formatCount(arm.n),
        ...(students ? [arm.students.accuracies.length > 1 ? points(arm.students.standardDeviation) : ''] : []),
        ...(equal ? [] : [arm.training ? words(arm.training) : '']),
      ]),
    ),
  );
  const [trained] = training;
  if (equal && trained !== undefined) {
    const [examples, steps] = trained.split(', ');
    printText(`Every student that was trained saw ${examples ?? ''} examples in ${steps ?? ''} steps.`);
  }
  if (students)
    printText(
      'sd over seeds: standard deviation of the accuracies of the students of an arm; n counts the answers of all.',
    );
  printLine();

  printMacro(report, heading);
  for (const against of ['original_teacher', 'untuned'] as const) printComparisons(report, against, heading);

  if (arms.some(({ comparisons }) => comparisons.length > 0)) {
    printText(
      'p: exact, adjusted for all comparisons in its table. A gain or loss has p below 0.05 and an interval without 0; all else is noise (docs/evaluation.md).',
    );
    printLine();
  }
  heading('How the answers were read');
  printAnswers(
    name.columns,
    arms.map((arm) => ({ cells: name.cells(arm), answers: arm.answers })),
  );
  printLine();
  printGroups(report, 'By task, accuracy (95 % interval), %', ({ byTask }) => byTask, heading);
  if (arms.every(isCategoryPerTask)) {
    if (Object.keys(arms[0]?.byTask ?? {}).length > 1) {
      printText('By category: as by task, for each task is a category of its own.');
      printLine();
    }
  } else printGroups(report, 'By category, accuracy (95 % interval), %', ({ byCategory }) => byCategory, heading);
}

function isCategoryPerTask({ byTask, byCategory }: ReportArm): boolean {
  return Object.keys(byTask).length === Object.keys(byCategory).length;
}

function words({ examples, steps }: NonNullable<ReportArm['training']>): string {
  return `${formatCount(examples)}, ${formatCount(steps)}`;
}

/** What the alignment is worth for other students and tasks: lines as the arms have them, target by target. */
export function printTransfer(report: RunReport, heading: (title: string) => void): void {
  const { transfer: lines = [] } = report;
  if (lines.length === 0) return;
  const shots = new Set(lines.map((line) => line.shots)).size > 1;
  const students = lines.some((line) => line.students.accuracies.length > 1);
  const columns = [{ title: 'to' }, { title: 'student trained on' }, ...(shots ? [right('shots')] : [])];
  const cells = (line: ReportTransfer): (string | number)[] => [
    targetTitle(line.to),
    armTitle(line, report),
    ...(shots ? [line.shots] : []),
  ];
  heading(`${transferTitle}: accuracy on the test items, %`);
  printLine(
    table(
      [...columns, { title: 'accuracy (95 % interval)' }, right('n'), ...(students ? [right('sd over seeds')] : [])],
      lines.map((line) => [
        ...cells(line),
        interval(line),
        formatCount(line.n),
        ...(students ? [line.students.accuracies.length > 1 ? points(line.students.standardDeviation) : ''] : []),
      ]),
    ),
  );
  for (const legend of targetLegends(report)) printText(legend);
  printLine();
  for (const against of ['original_teacher', 'untuned'] as const) {
    const rows = transferComparisons(report, against);
    if (rows.length === 0) continue;
    heading(`${transferTitle} against ${baselineTitles[against]}, on the items that both answered`);
    printLine(
      table(
        [...columns, ...comparisonColumns],
        rows.map(({ line, comparison }) => [...cells(line), ...comparisonCells(comparison)]),
      ),
    );
    printLine();
  }
  const unseen = unseenReport(report);
  if (unseen.arms.length === 0) return;
  printMacro(unseen, heading, 'Unseen tasks: accuracy');
  printGroups(unseen, 'Unseen tasks by task, accuracy (95 % interval), %', ({ byTask }) => byTask, heading);
}

/** Averages in which tasks or categories count the same, where there are several of them. */
function printMacro(report: RunReport, heading: (title: string) => void, what = 'Accuracy'): void {
  const averages = macroAverages(report);
  if (averages.length === 0) return;
  const name = nameOf(report);
  heading(`${what} as a mean in which each counts the same, % ± standard error`);
  printLine(
    table(
      [...name.columns, ...averages.map(({ title }) => right(title))],
      report.arms.map((arm) => [
        ...name.cells(arm),
        ...averages.map(({ of }) => `${points(of(arm).accuracy)} ± ${points(of(arm).stderr)}`),
      ]),
    ),
  );
  printLine();
}

function printComparisons(
  report: RunReport,
  against: 'original_teacher' | 'untuned',
  heading: (title: string) => void,
): void {
  const rows = report.arms.flatMap((arm) => {
    const comparison = arm.comparisons.find((one) => one.against === against);
    return comparison ? [{ arm, comparison }] : [];
  });
  if (rows.length === 0) return;
  const name = nameOf(report);
  heading(`Against ${baselineTitles[against]}, on the items that both answered`);
  printLine(
    table(
      [...name.columns, ...comparisonColumns],
      rows.map(({ arm, comparison }) => [...name.cells(arm), ...comparisonCells(comparison)]),
    ),
  );
  printLine();
}

const comparisonColumns: readonly TableColumn[] = [
  { title: 'points (95 % interval)' },
  right('p'),
  { title: 'may be called' },
];

function comparisonCells({ difference, low, high, p, verdict }: Comparison): string[] {
  return [`${signed(difference)} (${signed(low)} to ${signed(high)})`, p.toFixed(3), verdict];
}

interface AnswersRow {
  readonly cells: readonly (string | number)[];
  readonly answers: AnswerCounts;
}

function printAnswers(columns: readonly TableColumn[], rows: readonly AnswersRow[]): void {
  const kinds = answerKindsIn(rows.map(({ answers }) => answers));
  printLine(
    table(
      [...columns, ...kinds.map((kind) => right(answerKinds[kind].title))],
      rows.map(({ cells, answers }) => [...cells, ...kinds.map((kind) => formatCount(answers[kind]))]),
    ),
  );
  for (const kind of kinds) {
    const { title, means } = answerKinds[kind];
    const [first = '', ...rest] = wrapped(means, textWidthMax - 14);
    printLine([`  ${`${title}:`.padEnd(12)}${first}`, ...rest.map((line) => ' '.repeat(14) + line)].join('\n'));
  }
}

/** A table with a column per task or category, where there are several; folded into several tables where they are many. */
function printGroups(
  report: RunReport,
  title: string,
  of: (arm: ReportArm) => Readonly<Record<string, Measure>>,
  heading: (title: string) => void,
): void {
  const names = [...new Set(report.arms.flatMap((arm) => Object.keys(of(arm))))];
  if (names.length < 2) return;
  const own = nameOf(report);
  const nameWidth = Math.max(...report.arms.map((arm) => armTitle(arm, report).length)) + 7 * (own.columns.length - 1);
  const cellWidth = '100.0 (100.0 to 100.0)  '.length;
  heading(title);
  for (let from = 0; from < names.length;) {
    let width = nameWidth;
    let to = from;
    do {
      width += Math.max(cellWidth, (names[to] as string).length + 2);
      to += 1;
    } while (to < names.length && width + Math.max(cellWidth, (names[to] as string).length + 2) <= reportWidthMax);
    const shown = names.slice(from, to);
    const rows = report.arms.map((arm) => [
      ...own.cells(arm),
      ...shown.map((name) => {
        const measure = of(arm)[name];
        return measure ? interval(measure) : '';
      }),
    ]);
    printLine(table([...own.columns, ...shown.map((name) => ({ title: name }))], rows));
    printLine();
    from = to;
  }
}
