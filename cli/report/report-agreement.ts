/**
 * Agreements behind the choice of pairs, as data for the report on the screen and on its page: how far the preference set chooses as all validation items
 * would, beside the paper's figures; and how far the signals of a combination rank the drafts alike. The figures are facts of the stages.
 */
import type { Agreement } from '../../method/demonstrations';
import { paperAgreement } from '../../method/paper-results';
import { wilsonInterval } from '../../method/statistics';
import type { RunReport } from '../../schemas/report';

export const agreementTitle = 'Best and worst draft of a question: the preference set against all validation items';
export const agreementColumns = ['round', 'questions', 'best agree, %', 'worst agree, %'] as const;
export const agreementNote =
  'agree: the draft that the preference set picks is one that no other beats on all validation items (95 % interval). The paper asked five small respondents for its set of 40.';

/** A row a round that was measured, and the paper's; none where nothing was. */
export function agreementRows({ stages }: Pick<RunReport, 'stages'>): (string | number)[][] {
  const measured = stages.flatMap(({ name, round, facts }) => {
    const agreement = facts['agreement'] as unknown as Agreement | undefined;
    if (name !== 'score-sample' || !agreement) return [];
    const { questions, best, worst } = agreement;
    return [[round, questions, shareText(best, questions), shareText(worst, questions)]];
  });
  if (measured.length === 0) return [];
  return [...measured, ['the paper', '', percent(paperAgreement.best), percent(paperAgreement.worst)]];
}

function shareText(share: number | null, n: number): string {
  if (share === null) return 'cannot be told';
  const { low, high } = wilsonInterval(Math.round(share * n), n);
  return `${percent(share)} (${percent(low)} to ${percent(high)})`;
}

export const signalsTitle = 'How far the signals rank the drafts alike (Spearman)';
export const signalsColumns = ['round', 'signals', 'correlation'] as const;

/** A row for each two signals of a combination, round by round. */
export function signalRows({ stages }: Pick<RunReport, 'stages'>): (string | number)[][] {
  return stages.flatMap(({ name, round, facts }) => {
    const agreement = facts['agreement'] as unknown as Readonly<Record<string, number | null>> | undefined;
    if (name !== 'combine-scores' || !agreement) return [];
    return Object.entries(agreement).map(([signals, rho]) => [
      round,
      signals.replace(' ~ ', ' and '),
      rho === null ? 'cannot be told' : rho.toFixed(2),
    ]);
  });
}

function percent(share: number): string {
  return (100 * share).toFixed(1);
}
