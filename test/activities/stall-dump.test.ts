/**
 * Goal: work that stands still leaves what it waited for, on this machine and in the store, named by the failure, without a secret or a prompt,
 * and bounded; a dump that cannot be written changes nothing.
 * Method: a shard against a model server of ours, a real process that stops answering; the real trainer's driver with a script that hangs. Short
 * limits are given to the engine and the driver; everything else is what workers run.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import picocolors from 'picocolors';
import type { InferDependencies } from '../../activities/dependencies';
import { guarded } from '../../activities/failures';
import type { RowStage } from '../../activities/row-stage';
import { runShardOf } from '../../activities/row-stage-shard';
import { readStalls, withStallDump } from '../../activities/stall-dump';
import { stallDetails, stallLines } from '../../cli/run/stall-view';
import { ensurePythonEnv } from '../../drivers/local/python-env';
import { createOpenAiEndpoint } from '../../drivers/model/openai-http';
import { createModelPool, type ManagedModelPool } from '../../drivers/model/pool';
import { startServerChild } from '../../drivers/model/server-child';
import { llamaCppCapabilities, type LlamaServerOptions } from '../../drivers/model/llama-cpp';
import { packageRoot } from '../../drivers/package-root';
import { createTrlTrainer } from '../../drivers/trainer/trl';
import { secretsIn } from '../../method/environment-secrets';
import { ArteError, type ErrorData } from '../../schemas/errors';
import { stallDumpBytesMax, stallDumpsOfMachineMax, stallDumpsOfRunMax } from '../../schemas/limits';
import type { ShardInput } from '../../schemas/messages';
import { stallDumpSchema, type StallDump } from '../../schemas/stall-dump';
import { StallError } from '../../schemas/stall-error';
import { smallJob } from '../drivers/trainer.conformance';
import { MemoryStore } from './row-engine/memory-store';
import { bundleOf } from './stage-input';
import { lenient, quickLimits, rowsOf } from './row-engine/shards';

jest.setTimeout(240_000);

const length = 12;
const runId = 'stalled';
const secrets = secretsIn({ TRAINER_TOKEN: 'correct-horse-battery', PATH: '/usr/bin/some/where', SHORT_KEY: 'abc' });

let folder: string;
let store: MemoryStore;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'arte-stall-'));
  store = new MemoryStore();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const dir = (): string => join(folder, 'stalls');
const work = { runId, stage: 'train-dpo', key: 'b'.repeat(64), attempt: '1-0001' };

function dumpsOnDisk(): StallDump[] {
  return readdirSync(dir())
    .sort()
    .map((name) => stallDumpSchema.parse(JSON.parse(readFileSync(join(dir(), name), 'utf8'))));
}

const stage: RowStage<null> = {
  ...{ name: 'score-drafts', version: 1, settings: () => null, model: ({ config }) => config.models.student },
  load: () => Promise.resolve(null),
  rows: () => ({
    length,
    row: (index) => {
      const { request, meta } = rowsOf(length).row(index);
      return { request, sample: 0, meta };
    },
  }),
  read: () => ({ outcome: 'ok', value: null }),
  repairs: () => 0,
  thresholds: () => lenient,
  collect: () => Promise.reject(new Error('no test collects')),
};

async function shardOf(): Promise<ShardInput> {
  const raw = {
    ...{ version: 1, name: 'shards', tasks: [{ source: 'declared', name: 't', test_items: 1 }] },
    models: {
      teacher: { source: 'hosted:p/t' },
      student: { source: 'embedded:SmolLM2-135M-Instruct', endpoint: { kind: 'managed', slots: 2 } },
    },
  };
  const bundle = await bundleOf(store, raw);
  const sha256 = '0'.repeat(64);
  const source = { kind: 'embedded' as const, name: 'SmolLM2-135M-Instruct' };
  const model = { name: 'student', source, baseSha256: sha256, layers: [], contentSha256: sha256 };
  return {
    stage: { stage: 'score-drafts', bundle, inputs: {}, model },
    ...{ key: 'a'.repeat(64), wave: 0, waves: [], rows: length, startedAtMs: 0, offset: 0, length },
  };
}

/** The pool that workers have, with a server that falls silent in the place of llama.cpp's. */
function poolOfSilentServers(): ManagedModelPool {
  const unused = (): never => {
    throw new Error('a scripted server has no files');
  };
  return createModelPool({
    materializer: { folder: unused, gguf: () => Promise.resolve('model.gguf') },
    ...{ python: '', scriptDir: '', logDir: folder, deviceLockPath: join(folder, 'device.lock'), scripted: unused },
    startServer: ({ id, logDir, signal }: LlamaServerOptions) =>
      startServerChild({
        name: 'The server',
        command: process.execPath,
        args: [join(packageRoot(), 'test', 'fixtures', 'silent-server.cjs')],
        logPath: join(logDir, 'model-server.log'),
        probePath: '/slots',
        endpoint: (origin, apiKey) =>
          createOpenAiEndpoint({
            ...{ id, baseUrl: `${origin}/v1`, model: 'model', apiKey, dialect: 'llama.cpp', timeoutMs: 600_000 },
            ...{ capabilities: llamaCppCapabilities, concurrency: { start: 2, max: 2 } },
          }),
        signal,
      }),
  });
}

