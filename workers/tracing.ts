/**
 * Traces, where the environment names somewhere to send them (docs/traces.md). Owns the decision and the interface; spans are otel-tracing.ts, which is
 * loaded only when it is needed: most workers send none.
 */
import type { Info } from '@temporalio/activity';
import type { Logger } from 'pino';
import type { ActivityLabels } from './activity-labels';

export interface TracedActivity {
  readonly info: Info;
  readonly labels: ActivityLabels;
  /** The activity's one argument. */
  readonly argument: unknown;
}

export interface Tracing {
  /** Do an activity's work under a span of its own. */
  activity(activity: TracedActivity, work: () => Promise<unknown>): Promise<unknown>;
  /** Send what is left; waits for it for a few seconds at most. Never rejects. */
  close(): Promise<void>;
}

/** `platform`: names the engine, so that runs of one id on two platforms are two traces. Undefined where no spans are wanted. */
export function openTracing(
  environment: Readonly<Record<string, string | undefined>>,
  platform: string,
  logger: Pick<Logger, 'warn'>,
): Tracing | undefined {
  const set = (name: string): boolean => (environment[name] ?? '') !== '';
  if (!set('OTEL_EXPORTER_OTLP_ENDPOINT') && !set('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT')) return undefined;
  if (environment['OTEL_SDK_DISABLED'] === 'true' || environment['OTEL_TRACES_EXPORTER'] === 'none') return undefined;
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded only when it is wanted, and before the first activity
  const { createTracing } = require('./otel-tracing') as typeof import('./otel-tracing.js');
  return createTracing(platform, logger);
}
