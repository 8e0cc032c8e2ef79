/**
 * Spans of runs, stages and activities by OpenTelemetry, sent by OTLP over HTTP as protobuf. The exporter reads the standard variables itself.
 *
 * Owns names, attributes and ids. Workflow code makes no spans: what is bundled there would be part of its version, and switching traces on would
 * strand the runs under way. Instead ids of traces, runs and stages follow from their names, so that any worker knows the parent of its span, and whoever
 * finishes a stage or a run sends the span of the whole.
 *
 * Invariants: 1. A receiver that is away costs spans and a warning, nothing else. 2. A span holds names, counts and error codes: no prompt, no answer,
 * no message of a server, no secret.
 */
import { createHash } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import {
  diag,
  DiagLogLevel,
  ROOT_CONTEXT,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Attributes,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor, RandomIdGenerator } from '@opentelemetry/sdk-trace-base';
import type { Logger } from 'pino';
import { stageLabel } from '../schemas/stage-names';
import { recordOf, type ActivityLabels } from './activity-labels';
import type { TracedActivity, Tracing } from './tracing';

/** Stages whose span was sent: of more runs than a worker has under way, at some 100 bytes each. */
const spansRememberedMax = 10_000;

/** A receiver that is away is told of so often. */
const warnEveryMs = 60_000;
/** At the end of a worker spans are waited for so long. */
const closeMs = 5_000;

interface Whole {
  readonly name: string;
  readonly span: string;
  readonly parent?: string;
  readonly startMs: number;
  readonly attributes: Attributes;
}

export function createTracing(platform: string, logger: Pick<Logger, 'warn'>): Tracing {
  warnThrough(logger);
  const ids = new GivenIds();
  const resource = resourceFromAttributes({ 'service.name': 'arte-worker' }).merge(
    detectResources({ detectors: [envDetector] }),
  );
  const provider = new BasicTracerProvider({
    resource: defaultResource().merge(resource),
    idGenerator: ids,
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  });
  const tracer = provider.getTracer('arte');
  const idOf = (...parts: readonly (string | number)[]): string =>
    createHash('sha256')
      .update(JSON.stringify([platform, ...parts]))
      .digest('hex');
  const traceOf = ({ run }: ActivityLabels): string => idOf('trace', run).slice(0, 32);
  const runSpan = ({ run }: ActivityLabels): string => idOf('run', run).slice(0, 16);
  const stageSpan = ({ run, stage = '', round = 0, arm = '' }: ActivityLabels): string =>
    idOf('stage', run, round, stage, arm).slice(0, 16);
  // A run that is walked again finds its stages in the store: they are the same spans, and what they took is what was said first.
  const sent = new Set<string>();
  const sentOnce = (span: string): boolean => {
    if (sent.has(span)) return false;
    sent.add(span);
    const [oldest] = sent;
    if (sent.size > spansRememberedMax && oldest !== undefined) sent.delete(oldest);
    return true;
  };
  const under = (labels: ActivityLabels, spanId: string) =>
    trace.setSpanContext(ROOT_CONTEXT, {
      ...{ traceId: traceOf(labels), spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true },
    });

  const sendWhole = (labels: ActivityLabels, { name, span, parent, startMs, attributes }: Whole): void => {
    const options = { startTime: startMs, attributes: { ...attributesOf(labels), ...attributes } };
    ids.give(span, parent === undefined ? traceOf(labels) : undefined);
    const whole =
      parent === undefined
        ? tracer.startSpan(name, { ...options, root: true }, ROOT_CONTEXT)
        : tracer.startSpan(name, options, under(labels, parent));
    whole.end();
  };

  return {
    async activity({ info, labels, argument }: TracedActivity, work) {
      const startMs = Date.now();
      const parent = labels.stage === undefined ? runSpan(labels) : stageSpan(labels);
      const span = tracer.startSpan(
        info.activityType,
        {
          startTime: startMs,
          attributes: {
            ...attributesOf(labels),
            'temporal.workflow_id': info.workflowExecution?.workflowId ?? '',
            'temporal.task_queue': info.taskQueue,
            'arte.attempt': info.attempt,
          },
        },
        under(labels, parent),
      );
      try {
        const result = await work();
        const stage = finishedStage(argument, result, startMs);
        const ofStage = stageSpan(labels);
        if (stage && sentOnce(ofStage))
          sendWhole(labels, {
            name: stageLabel(labels.stage ?? '', labels.arm ?? ''),
            ...{ span: ofStage, parent: runSpan(labels), ...stage },
          });
        const run = finishedRun(info.activityType, argument);
        if (run) sendWhole(labels, { name: `run ${labels.run}`, span: runSpan(labels), ...run });
        return result;
      } catch (error) {
        const code = error instanceof ApplicationFailure ? (error.type ?? 'Unexpected') : 'Cancelled';
        span.setAttribute('error.type', code);
        span.setStatus({ code: SpanStatusCode.ERROR, message: code });
        throw error;
      } finally {
        span.end();
      }
    },
    async close() {
      const late = new Promise((resolve) => setTimeout(resolve, closeMs).unref());
      await Promise.race([provider.shutdown().catch(() => undefined), late]);
    },
  };
}

