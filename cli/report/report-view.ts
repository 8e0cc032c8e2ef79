/**
 * The report on the screen: the verdict, the arms and the rounds (report-short.ts), and with `full` every table. Owns the tables and their order.
 *
 * Invariant: no line is wider than `reportWidthMax` where the names in it allow, and of a small run none than `textWidthMax`. What does not fit beside each other is a table of its own; columns
 * that say the same in every line are left out, and so are tables that say what another one does.
 */
import type {
  AnswerCounts,
  Comparison,
  MacroMeasure,
  Measure,
  ReportArm,
  ReportTransfer,
  RunReport,
} from '../../schemas/report';
import { stageLabel } from '../../schemas/stage-names';
import { foreignIn } from '../cells';
import { colorsFor, formatCount, formatSeconds, printLine, table, wrapped, type TableColumn } from '../output';
import {
  agreementColumns,
  agreementNote,
  agreementRows,
  agreementTitle,
  signalRows,
  signalsColumns,
  signalsTitle,
} from './report-agreement';
import { hasCost, plannedColumns, plannedNote, plannedRows, plannedTitle } from './report-planned';
import { gateLegends, gateRows, orderRows } from './report-rounds';
import { printArmsShort, printRoundsShort, verdict } from './report-short';
import { callCells, stageLines, stageTimeNote, wallWords } from './report-stages';
import { trainingSetRows, trainingSetTitles } from './report-training-sets';
import {
  setSuffix,
  targetLegends,
  targetTitle,
  transferComparisons,
  transferTitle,
  unseenReport,
} from './report-transfer';
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
} from './report-words';

/** What is shown of a report; `standing` says that the run has gone on since. */
export interface ReportView {
  /** All tables. */
  readonly full?: boolean;
  readonly standing?: string | undefined;
}

/** Print a report: on one screen, or with `full` all of its tables. */
export function printReport(whole: RunReport, { full = false, standing }: ReportView = {}): void {
  const report = foreignIn(whole);
  const color = colorsFor(process.stdout);
  const heading = (title: string): void => printLine(color.bold(title));
  const rounds = report.rounds.length === 1 ? '1 round' : `${report.rounds.length} rounds`;
  const wall = wallWords(report);
  printLine();
  heading(`Report of ${report.runId} (${[report.status.toLowerCase(), rounds, ...(wall ? [wall] : [])].join(', ')})`);
  printLine();
  if (standing !== undefined) {
    for (const line of wrapped(standing, textWidthMax)) printLine(color.yellow(line));
    printLine();
  }
  for (const sentence of verdict(report)) printText(sentence);
  printLine();
  if (full) printTables(report, heading);
  else {
    printArmsShort(report, heading);
    printRoundsShort(report, heading);
  }
  if (report.notes.length > 0) {
    printLine();
    for (const note of report.notes) {
      const [first = '', ...rest] = wrapped(note, textWidthMax - 6);
      printLine([`${color.yellow('note')}  ${first}`, ...rest.map((line) => `      ${line}`)].join('\n'));
    }
  }
  if (full) return;
  printLine();
  printLine(`${color.bold('next')}  arte report ${report.runId} --full has all tables; --html FILE is a page`);
}

function printTables(report: RunReport, heading: (title: string) => void): void {
  if (report.arms.length > 0) printArms(report, heading);
  printTransfer(report, heading);
  printScores(report, heading);
  printAgreements(report, heading);
  printTrainingSets(report, heading);
  printGates(report, heading);
  printOrders(report, heading);
  printStages(report, heading);
  printPlanned(report, heading);
}

