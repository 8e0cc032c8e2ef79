/**
 * The reading of an endpoint's answer: its texts, how each ended, and what it took.
 *
 * Owns: the shape of an answer, and what of a 200 is none. Leaves counts to openai-usage.ts, what a failure means to openai-failure.ts.
 *
 * Invariant: a text of an answer is well-formed.
 */
import type { AnswerChoice, ModelAnswer } from '../../schemas/rows';
import { wellFormed } from '../../schemas/well-formed';
import { errorFields, quote, refusalOrFailure, unreadable, type Fail } from './openai-failure';
import type { RawResponse } from './openai-transport';
import { spentBy, usageOf, type CountedBody } from './openai-usage';

interface Choice {
  readonly finish_reason?: string | null;
  readonly text?: unknown;
  readonly message?: { readonly content?: unknown; readonly refusal?: unknown } | null;
}

/** The body of an answer. */
export interface CompletionBody extends CountedBody {
  /** A list, of a server that keeps to the protocol. */
  readonly choices?: unknown;
  readonly error?: unknown;
}

/** An answer, or throws what `fail` makes. A content filter's refusal is an answer, whatever its status. */
export function readResponse(response: RawResponse, fail: Fail): ModelAnswer {
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
  const [first, ...others] = Array.isArray(body?.choices) ? (body.choices as unknown[]) : [];
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
  const read = (choice: unknown): AnswerChoice =>
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

/** An answer as a server ends it that knows the stop words: each text up to the first of them. */
export function endedAt(answer: ModelAnswer, stop: readonly string[]): ModelAnswer {
  const ended = <Choice extends AnswerChoice>(choice: Choice): Choice => {
    const found = stop.filter((word) => word !== '').map((word) => choice.text.indexOf(word));
    const ends = found.filter((at) => at !== -1);
    if (ends.length === 0 || choice.finish === 'refused') return choice;
    return { ...choice, text: choice.text.slice(0, Math.min(...ends)), finish: 'stop' };
  };
  const { others } = answer;
  return { ...ended(answer), ...(others === undefined ? {} : { others: others.map(ended) }) };
}

function readChoice(said: unknown, text: string, fail: Fail): AnswerChoice {
  if (typeof said !== 'object' || said === null) {
    throw fail('garbage', `The answer has a choice that is none: ${quote(text)}`);
  }
  const choice: Choice = said;
  const content = choice.message ? textOf(choice.message.content) : choice.text;
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
    return content.map((part: { text?: unknown } | null) => (typeof part?.text === 'string' ? part.text : '')).join('');
  }
  return content;
}
