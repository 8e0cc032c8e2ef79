/**
 * Goal: a llama.cpp server keeps the promises of a model endpoint, lets in nobody without its key, says why it did not start,
 * and is gone when it is stopped.
 * Method: the real server on the weights that the Python environment ships.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPythonEnv, type PythonEnv } from '../../drivers/local/python-env';
import { startLlamaServer, type LlamaServerOptions } from '../../drivers/model/llama-cpp';
import type { ModelServer } from '../../drivers/model/server-child';
import { localSource } from '../../drivers/model/resolve';
import { packageRoot } from '../../drivers/package-root';
import { processExists } from '../../drivers/process';
import { chat, completion, modelConformance } from './model.conformance';
import { refuses } from '../support/ports';
import { processesWith } from '../support/processes';

const root = mkdtempSync(join(tmpdir(), 'arte-llama-'));
const never = new AbortController().signal;
let env: PythonEnv;
let server: ModelServer;

async function optionsFor(more: Partial<LlamaServerOptions> = {}): Promise<LlamaServerOptions> {
  const found = await findPythonEnv();
  if (found === undefined) throw new Error('the Python environment is not set up: npm run setup');
  env = found;
  const embedded = { kind: 'embedded', name: 'SmolLM2-135M-Instruct' } as const;
  const { path } = await localSource(embedded, { cacheDir: join(root, 'cache'), env });
  return {
    id: 'llama.cpp/test',
    python: env.python,
    scriptDir: join(packageRoot(), 'python'),
    logDir: join(root, 'logs'),
    ggufPath: path,
    settings: { kind: 'managed', server: 'llama.cpp', quantization: 'as-is', slots: 2, contextTokens: 512, threads: 0 },
    deviceLockPath: join(root, 'device.lock'),
    signal: never,
    ...more,
  };
}

modelConformance('llama.cpp', async () => {
  server = await startLlamaServer(await optionsFor());
  return {
    endpoint: server.endpoint,
    question: 'Write a short story about a cat.',
    opening: 'Once upon a time there was a',
  };
});

afterAll(async () => {
  await server.stop();
  rmSync(root, { recursive: true, force: true });
});

describe('a llama.cpp server', () => {
  it('lets in nobody without its key', async () => {
    const url = `http://127.0.0.1:${String(server.port)}/v1/completions`;
    const body = JSON.stringify({ prompt: 'a', max_tokens: 1 });
    expect((await fetch(url, { method: 'POST', body })).status).toBe(401);
    expect((await fetch(url, { method: 'POST', body, headers: { authorization: 'Bearer guessed' } })).status).toBe(401);
  });

  it('answers the same to the same greedy question', async () => {
    const ask = async (): Promise<string> => (await server.endpoint.complete(chat('Say hello.'), never)).text;
    expect(await ask()).toBe(await ask());
  });

  it('takes a repeated prompt from its prefix cache', async () => {
    const text = 'One two three four five six seven eight nine ten. '.repeat(8);
    await server.endpoint.complete(completion(`${text}A`), never);
    const { usage } = await server.endpoint.complete(completion(`${text}B`), never);
    expect(usage.cachedInputTokens).toBeGreaterThan(usage.inputTokens / 2);
  });

  it('keeps to a JSON schema', async () => {
    const jsonSchema = { type: 'object', properties: { colour: { enum: ['red', 'blue'] } }, required: ['colour'] };
    const { text } = await server.endpoint.complete(
      { ...chat('Name a colour.', { maxTokens: 30 }), jsonSchema },
      never,
    );
    expect(['red', 'blue']).toContain((JSON.parse(text) as { colour: string }).colour);
  });

  it('refuses a prompt that does not fit its context', async () => {
    const long = completion('word '.repeat(2_000));
    await expect(server.endpoint.complete(long, never)).rejects.toMatchObject({ callCause: 'context-too-long' });
  });

  it('tells whether it does anything', async () => {
    expect(await server.responds(5_000)).toBe(true);
    process.kill(server.pid, 'SIGSTOP');
    // On a busy machine the threads of a process stop one after another.
    const stopped = async (): Promise<boolean> => !(await server.responds(300)) || stopped();
    expect(await stopped()).toBe(true);
    process.kill(server.pid, 'SIGCONT');
    expect(await server.responds(5_000)).toBe(true);
  });

  it('is gone, process and port, when it was stopped, and so is its hold on the device', async () => {
    const deviceLockPath = join(root, 'second.lock');
    const first = await startLlamaServer(await optionsFor({ deviceLockPath }));
    await first.stop();
    expect(processExists(first.pid)).toBe(false);
    expect(await refuses(first.port)).toBe(true);
    const second = await startLlamaServer(await optionsFor({ deviceLockPath }));
    expect(await refuses(second.port)).toBe(false);
    await second.stop();
  });
});

describe('a server that cannot start', () => {
  const elsewhere = { deviceLockPath: join(root, 'third.lock') };

  it('says why, with the end of its log', async () => {
    const ggufPath = join(root, 'broken.gguf');
    writeFileSync(ggufPath, 'GGUF and then nothing that could be a model');
    await expect(startLlamaServer(await optionsFor({ ...elsewhere, ggufPath }))).rejects.toMatchObject({
      data: {
        code: 'ModelServerFailed',
        what: expect.stringContaining('broken.gguf') as string,
        details: expect.arrayContaining([expect.stringContaining('failed to load model')]) as string[],
      },
    });
  });

  it('refuses a context that the model cannot have', async () => {
    const { settings, ...rest } = await optionsFor(elsewhere);
    const tooLong = { ...rest, settings: { ...settings, slots: 1, contextTokens: 9_000 } };
    await expect(startLlamaServer(tooLong)).rejects.toMatchObject({
      data: { code: 'InvalidConfig', next: expect.stringContaining('8192') as string },
    });
  });

  it('waits for the device as long as it is held, and leaves nothing behind when that is given up', async () => {
    const deviceLockPath = join(root, 'device.lock'); // held by the server above
    const ours = (): number[] => processesWith(deviceLockPath).map(({ pid }) => pid);
    const before = ours();
    const waiting = new AbortController();
    const start = startLlamaServer(await optionsFor({ deviceLockPath, signal: waiting.signal }));
    const early = await Promise.race([
      start.then(() => 'started'),
      new Promise((resolve) => setTimeout(() => resolve('waits'), 1_500)),
    ]);
    expect(early).toBe('waits');
    expect(ours().length).toBeGreaterThan(before.length);
    waiting.abort(new Error('enough'));
    await expect(start).rejects.toThrow('enough');
    expect(ours()).toEqual(before);
  });
});
