/** What the rounds of a run decided and which gates they passed, as rows of words: the terminal and the page print the same ones. */
import type { GateVerdict, NextRound } from '../method/gates';
import type { RunReport } from '../schemas/report';

export interface RoundStep {
  readonly round: number;
  readonly decision: string;
  readonly reason: string;
  readonly next: string;
}

/** What was decided about a round, in words. */
export const decisionWords: Readonly<Record<string, string>> = {
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
    const reason = typeof decision['reason'] === 'string' ? decision['reason'] : '';
    const said = verdictWords(decision['approval'] as unknown as Approval | undefined);
    const isRefused = decision['decision'] === 'rejected';
    return [
      {
        round,
        decision: decisionWords[decision['decision']] ?? decision['decision'],
        // What the figures would have decided is not what was decided.
        reason: isRefused ? said : [reason, said && `Approved by ${said}`].filter((text) => text !== '').join(' '),
        next: isRefused ? 'ends with it' : next?.stop ? `stops: ${next.why.replace(/\.$/, '')}` : last ? '' : from,
      },
    ];
  });
}

interface Approval {
  readonly by: string;
  readonly at: string;
  readonly reason?: string;
}

function verdictWords(approval: Approval | undefined): string {
  if (!approval) return '';
  const { by, at, reason } = approval;
  const why = reason === undefined ? '' : `: "${reason}"`;
  return `${by}, ${at.slice(0, 16).replace('T', ' ')}${why}.`;
}

/** Rounds that a reader should be told of: there was a choice, or a person made it. */
export function isWorthTelling(report: Pick<RunReport, 'rounds'>): boolean {
  return report.rounds.length > 1 || report.rounds.some(({ decision }) => decision['approval'] !== undefined);
}

/** What people did to the run, oldest first; a run that was only started has nothing to tell. */
export function orderRows({ actions = [] }: Pick<RunReport, 'actions'>): string[][] {
  if (actions.every(({ action }) => action === 'start')) return [];
  return actions.map(({ at, action, by, round, set = [], reason }) => [
    at.slice(0, 16).replace('T', ' '),
    action,
    by,
    [
      ...(round === undefined ? [] : [`round ${round}`]),
      ...(set.length === 0 ? [] : [set.join(', ')]),
      ...(reason === undefined ? [] : [`"${reason}"`]),
    ].join('; '),
  ]);
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
