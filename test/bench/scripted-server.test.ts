/**
 * Goal: the mock server that plays the whole loop says over HTTP what its scripts say, and counts it.
 * Method: the server as the process that a bench starts, asked by our own client: the conformance suite of every model driver, then answers beside
 * those of the script itself.
 */
import { startFile, type StartedFile } from '../../bench/platform';
import type { ScriptedServerCounts } from '../../bench/scripted-server';
import { llamaCppCapabilities } from '../../drivers/model/llama-cpp';
import { createOpenAiEndpoint, type OpenAiEndpoint } from '../../drivers/model/openai-http';
import { createScriptedEndpoint } from '../../drivers/model/scripted';
import { chat, completion, modelConformance } from '../drivers/model.conformance';

const options = { numbers_up_to: 1000, varied: true };
const never = new AbortController().signal;

let server: StartedFile | undefined;
const opened: OpenAiEndpoint[] = [];

async function portOf(): Promise<number> {
  server ??= await startFile('scripted-server', {
    models: {
      teacher: { script: 'teacher', options },
      slow: { script: 'teacher', options: { ...options, latency_ms: 5000 } },
    },
  });
  return (server.line as { port: number }).port;
}

async function endpointOf(model: string): Promise<OpenAiEndpoint> {
  const endpoint = createOpenAiEndpoint({
    id: model,
    baseUrl: `http://127.0.0.1:${await portOf()}/v1`,
    ...{ model, dialect: 'llama.cpp', capabilities: llamaCppCapabilities, timeoutMs: 10_000 },
    concurrency: { start: 4, max: 4 },
  });
  opened.push(endpoint);
  return endpoint;
}

afterAll(async () => {
  await Promise.all(opened.map((endpoint) => endpoint.close()));
  server?.child.stdin?.end();
});

modelConformance('a script behind HTTP', async () => {
  const slow = await endpointOf('slow');
  return {
    endpoint: await endpointOf('teacher'),
    question: 'Question: Which is larger, 12 or 47?\nAnswer:',
    slowDown: () => slow,
  };
});

it('says what the script says, and counts what it was asked', async () => {
  const endpoint = await endpointOf('teacher');
  const script = createScriptedEndpoint('teacher', options);
  const counts = async (): Promise<ScriptedServerCounts> => {
    const answer = await fetch(`http://127.0.0.1:${await portOf()}/counts`);
    const { teacher } = (await answer.json()) as Record<string, ScriptedServerCounts>;
    if (!teacher) throw new Error('the server does not count this model');
    return teacher;
  };
  const before = await counts();
  const warm = { temperature: 1, maxTokens: 200, seed: 7 };
  const requests = [
    chat('Question: Which is larger, 12 or 47?\nAnswer:', warm),
    completion('Question: Which is smaller, 812 or 7?\nAnswer:', warm),
    chat('Write 3 more questions.', warm),
  ];
  let tokens = 0;
  for (const request of requests) {
    const answer = await endpoint.complete(request, never);
    expect(answer).toEqual(await script.complete(request, never));
    tokens += answer.usage.outputTokens;
  }
  const after = await counts();
  expect(after.calls - before.calls).toBe(requests.length);
  expect(after.answered - before.answered).toBe(requests.length);
  expect(after.completionTokens - before.completionTokens).toBe(tokens);
});

it('does not know a model that it was not given', async () => {
  const endpoint = await endpointOf('another');
  await expect(endpoint.complete(chat('Anybody there?'), never)).rejects.toThrow('404');
});
