/**
 * Any OpenAI-compatible endpoint over HTTP: OpenAI and its like, llama.cpp's server, vLLM, SGLang.
 *
 * Owns: one call, its body in the server's dialect, the reading of its answer, and the cause of its failure.
 * Leaves to the row engine retries and how many calls are in flight, to llama-cpp.ts the starting of a server.
 *
 * Invariants:
 * 1. Every sampling field is sent, under the name the server knows and with the server's word for "off": its own defaults never
 *    leak into an answer. What an endpoint did not declare is refused as bad-request, not dropped in silence.
 * 2. One call is one HTTP request (of a given text at vLLM two more, to its tokenizer, which cost nothing), never repeated here: a repeated call is paid again, so only the engine may decide on it.
 * 3. The API key stands in no error and no answer, whatever a server echoes, in whatever form.
 * 4. A call holds no more than what was asked for can take, and never more than answerBytesMax; all calls of a process no more than
 *    answersOnTheWayBytesMax. 5. A text of an answer is well-formed.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { Pool, type Dispatcher } from 'undici';
import { ArteError } from '../../schemas/errors';
import type { JsonObject, JsonValue } from '../../schemas/json';
import * as limits from '../../schemas/limits';
import type { AnswerChoice, GivenText, ModelAnswer, ModelRequest, UntoldCount } from '../../schemas/rows';
import { secretRemover } from '../../schemas/secrets';
import { wellFormed } from '../../schemas/well-formed';
import {
  firstOwnToken,
  promptLogprobsBody,
  readPromptLogprobs,
  readScorerTokens,
  readTokenIds,
  scorerBody,
  tokenizeBody,
} from './given-text';
import { CallFailure, type Capabilities, type CallFailureCause, type ModelEndpoint } from './model';
import { onAbort } from './shared-aborts';

/** `scorer`: python/score.py, which answers requests with a given text only. */
export type Dialect = 'openai' | 'llama.cpp' | 'vllm' | 'sglang' | 'scorer';

export interface OpenAiEndpointOptions {
  /** Identifies limiter and metrics. */
  readonly id: string;
  /** Up to and including `/v1`. A query (`?api-version=…`) is kept. */
  readonly baseUrl: string;
  /** Name under which the endpoint serves the model. */
  readonly model: string;
  readonly apiKey?: string;
  readonly dialect: Dialect;
  readonly capabilities: Capabilities;
  readonly concurrency: { readonly start: number; readonly max: number };
  /** From sending to the last byte of the answer. */
  readonly timeoutMs: number;
}

export interface OpenAiEndpoint extends ModelEndpoint {
  /** Drop the connections; calls in flight fail as reset. Idle connections keep no process alive, so this is for tidiness. */
  close(): Promise<void>;
}

/** What a server says is cut to this many characters in a message. */
const quotedCharactersMax = 300;
/** More tokens than any call can take, several answers together: a count beyond it is none. */
const callTokensMax = 1_000_000_000;
/** Patterns look at so much of a long error: it says what it is in its first sentences. */
const errorCharactersRead = 2_000;

/** Bytes of all answers on their way to this process. */
let onTheWayBytes = 0;
/** What a piece of an answer takes beside its bytes: a server may send them one by one. */
const pieceBytes = 128;

/**
 * An endpoint; connects with the first call. `complete` throws CallFailure, or the signal's reason when that aborts.
 * Errors: InvalidConfig when the address or the key cannot be one.
 */
export function createOpenAiEndpoint(options: OpenAiEndpointOptions): OpenAiEndpoint {
  return new HttpEndpoint(options);
}

class HttpEndpoint implements OpenAiEndpoint {
  readonly id: string;
  readonly capabilities: Capabilities;
  readonly concurrency: { readonly start: number; readonly max: number };
  private readonly pool: Pool;
  private readonly chatPath: string;
  private readonly completionPath: string;
  /** vLLM's tokenizer stands beside /v1, not in it. */
  private readonly tokenizePath: string;
  private readonly scorePath: string;
  private readonly headers: Record<string, string>;
  /** A text of the server without the key. */
  private readonly clean: (text: string) => string;

