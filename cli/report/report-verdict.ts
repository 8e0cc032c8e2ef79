/**
 * What came of a run, in sentences: the terminal begins with them, and so does the page. Owns these sentences, and which line of the report they begin with;
 * figures are the report's.
 */
import type { Comparison, ReportArm, RunReport } from '../../schemas/report';
import { isWorthTelling, roundSteps } from './report-rounds';
import { armTitle, baselineTitles, interval, nothingEvaluated, points, signed } from './report-words';

/** Rounds whose decision is told with its reason: of more the table says what was decided. */
const roundsToldMax = 4;

const baselines = ['original_teacher', 'untuned'] as const;

/** The aligned student's lines that are the run's result, a shot count each: of the best round, which need not be the last. */
export function resultLines({ arms, bestRound }: Pick<RunReport, 'arms' | 'bestRound'>): ReportArm[] {
  const own = arms.filter(({ name }) => name === 'arte');
  const round = own.some((arm) => arm.round === bestRound) ? bestRound : own.at(-1)?.round;
  return own.filter((arm) => arm.round === round);
}

/** What came of the run in a few sentences, for a line: which round, how accurate its student is, how that stands to the baselines. */
export function headline(report: RunReport): string[] {
  const { arms, rounds, bestRound } = report;
  if (arms.length === 0) return [nothingEvaluated(report)];
  const [first, ...others] = resultLines(report);
  return [
    ...(bestRound === 0 ? ['No round was accepted: nothing that was trained here may be used.'] : []),
    ...(rounds.length > 1 && first !== undefined && bestRound === first.round
      ? [`Round ${first.round} of ${rounds.length} is the best, and the result of the run.`]
      : []),
    ...(first ? [firstSentence(first, others.length > 0, report)] : []),
  ];
}

/** What came of the run, in sentences: which student, how much it gained on either baseline, what each round decided. */
export function verdict(report: RunReport): string[] {
  if (report.arms.length === 0) return headline(report);
  const shown = resultLines(report);
  const told = (isWorthTelling(report) ? roundSteps(report) : []).slice(-roundsToldMax);
  return [
    ...headline(report),
    ...shown.slice(1).map(furtherSentence),
    ...bestOthers(report, shown),
    ...told.map(
      (step) =>
        `Round ${step.round} ${step.decision}. ${step.reason}${step.next === '' ? '' : ` The run ${step.next}.`}`,
    ),
  ];
}

/** The comparisons with the two baselines, the unaligned teacher's student first. */
function compared({ comparisons }: ReportArm): (Comparison & { readonly title: string })[] {
  return baselines.flatMap((against) => {
    const comparison = comparisons.find((one) => one.against === against);
    return comparison ? [{ ...comparison, title: baselineTitles[against] }] : [];
  });
}

function firstSentence(arm: ReportArm, withShots: boolean, report: RunReport): string {
  const beside = compared(arm).map(({ title, ...comparison }, at) => {
    const figures = by(comparison, ' points');
    return at === 0
      ? ` That is ${figures} against ${title}: ${meaningOf(comparison)}.`
      : ` Against ${title} it is ${figures}: ${meaningOf(comparison)}.`;
  });
  return `Trained on the ${armTitle(arm, report).replace(/^the /, '')} the student answers ${points(arm.accuracy)} % of the test items right${withShots ? `, ${arm.shots}-shot` : ''} (95 % interval ${points(arm.low)} to ${points(arm.high)}).${beside.join('')}`;
}

/** What may be claimed. A bootstrap of a few items that differ leaves out zero where the exact test does not: then the sentence says which one decided. */
function meaningOf({ verdict: called, low, high, p }: Omit<Comparison, 'against'>): string {
  if (called !== 'within noise') return `a ${called} beyond noise`;
  const why = low > 0 || high < 0 ? ` by the exact test (adjusted p ${p.toFixed(3)})` : '';
  return `within noise${why}, so nothing may be claimed`;
}

/** The same of a further shot count, as short as it goes. */
function furtherSentence(arm: ReportArm): string {
  const beside = compared(arm).map(
    ({ title, verdict: called, ...comparison }) => `${by(comparison)} against ${title}, ${called}`,
  );
  return `${arm.shots}-shot: ${interval(arm)} %${beside.map((words) => `; ${words}`).join('')}.`;
}

function by({ difference, low, high }: Pick<Comparison, 'difference' | 'low' | 'high'>, unit = ''): string {
  return `${signed(difference)}${unit} (${signed(low)} to ${signed(high)})`;
}

/** At each shot count the arm of comparison that did best, where it did better than the alignment: a reader must not have to look for it. */
function bestOthers(report: RunReport, shown: readonly ReportArm[]): string[] {
  return shown.flatMap((own) => {
    const [arm] = report.arms
      .filter(({ name, shots }) => name !== 'arte' && name !== 'teacher' && shots === own.shots)
      .sort((one, other) => other.accuracy - one.accuracy);
    if (!arm || arm.accuracy <= own.accuracy) return [];
    const whose = arm.name === 'untuned' ? baselineTitles.untuned : `another arm, ${armTitle(arm, report)}`;
    return [
      `The highest figure${shown.length > 1 ? `, ${arm.shots}-shot,` : ''} is that of ${whose}: ${interval(arm)} %.`,
    ];
  });
}
