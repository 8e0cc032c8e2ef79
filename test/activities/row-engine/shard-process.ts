/**
 * One attempt at a shard in a process of its own, to be killed: the real engine, the real HTTP driver, the real store.
 * Takes its settings as JSON from the environment (SHARD), prints the shard's output as one JSON line.
 */
import { runShard } from '../../../activities/row-engine/engine';
import { llamaCppCapabilities } from '../../../drivers/model/llama-cpp';
import { createOpenAiEndpoint } from '../../../drivers/model/openai-http';
import { createS3Store } from '../../../drivers/store/s3';
import type { S3StoreOptions } from '../../../drivers/store/s3-objects';
import { quickLimits, lenient, readAnswer, rowsOf } from './shards';

export interface ShardProcessSettings {
  readonly shardKey: string;
  readonly rows: number;
  readonly baseUrl: string;
  readonly concurrency: number;
  readonly s3: S3StoreOptions;
  readonly journalDir: string;
  readonly attemptId: string;
  readonly partFlushIntervalMs: number;
}

async function main(settings: ShardProcessSettings): Promise<void> {
  const store = createS3Store(settings.s3);
  const endpoint = createOpenAiEndpoint({
    id: 'test',
    baseUrl: settings.baseUrl,
    model: 'test',
    dialect: 'llama.cpp',
    capabilities: llamaCppCapabilities,
    concurrency: { start: settings.concurrency, max: settings.concurrency },
    timeoutMs: 30_000,
  });
  const output = await runShard({
    shardKey: settings.shardKey,
    rows: rowsOf(settings.rows),
    openEndpoint: () => Promise.resolve({ endpoint }),
    read: readAnswer,
    thresholds: lenient,
    repairs: 0,
    store,
    journalDir: settings.journalDir,
    madeBy: 'run',
    attemptId: settings.attemptId,
    onProgress: () => undefined,
    signal: new AbortController().signal,
    limits: { ...quickLimits, journalCommitIntervalMs: 20, partFlushIntervalMs: settings.partFlushIntervalMs },
  });
  process.stdout.write(`${JSON.stringify(output)}\n`);
  await endpoint.close();
  store.close();
}

void main(JSON.parse(process.env['SHARD'] ?? '') as ShardProcessSettings);
