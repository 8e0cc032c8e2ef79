/**
 * What a worker's Prometheus endpoint says of model calls, beside what Temporal's SDK says of activities (docs/metrics.md).
 * Owns names and units. Values come from the row engine's progress; outside an activity of a worker the meter does nothing.
 */
import { metricMeter } from '@temporalio/activity';
import type { StageName } from '../schemas/stage-names';
import type { StageUsage } from '../schemas/manifest';
import { rowOutcomes } from '../schemas/rows';
import type { ShardProgress } from './row-engine/types';

export interface RowMetrics {
  /** Take over what a shard has done since the last time, and where its endpoint's limit stands. */
  record(progress: ShardProgress): void;
}

/**
 * Metrics of one shard's model calls. Tags are few on purpose: endpoint and stage, never a run or a row.
 * What the shard found done when it was resumed counts as nothing new: an earlier attempt has counted it.
 */
export function rowMetrics(stage: StageName, endpoint: string): RowMetrics {
  const tags = { stage, endpoint };
  const meter = metricMeter.withTags(tags);
  const limit = meter.createGauge('arte_endpoint_limit', 'int', 'calls', 'Calls at a time that the limiter allows now');
  const ceiling = meter.createGauge('arte_endpoint_ceiling', 'int', 'calls', 'Calls at a time that the config allows');
  const closed = meter.createGauge('arte_endpoint_closed', 'int', 'ms', 'Until the endpoint is asked again');
  const inFlight = meter.createGauge(
    'arte_calls_in_flight',
    'int',
    'calls',
    'Calls on their way, of all shards of this process',
  );
  const calls = meter.createCounter('arte_calls', 'calls', 'Calls that were answered');
  const tokens = meter.createCounter(
    'arte_tokens',
    'tokens',
    'Tokens by kind: input (cached among them), cached, output',
  );
  const rows = meter.createCounter('arte_rows', 'rows', 'Rows that were finished, by outcome');
  let before: ShardProgress | undefined;
  return {
    record(progress) {
      const { concurrency, usage, counts } = progress;
      limit.set(concurrency.limit);
      ceiling.set(concurrency.ceiling);
      closed.set(Math.round(concurrency.closedForMs));
      inFlight.set(concurrency.inFlight);
      const grown = (of: (at: ShardProgress) => number): number =>
        before ? Math.max(0, of(progress) - of(before)) : 0;
      calls.add(grown((at) => at.usage.calls));
      const kinds: Record<string, keyof StageUsage> = {
        input: 'inputTokens',
        cached: 'cachedInputTokens',
        output: 'outputTokens',
      };
      for (const [kind, name] of Object.entries(kinds))
        tokens.add(
          grown((at) => at.usage[name]),
          { kind },
        );
      for (const outcome of rowOutcomes)
        rows.add(
          grown((at) => at.counts[outcome]),
          { outcome },
        );
      before = { ...progress, usage: { ...usage }, counts: { ...counts } };
    },
  };
}