  constructor(private readonly options: OpenAiEndpointOptions) {
    this.id = options.id;
    this.capabilities = options.capabilities;
    this.concurrency = options.concurrency;
    const url = parseBaseUrl(options.baseUrl);
    const base = url.pathname.replace(/\/+$/, '');
    this.chatPath = `${base}/chat/completions${url.search}`;
    this.completionPath = `${base}/completions${url.search}`;
    this.tokenizePath = `${base.replace(/\/v1$/, '')}/tokenize${url.search}`;
    this.scorePath = `${base}/score${url.search}`;
    this.headers = {
      'content-type': 'application/json',
      accept: 'application/json',
      ...(options.apiKey === undefined ? {} : { authorization: `Bearer ${checkedKey(options.apiKey)}` }),
    };
    this.clean = secretRemover(options.apiKey === undefined ? [] : [options.apiKey]);
    this.pool = new Pool(url.origin, {
      connections: options.concurrency.max,
      pipelining: 1,
      connect: { timeout: limits.connectTimeoutMs },
      // The call has a deadline of its own; undici's two would only cut it into parts.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  async complete(request: ModelRequest, signal: AbortSignal): Promise<ModelAnswer> {
    signal.throwIfAborted();
    this.refuseUndeclared(request);
    if (request.given !== undefined) {
      return this.score(request, request.given, signal);
    }
    const chat = request.prompt.kind === 'chat';
    const body = JSON.stringify(requestBody(request, this.options));
    const bytesMax = answerBytesOf(request.sampling.maxTokens * (request.answers ?? 1));
    const response = await this.send(chat ? this.chatPath : this.completionPath, body, bytesMax, signal);
    const { status } = response;
    return readResponse(response, (cause, message, retryAfterMs, spent) =>
      this.failure(cause, message, retryAfterMs, status, spent),
    );
  }

  /** Log-probabilities of a given text. */
  private async score({ prompt }: ModelRequest, given: GivenText, signal: AbortSignal): Promise<ModelAnswer> {
    const { dialect, model } = this.options;
    if (dialect === 'scorer') {
      const body = await this.ask(this.scorePath, scorerBody(prompt, given), signal);
      return this.scored(readScorerTokens(body), body);
    }
    const ids = async (answer: string): Promise<number[]> => {
      const body = await this.ask(this.tokenizePath, tokenizeBody(model, prompt, answer), signal);
      const tokens = readTokenIds(body);
      if (tokens === undefined) {
        // A tokenizer's call costs nothing.
        throw this.failure('garbage', `The tokenizer's answer has no tokens: ${quote(JSON.stringify(body))}`);
      }
      return tokens;
    };
    const whole = await ids(given.lead + given.text);
    const start = firstOwnToken(whole, await ids(given.lead));
    const body = await this.ask(this.completionPath, promptLogprobsBody(model, whole), signal);
    return this.scored(readPromptLogprobs(body, whole, start), body);
  }

  private scored(tokens: ModelAnswer['tokens'], body: CompletionBody): ModelAnswer {
    if (tokens === undefined) {
      const said = `The answer has no log-probabilities of the text: ${quote(JSON.stringify(body))}`;
      throw this.failure('garbage', said, undefined, undefined, spentBy(body));
    }
    // Nothing is written, and the scorer has no count of that.
    const usage = { completion_tokens: 0, ...body.usage };
    return { text: '', finish: 'stop', tokens, ...usageOf({ ...body, usage }, { input: 1, output: 0 }) };
  }

  /** One request, its answer as JSON; any status but 200 is a failure. */
  private async ask(path: string, body: JsonObject, signal: AbortSignal): Promise<CompletionBody> {
    const sent = JSON.stringify(body);
    // A token of the text is a byte of it at least.
    const response = await this.send(path, sent, answerBytesOf(sent.length, limits.scoredBytesPerToken), signal);
    const fail: Fail = (cause, message, retryAfterMs, spent) =>
      this.failure(cause, message, retryAfterMs, response.status, spent);
    if (response.status !== 200) {
      refusalOrFailure(response.status, response, fail);
      throw fail('bad-request', `HTTP ${String(response.status)}: ${quote(response.text)}`);
    }
    try {
      return JSON.parse(response.text) as CompletionBody;
    } catch {
      throw unreadable(response, fail);
    }
  }

  async close(): Promise<void> {
    await this.pool.destroy();
  }

  private refuseUndeclared({ prompt, sampling, jsonSchema, answers = 1, given }: ModelRequest): void {
    const { completion, extendedSampling, n, structured, promptLogprobs } = this.capabilities;
    const { dialect } = this.options;
    const refuse = (what: string, name: string): never => {
      throw this.failure('bad-request', `${what}, which this endpoint does not declare (capabilities.${name}).`);
    };
    if (given === undefined && dialect === 'scorer') {
      throw this.failure('bad-request', 'An answer is asked for, and a scorer writes none.');
    }
    if (given !== undefined && (!promptLogprobs || (dialect !== 'scorer' && dialect !== 'vllm'))) {
      refuse('Log-probabilities of a given text are asked for', 'prompt_logprobs, with dialect: vllm');
    }
    if (prompt.kind === 'completion' && !completion) {
      refuse('The prompt is raw text for /v1/completions', 'completion');
    }
    if (jsonSchema !== undefined && !structured) {
      refuse('The output is constrained by a JSON schema', 'structured');
    }
    if (!extendedSampling && (sampling.topK > 0 || sampling.minP > 0)) {
      refuse('top_k or min_p is set', 'extended_sampling');
    }
    if (answers > 1 && !n) {
      refuse('Several answers to one prompt are asked for', 'n');
    }
  }

  /** One request, the answer whole in memory. By undici's dispatch, without a stream in between. */
  private send(path: string, body: string, bytesMax: number, signal: AbortSignal): Promise<RawResponse> {
    return new Promise<RawResponse>((resolve, reject) => {
      let controller: Dispatcher.DispatchController | undefined;
      let settled = false;
      let bytes = 0;
      let heldBytes = 0;
      const settle = (): boolean => {
        if (settled) {
          return false;
        }
        settled = true;
        clearTimeout(deadline);
        forget();
        onTheWayBytes -= heldBytes;
        return true;
      };
      const fail = (error: Error): void => {
        if (settle()) {
          reject(error);
          controller?.abort(error);
        }
      };
      const forget = onAbort(signal, () => fail(signal.reason as Error));
      const { timeoutMs } = this.options;
      const deadline = setTimeout(() => {
        // Sent, and still worked on for all we know.
        const spent = controller === undefined ? undefined : 'untold';
        const said = `No whole answer within ${String(timeoutMs / 1000)} s.`;
        fail(this.failure('timeout', said, undefined, undefined, spent));
      }, timeoutMs);

      let sentAt = Infinity;
      let status = 0;
      let headers: IncomingHttpHeaders = {};
      const chunks: Buffer[] = [];
      this.pool.dispatch(
        { path, method: 'POST', headers: this.headers, body },
        {
          onRequestStart: (started) => {
            controller = started;
            sentAt = performance.now();
            if (settled) {
              started.abort(new Error('given up before it was sent'));
            }
          },
          onResponseStart: (_, statusCode, responseHeaders) => {
            status = statusCode;
            headers = responseHeaders;
          },
          onResponseData: (_, chunk) => {
            if (settled) {
              return;
            }
            const large = tooLarge(bytes, chunk.length, bytesMax);
            if (large) {
              const spent = status === 200 ? 'untold' : undefined;
              fail(this.failure(large.cause, large.said, undefined, status, spent));
              return;
            }
            bytes += chunk.length;
            heldBytes += chunk.length + pieceBytes;
            onTheWayBytes += chunk.length + pieceBytes;
            chunks.push(chunk);
          },
          onResponseEnd: () => {
            if (settle()) {
              const whole = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
              resolve({ status, headers, text: this.clean(whole.toString('utf8')) });
            }
          },
          onResponseError: (_, error) => {
            const wasHeld = status === 0 && performance.now() - sentAt >= limits.heldCallMs;
            fail(this.transportFailure(error, status === 200 || wasHeld ? 'untold' : undefined));
          },
        },
      );
    });
  }

  private transportFailure(error: Error, spent: CallFailure['spent']): CallFailure {
    const code = (error as NodeJS.ErrnoException).code ?? error.name;
    const timeout = code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT';
    const said = `The connection failed: ${code} ${error.message}`;
    return this.failure(timeout ? 'timeout' : 'reset', said, undefined, undefined, spent);
  }

  private failure(
    cause: CallFailureCause,
    message: string,
    retryAfterMs?: number,
    status?: number,
    spent?: CallFailure['spent'],
  ): CallFailure {
    const { apiKey } = this.options;
    const text = this.clean(`${this.id}: ${message}`);
    // Here placeholders are taken out as well.
    return new CallFailure(
      cause,
      apiKey === undefined ? text : text.replaceAll(apiKey, '[secret]'),
      retryAfterMs,
      status,
      spent,
    );
  }
}

// ---- the request -------------------------------------------------------------------------------------------------

/** The body in the server's dialect. Exported for the test that pins it. */
export function requestBody(
  { prompt, sampling, jsonSchema, answers = 1 }: ModelRequest,
  { model, dialect, capabilities }: Pick<OpenAiEndpointOptions, 'model' | 'dialect' | 'capabilities'>,
): JsonObject {
  return {
    model,
    ...(prompt.kind === 'chat' ? { messages: prompt.messages as unknown as JsonValue } : { prompt: prompt.text }),
    temperature: sampling.temperature,
    top_p: sampling.topP,
    max_tokens: sampling.maxTokens,
    ...(answers > 1 ? { n: answers } : {}),
    // OpenAI refuses an empty list; elsewhere it takes the place of a server's own stop words.
    ...(dialect === 'openai' && sampling.stop.length === 0 ? {} : { stop: sampling.stop }),
    ...(capabilities.seed ? { seed: sampling.seed } : {}),
    ...(capabilities.extendedSampling ? extendedSampling(sampling.topK, sampling.minP, dialect) : {}),
    ...dialectFields(dialect),
    ...(jsonSchema === undefined ? {} : constraint(jsonSchema, prompt.kind, dialect)),
  };
}

function extendedSampling(topK: number, minP: number, dialect: Dialect): JsonObject {
  // vLLM (before 0.8) and SGLang write "off" as -1 and refuse 0; llama.cpp and the hosted ones write 0.
  const off = dialect === 'vllm' || dialect === 'sglang' ? -1 : 0;
  return { top_k: topK === 0 ? off : topK, min_p: minP };
}

/** What else would change an answer if the server's start-up flags or the model's generation_config set it. */
function dialectFields(dialect: Dialect): JsonObject {
  switch (dialect) {
    case 'openai':
    case 'scorer':
      return {};
    case 'llama.cpp':
      return { cache_prompt: true, repeat_penalty: 1, presence_penalty: 0, frequency_penalty: 0, typical_p: 1 };
    case 'vllm':
    case 'sglang':
      return { repetition_penalty: 1, presence_penalty: 0, frequency_penalty: 0 };
  }
}

/** A JSON Schema for the output. `response_format` in chat everywhere; raw completions have a name of their own at each server. */
function constraint(schema: JsonValue, kind: 'chat' | 'completion', dialect: Dialect): JsonObject {
  if (kind === 'completion' && dialect === 'llama.cpp') {
    return { json_schema: schema };
  }
  if (kind === 'completion' && dialect === 'sglang') {
    return { json_schema: JSON.stringify(schema) };
  }
  return { response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } } };
}

