/**
 * The client of OpenAI-compatible endpoints. Goal: the right body for every dialect, the right cause for every failure, the key in no
 * message. Method: the conformance suite and a case table against a server that misbehaves on command.
 */
import { CallFailure, type Capabilities } from '../../drivers/model/model';
import { createOpenAiEndpoint, type OpenAiEndpoint, type OpenAiEndpointOptions } from '../../drivers/model/openai-http';
import { requestBody } from '../../drivers/model/openai-request';
import { ArteError } from '../../schemas/errors';
import { answerBytesFixed, answerBytesPerToken, answersOnTheWayBytesMax, heldCallMs } from '../../schemas/limits';
import type { ModelRequest, UntoldCount } from '../../schemas/rows';
import { startOpenAiServer, type Behaviour, type OpenAiServer } from '../fixtures/openai-server';
import { chat, completion, modelConformance } from './model.conformance';

// Small enough to be passed by a test.
jest.mock('../../schemas/limits', () => ({
  ...jest.requireActual<object>('../../schemas/limits'),
  answersOnTheWayBytesMax: 1_000_000,
}));

const all: Capabilities = {
  n: true,
  promptLogprobs: false,
  structured: true,
  seed: true,
  perRequestSampling: true,
  completion: true,
  extendedSampling: true,
};
const key = 'sk-very-secret-123';
const never = new AbortController().signal;

let server: OpenAiServer;
const open: OpenAiEndpoint[] = [];
function endpoint(options: Partial<OpenAiEndpointOptions> = {}): OpenAiEndpoint {
  const made = createOpenAiEndpoint({
    id: 'test/model',
    baseUrl: server.baseUrl,
    model: 'model',
    apiKey: key,
    dialect: 'vllm',
    capabilities: all,
    concurrency: { start: 4, max: 64 },
    timeoutMs: 5_000,
    ...options,
  });
  open.push(made);
  return made;
}

beforeEach(async () => {
  server = await startOpenAiServer();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
  await server.close();
});

async function failureOf(call: Promise<unknown>): Promise<CallFailure> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof CallFailure)) {
    throw new Error(`no CallFailure: ${String(error)}`);
  }
  return error;
}

describe('conformance', () => {
  let standing: OpenAiServer;
  let client: OpenAiEndpoint;
  afterAll(async () => {
    await client.close();
    await standing.close();
  });
  modelConformance('an endpoint over HTTP', async () => {
    standing = await startOpenAiServer();
    client = createOpenAiEndpoint({
      id: 'standing',
      baseUrl: standing.baseUrl,
      model: 'model',
      dialect: 'openai',
      capabilities: { ...all, structured: false, completion: false },
      concurrency: { start: 4, max: 64 },
      timeoutMs: 10_000,
    });
    return {
      endpoint: client,
      question: 'Which is larger, 12 or 47?',
      opening: 'The larger one is',
      slowDown: () => {
        standing.next({ kind: 'answer', delayMs: 5_000 });
        return client;
      },
    };
  });
});

