/**
 * bench:status: how long `arte status` takes, from a cold process to its end, in a store with 500 runs that are over: the table of all runs, one run,
 * and its report. The runs are records only, with as many documents of such sizes as a run of two rounds leaves.
 *
 * npm run bench:status [-- RUNS [REPEATS]]   (500 7)
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { recordAction } from '../activities/run-actions';
import { runKeys, saveProgress } from '../activities/run-records';
import type { ArtifactStore } from '../drivers/store/store';
import { packageRoot } from '../drivers/package-root';
import { canonicalJson, sha256Hex } from '../method/keys';
import type { JsonValue } from '../schemas/json';
import { noUsage } from '../schemas/manifest';
import { runConfigSchema } from '../schemas/run-config';
import { reportVersion } from '../schemas/report';
import type { RunProgress, StageRecord } from '../schemas/messages';
import { log, runBench } from './platform';

const rounds = 2;
const stagesPerRound = 40;
/** Of a report and of a kept plan: as those of examples/quickstart.yaml. */
const reportCharacters = 60_000;
const planCharacters = 30_000;
/** Records that are written at once. */
const writersAtOnce = 16;

const idOf = (index: number): string => `bench-run-${String(index).padStart(4, '0')}`;

async function writeRun(store: ArtifactStore, index: number): Promise<void> {
  const runId = idOf(index);
  const config = runConfigSchema.parse({
    version: 1,
    name: runId,
    seed: index,
    tasks: [{ source: 'builtin', family: 'larger-number' }],
    models: { teacher: { source: 'hosted:bench/mock' }, student: { source: 'hosted:bench/mock' } },
  });
  const bundle = await store.putBlob(
    canonicalJson({ schemaVersion: 1, config: config as unknown as JsonValue, files: {} }),
    { mediaType: 'application/json', rows: 1 },
  );
  const startedAt = new Date(Date.UTC(2026, 0, 1) + index * 60_000).toISOString();
  const put = (key: string, document: unknown): Promise<void> => store.putDocument(key, document as JsonValue);
  await put(runKeys.record(runId), { schemaVersion: 1, runId, name: runId, bundle, createdAt: startedAt });
  for (let round = 1; round <= rounds; round += 1) {
    const stages = Array.from({ length: stagesPerRound }, (_, at): StageRecord => {
      const key = sha256Hex(`${runId} ${round} ${at}`);
      return { stage: 'evaluate', round, arm: `arm-${at}`, key, reused: false, seconds: at, usage: noUsage };
    });
    await put(runKeys.stages(runId, round), { schemaVersion: 1, stages });
    const models = { teacher: {}, student: {} };
    await put(runKeys.round(runId, round), {
      ...{ schemaVersion: 1, runId, round, stages, models, evaluations: [], decision: { bestRound: round } },
    });
  }
  await put(runKeys.plan(runId), { text: 'x'.repeat(planCharacters) });
  await put(runKeys.report(runId), {
    ...{ schemaVersion: reportVersion, runId, name: runId, status: 'DONE', rounds: [], arms: [], stages: [] },
    text: 'x'.repeat(reportCharacters),
  });
  await put(runKeys.ledger(runId), { schemaVersion: 1, cap: null, settled: {}, open: {} });
  await recordAction(store, { runId, action: 'start', at: startedAt, by: 'bench' });
  const progress: RunProgress = { runId, status: 'DONE', round: rounds, rounds, current: [], startedAt };
  await saveProgress(store, progress);
}

/** Milliseconds of a command from its start to its end, and what it printed. */
async function timed(dataDir: string, ...args: string[]): Promise<{ ms: number; stdout: string }> {
  const began = performance.now();
  const child = spawn(process.execPath, [join(packageRoot(), 'dist', 'cli', 'main.js'), ...args], {
    env: { ...process.env, ARTE_DATA_DIR: dataDir },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let stdout = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`arte ${args.join(' ')} ended with ${String(code)}`);
  return { ms: performance.now() - began, stdout };
}

async function repeated(repeats: number, dataDir: string, ...args: string[]): Promise<Record<string, number>> {
  const times: number[] = [];
  for (let repeat = 0; repeat < repeats; repeat += 1) times.push((await timed(dataDir, ...args)).ms);
  times.sort((one, other) => one - other);
  return { least: times[0] ?? 0, median: times[Math.floor(times.length / 2)] ?? 0, most: times.at(-1) ?? 0 };
}

async function main(): Promise<void> {
  const [runs = 500, repeats = 7] = process.argv.slice(2).map(Number);
  await runBench('status', async ({ dataDir, store }) => {
    const none = await repeated(repeats, dataDir, 'status', '--json');
    let next = 0;
    const writer = async (): Promise<void> => {
      while (next < runs) await writeRun(store, next++);
    };
    await Promise.all(Array.from({ length: writersAtOnce }, writer));
    log(`${runs} runs are written`);
    const { stdout } = await timed(dataDir, 'status', '--json');
    const listed = (JSON.parse(stdout) as unknown[]).length;
    if (listed !== runs) throw new Error(`arte status lists ${listed} of ${runs} runs`);
    return {
      ...{ runs, repeats, withoutRunsMs: none },
      listMs: await repeated(repeats, dataDir, 'status', '--json'),
      oneRunMs: await repeated(repeats, dataDir, 'status', idOf(Math.floor(runs / 2)), '--json'),
    };
  });
}

void main();