function parseBaseUrl(baseUrl: string): URL {
  const wrong = (why: string): ArteError =>
    new ArteError('InvalidConfig', {
      what: 'base_url of an endpoint cannot be used.',
      why,
      next: 'Write it like http://host:8000/v1, with the key as api_key: ${env:NAME}.',
    });
  if (!URL.canParse(baseUrl)) {
    throw wrong('It is no URL.');
  }
  const url = new URL(baseUrl);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw wrong('It is neither http nor https.');
  }
  if (url.username !== '' || url.password !== '') {
    throw wrong('It holds a user name or a password, and secrets are only ever read from the environment.');
  }
  return url;
}

function checkedKey(apiKey: string): string {
  if (!/^[\x21-\x7e]+$/.test(apiKey)) {
    throw new ArteError('InvalidConfig', {
      what: 'The API key of an endpoint cannot be sent.',
      why: 'It is empty or holds a space, a line break or a character that no HTTP header may hold.',
      next: 'Look at the environment variable it comes from; a line break at its end is the usual cause.',
    });
  }
  return apiKey;
}

// ---- the response ------------------------------------------------------------------------------------------------

interface RawResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

type Fail = (
  cause: CallFailureCause,
  message: string,
  retryAfterMs?: number,
  spent?: CallFailure['spent'],
) => CallFailure;

