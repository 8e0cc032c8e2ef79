/** One side of bench/engine.ts: asks the mock server all prompts, by the row engine or by a bare loop, and prints its figures. */
import { Pool } from 'undici';
import { runShard } from '../activities/row-engine/engine';
import type { RowSource } from '../activities/row-engine/types';
import { llamaCppCapabilities } from '../drivers/model/llama-cpp';
import { createOpenAiEndpoint, requestBody } from '../drivers/model/openai-http';
import { createS3Store, type S3StoreOptions } from '../drivers/store/s3';
import { sha256Hex } from '../method/keys';
import { shardRowsMax } from '../schemas/limits';
import type { RowRequest } from '../schemas/rows';

export interface EngineSettings {
  readonly mode: 'bare' | 'engine';
  readonly rows: number;
  readonly inFlight: number;
  readonly port: number;
  readonly journalDir: string;
  readonly s3: S3StoreOptions;
}

export interface EngineFigures {
  readonly seconds: number;
  readonly rowsPerSecond: number;
  readonly cpuSecondsPer1000: number;
  readonly rssMegabytes: number;
}

const dialect = {
  model: 'mock',
  dialect: 'llama.cpp' as const,
  capabilities: llamaCppCapabilities,
};

function row(index: number): RowRequest {
  const text = `${index} ${'lorem ipsum dolor sit amet '.repeat(48)}`;
  const sampling = { temperature: 1, topP: 1, topK: 0, minP: 0, maxTokens: 256, stop: [], seed: index };
  return {
    key: sha256Hex(text),
    request: { prompt: { kind: 'completion', text }, sampling },
    meta: { index, draft: `d${index % 40}` },
  };
}

async function bare({ rows, inFlight, port }: EngineSettings): Promise<void> {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: inFlight, pipelining: 1 });
  let next = 0;
  const loop = async (): Promise<void> => {
    while (next < rows) {
      const { request } = row(next);
      next += 1;
      const body = JSON.stringify(requestBody(request, dialect));
      const response = await pool.request({
        method: 'POST',
        path: '/v1/completions',
        headers: { 'content-type': 'application/json' },
        body,
      });
      JSON.parse(await response.body.text());
    }
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  await pool.close();
}

async function engine({ rows, inFlight, port, journalDir, s3 }: EngineSettings): Promise<void> {
  const store = createS3Store(s3);
  const endpoint = createOpenAiEndpoint({
    id: 'mock',
    baseUrl: `http://127.0.0.1:${port}/v1`,
    ...dialect,
    concurrency: { start: inFlight, max: inFlight },
    timeoutMs: 60_000,
  });
  // Shards as a stage has them, several at a time: one is committed while the next asks.
  const shards = Math.ceil(rows / shardRowsMax);
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < shards) {
      const shard = next;
      next += 1;
      const offset = shard * shardRowsMax;
      const source: RowSource = { length: Math.min(shardRowsMax, rows - offset), row: (index) => row(offset + index) };
      const { counts } = await runShard({
        shardKey: sha256Hex(`bench ${rows} ${inFlight} ${shard}`),
        rows: source,
        endpoint,
        read: (_row, answer) => ({ outcome: 'ok', value: { words: answer.text.length } }),
        thresholds: { malformed: 0, truncated: 0, refused: 0, failed: 0 },
        repairs: 0,
        store,
        journalDir,
        madeBy: 'run',
        attemptId: 'bench',
        onProgress: () => undefined,
        signal: new AbortController().signal,
      });
      if (counts.ok !== source.length) throw new Error(`${counts.ok} of ${source.length} rows are ok`);
    }
  };
  await Promise.all(Array.from({ length: 4 }, work));
  await endpoint.close();
  store.close();
}

async function main(settings: EngineSettings): Promise<void> {
  const startedAt = performance.now();
  const cpu = process.cpuUsage();
  await (settings.mode === 'bare' ? bare(settings) : engine(settings));
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (performance.now() - startedAt) / 1000;
  const figures: EngineFigures = {
    seconds,
    rowsPerSecond: settings.rows / seconds,
    cpuSecondsPer1000: (user + system) / 1000 / settings.rows,
    rssMegabytes: process.memoryUsage().rss / 1024 ** 2,
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}

void main(JSON.parse(process.argv[2] ?? '') as EngineSettings);