it('a managed server that stops answering: rows in flight, the calls before, and the end of its log', async () => {
  const pool = poolOfSilentServers();
  const dependencies: InferDependencies = {
    ...{ store, pool, journalDir: join(folder, 'journals'), environment: {}, stallDumps: { dir: dir(), secrets } },
    resolveModel: () => Promise.reject(new Error('no test resolves')),
    engineLimits: { ...quickLimits, rowsStallFloorMs: 400, rowsStallFactor: 1 },
  };
  const activity = new MockActivityEnvironment(
    { workflowExecution: { workflowId: `${runId}/r1/score-drafts`, runId: 'x' } },
    { logger: new DefaultLogger('ERROR') },
  );
  const shard = await shardOf();
  const { run } = guarded({ run: (input: ShardInput) => runShardOf(stage, dependencies, input) });
  const failure = (await activity.run(run, shard).catch((error: unknown) => error)) as { details: [ErrorData] };
  await pool.shutdown();
  const [data] = failure.details;
  const [dump, ...others] = dumpsOnDisk();
  expect(others).toEqual([]);
  expect(data).toMatchObject({ code: 'RowsStalled', retryable: true });
  expect(data.why).toContain(`${dump!.file} on ${hostname()}`);
  expect(data.next).toContain(`arte status ${runId} --stalls`);
  expect(dump).toMatchObject({
    ...{ runId, stage: 'score-drafts', code: 'RowsStalled', phase: 'rows', host: hostname() },
    rows: { done: 4, total: length, inFlight: 2, waitingForRetry: 0, callsAllowed: 2 },
  });
  expect(dump!.rows?.endpoint).toMatch(/^llama\.cpp\//);
  expect(dump!.silentMs).toBeGreaterThanOrEqual(400);
  // Rows by key, the oldest first, and no word of their prompts.
  expect(dump!.rows?.calls.map(({ row }) => row)).toEqual([4, 5]);
  const calls = dump!.rows?.calls ?? [];
  for (const { key } of calls) expect(key).toMatch(/^[0-9a-f]{64}$/);
  // A call is sent after the answer before it, on a busy machine a good while after.
  const ages = calls.map(({ ageMs }) => ageMs);
  expect(ages).toEqual([...ages].sort((one, other) => other - one));
  expect(Math.min(...ages)).toBeGreaterThan(0);
  expect(dump!.rows?.lastCalls.map(({ row, outcome }) => [row, outcome]).sort()).toEqual(
    [0, 1, 2, 3].map((row) => [row, 'ok']),
  );
  expect(dump!.log?.path).toBe(join(folder, 'model-server.log'));
  expect(dump!.log?.lines.filter((line) => /^call \d with Bearer \[key\]$/.test(line))).toHaveLength(6);
  expect(JSON.stringify(dump)).not.toContain('question');
  expect(statSync(dump!.file).mode & 0o777).toBe(0o600);
  // Another machine finds the same.
  expect(await readStalls(store, runId, 3)).toEqual([dump]);
  const plain = picocolors.createColors(false);
  expect(stallLines(runId, [dump!], plain).join('\n')).toContain(`${dump!.file} on ${hostname()}`);
  expect(stallDetails(dump!, plain).join('\n')).toMatch(/row 4 \([0-9a-f]{12}\) for /);
});

it('a trainer that hangs: its phase and step, its log without secrets, and where its threads stand', async () => {
  const { python } = await ensurePythonEnv({});
  const fixtures = join(packageRoot(), 'test', 'fixtures', 'faulty-trainer');
  const trainer = createTrlTrainer({
    ...{ python, scriptDir: fixtures, logDir: folder, deviceLockPath: join(folder, 'device.lock') },
    materializeFolder: () => Promise.resolve(folder),
    stallMs: { step: 2_000 },
  });
  const sha256 = '0'.repeat(64);
  const model = {
    ...{ name: 'm', source: { kind: 'local' as const, path: folder }, baseSha256: sha256, layers: [] },
    contentSha256: sha256,
  };
  const job = smallJob({ model: model as never, folder }, 'dpo');
  const dataPath = join(folder, 'hangs.jsonl');
  writeFileSync(dataPath, '');
  const never = new AbortController().signal;
  const training = withStallDump(store, { dir: dir(), secrets }, work, () =>
    trainer.train({ ...job, dataPath }, () => undefined, never),
  );
  const error = await training.catch((thrown: unknown) => thrown as ArteError);
  const [dump] = dumpsOnDisk();
  expect((error as ArteError).data).toMatchObject({
    ...{ code: 'TrainerStalled', retryable: true },
    why: expect.stringContaining(dump!.file) as string,
  });
  expect(dump).toMatchObject({ phase: 'step', silentMs: 2_000, limitMs: 2_000, training: { step: 3, maxSteps: 8 } });
  const log = dump!.log?.lines.join('\n') ?? '';
  expect(log).toContain('this is the log');
  expect(log).toContain('waits_for_the_other_rank');
  expect(log).toContain('the key is <removed>, and TRAINER_TOKEN is <removed>');
  expect(JSON.stringify(store.keys('runs/').map((key) => store.objects.get(key)?.toString()))).not.toMatch(
    /sk-abc|correct-horse/,
  );
});

describe('bounds', () => {
  const stall = (lines: readonly string[]): StallError =>
    new StallError(
      'TrainerStalled',
      { what: 'It stands still.', why: 'Nobody knows.', next: 'Wait.' },
      { phase: 'step', silentMs: 1, limitMs: 1, log: { path: 'trainer.log', lines: [...lines] } },
    );
  const stalls = (error: Error): Promise<unknown> =>
    withStallDump(store, { dir: dir(), secrets }, work, () => Promise.reject(error)).catch((thrown: unknown) => thrown);

  it('a dump stays below its size, with the newest lines of the log', async () => {
    await stalls(stall(Array.from({ length: 5_000 }, (_, at) => `${at} ${'"ü\\'.repeat(300)}`)));
    const [dump] = dumpsOnDisk();
    const { size } = statSync(dump!.file);
    expect(size).toBeLessThanOrEqual(stallDumpBytesMax);
    expect(size).toBeGreaterThan(stallDumpBytesMax / 2);
    expect(dump!.log?.lines.at(-1)).toMatch(/^4999 /);
  });

  it('old ones make room, on the machine and in the store', async () => {
    mkdirSync(dir());
    for (let at = 0; at < stallDumpsOfMachineMax + 3; at += 1)
      writeFileSync(join(dir(), `2020-01-01T00-00-00-${String(at).padStart(3, '0')}Z-old-evaluate.json`), '{}');
    for (let at = 0; at < stallDumpsOfRunMax + 3; at += 1)
      await store.putDocument(
        `runs/${runId}/stalls/2020-01-01T00-00-00-${String(at).padStart(3, '0')}Z-evaluate.json`,
        {},
      );
    await stalls(stall([]));
    const files = readdirSync(dir()).sort();
    expect(files).toHaveLength(stallDumpsOfMachineMax);
    expect(files.at(-1)).toContain(`${runId}-train-dpo.json`);
    const keys = store.keys(`runs/${runId}/stalls/`);
    expect(keys).toHaveLength(stallDumpsOfRunMax);
    // Documents of another form are passed over.
    expect(await readStalls(store, runId, 5)).toHaveLength(1);
  });

  it('what cannot be written changes nothing, and one place is enough', async () => {
    const error = stall([]);
    writeFileSync(dir(), 'a file where the folder should be');
    expect(await stalls(error)).toMatchObject({ data: { why: expect.stringContaining('written down') as string } });
    expect(await readStalls(store, runId, 5)).toHaveLength(1);
    jest.spyOn(store, 'putOnce').mockRejectedValue(new Error('the store is away'));
    expect(await stalls(error)).toBe(error);
  });

  it('any other error is what it was', async () => {
    const error = new ArteError('DiskFull', { what: 'a', why: 'b', next: 'c' });
    expect(await stalls(error)).toBe(error);
    expect(readdirSync(folder)).toEqual([]);
  });
});

it('secrets of an environment are told by the names of their variables; short values are words', () => {
  expect(secrets).toEqual(['correct-horse-battery']);
  expect(secretsIn({ A_PASSWORD: 'eight888', HF_TOKEN_2: 'longer-than-that', MONKEYS: 'are-no-secret' })).toEqual([
    'longer-than-that',
    'eight888',
  ]);
});