interface Choice {
  readonly finish_reason?: string | null;
  readonly text?: unknown;
  readonly message?: { readonly content?: unknown; readonly refusal?: unknown };
}

interface CompletionBody {
  readonly choices?: readonly Choice[];
  readonly usage?: {
    readonly prompt_tokens?: unknown;
    readonly completion_tokens?: unknown;
    readonly prompt_tokens_details?: { readonly cached_tokens?: unknown } | null;
    /** DeepSeek's name for it. */
    readonly prompt_cache_hit_tokens?: unknown;
  } | null;
  /** llama.cpp. */
  readonly timings?: { readonly cache_n?: unknown } | null;
  readonly error?: unknown;
}

/** Bytes that an answer of so many tokens may have. */
function answerBytesOf(tokens: number, bytesPerToken: number = limits.answerBytesPerToken): number {
  return Math.min(limits.answerBytesMax, limits.answerBytesFixed + tokens * bytesPerToken);
}

/** Why `more` bytes of an answer that has `bytes` are not taken. */
function tooLarge(
  bytes: number,
  more: number,
  bytesMax: number,
): { readonly cause: CallFailureCause; readonly said: string } | undefined {
  if (bytes + more > bytesMax) {
    const said = `The answer is larger than ${String(bytesMax)} bytes, which is many times what was asked for: the server does not keep to max_tokens, or sends something else.`;
    return { cause: 'too-large', said };
  }
  if (onTheWayBytes + more <= limits.answersOnTheWayBytesMax) {
    return undefined;
  }
  const said = `Answers on their way take more than ${String(limits.answersOnTheWayBytesMax)} bytes together: fewer are asked for at a time.`;
  return { cause: 'overloaded', said };
}

