/**
 * The transfer as data, for the report on the screen and on its page: what each line was carried over to, in words, and its comparisons. Owns words; the
 * figures are the report's.
 */
import type { Comparison, ReportTransfer, RunReport } from '../../schemas/report';
import { readTransferLabel, studentOfTarget, type TransferTarget } from '../../schemas/transfer';

export const transferTitle = 'Transfer';

/** A target in a column: `student 1`, `unseen tasks`. */
export function targetTitle(to: TransferTarget): string {
  const index = studentOfTarget(to);
  return index === undefined ? 'unseen tasks' : `student ${index + 1}`;
}

/** What a transfer set was written for, behind the words of its arm; nothing for a set of the run itself. */
export function setSuffix(label: string): string {
  return readTransferLabel(label) ? ', unseen tasks' : '';
}

/** What the short names stand for, in sentences. */
export function targetLegends({ transfer = [] }: Pick<RunReport, 'transfer'>): string[] {
  const targets = [...new Map(transfer.map((line) => [line.to, line])).values()];
  const students = targets
    .filter(({ to }) => to !== 'tasks')
    .map(({ to, model }) => `${targetTitle(to)} is ${model ?? ''}`);
  const unseen = targets.find(({ to }) => to === 'tasks');
  return [
    ...(students.length > 0
      ? [
          `${students.join(', ')}: trained on the sets that were written for the run's student, evaluated on the run's tasks.`,
        ]
      : []),
    ...(unseen
      ? [
          `unseen tasks are ${Object.keys(unseen.byTask).join(', ')}: both teachers wrote a set for them, and the run's student learnt from each; no probe, draft or pair comes from them.`,
        ]
      : []),
  ];
}

export interface TransferComparison {
  readonly line: ReportTransfer;
  readonly comparison: Comparison;
}

/** The lines that were compared with a baseline, in the report's order. */
export function transferComparisons(
  { transfer = [] }: Pick<RunReport, 'transfer'>,
  against: string,
): TransferComparison[] {
  return transfer.flatMap((line) => {
    const comparison = line.comparisons.find((one) => one.against === against);
    return comparison ? [{ line, comparison }] : [];
  });
}

/** The lines of the unseen tasks as a report of their own: for the tables by task. */
export function unseenReport(report: RunReport): RunReport {
  return { ...report, arms: (report.transfer ?? []).filter(({ to }) => to === 'tasks') };
}