describe('the body of a request', () => {
  const request: ModelRequest = {
    prompt: { kind: 'chat', messages: [{ role: 'user', content: 'hi' }] },
    sampling: { temperature: 0.7, topP: 0.9, topK: 40, minP: 0.1, maxTokens: 32, stop: ['\n'], seed: 7 },
    jsonSchema: { type: 'object' },
  };
  const raw: ModelRequest = { ...request, prompt: { kind: 'completion', text: 'hi' } };
  const format = { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema: { type: 'object' } } };
  const common = {
    model: 'm',
    temperature: 0.7,
    top_p: 0.9,
    max_tokens: 32,
    stop: ['\n'],
    seed: 7,
    top_k: 40,
    min_p: 0.1,
  };
  const neutral = { presence_penalty: 0, frequency_penalty: 0 };

  it.each([
    ['openai', {}, { response_format: format }],
    [
      'llama.cpp',
      { cache_prompt: true, repeat_penalty: 1, typical_p: 1, ...neutral },
      { json_schema: { type: 'object' } },
    ],
    ['vllm', { repetition_penalty: 1, ...neutral }, { response_format: format }],
    ['sglang', { repetition_penalty: 1, ...neutral }, { json_schema: '{"type":"object"}' }],
  ] as const)('in the dialect of %s', (dialect, own, rawConstraint) => {
    const target = { model: 'm', dialect, capabilities: all };
    expect(requestBody(request, target)).toEqual({
      ...common,
      ...own,
      messages: [{ role: 'user', content: 'hi' }],
      response_format: format,
    });
    expect(requestBody(raw, target)).toEqual({ ...common, ...own, prompt: 'hi', ...rawConstraint });
  });

  it.each([
    ['openai', 0],
    ['llama.cpp', 0],
    ['vllm', -1],
    ['sglang', -1],
  ] as const)("says top_k off in %s's own word", (dialect, off) => {
    const body = requestBody(chat('hi'), { model: 'm', dialect, capabilities: all });
    expect(body).toMatchObject({ top_k: off, min_p: 0, seed: 1 });
    expect(body.stop).toEqual(dialect === 'openai' ? undefined : []);
  });

  it('asks for several answers by n, and for one without it', () => {
    const target = { model: 'm', dialect: 'vllm', capabilities: all } as const;
    expect(requestBody({ ...request, answers: 3 }, target)).toMatchObject({ n: 3 });
    expect(requestBody({ ...request, answers: 1 }, target)).not.toHaveProperty('n');
  });

  it('leaves out what the endpoint does not take', () => {
    const capabilities = { ...all, seed: false, extendedSampling: false };
    const body = requestBody(chat('hi'), { model: 'm', dialect: 'openai', capabilities });
    expect(Object.keys(body).sort()).toEqual(['max_tokens', 'messages', 'model', 'temperature', 'top_p']);
  });

  it('renames the limit and leaves out fields as the config says, and no others', () => {
    const target = { model: 'm', dialect: 'openai', capabilities: { ...all, extendedSampling: false } } as const;
    const { max_tokens, temperature, stop, ...kept } = requestBody(request, target);
    expect([max_tokens, temperature, stop]).toEqual([32, 0.7, ['\n']]);
    const reasoning = { ...target, tokenLimitField: 'max_completion_tokens', omit: ['temperature', 'stop'] } as const;
    expect(requestBody(request, reasoning)).toEqual({ ...kept, max_completion_tokens: 32 });
    expect(requestBody(request, { ...target, omit: ['top_p'] })).not.toHaveProperty('top_p');
    // Raw completions know the limit by one name, and pass over the other.
    const body = requestBody(raw, reasoning);
    expect(body).toMatchObject({ max_tokens: 32 });
    expect(body).not.toHaveProperty('max_completion_tokens');
  });

  it('goes to the right address, with the key, and keeps a query', async () => {
    await endpoint().complete(chat('hi'), never);
    await endpoint({ baseUrl: `${server.baseUrl}/?api-version=1` }).complete(completion('hi'), never);
    expect(server.calls.map((call) => call.path)).toEqual(['/v1/chat/completions', '/v1/completions?api-version=1']);
    expect(server.calls[0]?.headers.authorization).toBe(`Bearer ${key}`);
    expect(server.calls[0]?.headers['content-type']).toBe('application/json');
  });
});