function readResponse(response: RawResponse, fail: Fail): ModelAnswer {
  const { status, text } = response;
  if (status !== 200) {
    return refusalOrFailure(status, response, fail);
  }
  let body: CompletionBody | null;
  try {
    body = JSON.parse(text) as CompletionBody | null;
  } catch {
    throw unreadable(response, fail);
  }
  const [first, ...others] = body?.choices ?? [];
  if (first === undefined) {
    const code = errorFields(body?.error).code;
    if (body?.error !== undefined && body.error !== null) {
      // Some gateways put an upstream's failure into a 200.
      const inner = /^[45]\d\d$/.test(code) ? Number(code) : 500;
      // Whoever turned the call away did not work on it, unless it says what that took.
      const { usageUntold = [] } = usageOf(body);
      const saysNothing = usageUntold.includes('input') && usageUntold.includes('output');
      const spent = saysNothing ? undefined : spentBy(body, 0);
      return refusalOrFailure(inner, response, (cause, message, retryAfterMs) =>
        fail(cause, message, retryAfterMs, spent),
      );
    }
    throw fail('garbage', `The answer has no choices: ${quote(text)}`, undefined, spentBy(body));
  }
  const read = (choice: Choice): AnswerChoice =>
    readChoice(choice, text, (cause, message) => fail(cause, message, undefined, spentBy(body)));
  const answers = [read(first), ...others.map(read)] as const;
  const wrote = answers.some((answer) => answer.text !== '');
  return {
    ...answers[0],
    ...(others.length === 0 ? {} : { others: answers.slice(1) }),
    // Gateways that count nothing write 0, and no prompt has no token.
    ...usageOf(body, { input: 1, output: wrote ? 1 : 0 }),
  };
}

function readChoice(choice: Choice, text: string, fail: Fail): AnswerChoice {
  const content = choice.message === undefined ? choice.text : textOf(choice.message.content);
  const refusal = typeof choice.message?.refusal === 'string' ? choice.message.refusal : '';
  if (choice.finish_reason === 'content_filter' || refusal !== '') {
    return { text: wellFormed(typeof content === 'string' && content !== '' ? content : refusal), finish: 'refused' };
  }
  if (choice.finish_reason === 'abort' || choice.finish_reason === 'error') {
    throw fail('server-error', `The server gave the call up (finish_reason ${choice.finish_reason}).`);
  }
  if (typeof content !== 'string') {
    throw fail('garbage', `The answer has no text: ${quote(text)}`);
  }
  return { text: wellFormed(content), finish: choice.finish_reason === 'length' ? 'length' : 'stop' };
}

/** Content is a string, nothing (a reasoning model that ran out of tokens), or a list of parts. */
function textOf(content: unknown): unknown {
  if (content === null) {
    return '';
  }
  if (Array.isArray(content)) {
    return content.map((part: { text?: unknown }) => (typeof part.text === 'string' ? part.text : '')).join('');
  }
  return content;
}

