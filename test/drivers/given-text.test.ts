/**
 * Goal: endpoints that give the log-probabilities of a prompt keep the promises about given texts: a vLLM over HTTP, and the scripts.
 * Method: the conformance suite; vLLM's protocol is spoken by a fixture, so what is tested is our side of it.
 */
import { createOpenAiEndpoint, type OpenAiEndpoint, type OpenAiEndpointOptions } from '../../drivers/model/openai-http';
import { createScriptedEndpoint } from '../../drivers/model/scripted';
import { startVllmServer, type VllmServer } from '../fixtures/vllm-server';
import { givenTextConformance } from './given-text.conformance';
import { completion } from './model.conformance';

const never = new AbortController().signal;
let server: VllmServer;
const open: OpenAiEndpoint[] = [];

function endpoint(change: Partial<OpenAiEndpointOptions> = {}): OpenAiEndpoint {
  const made = createOpenAiEndpoint({
    id: 'vllm/model',
    baseUrl: server.baseUrl,
    model: 'model',
    dialect: 'vllm',
    capabilities: {
      n: true,
      promptLogprobs: true,
      structured: true,
      seed: true,
      perRequestSampling: true,
      completion: true,
      extendedSampling: true,
    },
    concurrency: { start: 4, max: 16 },
    timeoutMs: 5_000,
    ...change,
  });
  open.push(made);
  return made;
}

beforeAll(async () => {
  server = await startVllmServer();
});
afterAll(async () => {
  await Promise.all(open.map((each) => each.close()));
  await server.close();
});

givenTextConformance('a vLLM', () => Promise.resolve({ endpoint: endpoint(), looksBack: true }));
for (const [name, options] of [
  ['echo', {}],
  ['prefers-short', {}],
  ['teacher', {}],
  ['faulty', { script: 'prefers-short' }],
] as const) {
  givenTextConformance(`the script ${name}`, () =>
    Promise.resolve({ endpoint: createScriptedEndpoint(name, options), looksBack: false }),
  );
}

describe('a vLLM', () => {
  it('is sent tokens, asked for no other token than theirs, and lets as little as it can be written', async () => {
    const { tokens, usage } = await endpoint().complete(
      { ...completion('one two'), given: { lead: '', text: ' three' } },
      never,
    );
    expect(tokens).toHaveLength(1);
    expect(usage).toEqual({ inputTokens: 4, cachedInputTokens: 0, outputTokens: 1 });
    const sent = server.asked.at(-1);
    expect(sent).toMatchObject({ model: 'model', max_tokens: 1, prompt_logprobs: 0, temperature: 0 });
    expect(sent?.['prompt']).toHaveLength(4);
  });

  it('is not asked where it does not declare them, or speaks another dialect', async () => {
    const request = { ...completion('one'), given: { lead: '', text: ' two' } };
    const before = server.asked.length;
    const { capabilities } = endpoint();
    const undeclared = endpoint({ capabilities: { ...capabilities, promptLogprobs: false } });
    for (const other of [undeclared, endpoint({ dialect: 'openai' })])
      await expect(other.complete(request, never)).rejects.toMatchObject({ callCause: 'bad-request' });
    expect(server.asked).toHaveLength(before);
  });
});