function printTrainingSets(report: RunReport, heading: (title: string) => void): void {
  const rows = trainingSetRows(report);
  if (rows.length === 0) return;
  heading('Training sets');
  const several = new Set(rows.map(({ round }) => round)).size > 1;
  printLine(
    table(
      [
        ...[{ title: trainingSetTitles.arm }, ...(several ? [right('round')] : [])],
        ...[right('examples'), right('agree'), right('duplicates'), right('leaks'), right('words')],
      ],
      rows.map((row) => [
        ...[`${armTitle({ name: row.arm }, report)}${setSuffix(row.label)}`, ...(several ? [row.round] : [])],
        ...[
          formatCount(row.examples),
          row.given ? 'given' : `${points(row.agreeing)} %`,
          row.duplicates,
          row.leaks,
          row.words,
        ],
      ]),
    ),
  );
  // Sets of which the same was left out are told together.
  const reasons = [...new Set(rows.map(({ leftOut }) => leftOut))];
  for (const leftOut of reasons) {
    const those = rows.filter((row) => row.leftOut === leftOut);
    const names = those.map(
      (row) => `${armTitle({ name: row.arm }, report)}${setSuffix(row.label)}${several ? `, round ${row.round}` : ''}`,
    );
    printText(`Left out${reasons.length === 1 ? '' : ` of ${names.join('; ')}`}: ${leftOut}.`);
  }
  printText(
    `agree: answers that are their target${rows.some(({ given }) => given) ? ' (given: the writer was told it, so nothing is measured)' : ''}; duplicates: exact + near; leaks: rows that repeat test + probe items; words of a rationale: 10, 50, 90 % have no more.`,
  );
  printLine();
}

// ---- students ----------------------------------------------------------------------------------------------------