describe('an answer', () => {
  const both = { prompt_tokens: 9, completion_tokens: 3 };
  it.each<[string, Record<string, unknown>, readonly [number, number, number], UntoldCount[]?]>([
    ['OpenAI', { prompt_tokens: 9, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 8 } }, [9, 8, 3]],
    ['vLLM without cache details', { prompt_tokens: 9, completion_tokens: 3, prompt_tokens_details: null }, [9, 0, 3]],
    ['DeepSeek', { prompt_tokens: 9, completion_tokens: 3, prompt_cache_hit_tokens: 5 }, [9, 5, 3]],
    ['a server that writes its numbers as texts', { prompt_tokens: '9', completion_tokens: '3' }, [9, 0, 3]],
    ['a server that tells nothing', {}, [0, 0, 0], ['input', 'output']],
    ['a gateway that counts nothing', { prompt_tokens: 0, completion_tokens: 0 }, [0, 0, 0], ['input', 'output']],
    ['a server that counts the prompt only', { prompt_tokens: 9 }, [9, 0, 0], ['output']],
    ['a server that counts the answer only', { completion_tokens: 3 }, [0, 0, 3], ['input']],
    ['a server with null', { prompt_tokens: null, completion_tokens: null }, [0, 0, 0], ['input', 'output']],
    ['a server with numbers below 0', { prompt_tokens: -9, completion_tokens: -3 }, [0, 0, 0], ['input', 'output']],
    ['a server with words', { prompt_tokens: 'nine', completion_tokens: '3.5' }, [0, 0, 0], ['input', 'output']],
    [
      'a server with numbers beyond all',
      { prompt_tokens: 9.5, completion_tokens: 1e12 },
      [0, 0, 0],
      ['input', 'output'],
    ],
    ['a server that has cached more than it read', { ...both, prompt_cache_hit_tokens: 500 }, [9, 0, 3], ['cached']],
    ['a server that has cached less than nothing', { ...both, prompt_cache_hit_tokens: -5 }, [9, 0, 3], ['cached']],
  ])('tells its usage as %s does', async (_, usage, counts, ...[untold]) => {
    const [inputTokens, cachedInputTokens, outputTokens] = counts;
    server.next({ kind: 'answer', usage });
    const answer = await endpoint().complete(chat('hi'), never);
    expect(answer.usage).toEqual({ inputTokens, cachedInputTokens, outputTokens });
    expect(answer.usageUntold).toEqual(untold);
  });

  it.each([
    ['stop', 'stop'],
    ['length', 'length'],
    ['content_filter', 'refused'],
    ['eos', 'stop'],
  ])('that finished with %s is %s', async (finish, expected) => {
    server.next({ kind: 'answer', text: 'some words', finish });
    expect(await endpoint().complete(chat('hi'), never)).toMatchObject({ text: 'some words', finish: expected });
  });

  const message = (content: unknown, extra: object = {}): Behaviour => ({
    kind: 'status',
    status: 200,
    body: { choices: [{ finish_reason: 'stop', message: { role: 'assistant', content, ...extra } }] },
  });

  it('is whole characters: half of one is told as such, NUL stands for nothing', async () => {
    const body = (content: string): Behaviour => ({
      kind: 'status',
      status: 200,
      // As JSON writes them.
      body: `{"choices":[{"finish_reason":"stop","message":{"content":"${content}"}}]}`,
    });
    server.next(body('a\\ud800b\\udc00\\u0000c'), body('sound \\ud83d\\ude00 \\u00e9\\n'));
    expect((await endpoint().complete(chat('hi'), never)).text).toBe('a\uFFFDb\uFFFDc');
    expect((await endpoint().complete(chat('hi'), never)).text).toBe('sound 😀 é\n');
  });

  it('ends before the first stop word where these are not sent', async () => {
    const ask = { ...chat('hi'), sampling: { ...chat('hi').sampling, stop: ['', '</answer>', 'Q:'] } };
    const choices = ['so Q: next </answer>', 'none', 'x</answer>'].map((content) => ({
      finish_reason: 'length',
      message: { content },
    }));
    const written: Behaviour = { kind: 'status', status: 200, body: { choices } };
    server.next(written, written);
    expect(await endpoint({ omit: ['stop'] }).complete({ ...ask, answers: 3 }, never)).toMatchObject({
      ...{ text: 'so ', finish: 'stop' },
      others: [
        { text: 'none', finish: 'length' },
        { text: 'x', finish: 'stop' },
      ],
    });
    // A server that was told them is believed.
    expect(await endpoint({ omit: ['top_p'] }).complete(ask, never)).toMatchObject({ text: 'so Q: next </answer>' });
  });

  it('may come in parts, may be nothing, may be a refusal', async () => {
    server.next(
      message([
        { type: 'text', text: 'two ' },
        { type: 'text', text: 'parts' },
      ]),
      message(null, { reasoning_content: 'thought until the tokens were gone' }),
      message(null, { refusal: 'I will not.' }),
      { kind: 'status', status: 400, body: { error: { message: 'filtered', code: 'content_filter' } } },
      {
        kind: 'status',
        status: 403,
        body: { error: { message: 'Your input was flagged for "violence".', code: 403 } },
      },
    );
    const client = endpoint();
    expect(await client.complete(chat('hi'), never)).toMatchObject({ text: 'two parts', finish: 'stop' });
    expect(await client.complete(chat('hi'), never)).toMatchObject({ text: '', finish: 'stop' });
    expect(await client.complete(chat('hi'), never)).toMatchObject({ text: 'I will not.', finish: 'refused' });
    expect(await client.complete(chat('hi'), never)).toMatchObject({ text: '', finish: 'refused' });
    expect(await client.complete(chat('hi'), never)).toMatchObject({ text: '', finish: 'refused' });
  });
});

