/**
 * Goal: a run is one trace of run, stages and activities, each under its parent, with run and stage on every span and every line of log; no message of
 * an error is in it; a receiver that is away disturbs nothing; without an endpoint nothing is loaded.
 * Method: a whole run on a real Temporal and S3 server, and a receiver over HTTP that decodes the protobuf of OTLP by its published fields.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DefaultLogger, Runtime, Worker, type LogEntry } from '@temporalio/worker';
import protobuf from 'protobufjs';
import { loadConfig } from '../../cli/config/load-config';
import { startRun } from '../../cli/run/start-run';
import { packageRoot } from '../../drivers/package-root';
import type { Trainer } from '../../drivers/trainer/trainer';
import { ArteError } from '../../schemas/errors';
import { activityQueues, taskQueues } from '../../schemas/messages';
import { activityInterceptors } from '../../workers/activity-interceptors';
import { openTracing } from '../../workers/tracing';
import { progressQuery, retryUpdate } from '../../workflows/messages';
import { waitFor } from '../support/cli';
import { writeScriptedLoop } from '../support/loop-config';
import { scriptedActivities, trainer } from '../support/made-run';
import { startReceiver, type Receiver } from '../support/receiver';
import { startTestS3 } from '../support/s3';
import { startTemporal, workflowBundle } from '../support/temporal';

jest.setTimeout(600_000);

/** The fields of opentelemetry/proto/trace/v1 and collector/trace/v1 that are looked at. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; } }
  message KeyValue { string key = 1; AnyValue value = 2; }
  message Status { string message = 2; int32 code = 3; }
  message Span {
    bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5;
    fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9; Status status = 15;
  }
  message ScopeSpans { repeated Span spans = 2; }
  message Resource { repeated KeyValue attributes = 1; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
  message ExportTraceServiceRequest { repeated ResourceSpans resource_spans = 1; }
`);
const requestType = root.lookupType('ExportTraceServiceRequest');

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, string | number | boolean>>;
}
interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly status?: { readonly code?: number; readonly message?: string };
}
interface Sent {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly Span[] }[];
  }[];
}

const named = (attributes: readonly Attribute[]): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

function decoded({ received }: Receiver): Sent[] {
  return received.map(
    ({ body }) => requestType.toObject(requestType.decode(body), { bytes: String, longs: String }) as Sent,
  );
}

it('a run is one trace', async () => {
  const logged: LogEntry[] = [];
  Runtime.install({ logger: new DefaultLogger('WARN', (entry) => logged.push(entry)), shutdownSignals: [] });
  const folder = mkdtempSync(join(tmpdir(), 'arte-traced-'));
  const [env, s3, receiver] = await Promise.all([startTemporal(), startTestS3(), startReceiver()]);
  const store = s3.fresh();
  const variables = {
    OTEL_EXPORTER_OTLP_ENDPOINT: new URL(receiver.url).origin,
    OTEL_RESOURCE_ATTRIBUTES: 'site=here',
  };
  // The exporter reads the process's own environment.
  Object.assign(process.env, variables);
  const warnings: unknown[] = [];
  const tracing = openTracing(variables, 'a platform', { warn: (...said: unknown[]) => void warnings.push(said) })!;
  let failures = 1;
  const failing: Trainer = {
    train(job, ...rest) {
      if (failures > 0) {
        failures -= 1;
        throw new ArteError('TrainerOutOfMemory', {
          what: 'A line of a log.',
          why: 'hunter22',
          next: 'arte retry RUN',
        });
      }
      return trainer.train(job, ...rest);
    },
  };
  const { nativeConnection: connection, client } = env;
  const activities = scriptedActivities(store, folder, failing);
  const interceptors = { activity: activityInterceptors(tracing) };
  const workers = await Promise.all([
    Worker.create({ connection, taskQueue: taskQueues.workflows, workflowBundle: await workflowBundle() }),
    ...activityQueues.map((taskQueue) => Worker.create({ connection, taskQueue, activities, interceptors })),
  ]);
  const working = Promise.all(workers.map((worker) => worker.run()));
  try {
    const path = writeScriptedLoop(folder, {
      ...{ name: 'traced', model: 'embedded:SmolLM2-135M-Instruct' },
      change: (config) => Object.assign(config, { arms: ['untuned'] }),
    });
    const session = { client, store, embedded: false, close: async () => undefined };
    const { handle } = await startRun(session, await loadConfig(path, { env: {}, purpose: 'run' }), 'traced');
    await waitFor('the run to park', 240_000, async () =>
      (await handle.query(progressQuery)).status === 'NEEDS_ATTENTION' ? true : undefined,
    );
    await handle.executeUpdate(retryUpdate, { args: [{ by: 'ana@test' }] });
    await handle.result();
  } finally {
    for (const worker of workers) worker.shutdown();
    await working;
    await tracing.close();
  }
  expect(warnings).toEqual([]);
  expect(receiver.received.every((each) => each.path === '/v1/traces')).toBe(true);
  const sent = decoded(receiver);
  expect(named(sent[0]!.resourceSpans[0]!.resource.attributes)).toMatchObject({
    'service.name': 'arte-worker',
    site: 'here',
  });
  const spans = sent.flatMap(({ resourceSpans }) =>
    resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)),
  );
  const byId = new Map(spans.map((span) => [span.spanId, span]));

  expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
  expect(spans.every(({ attributes }) => named(attributes)['arte.run'] === 'traced')).toBe(true);
  const run = spans.filter(({ name }) => name === 'run traced');
  expect(run).toHaveLength(1);
  expect(named(run[0]!.attributes)).toMatchObject({ 'arte.status': 'DONE', 'arte.rounds': '1' });
  // Everything hangs together, and nobody's parent is missing.
  const orphans = spans.filter(({ name, parentSpanId }) => name !== 'run traced' && !byId.has(parentSpanId ?? ''));
  expect(orphans.map(({ name }) => name)).toEqual([]);
  const shard = spans.find(
    ({ name, attributes }) => name === 'runShard' && named(attributes)['arte.stage'] === 'score-drafts',
  )!;
  const stage = byId.get(shard.parentSpanId!)!;
  expect(named(shard.attributes)).toMatchObject({
    'arte.round': '1',
    'arte.attempt': '1',
    'temporal.workflow_id': 'traced/r1/score-drafts',
  });
  expect(stage.name).toBe('score-drafts');
  expect(named(stage.attributes)).toMatchObject({
    'arte.reused': false,
    'arte.round': '1',
    'arte.key': expect.stringMatching(/^[0-9a-f]{64}$/) as string,
  });
  expect(Number(named(stage.attributes)['arte.calls'])).toBeGreaterThan(10);
  expect(stage.parentSpanId).toBe(run[0]!.spanId);
  expect(BigInt(stage.startTimeUnixNano)).toBeLessThanOrEqual(BigInt(shard.startTimeUnixNano));
  expect(BigInt(run[0]!.endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(stage.endTimeUnixNano));
  // A failed attempt is a code; what it said is in the log.
  const failed = spans.find(({ status }) => status?.code === 2)!;
  expect(failed).toMatchObject({ name: 'trainDpo', status: { message: 'TrainerOutOfMemory' } });
  expect(named(failed.attributes)['error.type']).toBe('TrainerOutOfMemory');
  for (const { body } of receiver.received) expect(body.toString('latin1')).not.toMatch(/hunter22|A line of a log/);
  const line = logged.find(({ message }) => message === 'Activity failed');
  expect(line?.meta).toMatchObject({ run: 'traced', stage: 'train-dpo', round: 1 });

  store.close();
  for (const name of Object.keys(variables)) Reflect.deleteProperty(process.env, name);
  await Promise.all([env.teardown(), s3.stop(), receiver.close()]);
  rmSync(folder, { recursive: true, force: true });
});

it.each<[string, Record<string, string>, boolean]>([
  ['without an endpoint', {}, false],
  [
    'with one, and the SDK switched off',
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_SDK_DISABLED: 'true' },
    false,
  ],
  ['with one', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' }, true],
])('%s: is anything loaded?', (_, variables, loaded) => {
  const script = `
    const { openTracing } = require('./workers/tracing.ts');
    openTracing(${JSON.stringify(variables)}, '', { warn: () => undefined });
    console.log(Object.keys(require.cache).filter((path) => path.includes('opentelemetry')).length > 0);
    process.exit(0);
  `;
  const said = execFileSync(process.execPath, ['-r', './test/fixtures/run-typescript.cjs', '-e', script], {
    ...{ cwd: packageRoot(), env: { ...process.env, ...variables }, encoding: 'utf8' },
  });
  expect(said.trim()).toBe(String(loaded));
});
