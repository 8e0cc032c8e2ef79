/**
 * What every benchmark needs: an embedded platform of its own (Temporal, S3, a supervised worker with the bench stage), the mock model server,
 * a stage to run on both, and the last line with its figures.
 * Owns starting, asking and ending them. What is measured is each bench's own; nothing here interprets a figure.
 *
 * Benches run from the build (`npm run bench:…` builds first), so that a worker's start is as long as in production.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection, type WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import { ensurePlatform, stopPlatform } from '../drivers/local/platform';
import { readState, type PartState } from '../drivers/local/platform-state';
import { ensurePythonEnv } from '../drivers/local/python-env';
import { resolveModel } from '../drivers/model/resolve';
import { createS3Store } from '../drivers/store/s3';
import type { ArtifactStore } from '../drivers/store/store';
import { packageRoot } from '../drivers/package-root';
import { canonicalJson } from '../method/keys';
import type { JsonValue } from '../schemas/json';
import { taskQueues, type RunBundle, type StageInput, type StageResult } from '../schemas/messages';
import { runConfigSchema } from '../schemas/run-config';
import { temporalConnectionOptions } from '../workers/connection';
import type { stageWorkflow } from '../workflows';
import { oddKind, type ModelServerCounts, type ModelServerSettings } from './model-server';
import type { BenchExtra, BenchRow } from './stage';

// ---- programs ----------------------------------------------------------------------------------------------------

export interface StartedFile {
  readonly child: ChildProcess;
  /** Its first line of JSON. */
  readonly line: unknown;
}

