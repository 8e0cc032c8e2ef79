/** What the rounds of a run decided and which gates they passed, as rows of words: the terminal and the page print the same ones. */
import type { GateVerdict, NextRound } from '../method/gates';
import type { RunReport } from '../schemas/report';

export interface RoundStep {
  readonly round: number;
  readonly decision: string;
  readonly reason: string;
  readonly next: string;
}

const decisionWords: Readonly<Record<string, string>> = {
  promote: 'promoted',
  'keep-best': 'not the best',
  reject: 'rejected by a gate',
  rejected: 'rejected by a person',
};

/** A line for every round that was decided. */
export function roundSteps({ rounds }: Pick<RunReport, 'rounds'>): RoundStep[] {
  return rounds.flatMap(({ round, decision }, at): RoundStep[] => {
    if (typeof decision['decision'] !== 'string') return [];
    const next = decision['next'] as unknown as NextRound | undefined;
    const last = at === rounds.length - 1;
    const from = next === undefined || next.from === round ? 'goes on from it' : fromWords(next.from);
    return [
      {
        round,
        decision: decisionWords[decision['decision']] ?? decision['decision'],
        reason: typeof decision['reason'] === 'string' ? decision['reason'] : '',
        next: next?.stop ? `stops: ${next.why.replace(/\.$/, '')}` : last ? '' : from,
      },
    ];
  });
}

function fromWords(round: number): string {
  return round === 0 ? 'goes back to the teacher as it came' : `goes back to the teacher of round ${round}`;
}

export interface GateRow {
  readonly gate: string;
  readonly round: number;
  readonly value: string;
  readonly limit: string;
  readonly verdict: GateVerdict['verdict'];
}

/** A line for every gate that was on, round by round. */
export function gateRows({ rounds }: Pick<RunReport, 'rounds'>): GateRow[] {
  return rounds.flatMap(({ round, decision }) => {
    const gates = decision['gates'] as { readonly verdicts?: readonly GateVerdict[] } | undefined;
    return (gates?.verdicts ?? []).map(({ gate, value, limit, verdict }) => ({
      gate,
      round,
      value: value === null ? '' : value.toFixed(3),
      limit: String(limit),
      verdict,
    }));
  });
}