describe('the size of an answer', () => {
  const ask: ModelRequest = { ...chat('hi'), sampling: { ...chat('hi').sampling, maxTokens: 60 } };
  const wordy = (characters: number): Behaviour => ({ kind: 'answer', text: 'x'.repeat(characters), finish: 'stop' });
  const most = answerBytesFixed + 60 * answerBytesPerToken;

  it('follows from what was asked for: many times that is a failure of its own', async () => {
    const client = endpoint();
    server.next(wordy(most - 4_096), wordy(most));
    expect((await client.complete(ask, never)).text).toHaveLength(most - 4_096);
    const failure = await failureOf(client.complete(ask, never));
    expect(failure).toMatchObject({ callCause: 'too-large', status: 200, spent: 'untold' });
    expect(failure.message).toContain(`larger than ${String(most)} bytes`);
    // A longer one, or several, may be as much larger.
    const times = 1 + Math.ceil(most / (60 * answerBytesPerToken));
    server.next(wordy(most), wordy(Math.ceil(most / times)));
    const longer = { ...ask, sampling: { ...ask.sampling, maxTokens: 60 * times } };
    expect((await client.complete(longer, never)).text).toHaveLength(most);
    expect((await client.complete({ ...ask, answers: times }, never)).others).toHaveLength(times - 1);
  });

  it('is bounded over all calls of the process: what is too much together is asked for again, fewer at a time', async () => {
    const long = { ...ask, sampling: { ...ask.sampling, maxTokens: 100_000 } };
    const client = endpoint();
    server.next(wordy(answersOnTheWayBytesMax), wordy(700_000), wordy(700_000));
    expect((await failureOf(client.complete(long, never))).callCause).toBe('overloaded');
    // What was given up, and what was read, counts no longer.
    for (let call = 0; call < 2; call += 1) expect((await client.complete(long, never)).text).toHaveLength(700_000);
  });
});

