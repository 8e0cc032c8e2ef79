/** What a run has spent, for `arte budget` and `arte status`. Owns words and fields; it loads nothing that either does not need. */
import { formatMoney } from '../../activities/budget';
import { hasPrices, ledgerTotals } from '../../method/ledger';
import type { Ledger } from '../../schemas/ledger';
import type { RunConfig } from '../../schemas/run-config';

/** What `--json` prints, here and in `arte status`. */
export function budgetSummary(runId: string, config: RunConfig, ledger: Ledger) {
  const { spent, reserved } = ledgerTotals(ledger);
  const stages: Record<string, number> = { ...ledger.settled };
  for (const { stage, spent: paid } of Object.values(ledger.open)) stages[stage] = (stages[stage] ?? 0) + paid;
  const { cap } = ledger;
  const left = cap === null ? null : Math.max(0, cap - spent - reserved);
  return { runId, currency: config.platform.currency, cap, spent, reserved, left, stages };
}

/** One line: `budget: 3.20 of 10.00 USD spent, 1.50 reserved`. Undefined where there is nothing to say. */
export function budgetLine(runId: string, config: RunConfig, ledger: Ledger): string | undefined {
  if (!hasPrices(config)) return undefined;
  const { cap, spent, reserved, currency } = budgetSummary(runId, config, ledger);
  const of = cap === null ? '' : ` of ${formatMoney(cap)}`;
  return `budget: ${formatMoney(spent)}${of} ${currency} spent${reserved > 0 ? `, up to ${formatMoney(reserved)} reserved by what is under way` : ''}`;
}
