/**
 * A report on one screen: the verdict in words, the arms, the rounds with their cost and time. Owns what a reader is told first; all tables are
 * report-view.ts. Its sentences are data: the terminal is not the only one to say them.
 */
import type { Comparison, ReportArm, RunReport } from '../../../schemas/report';
import { formatCount, formatSeconds, printLine, table } from '../../output';
import { hasCost } from '../report-planned';
import { gateVerdicts, isWorthTelling, roundSteps } from '../report-rounds';
import { stageTimeNote } from '../report-stages';
import {
  armTitle,
  baselineTitles,
  interval,
  nameOf,
  nothingEvaluated,
  points,
  printText,
  right,
  signed,
} from '../report-words';

/** Rounds whose decision is told with its reason: of more the table says what was decided. */
const roundsToldMax = 4;

/** What came of the run, in sentences: which student, how much it gained, what each round decided. */
export function verdict(report: RunReport): string[] {
  const { arms, rounds, bestRound } = report;
  if (arms.length === 0) return [nothingEvaluated(report)];
  const own = arms.filter(({ name }) => name === 'arte');
  const round = own.some((arm) => arm.round === bestRound) ? bestRound : own.at(-1)?.round;
  const shown = own.filter((arm) => arm.round === round);
  const said = shown.map((arm) => armSentence(arm, shown.length > 1, report));
  const best = bestOther(report, shown);
  const steps = isWorthTelling(report) ? roundSteps(report) : [];
  const told = steps.slice(-roundsToldMax);
  return [
    ...(bestRound === 0 ? ['No round was accepted: nothing that was trained here may be used.'] : []),
    ...(rounds.length > 1 && round !== undefined && bestRound === round
      ? [`Round ${round} of ${rounds.length} is the best, and the result of the run.`]
      : []),
    ...said,
    ...(best ? [best] : []),
    ...told.map(
      (step) =>
        `Round ${step.round} ${step.decision}. ${step.reason}${step.next === '' ? '' : ` The run ${step.next}.`}`,
    ),
  ];
}

function armSentence(arm: ReportArm, withShots: boolean, report: RunReport): string {
  const comparison = arm.comparisons.find(({ against }) => against === 'original_teacher');
  const beside = comparison ? ` ${comparisonSentence(comparison)}` : '';
  return `Trained on the ${armTitle(arm, report).replace(/^the /, '')} the student answers ${points(arm.accuracy)} % of the test items right${withShots ? `, ${arm.shots}-shot` : ''} (95 % interval ${points(arm.low)} to ${points(arm.high)}).${beside}`;
}

function comparisonSentence({ difference, low, high, verdict: called }: Comparison): string {
  const meaning = {
    gain: 'a gain beyond noise',
    loss: 'a loss beyond noise',
    'within noise': 'within noise, so nothing may be claimed',
  }[called];
  return `That is ${signed(difference)} points (${signed(low)} to ${signed(high)}) against ${baselineTitles.original_teacher}: ${meaning}.`;
}

/** An arm of comparison that did better than the alignment: a reader must not have to look for it. */
function bestOther(report: RunReport, shown: readonly ReportArm[]): string | undefined {
  const [arm] = report.arms
    .filter(({ name, shots }) => name !== 'arte' && name !== 'teacher' && shown.some((own) => own.shots === shots))
    .sort((one, other) => other.accuracy - one.accuracy);
  const own = shown.find(({ shots }) => shots === arm?.shots);
  if (!arm || !own || arm.accuracy <= own.accuracy) return undefined;
  const whose = arm.name === 'untuned' ? baselineTitles.untuned : `another arm, ${armTitle(arm, report)}`;
  return `The highest figure is that of ${whose}: ${interval(arm)} %.`;
}

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