describe('a failure', () => {
  const error = (
    status: number,
    body: string | object,
    headers: Record<string, string | string[]> = {},
  ): Behaviour => ({
    kind: 'status',
    status,
    body,
    headers,
  });
  const html = '<!DOCTYPE html><html><head><title>Welcome to nginx!</title></head></html>';
  const date = 'Wed, 21 Oct 2026 07:28:00 GMT';

  it.each<[string, Behaviour, string, number | undefined]>([
    ['429 with seconds', error(429, {}, { 'retry-after': '2' }), 'rate-limited', 2_000],
    ['429 with milliseconds', error(429, {}, { 'retry-after-ms': '150', 'retry-after': '1' }), 'rate-limited', 150],
    [
      "429 with a date, by the server's clock",
      error(429, {}, { 'retry-after': 'Wed, 21 Oct 2026 07:28:05 GMT', date }),
      'rate-limited',
      5_000,
    ],
    ['429 with a date gone by', error(429, {}, { 'retry-after': date, date }), 'rate-limited', 0],
    [
      '429 with its time twice',
      error(429, {}, { 'retry-after': ['2', '3'], date: [date, date] }),
      'rate-limited',
      2_000,
    ],
    ['429 without a time', error(429, { error: { message: 'slow down' } }), 'overloaded', undefined],
    ['429 with a time that is none', error(429, {}, { 'retry-after': 'soon' }), 'overloaded', undefined],
    ['503 with a time', error(503, {}, { 'retry-after': '1' }), 'rate-limited', 1_000],
    [
      '503 of llama.cpp that loads its model',
      error(503, { error: { code: 503, message: 'Loading model', type: 'unavailable_error' } }),
      'overloaded',
      undefined,
    ],
    ['529', error(529, {}), 'overloaded', undefined],
    [
      'a spent quota behind a 429',
      error(
        429,
        { error: { message: 'You exceeded your current quota', code: 'insufficient_quota' } },
        { 'retry-after': '1' },
      ),
      'out-of-money',
      undefined,
    ],
    [
      'a spent quota behind a 429 without a code',
      error(429, { error: { message: 'Your account is suspended, please check your plan and billing details' } }),
      'out-of-money',
      undefined,
    ],
    [
      'a spent balance, Anthropic',
      error(400, { error: { message: 'Your credit balance is too low', type: 'invalid_request_error' } }),
      'out-of-money',
      undefined,
    ],
    [
      'a used-up rate that a better plan would raise, Groq',
      error(
        429,
        {
          error: {
            message:
              'Rate limit reached for model `x` on tokens per minute (TPM): Limit 6000. Please try again in 7.5s. Need more tokens? Upgrade to Dev Tier today at https://console.groq.com/settings/billing',
            type: 'tokens',
            code: 'rate_limit_exceeded',
          },
        },
        { 'retry-after': '8' },
      ),
      'rate-limited',
      8_000,
    ],
    [
      'a used-up rate of an account without a payment method, OpenAI',
      error(429, {
        error: {
          message:
            'Rate limit reached for gpt on requests per min (RPM): Limit 3. You can increase it by adding a payment method in billing: platform.openai.com/account/billing.',
          type: 'requests',
          code: 'rate_limit_exceeded',
        },
      }),
      'overloaded',
      undefined,
    ],
    [
      'a used-up free tier, Gemini',
      error(429, {
        error: {
          message:
            'You exceeded your current quota, please check your plan and billing details. Please retry in 49.7s.',
          code: 429,
        },
      }),
      'overloaded',
      undefined,
    ],
    [
      'a prompt that no rate allows, Groq',
      error(413, {
        error: {
          message:
            'Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 9000. Upgrade at https://console.groq.com/settings/billing',
          type: 'tokens',
          code: 'rate_limit_exceeded',
        },
      }),
      'context-too-long',
      undefined,
    ],
    ['402', error(402, { error: { message: 'Insufficient credits' } }), 'out-of-money', undefined],
    ['401', error(401, { error: { message: 'Incorrect API key provided' } }), 'unauthorized', undefined],
    ['403', error(403, 'Forbidden'), 'unauthorized', undefined],
    [
      '403 of an account that was flagged',
      error(403, { error: { message: 'This account has been flagged for review' } }),
      'unauthorized',
      undefined,
    ],
    [
      '404 of a model, OpenAI',
      error(404, { error: { message: 'The model `x` does not exist', code: 'model_not_found' } }),
      'unknown-model',
      undefined,
    ],
    [
      '404 of a model, older vLLM',
      error(404, { object: 'error', message: 'The model `x` does not exist.', type: 'NotFoundError', code: 404 }),
      'unknown-model',
      undefined,
    ],
    [
      '400 of a model, OpenRouter',
      error(400, { error: { message: 'x is not a valid model ID', code: 400 } }),
      'unknown-model',
      undefined,
    ],
    [
      '404 of the path, llama.cpp',
      error(404, { error: { message: 'File Not Found', type: 'not_found_error', code: 404 } }),
      'not-compatible',
      undefined,
    ],
    ['404 of the path, FastAPI', error(404, { detail: 'Not Found' }), 'not-compatible', undefined],
    ['404 with a web page', error(404, html.replace('nginx', 'model zoo')), 'not-compatible', undefined],
    ['405', error(405, { detail: 'Method Not Allowed' }), 'not-compatible', undefined],
    ['a redirect', error(301, '', { location: 'https://example.org/v1' }), 'not-compatible', undefined],
    [
      'a long prompt, OpenAI',
      error(400, {
        error: { message: "This model's maximum context length is 8192 tokens", code: 'context_length_exceeded' },
      }),
      'context-too-long',
      undefined,
    ],
    [
      'a long prompt, llama.cpp',
      error(400, {
        error: {
          code: 400,
          message: 'request (3001 tokens) exceeds the available context size (1024 tokens)',
          type: 'exceed_context_size_error',
        },
      }),
      'context-too-long',
      undefined,
    ],
    [
      'a long prompt, vLLM',
      error(400, {
        error: { message: 'You passed 3001 input tokens … the maximum model length of 2048', type: 'BadRequestError' },
      }),
      'context-too-long',
      undefined,
    ],
    [
      'a long prompt, SGLang',
      error(400, {
        object: 'error',
        message: "The input (3001 tokens) is longer than the model's context length (2048 tokens).",
      }),
      'context-too-long',
      undefined,
    ],
    ['413', error(413, 'Payload Too Large'), 'context-too-long', undefined],
    [
      'a field that the model does not take, OpenAI',
      error(400, {
        error: {
          message:
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
          type: 'invalid_request_error',
          param: 'max_tokens',
          code: 'unsupported_parameter',
        },
      }),
      'unsupported-parameter',
      undefined,
    ],
    ['400', error(400, { error: { message: "temperature: 'hot' is no number" } }), 'bad-request', undefined],
    ['422, FastAPI', error(422, { detail: [{ loc: ['body', 'stop'], msg: 'too short' }] }), 'bad-request', undefined],
    ['500', error(500, { error: { message: 'boom' } }), 'server-error', undefined],
    ['502 with a web page', error(502, html), 'server-error', undefined],
    ['200 with a web page', error(200, html, { 'content-type': 'text/html' }), 'not-compatible', undefined],
    [
      '200 with a web page that calls itself JSON',
      error(200, html, { 'content-type': 'application/json' }),
      'not-compatible',
      undefined,
    ],
    [
      '200 with a stream',
      error(200, 'data: {}\n\n', { 'content-type': 'text/event-stream' }),
      'not-compatible',
      undefined,
    ],
    ['200 with garbage', error(200, '\u0000\u0001garbage'), 'garbage', undefined],
    ['200 with nothing', error(200, ''), 'garbage', undefined],
    ['200 with other JSON', error(200, { result: 'hello' }), 'garbage', undefined],
    ['200 with null', error(200, 'null'), 'garbage', undefined],
    ['200 with no choice', error(200, { choices: [] }), 'garbage', undefined],
    ['200 with a choice without text', error(200, { choices: [{ finish_reason: 'stop' }] }), 'garbage', undefined],
    [
      '200 that hides a 429',
      error(200, { error: { code: 429, message: 'upstream' } }, { 'retry-after': '3' }),
      'rate-limited',
      3_000,
    ],
    ['200 that hides an error', error(200, { error: { message: 'upstream broke' } }), 'server-error', undefined],
    ['a call the server gave up', { kind: 'answer', finish: 'abort' }, 'server-error', undefined],
    ['a reset', { kind: 'reset' }, 'reset', undefined],
    ['a body cut off', { kind: 'truncate' }, 'reset', undefined],
    ['half a body with an orderly end', { kind: 'half' }, 'reset', undefined],
  ])('%s', async (_, behaviour, cause, retryAfterMs) => {
    server.next(behaviour);
    const failure = await failureOf(endpoint().complete(chat('hi'), never));
    expect([failure.callCause, failure.retryAfterMs]).toEqual([cause, retryAfterMs]);
    expect(failure.message).toMatch(/^test\/model: ./);
    // One call, one request: the engine decides on another.
    expect(server.calls).toHaveLength(1);
  });

  const value = (param: string, message: string): object => ({ message, param, code: 'unsupported_value' });
  it.each<[string, object, string]>([
    [
      'OpenAI, a value',
      value('temperature', "'temperature' does not support 0 with this model."),
      'omit: [temperature], with what it lists already',
    ],
    [
      'OpenAI, without a code',
      { message: "Unsupported parameter: 'top_p' is not supported." },
      'omit: [top_p], with what it lists already',
    ],
    ['OpenAI of before', { message: 'Unrecognized request argument supplied: seed' }, 'capabilities: {seed: false}'],
    [
      'a server that does not know the new name',
      { message: 'Unrecognized request argument supplied: max_completion_tokens' },
      'token_limit_field: max_tokens',
    ],
    [
      'Anthropic',
      { message: '`temperature` and `top_p` cannot both be specified for this model. Please use only one.' },
      'omit: [top_p], with what it lists already',
    ],
    [
      'LiteLLM',
      { message: "litellm.UnsupportedParamsError: openai does not support parameters: ['top_p'], for model=o1-mini." },
      'omit: [top_p], with what it lists already',
    ],
    [
      'Mistral',
      {
        message: {
          detail: [{ type: 'extra_forbidden', loc: ['body', 'seed'], msg: 'Extra inputs are not permitted' }],
        },
      },
      'capabilities: {seed: false}',
    ],
    [
      'vLLM',
      { message: "[{'type': 'extra_forbidden', 'loc': ('body', 'min_p'), 'msg': 'Extra inputs are not permitted'}]" },
      'capabilities: {extended_sampling: false}',
    ],
    ['a gateway', { message: "'stop' is not supported with this model" }, 'omit: [stop], with what it lists already'],
  ])('a field that is not taken is told with its setting: %s', async (_, said, setting) => {
    server.next(error(400, { error: said }));
    const failure = await failureOf(endpoint().complete(chat('hi'), never));
    expect(failure).toMatchObject({ callCause: 'unsupported-parameter', status: 400 });
    expect(failure.message).toContain(`To be set in the model's endpoint: ${setting}. HTTP 400: `);
  });

  it.each<object>([
    value('messages[0].role', "Unsupported value: 'messages[0].role' does not support 'system' with this model."),
    value('max_tokens', "Unsupported value: 'max_tokens' does not support 9000 with this model."),
    { message: 'max_tokens is too large: 9000. This model supports at most 4096 completion tokens.' },
    { message: "Unsupported parameter: 'logit_bias' is not supported with this model." },
  ])('no setting helps against %j', async (said) => {
    server.next(error(400, { error: said }));
    expect((await failureOf(endpoint().complete(chat('hi'), never))).callCause).toBe('bad-request');
  });

  const usage = { prompt_tokens: 9, completion_tokens: 3 };
  const told = { inputTokens: 9, cachedInputTokens: 0, outputTokens: 3 };
  const choice = { finish_reason: 'stop', message: { role: 'assistant', content: 'words' } };
  it.each<[string, Behaviour, CallFailure['spent']]>([
    ['a call that is not answered in time', { kind: 'hang' }, 'untold'],
    ['an answer that is cut off', { kind: 'truncate' }, 'untold'],
    ['half an answer', { kind: 'half' }, 'untold'],
    ['a 200 with garbage', error(200, '\u0001garbage'), 'untold'],
    ['a 200 without a choice', error(200, { choices: [], usage }), told],
    ['a 200 without a choice that tells nothing', error(200, { choices: [] }), 'untold'],
    ['a 200 without a choice that counts half', error(200, { choices: [], usage: { prompt_tokens: 9 } }), 'untold'],
    [
      'a 200 without a choice with senseless counts',
      error(200, { choices: [], usage: { prompt_tokens: -9 } }),
      'untold',
    ],
    ['a 200 whose choice is null', error(200, { choices: [null], usage }), told],
    ['a 200 whose choices are no list', error(200, { choices: 'words', usage }), told],
    ['a 200 whose message is null', error(200, { choices: [{ ...choice, message: null }], usage }), told],
    ['a 200 with no text in it', error(200, { choices: [{ finish_reason: 'stop' }], usage }), told],
    ['one of several choices that failed', error(200, { choices: [choice, { finish_reason: 'error' }], usage }), told],
    ['a 200 that hides an error', error(200, { error: { message: 'upstream broke' } }), undefined],
    ['a reset at once', { kind: 'reset' }, undefined],
    ['a 429', error(429, {}), undefined],
    ['a 500', error(500, {}), undefined],
    ['a web page', error(200, html, { 'content-type': 'text/html' }), undefined],
  ])('%s says whether the server has worked on it', async (_, behaviour, spent) => {
    server.next(behaviour);
    expect((await failureOf(endpoint({ timeoutMs: 200 }).complete(chat('hi'), never))).spent).toEqual(spent);
  });

  it('a reset before any answer, of a call that the server has held, says that it has worked on it', async () => {
    server.next({ kind: 'reset', delayMs: heldCallMs + 100 });
    const { callCause, spent } = await failureOf(endpoint().complete(chat('hi'), never));
    expect([callCause, spent]).toEqual(['reset', 'untold']);
  });

  it('nobody listens', async () => {
    const client = endpoint();
    await server.close();
    expect((await failureOf(client.complete(chat('hi'), never))).callCause).toBe('reset');
  });

  it.each(['hang', 'drip'] as const)('a server that does %s is timed out', async (kind) => {
    server.next({ kind });
    const before = Date.now();
    const failure = await failureOf(endpoint({ timeoutMs: 200 }).complete(chat('hi'), never));
    expect(failure.callCause).toBe('timeout');
    expect(Date.now() - before).toBeLessThan(4_000);
  });

  it('after any of them the endpoint works on', async () => {
    const client = endpoint({ concurrency: { start: 1, max: 1 }, timeoutMs: 300 });
    for (const kind of ['reset', 'truncate', 'hang', 'half'] as const) {
      server.next({ kind });
      await failureOf(client.complete(chat('hi'), never));
      expect((await client.complete(chat('hi'), never)).text).toMatch(/^w/);
    }
  });

  it('has the key in no message, though the server echoes it', async () => {
    server.next(
      error(401, { error: { message: `Incorrect API key provided: ${key}. Bearer ${key}` } }),
      error(500, key),
      error(200, key),
    );
    for (const client of [endpoint(), endpoint(), endpoint()]) {
      const failure = await failureOf(client.complete(chat('hi'), never));
      expect(`${failure.message} ${failure.stack ?? ''} ${JSON.stringify(failure)}`).not.toContain(key);
      expect(failure.message).toContain('[secret]');
    }
  });

  it('has no part of the key where a long message is cut, no encoded one, and none in an answer', async () => {
    const basic = Buffer.from(`user:${key}`).toString('base64');
    server.next(
      error(400, { error: { message: `${'x'.repeat(300 - key.length / 2)}${key}` } }),
      error(400, { error: { message: `Basic ${basic}, ${encodeURIComponent(key)}` } }),
      { kind: 'answer', text: `You sent ${key} .` },
    );
    const [cut, encoded] = [
      await failureOf(endpoint().complete(chat('hi'), never)),
      await failureOf(endpoint().complete(chat('hi'), never)),
    ];
    expect(cut.message).not.toContain(key.slice(0, 5));
    expect(encoded.message).not.toContain(basic.slice(8, -6));
    expect((await endpoint().complete(chat('hi'), never)).text).toBe('You sent [secret] .');
  });

  it('tells what was asked but not declared, before a call is paid', async () => {
    const capabilities = { ...all, completion: false, structured: false, extendedSampling: false };
    const client = endpoint({ capabilities });
    const asked = [
      completion('hi'),
      { ...chat('hi'), jsonSchema: {} },
      chat('hi', { topK: 40 }),
      chat('hi', { minP: 0.1 }),
    ];
    const names = ['completion', 'structured', 'extended_sampling', 'extended_sampling'];
    for (const [index, request] of asked.entries()) {
      const failure = await failureOf(client.complete(request, never));
      expect(failure.callCause).toBe('bad-request');
      expect(failure.message).toContain(`capabilities.${names[index] ?? ''}`);
    }
    expect(server.calls).toHaveLength(0);
  });
});

