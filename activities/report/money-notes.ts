/** Sentences about the account: who paid, what was made in vain, which figures are estimates. */
import { costOfLostCalls, hasPrices, priceOf } from '../../method/ledger';
import type { ReportStage, RunReport } from '../../schemas/report';
import type { RunConfig } from '../../schemas/run-config';
import { stageLabel } from '../../schemas/stage-names';
import { formatMoney } from '../budget';
import { totalsOf } from './totals';

/** A difference below this is one of rounding. */
const smallestMoney = 1e-6;

/** Who paid for what, where it was not this run for everything; and why its ledger has more than the table, where it has. */
export function paymentNotes(
  runId: string,
  stages: readonly ReportStage[],
  { cost, spent, currency }: RunReport['totals'],
  config: RunConfig,
): string[] {
  const notes: string[] = [];
  const priced = hasPrices(config);
  const others = new Map<string, { calls: number; cost: number; stages: Set<string> }>();
  // Two arms may have come to the very same stage.
  const once = new Map(stages.map((stage) => [stage.key, stage]));
  for (const { name, paidByOthers } of once.values())
    for (const paid of paidByOthers) {
      const sum = others.get(paid.runId) ?? { calls: 0, cost: 0, stages: new Set<string>() };
      others.set(paid.runId, {
        calls: sum.calls + paid.calls,
        cost: sum.cost + paid.cost,
        stages: sum.stages.add(name),
      });
    }
  for (const [other, sum] of others)
    notes.push(
      `${sum.calls} calls${priced ? ` (${formatMoney(sum.cost)} ${currency} at this run's prices)` : ''} of ${[...sum.stages].join(', ')} were paid for by the run ${other}: they are used here and in no total.`,
    );
  const beside = spent - cost;
  if (priced && Math.abs(beside) >= smallestMoney)
    notes.push(
      `The ledger of this run (arte budget show ${runId}) has ${formatMoney(spent)} ${currency} as spent, ${formatMoney(Math.abs(beside))} ${beside > 0 ? 'more' : 'less'} than the table: ${
        beside > 0
          ? 'calls that were lost on their way, taken at their most, and work that was broken off or had to be made again.'
          : 'it does not hold what was paid before it was kept.'
      }`,
    );
  return notes;
}

/** What was made before `arte retry --set` is in no table, but it was paid for. */
export function earlierNotes(earlier: readonly ReportStage[], config: RunConfig): string[] {
  if (earlier.length === 0) return [];
  const { calls, cost, currency } = totalsOf(earlier, config);
  const money = cost > 0 ? `, ${cost.toFixed(2)} ${currency}` : '';
  return [
    `The config was changed while the run was under way. The account holds what was made before under the old one and then made again: ${earlier.map(({ name, round }) => `${name} of round ${round}`).join(', ')} (${calls} calls${money}).`,
  ];
}

/** What kills and broken answers may have cost beside the account: honest figures are upper ones. */
export function lossNotes(stages: readonly ReportStage[], config: RunConfig): string[] {
  const lost = stages.filter((stage) => !stage.reused && stage.lostCalls > 0);
  if (lost.length === 0) return [];
  const sum = (of: (stage: ReportStage) => number): number => lost.reduce((total, stage) => total + of(stage), 0);
  const cost = sum((stage) => {
    const price = priceOf(config, stage.name, stage.arm);
    return price ? costOfLostCalls(stage, price) : 0;
  });
  const money = cost > 0 ? `, ${cost.toFixed(2)} ${config.platform.currency}` : '';
  return [
    `${sum((stage) => stage.lostCalls)} calls were in flight when a worker was killed, or ended without a usable answer after the server had worked, and were asked again. They are not in this account; if their endpoint charged for them, that is at most ${sum((stage) => stage.lostInputTokens)} input and ${sum((stage) => stage.lostOutputTokens ?? 0)} output tokens${money}. The budget counts them at that.`,
  ];
}

/** Which figures of the account no server has counted. */
export function estimateNotes(stages: readonly ReportStage[]): string[] {
  const made = stages.filter(({ reused, estimatedCalls = 0 }) => !reused && estimatedCalls > 0);
  if (made.length === 0) return [];
  const sum = (of: (stage: ReportStage) => number): number => made.reduce((total, stage) => total + of(stage), 0);
  const names = [...new Set(made.map(({ name, arm }) => stageLabel(name, arm)))];
  return [
    `${sum(({ estimatedCalls = 0 }) => estimatedCalls)} of ${sum(({ calls }) => calls)} answers of ${names.join(', ')} came without usable token counts. What is missing of theirs is estimated from the texts, on the high side (a token for every 3 bytes, an answer at most max_tokens), and so is its cost.`,
  ];
}