/** Start a file of this folder as a program with one JSON argument; it ends when its stdin does, or by itself. */
export async function startFile(name: string, argument: unknown): Promise<StartedFile> {
  // From the build, or from source where a test wants it.
  const source = __filename.endsWith('.ts');
  const register = source ? ['-r', join(packageRoot(), 'test', 'fixtures', 'run-typescript.cjs')] : [];
  const file = join(__dirname, `${name}.${source ? 'ts' : 'js'}`);
  const child = spawn(process.execPath, [...register, file, JSON.stringify(argument)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${name} ended with ${String(code)} before it said anything`)));
  });
  return { child, line: JSON.parse(line) as unknown };
}

/** A mock model server that runs, as a bench sees it. */
export interface MockModel {
  readonly pid: number;
  readonly port: number;
  counts(): Promise<ModelServerCounts>;
  set(settings: Partial<ModelServerSettings>): Promise<void>;
  /** Counts back to zero; the schedule begins again with the next call. */
  reset(): Promise<void>;
  /** Resolves with the time of the first call of whoever comes after the caller that was killed then. */
  firstCallAfterKill(atMs: number): Promise<number>;
  stop(): Promise<void>;
}

/** Start one. It ends with this process, or when it is stopped. */
export async function startMockModel(settings: Partial<ModelServerSettings>): Promise<MockModel> {
  const { child, line } = await startFile('model-server', settings);
  const { port, controlPort } = line as { port: number; controlPort: number };
  const ask = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const answer = await fetch(`http://127.0.0.1:${controlPort}/${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`the mock model server answers ${answer.status} to ${path}`);
    return answer.json();
  };
  return {
    pid: child.pid ?? 0,
    port,
    counts: async () => (await ask('GET', 'counts')) as ModelServerCounts,
    async set(changed) {
      await ask('POST', 'settings', changed);
    },
    async reset() {
      await ask('POST', 'reset');
    },
    async firstCallAfterKill(atMs) {
      await ask('POST', 'kill', { atMs });
      for (;;) {
        const { firstCallAfterKillMs } = (await ask('GET', 'counts')) as ModelServerCounts;
        if (firstCallAfterKillMs > 0) return firstCallAfterKillMs;
        await sleep(20);
      }
    },
    async stop() {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.stdin?.end();
      await gone;
    },
  };
}

// ---- the platform ------------------------------------------------------------------------------------------------

export interface StageOrder extends BenchExtra {
  readonly model: MockModel;
  /** Ceiling of the calls in flight. */
  readonly inFlight: number;
  readonly timeoutSeconds?: number;
}

export type StageHandle = WorkflowHandleWithFirstExecutionRunId<typeof stageWorkflow>;

export interface BenchPlatform {
  readonly dataDir: string;
  readonly client: Client;
  readonly store: ArtifactStore;
  /** Start the stage's workflow under an id of its own. */
  startStage(order: StageOrder): Promise<StageHandle>;
  /** A part (worker, temporal) that is ready; waits for it. `not`: the process that it was before. */
  part(name: string, not?: number): Promise<PartState & { readonly pid: number }>;
}

async function openPlatform(
  dataDir: string,
  worker: readonly [string, string],
): Promise<BenchPlatform & { close(): Promise<void> }> {
  const program = (...path: string[]): string[] => [join(packageRoot(), 'dist', ...path)];
  // Where the time goes: a profile of the worker, written when it ends, for Chrome's developer tools.
  const profileDir = process.env['ARTE_BENCH_PROFILE'];
  const profiling = profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`];
  const { addresses } = await ensurePlatform({
    dataDir,
    onProgress: log,
    programs: {
      supervisor: program('workers', 'supervisor.js'),
      worker: [...profiling, ...program(...worker)],
    },
  });
  const connection = await Connection.connect(temporalConnectionOptions(addresses.temporal));
  const client = new Client({ connection, namespace: addresses.temporal.namespace });
  const store = createS3Store({ ...addresses.store, spoolDir: join(dataDir, 'spool') });
  let started = 0;
  return {
    dataDir,
    client,
    store,
    async startStage(order) {
      started += 1;
      // Each stage is to ask all of its rows: what another one had answered would be found by row, and nothing would be measured.
      for await (const { key } of store.list('answers/')) await store.remove(key);
      return client.workflow.start<typeof stageWorkflow>('stageWorkflow', {
        workflowId: `${order.name}-${started}`,
        taskQueue: taskQueues.workflows,
        args: [{ stage: await stageInput(store, order) }],
      });
    },
    async part(name, not) {
      for (;;) {
        const state = await readState(dataDir);
        const part = state?.parts.find((each) => each.name === name);
        if (part?.status === 'ready' && part.pid !== undefined && part.pid !== not) return { ...part, pid: part.pid };
        await sleep(20);
      }
    },
    async close() {
      store.close();
      await connection.close();
      await stopPlatform({ dataDir });
    },
  };
}

async function stageInput(
  store: ArtifactStore,
  { model, inFlight, timeoutSeconds, name, rows }: StageOrder,
): Promise<StageInput> {
  const endpoint = {
    kind: 'static' as const,
    base_url: `http://127.0.0.1:${model.port}/v1`,
    // A name of its own is a limiter of its own: what one stage learned of the server is not the next one's.
    model: name,
    dialect: 'llama.cpp' as const,
    max_in_flight: inFlight,
    ...(timeoutSeconds === undefined ? {} : { timeout_seconds: timeoutSeconds }),
    capabilities: { completion: true, seed: true, extended_sampling: true },
  };
  const mock = { source: 'hosted:bench/mock', revision: '1', endpoint };
  const config = runConfigSchema.parse({
    version: 1,
    name: 'bench',
    tasks: [{ source: 'builtin', family: 'larger-number' }],
    models: { teacher: mock, student: mock },
  });
  const bundle: RunBundle = { schemaVersion: 1, config: config as unknown as JsonValue, files: {} };
  const extra: BenchExtra = { name, rows };
  return {
    stage: 'score-drafts',
    bundle: await store.putBlob(canonicalJson(bundle as unknown as JsonValue), {
      mediaType: 'application/json',
      rows: 1,
    }),
    inputs: {},
    model: await resolveModel('mock', config.models.student, {
      configDir: packageRoot(),
      env: await ensurePythonEnv(),
      cacheDir: packageRoot(),
    }),
    extra: { ...extra },
  };
}

