/**
 * Goal: the benches' mock server does what it is told and counts it, so that a bench's figures mean what they say.
 * Method: the server as the process that benches start, asked by our own client; each fault alone, so that its count is known.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ModelServerSettings } from '../../bench/model-server';
import { startMockModel, type MockModel } from '../../bench/platform';
import { requestOf } from '../../bench/stage';
import { llamaCppCapabilities } from '../../drivers/model/llama-cpp';
import { CallFailure } from '../../drivers/model/model';
import { createOpenAiEndpoint, type OpenAiEndpoint } from '../../drivers/model/openai-http';
import type { ModelAnswer } from '../../schemas/rows';

let model: MockModel;
let endpoint: OpenAiEndpoint;

async function start(settings: Partial<ModelServerSettings>): Promise<void> {
  model = await startMockModel({ meanMs: 5, answerTokens: 20, ...settings });
  endpoint = createOpenAiEndpoint({
    id: 'mock',
    baseUrl: `http://127.0.0.1:${model.port}/v1`,
    model: 'mock',
    dialect: 'llama.cpp',
    capabilities: llamaCppCapabilities,
    concurrency: { start: 8, max: 8 },
    timeoutMs: 10_000,
  });
}

const ask = (row: number): Promise<ModelAnswer> => endpoint.complete(requestOf(row), new AbortController().signal);

/** The cause of a call that must fail. */
async function causeOf(call: Promise<ModelAnswer>): Promise<CallFailure> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof CallFailure) return error;
  throw new Error(`no call failure but ${String(error)}`);
}

afterEach(async () => {
  await endpoint.close();
  await model.stop();
});

it('answers each row in its own words, and counts answers and tokens by row', async () => {
  await start({});
  const [first, other, again] = [await ask(7), await ask(123_456), await ask(7)];
  expect(first.text).toMatch(/^Answer to row 00000007\. word/);
  expect(first).toMatchObject({ finish: 'stop', usage: { inputTokens: 307, outputTokens: 20 } });
  expect(other.text).toMatch(/^Answer to row 00123456\./);
  expect(again).toEqual(first);
  expect(await model.counts()).toMatchObject({
    ...{ calls: 3, answered: 3, answeredRows: 2, answeredAgain: 1, inFlight: 0 },
    promptTokens: 307 + 306 + 307,
    completionTokens: 20 + other.usage.outputTokens + 20,
    againPromptTokens: 307,
  });
});

it.each([
  [{ errorShare: 1 }, 'server-error', 'errors'],
  [{ limitedShare: 1 }, 'rate-limited', 'limited'],
  [{ resetShare: 1 }, 'reset', 'resets'],
  [{ truncatedShare: 1 }, 'reset', 'truncated'],
  [{ garbageShare: 1 }, 'garbage', 'garbage'],
] as const)('%j: every call fails as %s, in both forms where there are two', async (settings, cause, count) => {
  await start(settings);
  for (const row of [1, 2]) {
    const failure = await causeOf(ask(row));
    expect(failure.callCause).toBe(cause);
    if (cause === 'rate-limited') expect(failure.retryAfterMs).toBe(1000);
  }
  expect(await model.counts()).toMatchObject({ calls: 2, answered: 0, [count]: 2 });
});

it('turns away what is more than its limit, until the limit changes', async () => {
  await start({ meanMs: 50, sigma: 0, concurrencyMax: 2 });
  const ends = await Promise.all([1, 2, 3, 4, 5].map((row) => ask(row).catch((error: unknown) => error)));
  const refused = ends.filter((end) => end instanceof CallFailure);
  expect(refused.map((failure) => failure.callCause)).toEqual(['overloaded', 'overloaded', 'overloaded']);
  await model.set({ concurrencyMax: 4 });
  await Promise.all([1, 2, 3, 4].map(ask));
  expect(await model.counts()).toMatchObject({ answered: 6, limited: 3, mostInFlight: 4 });
});

it('keeps to its schedule: silent for a while, then nobody there, then back on the same port', async () => {
  await start({
    schedule: [
      { afterMs: 100, hangMs: 400 },
      { afterMs: 700, restartMs: 300 },
    ],
  });
  const begun = performance.now();
  await ask(1);
  await sleep(150);
  await ask(2);
  expect(performance.now() - begun).toBeGreaterThan(450);
  await sleep(750 - (performance.now() - begun));
  expect((await causeOf(ask(3))).callCause).toBe('reset');
  await sleep(600);
  expect((await ask(3)).text).toMatch(/^Answer to row 00000003/);
});

it('has rows that are odd each time', async () => {
  await start({ oddRowsEvery: 10 });
  expect((await ask(11)).text).not.toMatch(/^Answer/);
  expect((await ask(12)).finish).toBe('refused');
  expect((await ask(13)).finish).toBe('length');
  expect((await causeOf(ask(14))).callCause).toBe('context-too-long');
  expect((await ask(15)).finish).toBe('stop');
});
