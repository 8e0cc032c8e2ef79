/**
 * Why a call that was answered gave no answer: the cause by which the row engine acts, from status, headers and words of servers and gateways.
 *
 * Owns: what their errors mean, how long one says to wait, and what of it is quoted.
 * Leaves to openai-transport.ts calls that were not answered, to openai-answer.ts an answer that can be read, to the caller that no key stands in a message.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { ModelAnswer } from '../../schemas/rows';
import type { CallFailure, CallFailureCause } from './model';
import type { RawResponse } from './openai-transport';

/** What a server says is cut to this many characters in a message. */
const quotedCharactersMax = 300;
/** Patterns look at so much of a long error: it says what it is in its first sentences. */
const errorCharactersRead = 2_000;

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

/** The list as a whole is set anew (`--set`): what it had before belongs into it, or that is refused next. */
const omitted = (field: string): string => `omit: [${field}], with what it lists already`;

/** What to set in an endpoint's config for a model that does not take a field of a call. */
const settingFor: ReadonlyMap<string, string> = new Map([
  ['max_tokens', 'token_limit_field: max_completion_tokens'],
  ['max_completion_tokens', 'token_limit_field: max_tokens'],
  ['temperature', omitted('temperature')],
  ['top_p', omitted('top_p')],
  ['stop', omitted('stop')],
  ['seed', 'capabilities: {seed: false}'],
  ['top_k', 'capabilities: {extended_sampling: false}'],
  ['min_p', 'capabilities: {extended_sampling: false}'],
]);

/** Sentences that name a field which is not taken: OpenAI's of today and of before, Anthropic's, LiteLLM's, pydantic's (Mistral, vLLM). A value out of range is none of them. */
const fieldPatterns: readonly RegExp[] = [
  /unsupported (?:parameter|value)s?:? ['"`]?(\w+)/i,
  /unrecognized request arguments? supplied: (\w+)/i,
  /['"`](\w+)['"`](?: parameter)? is (?:not supported|unsupported|deprecated)\b/i,
  /\band ['"`]?(\w+)['"`]? cannot both be specified/i,
  /does not support parameters?:? \[?['"`]?(\w+)/i,
  /['"]loc['"]: ?[[(]['"]body['"], ?['"](\w+)['"][\])].{0,40}extra inputs are not permitted/i,
];

/** Makes the failure of a call whose answer has a status. */
export type Fail = (
  cause: CallFailureCause,
  message: string,
  retryAfterMs?: number,
  spent?: CallFailure['spent'],
) => CallFailure;

/** Any status but 200: the cause by which the row engine acts. A content filter's refusal is an answer, not a failure. */
export function refusalOrFailure(status: number, { headers, text }: RawResponse, fail: Fail): ModelAnswer {
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
  const refusedField = status === 400 || status === 422 ? refusedFieldOf(error) : undefined;
  const setting = settingFor.get(refusedField ?? '');
  if (setting !== undefined) {
    throw fail('unsupported-parameter', `To be set in the model's endpoint: ${setting}. ${said}`);
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

/** A 200 whose body is no JSON. */
export function unreadable({ headers, text }: RawResponse, fail: Fail): CallFailure {
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

/** The field of a call that an error says is not taken. A limit on tokens that is only too high is taken. */
function refusedFieldOf({ code, param, all }: ErrorDescription): string | undefined {
  if (/unsupported_parameter/i.test(code) && param !== '') {
    return param;
  }
  if (/unsupported_value/i.test(code) && param !== '') {
    return /max_(completion_)?tokens/.test(param) ? undefined : param;
  }
  const words = all.slice(0, errorCharactersRead);
  return fieldPatterns.map((pattern) => pattern.exec(words)?.[1]).find((field) => field !== undefined);
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
  /** The field of the call that it is about; '' where it names none. */
  readonly param: string;
  /** Everything that patterns may look at. */
  readonly all: string;
  readonly html: boolean;
}

/** Error bodies as OpenAI, llama.cpp, vLLM (old and new), SGLang and FastAPI write them; else the text itself. */
function describeError(text: string): ErrorDescription {
  try {
    const body = JSON.parse(text) as { error?: unknown; message?: unknown; detail?: unknown };
    const { message, code, type, param } = errorFields(body.error ?? body.detail ?? body);
    return {
      said: message === '' ? text : message,
      code: `${code} ${type}`,
      param,
      all: `${message === '' ? text.slice(0, errorCharactersRead) : message} ${code} ${type}`,
      html: false,
    };
  } catch {
    const html = /^\s*</.test(text);
    // A web page is told by its title.
    const said = html ? (/<title>([^<]*)<\/title>/i.exec(text)?.[1] ?? 'a web page') : text;
    return { said, code: '', param: '', all: said.slice(0, errorCharactersRead), html };
  }
}

export function errorFields(error: unknown): { message: string; code: string; type: string; param: string } {
  if (typeof error === 'string') {
    return { message: error, code: '', type: '', param: '' };
  }
  const { message, code, type, param } = (error ?? {}) as Readonly<Record<string, unknown>>;
  const word = (value: unknown): string =>
    typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  return { message: word(message), code: word(code), type: word(type), param: word(param) };
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

export function quote(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length <= quotedCharactersMax ? line : `${line.slice(0, quotedCharactersMax)}…`;
}