// ---- what is seen of it ------------------------------------------------------------------------------------------

/** Look at something again and again until the work is done; rejects when either fails. */
export async function lookWhile(work: Promise<unknown>, everyMs: number, look: () => Promise<void>): Promise<void> {
  const done = new AbortController();
  const end = work.finally(() => done.abort());
  // Whoever waits for it hears of its failure below; until then it is not unhandled.
  end.catch(() => undefined);
  while (!done.signal.aborted) {
    await look();
    await sleep(everyMs, undefined, { signal: done.signal }).catch(() => undefined);
  }
  await end;
}

/** Linux counts CPU time in these. */
const ticksPerSecond = 100;

/** CPU seconds and resident megabytes of a process, by /proc. */
export function processFigures(pid: number): { cpuSeconds: number; rssMegabytes: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const rss = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
    rssMegabytes: Number(rss) / 1024,
  };
}

/** Calls per second from the first call to the last answer, by the server's clock: start-up and commit are apart. */
export function answersPerSecond({ answered, firstCallAtMs, lastAnswerAtMs }: ModelServerCounts): number {
  return answered / ((lastAnswerAtMs - firstCallAtMs) / 1000);
}

export interface CheckedRows {
  /** Rows without a result, and results beyond the first of a row. */
  readonly lost: number;
  readonly duplicated: number;
  /** Rows whose outcome is not the one that the mock server's answer has to have. */
  readonly wrong: number;
  /** Of the whole output: equal bytes, equal hash. */
  readonly sha256: string;
}

/** Every row of a finished stage against what the mock server said of it. */
export async function checkRows(
  store: ArtifactStore,
  result: StageResult,
  rows: number,
  oddRowsEvery = 0,
): Promise<CheckedRows> {
  const output = result.outputs['results'];
  if (!output) throw new Error('the stage has no output');
  const seen = new Uint8Array(rows);
  let duplicated = 0;
  let wrong = 0;
  for await (const line of store.getLines(output)) {
    const { row, outcome, why } = JSON.parse(line) as BenchRow;
    if (seen[row] === 1) duplicated += 1;
    seen[row] = 1;
    const ended = outcome === 'failed' ? `failed(${String(why)})` : outcome;
    if (ended !== expectedEnd(row, oddRowsEvery)) wrong += 1;
  }
  return { lost: seen.filter((times) => times === 0).length, duplicated, wrong, sha256: output.sha256 };
}

const ends = {
  unreadable: 'malformed',
  refused: 'refused',
  cut: 'truncated',
  'too-long': 'failed(context-too-long)',
} as const;

function expectedEnd(row: number, oddRowsEvery: number): string {
  const odd = oddKind(row, oddRowsEvery);
  return odd === undefined ? 'ok' : ends[odd];
}

export function log(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Numbers as people compare them: counts as they are, measurements with the digits that count. */
function readable(_: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
}

/** The worker with the bench stage in it, and arte's own. */
const stageWorker = ['bench', 'worker.js'] as const;
export const arteWorker = ['workers', 'main.js'] as const;

/**
 * Run a bench on a platform of its own and print its figures as the last line of stdout. Whatever happens, nothing is left running: a
 * supervisor whose data directory has gone ends by itself.
 */
export async function runBench(
  name: string,
  bench: (platform: BenchPlatform) => Promise<Record<string, unknown>>,
  worker: readonly [string, string] = stageWorker,
): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), `arte-bench-${name}-`));
  const forget = (): void => rmSync(dataDir, { recursive: true, force: true });
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      forget();
      process.exit(1);
    });
  try {
    const platform = await openPlatform(dataDir, worker);
    try {
      const figures = await bench(platform);
      process.stdout.write(`${JSON.stringify({ bench: name, ...figures }, readable)}\n`);
    } finally {
      await platform.close();
    }
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? String(error.stack) : String(error)}\n`);
    process.exitCode = 1;
  } finally {
    forget();
    // A mock server that is still there ends with us, and must not keep us.
    process.exit();
  }
}
