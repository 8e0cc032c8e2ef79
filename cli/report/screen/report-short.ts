/** A report on one screen, below its verdict (report-verdict.ts): the arms, the rounds with their cost and time. All tables are report-view.ts. */
import type { Comparison, RunReport } from '../../../schemas/report';
import { formatCount, formatSeconds, printLine, table } from '../../output';
import { hasCost } from '../report-planned';
import { gateVerdicts, roundSteps } from '../report-rounds';
import { stageTimeNote } from '../report-stages';
import { interval, nameOf, printText, right, signed } from '../report-words';

/** The arms, one line each: accuracy, and the difference to the unaligned teacher's student. */
export function printArmsShort(report: RunReport, heading: (title: string) => void): void {
  const { arms } = report;
  if (arms.length === 0) return;
  const name = nameOf(report);
  const shots = [...new Set(arms.map((arm) => arm.shots))];
  const items = [...new Set(arms.map((arm) => arm.n / Math.max(1, arm.students.accuracies.length)))];
  const compared = arms.some(({ comparisons }) => comparisons.length > 0);
  heading(
    `Accuracy on the ${items.length === 1 ? `${formatCount(items[0] ?? 0)} ` : ''}held-out test items${shots.length === 1 ? `, ${shots[0] ?? 0}-shot` : ''}, %`,
  );
  printLine(
    table(
      [
        ...name.columns,
        { title: 'accuracy (95 % interval)' },
        ...(compared ? [{ title: 'against unaligned, points' }] : []),
      ],
      arms.map((arm) => {
        const comparison = arm.comparisons.find(({ against }) => against === 'original_teacher');
        return [...name.cells(arm), interval(arm), ...(compared ? [comparison ? comparisonCell(comparison) : ''] : [])];
      }),
    ),
  );
  if (compared) printText("Unaligned: the unaligned teacher's student. Noise: within it, so nothing may be claimed.");
  printLine();
}

function comparisonCell({ difference, low, high, verdict: called }: Comparison): string {
  const word = called === 'within noise' ? 'noise' : called;
  return `${signed(difference)} (${signed(low)} to ${signed(high)}) ${word}`;
}

/** Rounds, a line each: decision, gates, what was asked and what it took. */
export function printRoundsShort(report: RunReport, heading: (title: string) => void): void {
  const { stages, totals } = report;
  if (stages.length === 0) return;
  const decisions = new Map(roundSteps(report).map(({ round, decision }) => [round, decision]));
  const gates = new Map(gateVerdicts(report).map(({ round, words }) => [round, words]));
  const priced = hasCost(report);
  const numbers = [...new Set(stages.map(({ round }) => round))];
  const rows = numbers.map((round) => {
    const made = stages.filter((stage) => stage.round === round && !stage.reused);
    const sum = (of: (stage: (typeof made)[number]) => number): number => made.reduce((all, one) => all + of(one), 0);
    return [
      ...[String(round), decisions.get(round) ?? '', gates.get(round) ?? ''],
      ...[formatCount(sum(({ calls }) => calls)), formatCount(sum(({ outputTokens }) => outputTokens))],
      formatSeconds(sum(({ seconds }) => seconds)),
      ...(priced ? [sum(({ cost }) => cost).toFixed(2)] : []),
    ];
  });
  rows.push([
    ...['all', '', '', formatCount(totals.calls), formatCount(totals.outputTokens), formatSeconds(totals.seconds)],
    ...(priced ? [totals.cost.toFixed(2)] : []),
  ]);
  heading(`Rounds: what was decided, and what this run paid for${priced ? ` (cost in ${totals.currency})` : ''}`);
  printLine(
    table(
      [
        right('round'),
        ...[{ title: 'decision' }, { title: 'gates' }],
        ...[right('calls'), right('tokens out'), right('stage time'), ...(priced ? [right('cost')] : [])],
      ],
      rows,
    ),
  );
  printText(stageTimeNote);
}