it('gives up all calls under one signal at once, and forgets those that ended', async () => {
  server.otherwise = (_, index) => (index < 20 ? { kind: 'answer' } : { kind: 'hang' });
  const client = endpoint();
  const abort = new AbortController();
  for (let index = 0; index < 20; index += 1) {
    await client.complete(chat('hi'), abort.signal);
  }
  const calls = Array.from({ length: 50 }, () =>
    client.complete(chat('hi'), abort.signal).catch((reason: unknown) => reason),
  );
  while (server.calls.length < 70) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  abort.abort('enough');
  expect(new Set(await Promise.all(calls))).toEqual(new Set(['enough']));
  while (server.inFlight > 0) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
});

it('keeps as many calls in flight as its ceiling says, on connections it uses again', async () => {
  server.otherwise = () => ({ kind: 'answer', delayMs: 20 });
  const client = endpoint({ concurrency: { start: 4, max: 8 } });
  await Promise.all(Array.from({ length: 40 }, () => client.complete(chat('hi'), never)));
  expect(server.mostInFlight).toBe(8);
  expect(server.connections).toBe(8);
});

it.each([
  ['not a url', {}],
  ['ftp://host/v1', {}],
  ['http://user:pass@host/v1', {}],
  ['http://host/v1', { apiKey: 'ends-with-a-line-break\n' }],
])('refuses %s with a clear text', (baseUrl, extra) => {
  let thrown: unknown;
  try {
    endpoint({ baseUrl, ...extra });
  } catch (caught) {
    thrown = caught;
  }
  expect(thrown).toBeInstanceOf(ArteError);
  expect((thrown as ArteError).data.code).toBe('InvalidConfig');
  expect(JSON.stringify((thrown as ArteError).data)).not.toMatch(/pass@|ends-with/);
});
