/**
 * Goal: one model has the device at a time; those who want it share it, those who want another get their turn; a server that
 * dies is replaced under whoever uses it; nothing is left behind.
 * Method: the order of turns is tried with servers that are plain objects (no process, no time); sharing, replacing, killing and
 * the device lock with real llama.cpp servers on the shipped weights and on a copy that differs in a few of them.
 */
import { spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, openSync, readSync, rmSync, statSync, writeSync, closeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { findPythonEnv, type PythonEnv } from '../../drivers/local/python-env';
import { llamaCppCapabilities, startLlamaServer, type LlamaServerOptions } from '../../drivers/model/llama-cpp';
import { createMaterializer, type Materializer } from '../../drivers/model/materialize';
import { CallFailure, type EndpointSettings, type ModelEndpoint } from '../../drivers/model/model';
import { createModelPool, type ManagedModelPool } from '../../drivers/model/pool';
import { localSource, resolveModel } from '../../drivers/model/resolve';
import type { ModelServer } from '../../drivers/model/server-child';
import { packageRoot } from '../../drivers/package-root';
import { processExists } from '../../drivers/process';
import type { ArtifactStore } from '../../drivers/store/store';
import type { ModelRef } from '../../schemas/model-ref';
import type { LogTail } from '../../schemas/stall-dump';
import { modelConfigSchema } from '../../schemas/config/models';
import { modelServerProbeMs } from '../../schemas/limits';
import { chat } from './model.conformance';
import { refuses } from '../support/ports';

const never = new AbortController().signal;
const settings = {
  kind: 'managed',
  server: 'llama.cpp',
  quantization: 'as-is',
  slots: 2,
  contextTokens: 512,
  threads: 0,
} as const;
const root = mkdtempSync(join(tmpdir(), 'arte-pool-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function until(condition: () => boolean | Promise<boolean>, withinMs = 20_000): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('it did not come to that');
    await delay(20);
  }
}

/** What has happened when everything that can happen without time passing has happened. */
const settled = (): Promise<void> => delay(5);

// ---- turns, with servers that are objects ------------------------------------------------------------------------

class FakeServer implements ModelServer {
  readonly port = 1;
  readonly pid = 1;
  alive = true;
  hangs = false;
  /** It answers no question before its step is done. */
  stepMs = 0;
  /** Ends the call that is in flight; undefined: calls are answered at once. */
  inFlight: Promise<void> | undefined;
  readonly exited: Promise<{ code: number | null; signal: string | null }>;
  readonly endpoint: ModelEndpoint;
  die: () => void = () => undefined;

  constructor(
    readonly model: string,
    log: string[],
  ) {
    this.exited = new Promise((resolve) => {
      this.die = () => {
        if (this.alive) log.push(`end ${model}`);
        this.alive = false;
        resolve({ code: null, signal: 'SIGKILL' });
      };
    });
    this.endpoint = {
      id: model,
      capabilities: llamaCppCapabilities,
      concurrency: { start: 1, max: 1 },
      complete: async () => {
        await this.inFlight;
        if (!this.alive) throw new CallFailure('reset', 'gone');
        return { text: model, finish: 'stop', usage: { inputTokens: 1, cachedInputTokens: 0, outputTokens: 1 } };
      },
    };
  }

  async responds(withinMs: number): Promise<boolean> {
    await this.inFlight;
    return !this.hangs && this.stepMs <= withinMs;
  }

  log(): LogTail {
    return { path: 'model-server.log', lines: [`log of ${this.model}`] };
  }

  async stop(): Promise<void> {
    await delay(1);
    this.die();
  }
}

interface Fake {
  readonly pool: ManagedModelPool;
  readonly log: string[];
  readonly servers: FakeServer[];
  failNext: boolean;
}

function fakePool(idleCloseMs = 60_000): Fake {
  const log: string[] = [];
  const servers: FakeServer[] = [];
  const materializer: Materializer = {
    folder: (model) => Promise.resolve(model.name),
    gguf: (model) => Promise.resolve(model.name),
  };
  const fake: Fake = {
    log,
    servers,
    failNext: false,
    pool: createModelPool({
      materializer,
      python: '',
      scriptDir: '',
      logDir: '',
      deviceLockPath: '',
      idleCloseMs,
      scripted: (script) => new FakeServer(script, []).endpoint,
      startServer: async ({ ggufPath, signal }: LlamaServerOptions) => {
        log.push(`start ${ggufPath}`);
        await delay(1);
        if (signal.aborted || fake.failNext) {
          fake.failNext = false;
          log.push(`end ${ggufPath}`);
          throw new Error('no memory');
        }
        const server = new FakeServer(ggufPath, log);
        servers.push(server);
        return server;
      },
    }),
  };
  return fake;
}

function model(name: string): ModelRef {
  const sha256 = Buffer.from(name).toString('hex').padEnd(64, '0');
  return { name, source: { kind: 'embedded', name }, baseSha256: sha256, layers: [], contentSha256: sha256 };
}

describe('turns', () => {
  it('those who want the same model share one server', async () => {
    const { pool, log } = fakePool();
    const leases = await Promise.all([1, 2, 3].map(() => pool.lease(model('a'), settings, never)));
    expect(log).toEqual(['start a']);
    expect((await leases[2]!.endpoint.complete(chat('x'), never)).text).toBe('a');
    await pool.shutdown();
  });

  it('the same model under other settings is another server', async () => {
    const { pool, log } = fakePool();
    const lease = await pool.lease(model('a'), settings, never);
    const other = pool.lease(model('a'), { ...settings, slots: 4 }, never);
    await settled();
    expect(log).toEqual(['start a']);
    await lease.release();
    await other;
    expect(log).toEqual(['start a', 'end a', 'start a']);
    await pool.shutdown();
  });

  it('another model waits for all leases, and its server starts when the last one is gone', async () => {
    const { pool, log } = fakePool();
    const [first, second] = [
      await pool.lease(model('a'), settings, never),
      await pool.lease(model('a'), settings, never),
    ];
    const other = pool.lease(model('b'), settings, never);
    await first.release();
    await first.release(); // twice is once
    await settled();
    expect(log).toEqual(['start a']);
    await second.release();
    const lease = await other;
    expect(log).toEqual(['start a', 'end a', 'start b']);
    expect((await lease.endpoint.complete(chat('x'), never)).text).toBe('b');
    await expect(second.endpoint.complete(chat('x'), never)).rejects.toMatchObject({ callCause: 'reset' });
    await pool.shutdown();
  });

  it('models take turns: who comes later does not keep another waiting', async () => {
    const { pool, log } = fakePool();
    const got: string[] = [];
    const want = async (name: string, label: string): Promise<() => Promise<void>> => {
      const lease = await pool.lease(model(name), settings, never);
      got.push(label);
      return () => lease.release();
    };
    const releaseA1 = await want('a', 'a1');
    const b1 = want('b', 'b1');
    const a2 = want('a', 'a2');
    const b2 = want('b', 'b2');
    await settled();
    expect(got).toEqual(['a1']);
    await releaseA1();
    const releases = await Promise.all([b1, b2]);
    const b3 = want('b', 'b3');
    await settled();
    expect(got).toEqual(['a1', 'b1', 'b2']);
    for (const release of releases) await release();
    await (
      await a2
    )();
    await (
      await b3
    )();
    expect(got).toEqual(['a1', 'b1', 'b2', 'a2', 'b3']);
    expect(log.filter((line) => line.startsWith('start'))).toEqual(['start a', 'start b', 'start a', 'start b']);
    await pool.shutdown();
  });

  it('under random comings and goings nobody is left waiting and no two models meet', async () => {
    const { pool, log } = fakePool(1);
    let state = 7;
    const random = (below: number): number => (state = (state * 1103515245 + 12345) % 2147483648) % below;
    const jobs = Array.from({ length: 60 }, async () => {
      await delay(random(30));
      const name = 'abc'[random(3)] ?? 'a';
      const abort = new AbortController();
      if (random(5) === 0) setTimeout(() => abort.abort(new Error('gave up')), random(10));
      try {
        const lease = await pool.lease(model(name), settings, abort.signal);
        expect((await lease.endpoint.complete(chat('x'), never)).text).toBe(name);
        await delay(random(5));
        await lease.release();
      } catch (error) {
        expect((error as Error).message).toBe('gave up');
      }
    });
    await Promise.all(jobs);
    const running: string[] = [];
    for (const line of log) {
      if (line.startsWith('end')) running.pop();
      else {
        expect(running).toEqual([]);
        running.push(line);
      }
    }
    await pool.shutdown();
  });

  it('who gives up waiting leaves the queue', async () => {
    const { pool, log } = fakePool();
    const lease = await pool.lease(model('a'), settings, never);
    const abort = new AbortController();
    const other = pool.lease(model('b'), settings, abort.signal);
    await settled();
    abort.abort(new Error('enough'));
    await expect(other).rejects.toThrow('enough');
    // Nobody waits for another model now, so this one joins at once.
    await (await pool.lease(model('a'), settings, never)).release();
    await lease.release();
    await settled();
    expect(log).toEqual(['start a']);
    await pool.shutdown();
  });

  it('reserve waits for the leases; until it is given back no server is there, and who asked meanwhile is next', async () => {
    const { pool, log, servers } = fakePool();
    const lease = await pool.lease(model('a'), settings, never);
    let reserved = false;
    const reserving = pool.reserve(never).then((release) => {
      reserved = true;
      return release;
    });
    const later = pool.lease(model('a'), settings, never);
    await settled();
    expect(reserved).toBe(false);
    await lease.release();
    const release = await reserving;
    expect(servers[0]?.alive).toBe(false);
    await settled();
    expect(log).toEqual(['start a', 'end a']);
    release();
    release();
    await (await later).release();
    expect(log).toEqual(['start a', 'end a', 'start a']);
    await pool.shutdown();
  });

  it('says what is waited for, whenever that changes', async () => {
    const { pool } = fakePool();
    const said: string[] = [];
    const lease = await pool.lease(model('a'), settings, never);
    const other = pool.lease(model('b'), settings, never, (what) => {
      if (said.at(-1) !== what) said.push(what);
    });
    await settled();
    const reserving = pool.reserve(never);
    expect(said).toEqual(['form', 'turn']);
    await lease.release();
    await (await other).release();
    expect(said).toEqual(['form', 'turn', 'load']);
    const release = await reserving;
    const last = pool.lease(model('b'), settings, never, (what) => said.push(what));
    await settled();
    expect(said.at(-1)).toBe('training');
    release();
    await (await last).release();
    await pool.shutdown();
  });

  it('reserve: of two the second waits for the first, one that gives up lets the next one by', async () => {
    const { pool, log } = fakePool();
    const first = await pool.reserve(never);
    const abort = new AbortController();
    const second = pool.reserve(abort.signal);
    const lease = pool.lease(model('a'), settings, never);
    abort.abort(new Error('enough'));
    await expect(second).rejects.toThrow('enough');
    await settled();
    expect(log).toEqual([]);
    first();
    await (await lease).release();
    expect(log).toEqual(['start a']);
    await pool.shutdown();
  });

  it('a server that nobody holds is closed after a while', async () => {
    const { pool, log } = fakePool(30);
    await (await pool.lease(model('a'), settings, never)).release();
    await (await pool.lease(model('a'), settings, never)).release();
    expect(log).toEqual(['start a']);
    await until(() => log.includes('end a'));
    await pool.shutdown();
  });

  it('shutdown ends what runs and refuses what waits', async () => {
    const { pool, servers } = fakePool();
    await pool.lease(model('a'), settings, never);
    const waiting = pool.lease(model('b'), settings, never);
    await settled();
    await Promise.all([
      expect(waiting).rejects.toMatchObject({ data: { code: 'ModelServerFailed' } }),
      pool.shutdown(),
    ]);
    expect(servers.map(({ alive }) => alive)).toEqual([false]);
    await expect(pool.lease(model('a'), settings, never)).rejects.toMatchObject({
      data: { code: 'ModelServerFailed' },
    });
  });
});

describe('servers that fail', () => {
  it('a server that does not start is its lease’s error, and the next lease tries again', async () => {
    const fake = fakePool();
    fake.failNext = true;
    await expect(fake.pool.lease(model('a'), settings, never)).rejects.toThrow('no memory');
    const lease = await fake.pool.lease(model('a'), settings, never);
    expect((await lease.endpoint.complete(chat('x'), never)).text).toBe('a');
    await fake.pool.shutdown();
  });

  it('a server that dies is replaced under the lease', async () => {
    const { pool, log, servers } = fakePool();
    const lease = await pool.lease(model('a'), settings, never);
    servers[0]?.die();
    await settled();
    const answers = await Promise.all([1, 2].map(() => lease.endpoint.complete(chat('x'), never)));
    expect(answers.map(({ text }) => text)).toEqual(['a', 'a']);
    expect(log).toEqual(['start a', 'end a', 'start a']);
    await pool.shutdown();
  });

  it('a server that dies again and again without an answer is given up', async () => {
    const { pool, servers } = fakePool();
    const lease = await pool.lease(model('a'), settings, never);
    for (let crash = 0; crash < 3; crash += 1) {
      servers.at(-1)?.die();
      await settled();
      if (crash < 2) await (await pool.lease(model('a'), settings, never)).release();
    }
    await expect(lease.endpoint.complete(chat('x'), never)).rejects.toMatchObject({
      data: { code: 'ModelServerFailed' },
    });
    await pool.shutdown();
  });

  it('a server that hangs is replaced before it is leased again', async () => {
    const { pool, log, servers } = fakePool();
    await (await pool.lease(model('a'), settings, never)).release();
    servers[0]!.hangs = true;
    const lease = await pool.lease(model('a'), settings, never);
    expect(log).toEqual(['start a', 'end a', 'start a']);
    expect((await lease.endpoint.complete(chat('x'), never)).text).toBe('a');
    await pool.shutdown();
  });

  // A newcomer that ended a server which reads long prompts took the calls of all others with it.
  it('a server that works on calls is given the time of a long step, and one that has none is not', async () => {
    const { pool, log, servers } = fakePool();
    const lease = await pool.lease(model('a'), settings, never);
    let answer: () => void = () => undefined;
    servers[0]!.stepMs = 2 * modelServerProbeMs;
    servers[0]!.inFlight = new Promise((resolve) => (answer = resolve));
    const call = lease.endpoint.complete(chat('x'), never);
    // Nobody who is told to stop waits for the end of the step.
    const stop = new AbortController();
    const given = pool.lease(model('a'), settings, stop.signal);
    await settled();
    stop.abort(new Error('told to stop'));
    await expect(given).rejects.toThrow('told to stop');
    const newcomer = pool.lease(model('a'), settings, never);
    answer();
    await newcomer;
    expect(log).toEqual(['start a']);
    expect((await call).text).toBe('a');
    await pool.lease(model('a'), settings, never);
    expect(log).toEqual(['start a', 'end a', 'start a']);
    await pool.shutdown();
  });
});

describe('endpoints without a server of ours', () => {
  it('scripted and static ones take no turn', async () => {
    const { pool, log } = fakePool();
    const held = await pool.lease(model('a'), settings, never);
    const scripted = await pool.lease(model('b'), { kind: 'scripted', script: 'rule', options: {} }, never);
    expect((await scripted.endpoint.complete(chat('x'), never)).text).toBe('rule');
    const url: EndpointSettings = {
      kind: 'static',
      baseUrl: 'http://127.0.0.1:1/v1',
      model: 'm',
      dialect: 'vllm',
      capabilities: llamaCppCapabilities,
      maxInFlight: 4,
      timeoutMs: 1_000,
    };
    const [one, two] = [await pool.lease(model('b'), url, never), await pool.lease(model('c'), url, never)];
    expect(one.endpoint).toBe(two.endpoint);
    // What is sent is another thing there.
    const other = await pool.lease(model('b'), { ...url, omit: ['temperature'] }, never);
    expect(other.endpoint).not.toBe(one.endpoint);
    expect(one.endpoint.concurrency).toEqual({ start: 4, max: 4 });
    expect(log).toEqual(['start a']);
    await held.release();
    await pool.shutdown();
  });
});

// ---- real servers ------------------------------------------------------------------------------------------------

describe('real servers', () => {
  let env: PythonEnv;
  let shipped: ModelRef;
  let other: ModelRef;
  let shippedPath: string;
  const cacheDir = join(root, 'cache');
  const python = (): string => env.python;

  beforeAll(async () => {
    const found = await findPythonEnv();
    if (found === undefined) throw new Error('the Python environment is not set up: npm run setup');
    env = found;
    const context = { configDir: root, cacheDir, env };
    shipped = await resolveModel(
      'shipped',
      modelConfigSchema.parse({ source: 'embedded:SmolLM2-135M-Instruct' }),
      context,
    );
    shippedPath = (await localSource(shipped.source, context)).path;
    perturb(shippedPath, join(root, 'other.gguf'));
    other = await resolveModel('other', modelConfigSchema.parse({ source: 'other.gguf' }), context);
  });

  function openPool(idleCloseMs = 60_000): { pool: ManagedModelPool; servers: ModelServer[] } {
    const servers: ModelServer[] = [];
    const scriptDir = join(packageRoot(), 'python');
    const logDir = join(root, 'logs');
    const store = undefined as unknown as ArtifactStore; // no model here has layers
    const pool = createModelPool({
      materializer: createMaterializer({ cacheDir, python: python(), scriptDir, store, logDir }),
      python: python(),
      scriptDir,
      logDir,
      deviceLockPath: join(root, 'device.lock'),
      idleCloseMs,
      scripted: () => {
        throw new Error('not asked for');
      },
      startServer: async (options) => {
        const server = await startLlamaServer(options);
        servers.push(server);
        return server;
      },
    });
    return { pool, servers };
  }

  it('answer, are shared, replaced, and started again when killed', async () => {
    const { pool, servers } = openPool();
    expect(other.contentSha256).not.toBe(shipped.contentSha256);
    const [one, two] = await Promise.all([pool.lease(shipped, settings, never), pool.lease(shipped, settings, never)]);
    const answers = await Promise.all([one, two].map(({ endpoint }) => endpoint.complete(chat('Say hello.'), never)));
    expect(answers[0]?.text).not.toBe('');
    expect(answers[1]?.text).toBe(answers[0]?.text);
    expect(servers).toHaveLength(1);

    // Killed while it answers: that call is a reset, the next ones go on with a new server.
    const inFlight = one.endpoint.complete(chat('Tell me a long story.', { maxTokens: 300 }), never);
    const outcome = inFlight.catch((error: unknown) => error);
    await delay(200);
    process.kill(servers[0]!.pid, 'SIGKILL');
    expect(await outcome).toMatchObject({ name: 'CallFailure', callCause: 'reset' });
    let again: string | undefined;
    await until(async () => {
      again = await two.endpoint.complete(chat('Say hello.'), never).then(
        ({ text }) => text,
        () => undefined,
      );
      return again !== undefined;
    });
    expect(again).toBe(answers[0]?.text);
    expect(servers).toHaveLength(2);

    const waiting = pool.lease(other, settings, never);
    await one.release();
    await two.release();
    const lease = await waiting;
    expect(servers).toHaveLength(3);
    expect(processExists(servers[1]!.pid)).toBe(false);
    expect(await refuses(servers[1]!.port)).toBe(true);
    expect((await lease.endpoint.complete(chat('Say hello.'), never)).text).not.toBe('');
    await pool.shutdown();
    expect(processExists(servers[2]!.pid)).toBe(false);
  });

  it('of two pools on one device, the second waits until the first lets go', async () => {
    const [first, second] = [openPool(200), openPool()];
    const held = await first.pool.lease(shipped, settings, never);
    const waiting = second.pool.lease(other, settings, never);
    await delay(1_000);
    expect(second.servers).toHaveLength(0);
    await held.release();
    const lease = await waiting;
    expect(processExists(first.servers[0]!.pid)).toBe(false);
    await lease.release();
    await Promise.all([first.pool.shutdown(), second.pool.shutdown()]);
  });

  it('die with the process that started them', async () => {
    const folder = mkdtempSync(join(root, 'held-'));
    const register = join(__dirname, '../fixtures/run-typescript.cjs');
    const fixture = join(__dirname, '../fixtures/hold-model-server.ts');
    const holder = spawn(process.execPath, ['-r', register, fixture, shippedPath, folder, python()], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await new Promise<string[]>((resolve) =>
      createInterface(holder.stdout).once('line', (text) => resolve([text])),
    )) as [string];
    const { pid, port } = JSON.parse(line) as { pid: number; port: number };
    expect(await refuses(port)).toBe(false);
    holder.kill('SIGKILL');
    await until(() => !processExists(pid), 5_000);
    expect(await refuses(port)).toBe(true);
  });
});

/** A copy whose last weights differ a little: another model of the same kind. */
function perturb(from: string, to: string): void {
  copyFileSync(from, to);
  const file = openSync(to, 'r+');
  const at = statSync(to).size - 64;
  const bytes = Buffer.alloc(1);
  readSync(file, bytes, 0, 1, at);
  writeSync(file, Buffer.from([(bytes[0] ?? 0) ^ 1]), 0, 1, at);
  closeSync(file);
}
