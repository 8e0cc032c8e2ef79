/** Which round of a run a command is about: the one that is asked for, else the run's result. Owns the choice, and what is said where there is none. */
import { ArteError } from '../../schemas/errors';
import type { RoundRecord } from '../../schemas/messages';
import type { ReportRound, RunReport } from '../../schemas/report';

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

/** A round, and why it is this one: `last` where no round is the best, because none was accepted or decided. */
export interface ChosenRound {
  readonly round: number;
  readonly as: 'asked' | 'best' | 'last';
}

/** The same choice from the records of a run's rounds, which a run under way has, too; without a best one the last, without any the first. Errors: RoundNotFound. */
export function roundIn(
  { runId, rounds }: { readonly runId: string; readonly rounds: readonly Pick<RoundRecord, 'round' | 'decision'>[] },
  wanted: number | undefined,
): ChosenRound {
  if (wanted !== undefined && rounds.some(({ round }) => round === wanted)) return { round: wanted, as: 'asked' };
  const best = rounds.map(({ decision }) => decision['bestRound']).findLast((round) => typeof round === 'number');
  if (wanted === undefined && best !== undefined && best > 0) return { round: best, as: 'best' };
  if (wanted === undefined) return { round: rounds.at(-1)?.round ?? 1, as: 'last' };
  throw new ArteError('RoundNotFound', {
    what: `The run ${runId} has no round ${wanted}.`,
    why: `Its records hold ${rounds.length} rounds.`,
    next: `arte status ${runId} shows where it is.`,
  });
}

/** `--round` as it was typed. Errors: InvalidInput. */
export function roundNumber(words: string | undefined): number | undefined {
  if (words === undefined || /^[1-9]\d*$/.test(words)) return words === undefined ? undefined : Number(words);
  throw new ArteError('InvalidInput', {
    what: `--round ${words} cannot be used.`,
    why: 'A round is a whole number from 1.',
    next: 'arte report RUN shows the rounds.',
  });
}
