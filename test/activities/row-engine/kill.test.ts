/**
 * Goal: kill -9 at any moment loses no row, doubles none, and asks nothing again but what was in flight; on another machine nothing but
 * what was in flight and one flush interval. The bytes are those of an undisturbed run, the usage is the server's own count.
 * Method: a shard in a process of its own against a local model server that counts, and the real S3 server; SIGKILL at seeded calls.
 */
import { randomUUID } from 'node:crypto';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom, sha256Hex } from '../../../method/keys';
import type { ShardOutput } from '../../../schemas/messages';
import type { ModelRequest } from '../../../schemas/rows';
import { createS3Store } from '../../../drivers/store/s3';
import { startTestS3, type TestS3 } from '../../support/s3';
import { indexOf, rightAnswer, rightBytes, rowsOf } from './shards';
import type { ShardProcessSettings } from './shard-process';

const rows = 3_000;
const concurrency = 32;
const meanMs = 12;

let s3: TestS3;
let folder: string;
let server: ModelServer;

beforeAll(async () => {
  s3 = await startTestS3();
}, 900_000);
afterAll(() => s3.stop());

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'arte-kill-'));
  server = await ModelServer.start();
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Answers as rightAnswer says and counts; calls `onCall` before each. */
class ModelServer {
  calls = 0;
  onCall: (calls: number) => void = () => undefined;
  /** Answers handed to the network, by row. */
  readonly answered = new Map<number, number>();
  /** When, in milliseconds. */
  readonly answeredAt: number[] = [];

  private constructor(
    private readonly http: Server,
    readonly baseUrl: string,
  ) {}

  static async start(): Promise<ModelServer> {
    const random = seededRandom(7);
    const http = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = JSON.parse(Buffer.concat(chunks).toString()) as { prompt: string; seed: number };
        const asked = {
          prompt: { kind: 'completion', text: body.prompt },
          sampling: { seed: body.seed },
        } as ModelRequest;
        made.calls += 1;
        made.onCall(made.calls);
        setTimeout(
          () => {
            if (response.destroyed) return;
            const answer = rightAnswer(asked);
            const index = indexOf(asked);
            made.answered.set(index, (made.answered.get(index) ?? 0) + 1);
            made.answeredAt.push(performance.now());
            response.setHeader('content-type', 'application/json').end(
              JSON.stringify({
                choices: [{ index: 0, text: answer.text, finish_reason: 'stop' }],
                usage: {
                  prompt_tokens: answer.usage.inputTokens,
                  completion_tokens: answer.usage.outputTokens,
                  prompt_tokens_details: { cached_tokens: answer.usage.cachedInputTokens },
                },
              }),
            );
          },
          meanMs * 2 * random(),
        );
      });
    });
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    const made = new ModelServer(http, `http://127.0.0.1:${(http.address() as AddressInfo).port}/v1`);
    return made;
  }

  /** Answers beyond the first of each row. */
  get again(): number {
    return [...this.answered.values()].reduce((sum, count) => sum + count - 1, 0);
  }

  close(): Promise<void> {
    this.http.closeAllConnections();
    return new Promise((resolve) => this.http.close(() => resolve()));
  }
}

/** Run an attempt; undefined when it was killed. */
async function attempt(
  settings: ShardProcessSettings,
  onStart: (child: ChildProcess) => void,
): Promise<ShardOutput | undefined> {
  const root = join(__dirname, '..', '..', '..');
  const argv = ['-r', join(root, 'test', 'fixtures', 'run-typescript.cjs'), join(__dirname, 'shard-process.ts')];
  const child = spawn(process.execPath, argv, {
    env: { ...process.env, SHARD: JSON.stringify(settings) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onStart(child);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const signal = await new Promise<NodeJS.Signals | null>((resolve) => child.once('close', (_code, by) => resolve(by)));
  if (signal === 'SIGKILL') return undefined;
  if (stdout === '') throw new Error(`the shard's process failed: ${stderr}`);
  return JSON.parse(stdout) as ShardOutput;
}

/** Attempts that are killed at these numbers of calls, then one to the end. `between` happens after each kill. */
async function runKilled(
  kills: readonly number[],
  partFlushIntervalMs: number,
  between: () => void,
): Promise<{ output: ShardOutput; bytes: string }> {
  const remaining = [...kills];
  const s3Options = { ...s3.options, prefix: `kill-${randomUUID()}` };
  let child: ChildProcess | undefined;
  server.onCall = (calls) => {
    if (calls < (remaining[0] ?? Infinity)) return;
    remaining.shift();
    child?.kill('SIGKILL');
  };
  for (let number = 1; ; number += 1) {
    const settings = {
      shardKey: sha256Hex('killed shard'),
      rows,
      baseUrl: server.baseUrl,
      concurrency,
      s3: s3Options,
      journalDir: join(folder, 'journals'),
      attemptId: `attempt-${number}`,
      partFlushIntervalMs,
    };
    const output = await attempt(settings, (started) => (child = started));
    if (!output) {
      between();
      continue;
    }
    const store = createS3Store(s3Options);
    let bytes = '';
    for await (const line of store.getLines(output.results)) bytes += `${line}\n`;
    const left: string[] = [];
    for await (const { key } of store.list('parts/')) left.push(key);
    expect(left).toEqual([]);
    store.close();
    return { output, bytes };
  }
}

/** Seeded moments: `count` of them over the calls, none in the last tenth. */
function moments(count: number, seed: number): number[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => Math.ceil(random() * 0.9 * rows)).sort((one, other) => one - other);
}

it('on the same machine, only what was in flight is asked again', async () => {
  const kills = moments(4, 1);
  const { output, bytes } = await runKilled(kills, 1_000, () => undefined);
  expect(server.answered.size).toBe(rows);
  expect(bytes).toBe(rightBytes(rowsOf(rows)));
  expect(server.again).toBeLessThanOrEqual(kills.length * concurrency);
  // Paid and recorded once a row; what the kills cost beside that is known too: calls that were made and whose end nobody saw.
  expect(output.usage.calls).toBe(rows);
  const { calls, lostCalls, lostInputTokens } = output.usage;
  expect(server.calls).toBeLessThanOrEqual(calls + lostCalls);
  expect(lostCalls).toBeLessThanOrEqual(kills.length * concurrency);
  expect(lostCalls).toBeGreaterThan(0);
  // rightAnswer counts 10 to 16 input tokens a call.
  expect(lostInputTokens).toBeGreaterThanOrEqual(lostCalls * 16);
}, 300_000);

it('on another machine each time, only what was in flight and one flush interval', async () => {
  const kills = moments(3, 2);
  const partFlushIntervalMs = 100;
  let allowed = 0;
  const { bytes } = await runKilled(kills, partFlushIntervalMs, () => {
    // What was answered in the last interval, in the one whose part was on its way, and as long as a part takes on a busy machine.
    const since = server.answeredAt.at(-1)! - 4 * partFlushIntervalMs;
    allowed += server.answeredAt.filter((at) => at >= since).length + concurrency;
    rmSync(join(folder, 'journals'), { recursive: true, force: true });
  });
  expect(server.answered.size).toBe(rows);
  expect(bytes).toBe(rightBytes(rowsOf(rows)));
  expect(server.again).toBeLessThanOrEqual(allowed);
}, 300_000);
