/**
 * One HTTP request to an endpoint, its answer whole in memory, within a deadline and within bounds.
 *
 * Owns: connections, the deadline, how large an answer may get, and what a connection that failed means.
 * Leaves to openai-http.ts what is sent and where, to openai-answer.ts and openai-failure.ts what an answer says, to the caller the words of failures.
 *
 * Invariants:
 * 1. A request is never repeated here.
 * 2. A call holds no more than what was asked for can take, and never more than answerBytesMax; all calls of a process no more than
 *    answersOnTheWayBytesMax.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { Pool, type Dispatcher } from 'undici';
import * as limits from '../../schemas/limits';
import type { CallFailure, CallFailureCause } from './model';
import { onAbort } from './shared-aborts';

/** An answer as it came, without the key. */
export interface RawResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** Makes the failure of a call; no key stands in it. */
export type MakeFailure = (
  cause: CallFailureCause,
  message: string,
  retryAfterMs?: number,
  status?: number,
  spent?: CallFailure['spent'],
) => CallFailure;

export interface TransportOptions {
  /** Scheme, host and port. */
  readonly origin: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly connectionsMax: number;
  /** From sending to the last byte of the answer. */
  readonly timeoutMs: number;
  /** A text of the server without the key. */
  readonly clean: (text: string) => string;
  readonly failure: MakeFailure;
}

/** Bytes of all answers on their way to this process. */
let onTheWayBytes = 0;
/** What a piece of an answer takes beside its bytes: a server may send them one by one. */
const pieceBytes = 128;

/** Connects with the first request. */
export class HttpTransport {
  private readonly pool: Pool;

  constructor(private readonly options: TransportOptions) {
    this.pool = new Pool(options.origin, {
      connections: options.connectionsMax,
      pipelining: 1,
      connect: { timeout: limits.connectTimeoutMs },
      // The call has a deadline of its own; undici's two would only cut it into parts.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  /** One request, the answer whole in memory. By undici's dispatch, without a stream in between. */
  send(path: string, body: string, bytesMax: number, signal: AbortSignal): Promise<RawResponse> {
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
        fail(this.options.failure('timeout', said, undefined, undefined, spent));
      }, timeoutMs);

      let sentAt = Infinity;
      let status = 0;
      let headers: IncomingHttpHeaders = {};
      const chunks: Buffer[] = [];
      this.pool.dispatch(
        { path, method: 'POST', headers: this.options.headers, body },
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
              fail(this.options.failure(large.cause, large.said, undefined, status, spent));
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
              resolve({ status, headers, text: this.options.clean(whole.toString('utf8')) });
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

  /** Drop the connections; requests in flight fail as reset. */
  async close(): Promise<void> {
    await this.pool.destroy();
  }

  private transportFailure(error: Error, spent: CallFailure['spent']): CallFailure {
    const code = (error as NodeJS.ErrnoException).code ?? error.name;
    const timeout = code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT';
    const said = `The connection failed: ${code} ${error.message}`;
    return this.options.failure(timeout ? 'timeout' : 'reset', said, undefined, undefined, spent);
  }
}

/** Bytes that an answer of so many tokens may have. */
export function answerBytesOf(tokens: number, bytesPerToken: number = limits.answerBytesPerToken): number {
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
