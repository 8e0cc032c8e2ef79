/**
 * The report on the screen: the verdict (report-verdict.ts), the arms and the rounds (report-short.ts), and with `full` every table. Owns the tables and their order.
 *
 * Invariant: no line is wider than `reportWidthMax` where the names in it allow, and of a small run none than `textWidthMax`. What does not fit beside each other is a table of its own; columns
 * that say the same in every line are left out, and so are tables that say what another one does.
 */
import type { RunReport } from '../../../schemas/report';
import { stageLabel } from '../../../schemas/stage-names';
import { foreignIn } from '../../cells';
import { colorsFor, formatCount, formatSeconds, printLine, table, wrapped } from '../../output';
import {
  agreementColumns,
  agreementNote,
  agreementRows,
  agreementTitle,
  signalRows,
  signalsColumns,
  signalsTitle,
} from '../report-agreement';
import { answerKinds, answerKindsIn, scoredAnswers } from '../report-answers';
import { hasCost, plannedColumns, plannedNote, plannedRows, plannedTitle } from '../report-planned';
import { gateLegends, gateRows, orderRows } from '../report-rounds';
import { callCells, stageLines, stageTimeNote, wallWords } from '../report-stages';
import { trainingSetRows, trainingSetTitles } from '../report-training-sets';
import { setSuffix } from '../report-transfer';
import { verdict } from '../report-verdict';
import { armTitle, points, printText, right, textWidthMax } from '../report-words';
import { printArmsShort, printRoundsShort } from './report-short';
import { printArms, printTransfer } from './students';

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
        ...[right('examples'), right('agree'), right('duplicates'), right('leaks out'), right('words')],
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
    `agree: answers that are their target${rows.some(({ given }) => given) ? " (given: it was put in place of the writer's own answer, so nothing is measured)" : ''}; duplicates: questions of the set that repeat an earlier one, exact + near; leaks out: left out, for they repeat test + validation items; words of a rationale: 10, 50, 90 % have no more.`,
  );
  printLine();
}

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
  printText(plannedNote(report));
}