/** `least`: what a count can be at least. Servers send null, strings, and more cached tokens than the prompt has: none of that may reach a price. */
function usageOf(
  body: CompletionBody | null,
  least = { input: 0, output: 0 },
): Pick<ModelAnswer, 'usage' | 'usageUntold'> {
  const { usage, timings } = body ?? {};
  const input = countOf(usage?.prompt_tokens, least.input);
  const output = countOf(usage?.completion_tokens, least.output);
  const cachedSaid =
    usage?.prompt_tokens_details?.cached_tokens ?? usage?.prompt_cache_hit_tokens ?? timings?.cache_n ?? 0;
  const cached = countOf(cachedSaid, 0);
  // The cached part of an estimated prompt is not known either: all of it is taken at the full price.
  const cachedInputTokens = input === undefined ? 0 : Math.min(cached ?? 0, input);
  const untold: UntoldCount[] = [];
  if (input === undefined) untold.push('input');
  else if (cached !== cachedInputTokens) untold.push('cached');
  if (output === undefined) untold.push('output');
  return {
    usage: { inputTokens: input ?? 0, cachedInputTokens, outputTokens: output ?? 0 },
    ...(untold.length > 0 && { usageUntold: untold }),
  };
}

/** A count as a server may mean it: a whole number, or its digits. Undefined where it is missing or cannot be. */
function countOf(said: unknown, least: number): number | undefined {
  const count = typeof said === 'string' && /^\d+$/.test(said) ? Number(said) : said;
  const isCount = typeof count === 'number' && Number.isInteger(count) && count >= least && count <= callTokensMax;
  return isCount ? count : undefined;
}

/** What a call took that was answered with nothing that can be used. */
function spentBy(body: CompletionBody | null, inputLeast = 1): CallFailure['spent'] {
  const { usage, usageUntold = [] } = usageOf(body, { input: inputLeast, output: 0 });
  return usageUntold.includes('input') || usageUntold.includes('output') ? 'untold' : usage;
}

/** A 200 whose body is no JSON. */
function unreadable({ headers, text }: RawResponse, fail: Fail): CallFailure {
  const type = headers['content-type'] ?? '';
  if (type.includes('text/html') || /^\s*<(!doctype|html|head|body)/i.test(text)) {
    return fail('not-compatible', 'It answers with a web page: the address is not that of an OpenAI-compatible API.');
  }
  if (type.includes('text/event-stream')) {
    return fail('not-compatible', 'It streams although it was not asked to.');
  }
  const trimmed = text.trim();
  if (trimmed.startsWith('{') && !trimmed.endsWith('}')) {
    return fail('reset', `The answer was cut off after ${String(text.length)} characters.`, undefined, 'untold');
  }
  return fail('garbage', `The answer is no JSON: ${quote(text)}`, undefined, 'untold');
}

const contextPattern =
  /context_length|exceed_context_size|context (length|size|window)|maximum (context|model) length|max_model_len|(prompt|input|request).{0,40}(too long|too large|exceeds)|longer than the (maximum )?model/i;
const moneyPattern = /billing|insufficient (credits?|balance|funds)|payment required|credit balance/i;
/** A used-up rate comes back by itself, whatever the answer says of plans and payment beside it. */
const ratePattern =
  /rate.?limit|too.many.requests|(requests|tokens) per (second|minute|hour|day)|\b(re)?try (again )?in \d/i;
/** Where to read more, or to pay for more: said of any error. */
const addressPattern = /https?:\/\/\S+|\b[\w-]+(\.[\w-]+)+\/\S*/gi;
const contentPattern = /\bmoderation\b|\bflagged\b|content[ _-](filter|policy)/i;
const modelPattern =
  /model_not_found|model.{0,80}(not exist|not found|not a valid|unknown|not available)|(unknown|invalid|no such|not a valid) model/i;

