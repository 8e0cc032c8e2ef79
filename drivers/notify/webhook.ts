/** A message as a POST request. Redirects are not followed: the message and its headers go where the config says, and nowhere else. */
import { request } from 'undici';
import { DeliveryFailure, type NotifyTarget } from './notifier';

type Webhook = Extract<NotifyTarget, { kind: 'webhook' }>;

/** Of an answer that refuses: so much is quoted. */
const quotedCharactersMax = 200;
/** So much of an answer is read: a receiver's page is of no interest. */
const answerBytesRead = 4_096;

/** 2xx is delivered; time-outs, 408, 425, 429 and 5xx may be so next time, everything else is final. Errors: DeliveryFailure. */
export async function postWebhook(
  { url, headers, timeoutMs }: Webhook,
  body: string,
  id: string,
  signal: AbortSignal,
): Promise<void> {
  const deadline = AbortSignal.timeout(timeoutMs);
  let answer: Awaited<ReturnType<typeof request>>;
  try {
    answer = await request(url, {
      method: 'POST',
      // The project's own last: a config cannot make it something else.
      headers: { ...headers, 'content-type': 'application/json', 'idempotency-key': id },
      body,
      signal: AbortSignal.any([signal, deadline]),
    });
  } catch (error) {
    signal.throwIfAborted();
    if (deadline.aborted) throw new DeliveryFailure(`It did not answer within ${timeoutMs / 1000} s.`, false);
    const { code, message } = error as NodeJS.ErrnoException;
    throw new DeliveryFailure(`The connection failed: ${code ?? message}.`, false);
  }
  // The status is the word. What follows may never come to an end: a message that arrived would count as one that did not, and be sent again.
  const status = answer.statusCode;
  if (status >= 200 && status < 300) {
    void answer.body.dump();
    return;
  }
  const said = await beginningOf(answer.body);
  signal.throwIfAborted();
  const retried = status >= 500 || status === 408 || status === 425 || status === 429;
  const quoted = said === '' ? '' : `: ${said.replaceAll(/\s+/g, ' ').trim().slice(0, quotedCharactersMax)}`;
  throw new DeliveryFailure(`It answered with HTTP ${status}${quoted}`, !retried);
}

/** What came of it, where it breaks off or the time is over. */
async function beginningOf(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes >= answerBytesRead) break;
    }
  } catch {
    // It is only quoted.
  }
  return Buffer.concat(chunks).subarray(0, answerBytesRead).toString('utf8');
}
