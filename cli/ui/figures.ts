/** Figures of a run that several parts of the page show: sums over what it has finished and what is at work. Pure. */
import { formatMoney } from '../../activities/budget';
import { ledgerTotals } from '../../method/ledger';
import type { StageUsage } from '../../schemas/manifest';
import { formatCount, formatSeconds } from '../output';
import { formatRate } from '../run/stage-pace';
import type { RunDetails, SeenRun } from './gather';
import { percent } from './page';

export interface RunFigures {
  readonly calls: number;
  readonly tokens: number;
  /** Of the input tokens, those that the servers had in their cache; undefined where nothing was asked. */
  readonly cachedShare: number | undefined;
  readonly inFlight: number;
  readonly perSecond: number;
  readonly tokensPerSecond: number;
}

/** By what the run has paid for: what it found in the store cost it nothing. Of the stage under way, its open shards. */
export function figuresOf({ view, rates }: SeenRun, { stages }: Pick<RunDetails, 'stages'>): RunFigures {
  const usages: StageUsage[] = [
    ...stages.filter(({ reused }) => !reused).map(({ usage }) => usage),
    ...view.live.map(({ usage }) => usage),
  ];
  const sum = (of: (usage: StageUsage) => number): number => usages.reduce((all, usage) => all + of(usage), 0);
  const input = sum(({ inputTokens }) => inputTokens);
  const speeds = view.live.flatMap(({ label, unit }) => (unit === 'rows' ? (rates.get(label) ?? []) : []));
  return {
    calls: sum(({ calls }) => calls),
    tokens: input + sum(({ outputTokens }) => outputTokens),
    cachedShare: input === 0 ? undefined : sum(({ cachedInputTokens }) => cachedInputTokens) / input,
    inFlight: view.live.reduce((all, { inFlight }) => all + inFlight, 0),
    perSecond: speeds.reduce((all, { perSecond }) => all + perSecond, 0),
    tokensPerSecond: speeds.reduce((all, { tokensPerSecond }) => all + tokensPerSecond, 0),
  };
}

/** `3.20 of 10.00 USD`; undefined where no model has a price. */
export function costWords({ ledger, config }: Pick<RunDetails, 'ledger' | 'config'>): string | undefined {
  if (!ledger || !config) return undefined;
  const { cap } = ledger;
  return `${formatMoney(ledgerTotals(ledger).spent)}${cap === null ? '' : ` of ${formatMoney(cap)}`} ${config.platform.currency}`;
}

/** `1,171`, and how many are on their way beside it: a stage may have asked and not yet heard. */
export function callsWords({ calls, inFlight }: Pick<RunFigures, 'calls' | 'inFlight'>): string {
  return `${formatCount(calls)}${flightWords(inFlight)}`;
}

/** `, 9 in flight`; nothing where nothing is. */
export function flightWords(inFlight: number): string {
  return inFlight > 0 ? `, ${formatCount(inFlight)} in flight` : '';
}

export function cachedWords({ cachedShare }: RunFigures): string {
  return cachedShare === undefined ? '-' : percent(cachedShare);
}

export function leftWords(secondsLeft: number | undefined): string {
  return secondsLeft === undefined ? '-' : formatSeconds(Math.ceil(secondsLeft));
}

/** `12.3 rows/s`, and the tokens with it. */
export function speedWords({ perSecond, tokensPerSecond }: RunFigures): string {
  if (perSecond === 0) return '-';
  return `${formatRate(perSecond)} rows/s${tokensPerSecond > 0 ? `, ${formatCount(tokensPerSecond)} tok/s` : ''}`;
}