/** Any status but 200: the cause by which the row engine acts. A content filter's refusal is an answer, not a failure. */
function refusalOrFailure(status: number, { headers, text }: RawResponse, fail: Fail): ModelAnswer {
  const error = describeError(text);
  const said = `HTTP ${String(status)}${error.said === '' ? '' : `: ${quote(error.said)}`}`;
  const retryAfterMs = retryAfter(headers);
  if (isContentRefusal(status, error)) {
    return { text: '', finish: 'refused', usage: { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 } };
  }
  if (status === 402 || (status < 500 && saysOutOfMoney(error))) {
    throw fail('out-of-money', said);
  }
  if (status === 401 || status === 403) {
    throw fail('unauthorized', said);
  }
  if (status === 429 || status === 503 || status === 529) {
    throw retryAfterMs === undefined ? fail('overloaded', said) : fail('rate-limited', said, retryAfterMs);
  }
  if (status === 413 || contextPattern.test(error.all)) {
    throw fail('context-too-long', said);
  }
  if (status >= 500) {
    throw fail('server-error', said);
  }
  if (
    (status === 404 && /model/i.test(error.all) && !error.html) ||
    ((status === 400 || status === 422) && modelPattern.test(error.all))
  ) {
    throw fail('unknown-model', said);
  }
  if (status === 404 || status === 405 || status < 400) {
    const location = headers.location === undefined ? '' : ` It points to ${headers.location}.`;
    throw fail(
      'not-compatible',
      `${said}: there is no such call at this address; base_url ends in /v1 as a rule.${location}`,
    );
  }
  if (status === 408) {
    throw fail('timeout', said);
  }
  if (status === 409 || status === 425) {
    throw fail('server-error', said);
  }
  throw fail('bad-request', said);
}

/** Gateways refuse a prompt as a 403, which else speaks of the key; words about the account or the key are no word about the prompt. */
function isContentRefusal(status: number, { code, all }: ErrorDescription): boolean {
  if (/content_(filter|policy)/i.test(code)) {
    return status === 400 || status === 403;
  }
  return status === 403 && contentPattern.test(all) && !/\b(account|organi[sz]ation|key)\b/i.test(all);
}

/** A 429 and a 413 speak of billing too: whoever pays more has a higher rate. */
function saysOutOfMoney({ code, all }: ErrorDescription): boolean {
  if (/insufficient_quota/i.test(code)) {
    return true;
  }
  const words = all.slice(0, errorCharactersRead).replace(addressPattern, ' ');
  return moneyPattern.test(words) && !ratePattern.test(`${words} ${code}`);
}

interface ErrorDescription {
  /** What a person should read. */
  readonly said: string;
  readonly code: string;
  /** Everything that patterns may look at. */
  readonly all: string;
  readonly html: boolean;
}

/** Error bodies as OpenAI, llama.cpp, vLLM (old and new), SGLang and FastAPI write them; else the text itself. */
function describeError(text: string): ErrorDescription {
  try {
    const body = JSON.parse(text) as { error?: unknown; message?: unknown; detail?: unknown };
    const { message, code, type } = errorFields(body.error ?? body.detail ?? body);
    return {
      said: message === '' ? text : message,
      code: `${code} ${type}`,
      all: `${message} ${code} ${type}`,
      html: false,
    };
  } catch {
    const html = /^\s*</.test(text);
    // A web page is told by its title.
    const said = html ? (/<title>([^<]*)<\/title>/i.exec(text)?.[1] ?? 'a web page') : text;
    return { said, code: '', all: said.slice(0, errorCharactersRead), html };
  }
}

function errorFields(error: unknown): { message: string; code: string; type: string } {
  if (typeof error === 'string') {
    return { message: error, code: '', type: '' };
  }
  const { message, code, type } = (error ?? {}) as { message?: unknown; code?: unknown; type?: unknown };
  const word = (value: unknown): string =>
    typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  return { message: word(message), code: word(code), type: word(type) };
}

/** Milliseconds to wait as told: `retry-after-ms`, or `retry-after` in seconds or as a date (by the server's own clock, if it tells). */
function retryAfter(headers: IncomingHttpHeaders): number | undefined {
  const exact = Number(firstOf(headers['retry-after-ms']) ?? Number.NaN);
  if (Number.isFinite(exact) && exact >= 0) {
    return exact;
  }
  const value = firstOf(headers['retry-after']);
  if (value === undefined || value.trim() === '') {
    return undefined;
  }
  const seconds = Number(value);
  if (Number.isFinite(seconds)) {
    return Math.max(0, seconds * 1000);
  }
  const at = Date.parse(value);
  if (Number.isNaN(at)) {
    return undefined;
  }
  const served = Date.parse(firstOf(headers.date) ?? '');
  return Math.max(0, at - (Number.isNaN(served) ? Date.now() : served));
}

/** A header that a proxy has written a second time comes as a list, whatever its type says. */
function firstOf(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : header?.[0];
}

function quote(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length <= quotedCharactersMax ? line : `${line.slice(0, quotedCharactersMax)}…`;
}
