/**
 * The words that every view of a report shares: arms (method/arm-titles.ts), baselines, figures with their intervals, the widths of a terminal. Owns these words and their
 * forms; what stands where is report-verdict.ts, report-short.ts, report-view.ts and report-page.ts.
 */
import { armTitle } from '../../method/arm-titles';
import type { Measure, ReportArm, RunReport } from '../../schemas/report';
import { stageLabel } from '../../schemas/stage-names';
import { printLine, wrapped, type TableColumn } from '../output';

export { armTitle };

/** Columns of the widest table, in a run with several rounds, shot counts and seeds: most terminals have as many. */
export const reportWidthMax = 100;
/** Columns of sentences, and of the tables of a small run: every terminal has as many. */
export const textWidthMax = 80;

/** A sentence, in lines of textWidthMax. */
export function printText(text: string): void {
  for (const line of wrapped(text, textWidthMax)) printLine(line);
}

/** Why a report has no accuracies. */
export function nothingEvaluated({ status, stages }: Pick<RunReport, 'status' | 'stages'>): string {
  const last = stages.at(-1);
  const when =
    last === undefined
      ? 'before its first stage had finished'
      : `after ${stageLabel(last.name, last.arm)} in round ${last.round}`;
  return status === 'CANCELLED'
    ? `No student was evaluated in a whole round: the run was cancelled ${when}. There are no accuracies to report; what was made is kept, and is reused when the run is started again.`
    : 'No student was evaluated: there are no accuracies to report.';
}

/** A column of numbers. */
export const right = (title: string): TableColumn => ({ title, align: 'right' });

/** Columns that say which line it is, as far as lines differ in them, and their cells. */
export function nameOf(report: RunReport): { columns: TableColumn[]; cells: (arm: ReportArm) => (string | number)[] } {
  const rounds = new Set(report.arms.map(({ round }) => round)).size > 1;
  const shots = new Set(report.arms.map((arm) => arm.shots)).size > 1;
  return {
    columns: [{ title: 'student trained on' }, ...(rounds ? [right('round')] : []), ...(shots ? [right('shots')] : [])],
    cells: (arm) => [armTitle(arm, report), ...(rounds ? [arm.round] : []), ...(shots ? [arm.shots] : [])],
  };
}

/** Baselines as what something is compared with. */
export const baselineTitles = {
  untuned: 'the untuned student',
  original_teacher: "the unaligned teacher's student",
} as const;

/** Accuracy with its interval, in %. */
export function interval({ accuracy, low, high }: Pick<Measure, 'accuracy' | 'low' | 'high'>): string {
  return `${points(accuracy)} (${points(low)} to ${points(high)})`;
}

/** A share in %, without the sign. */
export function points(share: number): string {
  return (share * 100).toFixed(1);
}

/** A difference of shares, in points. */
export function signed(share: number): string {
  return `${share >= 0 ? '+' : ''}${points(share)}`;
}
