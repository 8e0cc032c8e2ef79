/**
 * What the calls of a shard have taken, and what its rows may take at most: the sums.
 * Owns the arithmetic over calls; which of them count is resume.ts and asking.ts, what a token costs method/ledger.ts.
 */
import { usageOfCallMax } from '../../method/ledger';
import { noUsage as nothingSpent, type StageUsage } from '../../schemas/manifest';
import type { Usage } from '../../schemas/rows';
import type { RowTable } from './row-table';
import type { ShardRun } from './types';

export const noUsage: Usage = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 };

export type MutableUsage = { -readonly [name in keyof StageUsage]: number };

export interface ShardUsage {
  /** Of every call that is known. */
  readonly usage: MutableUsage;
  /** What of that other runs have paid for, by run. */
  readonly others: Readonly<Record<string, MutableUsage>>;
}

/** Count in what an attempt has spent: in `usage` in any case, and among the `others` where another run than `runId` paid. `others` grows in place. */
export function charge(
  { usage, others }: { readonly usage: MutableUsage; readonly others: Record<string, MutableUsage> },
  runId: string,
  payer: string,
  spent: StageUsage,
): void {
  for (const into of payer === runId ? [usage] : [usage, (others[payer] ??= { ...nothingSpent })])
    for (const name of Object.keys(into) as (keyof MutableUsage)[]) into[name] += spent[name];
}

/**
 * Count in a call that the server has worked on: as a call with its usage where that is known, else as one that was lost, and may have to be paid
 * at its most (takeLostAtMost, once the rows are known).
 */
export function addSpent(total: MutableUsage, usage: Usage | undefined): void {
  if (!usage) {
    total.lostCalls += 1;
    return;
  }
  total.calls += 1;
  total.inputTokens += usage.inputTokens;
  total.cachedInputTokens += usage.cachedInputTokens;
  total.outputTokens += usage.outputTokens;
}

/** Which rows lost calls were for is forgotten, so each is taken for the one that may take the most. */
export function takeLostAtMost(total: MutableUsage, most: Usage): void {
  total.lostInputTokens = total.lostCalls * most.inputTokens;
  total.lostOutputTokens = total.lostCalls * most.outputTokens;
}

export function addUsage(one: Usage, other: Usage): Usage {
  return {
    inputTokens: one.inputTokens + other.inputTokens,
    cachedInputTokens: one.cachedInputTokens + other.cachedInputTokens,
    outputTokens: one.outputTokens + other.outputTokens,
  };
}

/** The shard's rows, listed once: what one of them may take at most, and what the open ones may together. Both estimated high. */
export function survey(
  { rows }: Pick<ShardRun, 'rows'>,
  table: RowTable,
): { readonly most: Usage; readonly openMax: Usage } {
  const ofOne = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 };
  const openMax = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 };
  for (let row = 0; row < rows.length; row += 1) {
    const { request } = rows.row(row);
    const most = usageOfCallMax(request);
    ofOne.inputTokens = Math.max(ofOne.inputTokens, most.inputTokens);
    ofOne.outputTokens = Math.max(ofOne.outputTokens, most.outputTokens);
    if (table.isDone(row)) continue;
    openMax.inputTokens += most.inputTokens;
    openMax.outputTokens += most.outputTokens;
  }
  return { most: ofOne, openMax };
}

/** What this run has paid for: all but what other runs' attempts left. */
export function paidOf({ usage, others }: ShardUsage): StageUsage {
  const paid = { ...usage };
  for (const other of Object.values(others))
    for (const name of Object.keys(paid) as (keyof typeof paid)[]) paid[name] -= other[name];
  return paid;
}

/** An endpoint's token counts as the journal can hold them. */
export function wholeUsage(usage: Usage): Usage {
  return {
    inputTokens: wholeCount(usage.inputTokens),
    cachedInputTokens: wholeCount(usage.cachedInputTokens),
    outputTokens: wholeCount(usage.outputTokens),
  };
}

function wholeCount(count: number): number {
  return Number.isFinite(count) ? Math.min(0xffff_ffff, Math.max(0, Math.round(count))) : 0;
}
