/** What the rounds of a run decided and which gates they passed, as rows of words: the terminal and the page print the same ones. */
import type { GateName, GateVerdict, NextRound } from '../../method/gates';
import type { RunReport } from '../../schemas/report';

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
  readonly gate: GateName;
  /** "1, 2" where several rounds have the same line. */
  readonly round: string;
  readonly value: string;
  readonly limit: string;
  readonly verdict: GateVerdict['verdict'];
}

function verdictsOf({ decision }: RunReport['rounds'][number]): readonly GateVerdict[] {
  return (decision['gates'] as { readonly verdicts?: readonly GateVerdict[] } | undefined)?.verdicts ?? [];
}

/** A line for every gate that was on, round by round; equal lines of several rounds are one. */
export function gateRows({ rounds }: Pick<RunReport, 'rounds'>): GateRow[] {
  const lines = new Map<string, GateRow>();
  for (const one of rounds)
    for (const { gate, value, limit, verdict } of verdictsOf(one)) {
      const row = { gate, value: value === null ? '' : value.toFixed(3), limit: String(limit), verdict };
      const name = Object.values(row).join(' ');
      const before = lines.get(name);
      lines.set(name, { ...row, round: before ? `${before.round}, ${one.round}` : String(one.round) });
    }
  return [...lines.values()];
}

/** What the gates of each round came to: "8 held, 1 not measured". */
export function gateVerdicts({
  rounds,
}: Pick<RunReport, 'rounds'>): { readonly round: number; readonly words: string }[] {
  const kinds = ['failed', 'held', 'not measured'] as const;
  return rounds.map((one) => ({
    round: one.round,
    words: kinds
      .flatMap((kind) => {
        const count = verdictsOf(one).filter(({ verdict }) => verdict === kind).length;
        return count === 0 ? [] : [`${count} ${kind}`];
      })
      .join(', '),
  }));
}

const drift = "over that of the unaligned teacher's set";

const gateMeanings: Readonly<Record<GateName, string>> = {
  contaminated_max: 'share of the examples that hold a test or validation item',
  duplicates_max: 'share of the questions that repeat an earlier one',
  bare_rise_max: "share of answers without reasoning, less that of the unaligned teacher's set",
  tag_drop_max: "share of examples that end in an answer, of the unaligned teacher's set less that of this one",
  length_ratio_min: `median length of the rationales, ${drift}`,
  length_ratio_max: `median length of the rationales, ${drift}`,
  diversity_ratio_min: `share of distinct pairs of words in the rationales, ${drift}`,
  reward_margin_min: 'reward margin over the last quarter of the steps of DPO',
  reward_accuracy_min: 'share of pairs the right way round, over the last quarter of the steps of DPO',
  icl_gain_min: "student's accuracy shown the examples, less that shown the drafts: the interval's upper end",
};

/** What each gate that was on measures, and which values hold. */
export function gateLegends({
  rounds,
}: Pick<RunReport, 'rounds'>): { readonly gate: GateName; readonly means: string }[] {
  const limits = new Map(rounds.flatMap((one) => verdictsOf(one).map(({ gate, limit }) => [gate, limit] as const)));
  return [...limits].map(([gate, limit]) => ({
    gate,
    means: `${gateMeanings[gate]}; ${gate.endsWith('_max') ? 'at most' : 'at least'} ${limit}`,
  }));
}