function printArms(report: RunReport, heading: (title: string) => void): void {
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
function printTransfer(report: RunReport, heading: (title: string) => void): void {
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

export interface MacroAverage {
  readonly title: string;
  readonly of: (arm: ReportArm) => MacroMeasure;
}

/** The averages that differ from the one over items: over tasks and over categories, where there are several, and once where they are the same. */
export function macroAverages({ arms }: Pick<RunReport, 'arms'>): MacroAverage[] {
  const averages: readonly (MacroAverage & { readonly groups: number })[] = (
    [
      ['over tasks', ({ macro }: ReportArm) => macro.overTasks],
      ['over categories', ({ macro }: ReportArm) => macro.overCategories],
    ] as const
  ).map(([title, of]) => ({ title, of, groups: Math.max(0, ...arms.map((arm) => of(arm).groups)) }));
  const several = averages.filter(({ groups }) => groups > 1);
  const [first, second] = several;
  const same = first && second && arms.every((arm) => first.of(arm).accuracy === second.of(arm).accuracy);
  return same ? [{ ...first, title: 'over tasks, and over categories' }] : several;
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

/** The kinds of answers in words: column titles and what they mean. */
export const answerKinds: Readonly<Record<keyof AnswerCounts, { readonly title: string; readonly means: string }>> = {
  tagged: { title: 'tagged', means: 'the answer stood in the answer tag' },
  untagged: { title: 'untagged', means: 'found without the tag, by the rules of evaluate.extraction: flexible' },
  truncated: {
    title: 'truncated',
    means: 'cut off at max_tokens before a tag was closed: no answer, counts as wrong; raise max_tokens',
  },
  unreadable: { title: 'unreadable', means: 'ended by itself without an answer that can be read: counts as wrong' },
  refused: { title: 'refused', means: 'by the provider: counts as wrong' },
  failed: { title: 'failed', means: 'the call failed for good: counts as wrong' },
};

/** The kinds worth a column: refused and failed only where there are some. */
export function answerKindsIn(counts: readonly AnswerCounts[]): (keyof AnswerCounts)[] {
  const always: readonly (keyof AnswerCounts)[] = ['tagged', 'untagged', 'truncated', 'unreadable'];
  return (Object.keys(answerKinds) as (keyof AnswerCounts)[]).filter(
    (kind) => always.includes(kind) || counts.some((count) => count[kind] > 0),
  );
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

// ---- scores, decisions, stages -----------------------------------------------------------------------------------

/** How the untuned student's answers to the probe items were read: what the drafts' scores rest on. */
function printScores(report: RunReport, heading: (title: string) => void): void {
  const rows = scoredAnswers(report);
  if (rows.length === 0) return;
  heading('How the answers behind the scores of the drafts were read');
  const kinds = answerKindsIn(rows.map(({ answers }) => answers));
  printLine(
    table(
      [right('round'), ...kinds.map((kind) => right(answerKinds[kind].title))],
      rows.map(({ round, answers }) => [round, ...kinds.map((kind) => formatCount(answers[kind]))]),
    ),
  );
  printLine();
}

/** How far the choice of pairs would be another one by more items, or by one signal alone. */
function printAgreements(report: RunReport, heading: (title: string) => void): void {
  const chosen = agreementRows(report);
  if (chosen.length > 0) {
    heading(agreementTitle);
    printLine(table(agreementColumns.map(right), chosen));
    printText(agreementNote);
    printLine();
  }
  const signals = signalRows(report);
  if (signals.length === 0) return;
  heading(signalsTitle);
  const [round, names, correlation] = signalsColumns;
  printLine(table([right(round), { title: names }, right(correlation)], signals));
  printLine();
}

/** The answers that each round's scores rest on, from the facts of its score-drafts stage. */
export function scoredAnswers({ stages }: Pick<RunReport, 'stages'>): { round: number; answers: AnswerCounts }[] {
  return stages.flatMap(({ name, round, facts }) => {
    // The signals that read no answer have none to count.
    const answered = name === 'score-drafts' && (facts['signal'] ?? 'icl_accuracy') === 'icl_accuracy';
    const quality = answered ? (facts['quality'] as { answers?: AnswerCounts } | undefined) : undefined;
    return quality?.answers ? [{ round, answers: quality.answers }] : [];
  });
}

/** The gates that were on, with what they measure. */
function printGates(report: RunReport, heading: (title: string) => void): void {
  const gates = gateRows(report);
  if (gates.length === 0) return;
  heading('Gates');
  printLine(
    table(
      [{ title: 'gate' }, right('round'), right('measured'), right('limit'), { title: 'verdict' }],
      gates.map(({ gate, round, value, limit, verdict: held }) => [gate, round, value, limit, held]),
    ),
  );
  for (const { gate, means } of gateLegends(report)) printText(`${gate}: ${means}.`);
  printLine();
}

function printOrders(report: RunReport, heading: (title: string) => void): void {
  const rows = orderRows(report);
  if (rows.length === 0) return;
  heading('What people did to the run');
  for (const [at = '', action = '', by = '', what = ''] of rows) {
    const [first = '', ...rest] = wrapped([by, what].filter((text) => text !== '').join('  '), textWidthMax - 31);
    printLine([`${at}  ${action.padEnd(11)}  ${first}`, ...rest.map((line) => `${' '.repeat(31)}${line}`)].join('\n'));
  }
  printLine();
}

function printStages(report: RunReport, heading: (title: string) => void): void {
  const { stages, totals } = report;
  const rounds = new Set(stages.map(({ round }) => round)).size > 1;
  const priced = hasCost(report);
  heading(`What each stage took${priced ? ` (cost in ${totals.currency})` : ''}`);
  const columns = [
    { title: 'stage' },
    ...(rounds ? [right('round')] : []),
    right('calls'),
    right('tokens in'),
    right('cached'),
    right('tokens out'),
    right('time'),
    ...(priced ? [right('cost')] : []),
  ];
  const rows = stageLines(stages).map(({ stage, rounds: of }) => [
    stageLabel(stage.name, stage.arm),
    ...(rounds ? [of] : []),
    ...callCells(stage),
    stage.reused ? 'reused' : formatSeconds(stage.seconds),
    ...(priced ? [stage.reused ? '-' : stage.cost.toFixed(2)] : []),
  ]);
  rows.push([
    'in all, spent by this run',
    ...(rounds ? [''] : []),
    ...callCells(totals),
    formatSeconds(totals.seconds),
    ...(priced ? [totals.cost.toFixed(2)] : []),
  ]);
  printLine(table(columns, rows));
  printText(`${stageTimeNote} Reused: found in the store.`);
}

/** Plan against actual, of a run that was started with a plan. */
function printPlanned(report: RunReport, heading: (title: string) => void): void {
  const rows = plannedRows(report);
  if (rows.length === 0) return;
  printLine();
  heading(plannedTitle);
  const { stage, round, calls, tokens, seconds, cost } = plannedColumns;
  const rounds = report.rounds.length > 1;
  const priced = rows.some((row) => row.cost !== '');
  printLine(
    table(
      [
        { title: stage },
        ...(rounds ? [right(round)] : []),
        right(calls),
        // Beside a cost there is no room for them; page and --json have both.
        ...(priced ? [] : [right(tokens)]),
        right(seconds),
        ...(priced ? [right(cost)] : []),
      ],
      rows.map((row) => [
        row.stage,
        ...(rounds ? [row.round] : []),
        row.calls,
        ...(priced ? [] : [row.tokens]),
        row.seconds,
        ...(priced ? [row.cost] : []),
      ]),
    ),
  );
  printText(plannedNote);
}
