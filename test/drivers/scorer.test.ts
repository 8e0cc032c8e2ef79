/**
 * Goal: the project's scorer is an endpoint like any other: it keeps the promises about given texts, says what it cannot do, and a kill -9 in
 * the middle of a shard costs the rows in flight and no others.
 * Method: the real script on a random two-layer Llama with a real tokenizer, leased from the real pool; the row engine asks.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runShard } from '../../activities/row-engine/engine';
import { ensurePythonEnv } from '../../drivers/local/python-env';
import { createMaterializer } from '../../drivers/model/materialize';
import type { EndpointSettings, ModelEndpoint } from '../../drivers/model/model';
import { createModelPool, type ManagedModelPool } from '../../drivers/model/pool';
import { resolveModel } from '../../drivers/model/resolve';
import { startScorer } from '../../drivers/model/scorer';
import type { ModelServer } from '../../drivers/model/server-child';
import { packageRoot } from '../../drivers/package-root';
import { processExists } from '../../drivers/process';
import type { ModelRef } from '../../schemas/model-ref';
import { modelConfigSchema } from '../../schemas/config/models';
import { MemoryStore } from '../activities/row-engine/memory-store';
import { makeTinyModel } from '../support/loop-config';
import { givenTextConformance } from './given-text.conformance';
import { completion, greedy } from './model.conformance';

jest.setTimeout(300_000);

const root = mkdtempSync(join(tmpdir(), 'arte-scorer-'));
const never = new AbortController().signal;
const settings: EndpointSettings = { kind: 'scorer', dtype: 'float32', batchRows: 4 };
const servers: ModelServer[] = [];
let pool: ManagedModelPool;
let model: ModelRef;

async function lease(): Promise<ModelEndpoint> {
  return (await pool.lease(model, settings, never)).endpoint;
}

beforeAll(async () => {
  const env = await ensurePythonEnv({});
  const { python } = env;
  const scriptDir = join(packageRoot(), 'python');
  const logDir = join(root, 'logs');
  const cacheDir = join(root, 'cache');
  const source = await makeTinyModel(join(root, 'model'));
  model = await resolveModel('student', modelConfigSchema.parse({ source }), { configDir: root, env, cacheDir });
  pool = createModelPool({
    materializer: createMaterializer({ cacheDir, python, scriptDir, store: new MemoryStore(), logDir }),
    python,
    scriptDir,
    logDir,
    deviceLockPath: join(root, 'device.lock'),
    scripted: () => {
      throw new Error('nothing is scripted here');
    },
    startScorer: async (options) => {
      const server = await startScorer(options);
      servers.push(server);
      return server;
    },
  });
});

afterAll(async () => {
  await pool.shutdown();
  for (const { pid } of servers) expect(processExists(pid)).toBe(false);
  rmSync(root, { recursive: true, force: true });
});

givenTextConformance('the scorer', async () => ({ endpoint: await lease(), looksBack: true }));

describe('the scorer', () => {
  it('writes no answers, and refuses what the model cannot read', async () => {
    const endpoint = await lease();
    await expect(endpoint.complete(completion('hello'), never)).rejects.toMatchObject({ callCause: 'bad-request' });
    const long = { ...completion('word '.repeat(3_000)), given: { lead: '', text: ' word' } };
    await expect(endpoint.complete(long, never)).rejects.toMatchObject({ callCause: 'context-too-long' });
    const empty = { ...completion('word'), given: { lead: '', text: '' } };
    await expect(endpoint.complete(empty, never)).rejects.toMatchObject({ callCause: 'bad-request' });
  });

  it('killed in the middle of a shard it is started again, and no row is asked again that was answered', async () => {
    const endpoint = await lease();
    const rows = 60;
    const answered = new Map<string, number>();
    const before = servers.length;
    const output = await runShard({
      shardKey: 'a'.repeat(64),
      rows: {
        length: rows,
        row: (index) => ({
          key: `row ${index}`,
          request: {
            prompt: {
              kind: 'completion',
              text: `Draft ${Math.floor(index / 20)}: ${'we count on from one. '.repeat(6)}`,
            },
            sampling: greedy,
            given: { lead: '', text: ` ${index} is the answer` },
          },
          meta: {},
        }),
      },
      openEndpoint: () => Promise.resolve({ endpoint }),
      read: ({ key }, { tokens }) => {
        answered.set(key, (answered.get(key) ?? 0) + 1);
        if (answered.size === 20) process.kill(servers.at(-1)?.pid ?? 0, 'SIGKILL');
        return { outcome: 'ok', value: tokens?.length ?? 0 };
      },
      thresholds: { malformed: 1, truncated: 1, refused: 1, failed: 0 },
      repairs: 0,
      store: new MemoryStore(),
      journalDir: join(root, 'journals'),
      madeBy: 'test',
      attemptId: 'one',
      onProgress: () => undefined,
      signal: never,
    });
    expect(output.counts).toMatchObject({ ok: rows, failed: 0 });
    expect(servers.length).toBe(before + 1);
    expect([...answered.values()].every((times) => times === 1)).toBe(true);
    // What drafts share was computed once for several rows.
    expect(output.usage.cachedInputTokens).toBeGreaterThan(output.usage.inputTokens / 3);
    expect(output.usage.outputTokens).toBe(0);
  });
});
