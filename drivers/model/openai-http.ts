/**
 * Any OpenAI-compatible endpoint over HTTP: OpenAI and its like, llama.cpp's server, vLLM, SGLang.
 *
 * Owns: one call: which requests it takes, and that the key stands in nothing that comes of it.
 * Leaves bodies to openai-request.ts and given-text.ts, the request itself and its bounds to openai-transport.ts, the reading of answers to
 * openai-answer.ts, openai-usage.ts and openai-failure.ts; to the row engine retries and how many calls are in flight, to llama-cpp.ts the starting of a
 * server.
 *
 * Invariants:
 * 1. What an endpoint did not declare is refused as bad-request, not dropped in silence.
 * 2. One call is one HTTP request (of a given text at vLLM two more, to its tokenizer, which cost nothing), never repeated here: a repeated call is
 *    paid again, so only the engine may decide on it.
 * 3. The API key stands in no error and no answer, whatever a server echoes, in whatever form.
 */
import type { JsonObject } from '../../schemas/json';
import { scoredBytesPerToken } from '../../schemas/limits';
import type { GivenText, ModelAnswer, ModelRequest } from '../../schemas/rows';
import { secretRemover } from '../../schemas/secrets';
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
import { checkedKey, parseBaseUrl } from './openai-address';
import { endedAt, readResponse, type CompletionBody } from './openai-answer';
import { quote, refusalOrFailure, unreadable, type Fail } from './openai-failure';
import { requestBody, type RequestTarget } from './openai-request';
import { answerBytesOf, HttpTransport } from './openai-transport';
import { spentBy, usageOf } from './openai-usage';

export interface OpenAiEndpointOptions extends RequestTarget {
  /** Identifies limiter and metrics. */
  readonly id: string;
  /** Up to and including `/v1`. A query (`?api-version=…`) is kept. */
  readonly baseUrl: string;
  readonly apiKey?: string;
  readonly concurrency: { readonly start: number; readonly max: number };
  /** From sending to the last byte of the answer. */
  readonly timeoutMs: number;
}

export interface OpenAiEndpoint extends ModelEndpoint {
  /** Drop the connections; calls in flight fail as reset. Idle connections keep no process alive, so this is for tidiness. */
  close(): Promise<void>;
}

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
  private readonly transport: HttpTransport;
  private readonly chatPath: string;
  private readonly completionPath: string;
  /** vLLM's tokenizer stands beside /v1, not in it. */
  private readonly tokenizePath: string;
  private readonly scorePath: string;
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
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json',
      ...(options.apiKey === undefined ? {} : { authorization: `Bearer ${checkedKey(options.apiKey)}` }),
    };
    this.clean = secretRemover(options.apiKey === undefined ? [] : [options.apiKey]);
    this.transport = new HttpTransport({
      origin: url.origin,
      headers,
      connectionsMax: options.concurrency.max,
      timeoutMs: options.timeoutMs,
      clean: this.clean,
      failure: (...told) => this.failure(...told),
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
    const response = await this.transport.send(chat ? this.chatPath : this.completionPath, body, bytesMax, signal);
    const { status } = response;
    const answer = readResponse(response, (cause, message, retryAfterMs, spent) =>
      this.failure(cause, message, retryAfterMs, status, spent),
    );
    return this.options.omit?.includes('stop') === true ? endedAt(answer, request.sampling.stop) : answer;
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
    const bytesMax = answerBytesOf(sent.length, scoredBytesPerToken);
    const response = await this.transport.send(path, sent, bytesMax, signal);
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
    await this.transport.close();
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
