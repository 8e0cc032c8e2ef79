/** Which round of a report a command is about: the one that is asked for, else the run's result. Owns the choice, and what is said where there is none. */
import { ArteError } from '../schemas/errors';
import type { ReportRound, RunReport } from '../schemas/report';

/** The round `wanted`, else the best one, else the last where nothing has been decided. Errors: RoundNotFound. */
export function roundOf(report: RunReport, wanted: number | undefined): ReportRound {
  const best = report.bestRound ?? report.rounds.at(-1)?.round;
  const round = report.rounds.find((candidate) => candidate.round === (wanted ?? best));
  if (round) return round;
  if (wanted === undefined && best === 0) {
    throw new ArteError('RoundNotFound', {
      what: `No round of ${report.runId} was accepted.`,
      why: 'A gate failed in each of them (rounds.gates): there is no best teacher and no best student.',
      next: `arte report ${report.runId} says which gates; --round takes one all the same.`,
    });
  }
  throw new ArteError('RoundNotFound', {
    what:
      wanted === undefined
        ? `The run ${report.runId} finished no round.`
        : `The run ${report.runId} has no round ${wanted}.`,
    why: `Its report holds ${report.rounds.length} rounds.`,
    next: `arte report ${report.runId}`,
  });
}
