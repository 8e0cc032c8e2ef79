/**
 * combined: several signals by rank. Within a task every signal ranks the drafts, ranks become shares from 0 (worst) to 1 (best), and a
 * draft's score is their weighted mean. Units and outliers of the signals do not matter; how far apart two drafts are does not either.
 */
import type { ScoreRow } from '../../schemas/rows';
import { standardSignal, type SignalName } from '../../schemas/signals';
import { averageRanks, correlation } from '../statistics';
import { groupByTask, sameValue } from '../pairs';

export type SignalScores = Readonly<Partial<Record<SignalName, readonly ScoreRow[]>>>;

/**
 * Scores by mean rank, in the order of the first signal's; a draft that a signal has no score of has none. The standard error of a rank is half
 * the share of drafts that lie within one standard error of the draft's score to either side; signals count as independent.
 */
export function combineScores(
  scores: SignalScores,
  weights: Readonly<Partial<Record<SignalName, number>>>,
): ScoreRow[] {
  const members = membersOf(scores);
  const total = members.reduce((sum, [name]) => sum + (weights[name] ?? 0), 0);
  const combined = new Map<string, ScoreRow>();
  for (const drafts of groupByTask(whole(members)).values()) {
    const ids = drafts.map(({ draftId }) => draftId);
    const sums = ids.map(() => ({ score: 0, variance: 0 }));
    for (const [name, rows] of members) {
      const of = new Map(rows.map((row) => [row.draftId, row]));
      const own = ids.map((id) => of.get(id) as ScoreRow);
      const values = own.map(({ score }) => score);
      const shares = rankShares(values, name);
      const weight = (weights[name] ?? 0) / total;
      own.forEach(({ score, stderr }, at) => {
        const near = values.filter((value) => Math.abs(value - score) <= stderr).length - 1;
        const sum = sums[at] as { score: number; variance: number };
        sum.score += weight * (shares[at] as number);
        sum.variance += (weight * (near / Math.max(1, ids.length - 1) / 2)) ** 2;
      });
    }
    drafts.forEach(({ draftId, task, questionId }, at) => {
      const { score, variance } = sums[at] as { score: number; variance: number };
      combined.set(draftId, { draftId, task, questionId, score, stderr: Math.sqrt(variance), n: members.length });
    });
  }
  return whole(members).flatMap(({ draftId }) => combined.get(draftId) ?? []);
}

/** How far two signals agree: Spearman's rank correlation over a task's drafts, averaged over tasks by their drafts. Null: cannot be told. */
export function signalAgreement(scores: SignalScores): Record<string, number | null> {
  const members = membersOf(scores);
  const agreement: Record<string, number | null> = {};
  members.forEach(([name, rows], at) => {
    for (const [otherName, others] of members.slice(at + 1)) {
      const of = new Map(others.map((row) => [row.draftId, row.score]));
      const both = rows.filter(({ draftId }) => of.has(draftId));
      const known = [...groupByTask(both).values()].flatMap((group) => {
        const one = rankShares(
          group.map(({ score }) => score),
          name,
        );
        const other = rankShares(
          group.map(({ draftId }) => of.get(draftId) as number),
          otherName,
        );
        const rho = correlation(one, other);
        return rho === undefined ? [] : [{ rho, drafts: group.length }];
      });
      const drafts = known.reduce((sum, group) => sum + group.drafts, 0);
      agreement[`${name} ~ ${otherName}`] =
        drafts === 0 ? null : known.reduce((sum, group) => sum + group.rho * group.drafts, 0) / drafts;
    }
  });
  return agreement;
}

/** Share of the other drafts that are worse, equal ones counted half. What differs by the scorer's rounding is equal. */
function rankShares(values: readonly number[], signal: SignalName): number[] {
  const told = signal === standardSignal ? values : values.map((value) => Math.round(value / sameValue));
  return averageRanks(told).map((rank) => (values.length < 2 ? 0.5 : (rank - 1) / (values.length - 1)));
}

function membersOf(scores: SignalScores): (readonly [SignalName, readonly ScoreRow[]])[] {
  return (Object.keys(scores).sort() as SignalName[]).map((name) => [name, scores[name] ?? []] as const);
}

/** Drafts that every signal has a score of. */
function whole(members: readonly (readonly [SignalName, readonly ScoreRow[]])[]): readonly ScoreRow[] {
  const [first, ...others] = members.map(([, rows]) => rows);
  const sets = others.map((rows) => new Set(rows.map(({ draftId }) => draftId)));
  return (first ?? []).filter(({ draftId }) => sets.every((ids) => ids.has(draftId)));
}
