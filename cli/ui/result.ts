/**
 * What came of a run that is over, in a few figures for the list, its page and side by side: from its report. Owns what is kept of a report while the
 * page's server runs, which is a few hundred bytes a run, and its words beside those that every view of a report shares (report-words.ts).
 */
import { isDamage } from '../../activities/damaged';
import type { ArtifactStore } from '../../drivers/store/store';
import { ArteError } from '../../schemas/errors';
import type { Comparison, ReportArm, RunReport } from '../../schemas/report';
import { readReport } from '../report/read-report';
import { resultLines } from '../report/report-verdict';
import { baselineTitles, points, signed } from '../report/report-words';
import { formatSeconds } from '../output';
import type { RunView } from '../run/run-progress';

/** The aligned student of the best round, asked with so many examples. */
export interface RunAccuracy extends Pick<ReportArm, 'round' | 'shots' | 'accuracy' | 'low' | 'high'> {
  /** Against the unaligned teacher's student; left out where the run has none. */
  readonly against?: Pick<Comparison, 'difference' | 'verdict'>;
}

export interface RunResult {
  /** Of the best round, by shots; empty where no student was evaluated, and where no round was accepted. */
  readonly accuracies: readonly RunAccuracy[];
  /** Every round was rejected: nothing that was trained may be used. */
  readonly isRejected: boolean;
  /** From start to end, with pauses; undefined where the start is not known. */
  readonly seconds?: number;
}

/** Of a run that is over; `lastWordAt`, in epoch milliseconds: when it last wrote, which is what is known of its end where no report can be read. */
export async function readResult(store: ArtifactStore, { progress }: RunView, lastWordAt: number): Promise<RunResult> {
  const { runId, status, startedAt } = progress;
  // What may lie in the store of one that has failed is of an earlier end.
  const report = status === 'FAILED' ? undefined : await reportOf(store, runId);
  if (report) return resultOf(report);
  const seconds = (lastWordAt - Date.parse(startedAt)) / 1000;
  return { accuracies: [], isRejected: false, ...(seconds >= 0 && { seconds }) };
}

/** Undefined where it is gone, damaged, or another version's: the run's page is there without it. */
async function reportOf(store: ArtifactStore, runId: string): Promise<RunReport | undefined> {
  try {
    return await readReport(store, runId);
  } catch (error) {
    const isGone = error instanceof ArteError && ['ReportNotFound', 'RunNotFound'].includes(error.data.code);
    if (isGone || isDamage(error)) return undefined;
    throw error;
  }
}

export function resultOf(report: Pick<RunReport, 'arms' | 'bestRound' | 'wall'>): RunResult {
  const { bestRound, wall } = report;
  const isRejected = bestRound === 0;
  const shown = isRejected ? [] : resultLines(report);
  const accuracies = shown.map(({ round, shots, accuracy, low, high, comparisons }): RunAccuracy => {
    const against = comparisons.find((each) => each.against === 'original_teacher');
    return {
      ...{ round, shots, accuracy, low, high },
      ...(against && { against: { difference: against.difference, verdict: against.verdict } }),
    };
  });
  return { accuracies, isRejected, ...(wall && { seconds: wall.seconds }) };
}

/** `50.0 %`, with the shots where there are several: a cell of the list. */
export function accuracyWords(result: RunResult | undefined): string {
  if (!result) return '';
  if (result.isRejected) return 'no round accepted';
  const isSeveral = result.accuracies.length > 1;
  return result.accuracies
    .map(({ accuracy, shots }) => `${points(accuracy)} %${isSeveral ? ` (${shots}-shot)` : ''}`)
    .join(', ');
}

/** Tiles for every accuracy: the figure and what it is, and what it is more than the unaligned teacher's student has. */
export function accuracyTiles(result: RunResult | undefined): (readonly [value: string, name: string])[] {
  if (!result) return [];
  if (result.isRejected) return [['none', 'accuracy: no round was accepted']];
  return result.accuracies.flatMap(({ round, shots, accuracy, low, high, against }) => [
    [`${points(accuracy)} %`, `accuracy of round ${round}, ${shots}-shot (${points(low)} to ${points(high)})`] as const,
    ...(against
      ? [
          [
            `${signed(against.difference)} points`,
            `against ${baselineTitles.original_teacher}: ${against.verdict}`,
          ] as const,
        ]
      : []),
  ]);
}

/** `50.0 % (36.4 to 63.6), round 1`: a cell side by side. */
export function intervalWords({ accuracy, low, high, round }: RunAccuracy): string {
  return `${points(accuracy)} % (${points(low)} to ${points(high)}), round ${round}`;
}

/** `+4.2 points (within noise)`; nothing where the run has nothing to compare with. */
export function againstWords({ against }: RunAccuracy): string {
  return against ? `${signed(against.difference)} points (${against.verdict})` : '';
}

/** Of a run that is over: what it took from start to end. */
export function durationWords(result: RunResult | undefined): string {
  return result?.seconds === undefined ? '-' : formatSeconds(result.seconds);
}