/** The whole of a stage, where this activity has finished or found it: its result is the stage's, or holds it. */
function finishedStage(
  argument: unknown,
  result: unknown,
  startMs: number,
): Pick<Whole, 'startMs' | 'attributes'> | undefined {
  const said = recordOf(result);
  const whole = said['done'] === true ? recordOf(said['result']) : said;
  if (typeof whole['key'] !== 'string' || typeof whole['reused'] !== 'boolean') return undefined;
  const opened = recordOf(argument)['startedAtMs'];
  const usage = recordOf(whole['usage']);
  const attributes: Attributes = { 'arte.key': whole['key'], 'arte.reused': whole['reused'] };
  for (const [name, value] of Object.entries(usage)) if (typeof value === 'number') attributes[`arte.${name}`] = value;
  for (const [name, value] of Object.entries(recordOf(whole['counts'])))
    if (typeof value === 'number') attributes[`arte.rows.${name}`] = value;
  return { startMs: typeof opened === 'number' ? opened : startMs, attributes };
}

/** The whole of a run, with the progress that is its last word. */
function finishedRun(activityType: string, argument: unknown): Pick<Whole, 'startMs' | 'attributes'> | undefined {
  const { status, startedAt, round } = recordOf(argument);
  if (activityType !== 'saveProgress' || (status !== 'DONE' && status !== 'CANCELLED')) return undefined;
  return {
    startMs: Date.parse(String(startedAt)),
    attributes: { 'arte.status': status, 'arte.rounds': Number(round) },
  };
}

function attributesOf({ run, stage, round, arm }: ActivityLabels): Attributes {
  return {
    'arte.run': run,
    ...(stage === undefined ? {} : { 'arte.stage': stage }),
    ...(round === undefined ? {} : { 'arte.round': round }),
    ...(arm === undefined ? {} : { 'arte.arm': arm }),
  };
}

/** Random ids, but for the next span where one was given. */
class GivenIds extends RandomIdGenerator {
  constructor() {
    super();
    const [randomTrace, randomSpan] = [this.generateTraceId, this.generateSpanId];
    this.generateTraceId = () => this.take('trace') ?? randomTrace();
    this.generateSpanId = () => this.take('span') ?? randomSpan();
  }

  private given: { trace?: string; span?: string } = {};

  /** For the span that is started next, in the same turn of the event loop; a trace's for one without a parent. */
  give(span: string, traceId: string | undefined): void {
    this.given = { span, ...(traceId === undefined ? {} : { trace: traceId }) };
  }

  private take(kind: 'trace' | 'span'): string | undefined {
    const { [kind]: id, ...left } = this.given;
    this.given = left;
    return id;
  }
}

function warnThrough(logger: Pick<Logger, 'warn'>): void {
  let warnedAt = 0;
  const warn = (message: string): void => {
    if (Date.now() - warnedAt < warnEveryMs) return;
    warnedAt = Date.now();
    logger.warn({ receiver: message.slice(0, 300) }, 'spans could not be sent');
  };
  const nothing = (): void => undefined;
  diag.setLogger({ error: warn, warn, info: nothing, debug: nothing, verbose: nothing }, DiagLogLevel.WARN);
}
