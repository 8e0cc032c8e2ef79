/**
 * What every model driver does, real, remote or scripted. Goal: the promises of drivers/model/model.ts, seen from outside.
 * Method: small requests that any model can answer; nothing here looks at what an answer says.
 */
import type { ModelEndpoint } from '../../drivers/model/model';
import type { ModelRequest, Sampling } from '../../schemas/rows';

export const greedy: Sampling = { temperature: 0, topP: 1, topK: 0, minP: 0, maxTokens: 12, stop: [], seed: 1 };

export function chat(content: string, sampling: Partial<Sampling> = {}): ModelRequest {
  return { prompt: { kind: 'chat', messages: [{ role: 'user', content }] }, sampling: { ...greedy, ...sampling } };
}

export function completion(text: string, sampling: Partial<Sampling> = {}): ModelRequest {
  return { prompt: { kind: 'completion', text }, sampling: { ...greedy, ...sampling } };
}

export interface EndpointUnderTest {
  readonly endpoint: ModelEndpoint;
  /** A message that the endpoint answers with a few words or more. */
  readonly question: string;
  /** Raw text that it goes on with; to a raw model a question may be the end of the text. Default: the question. */
  readonly opening?: string;
  /** Where the endpoint answers at once by itself: make its next call take seconds, or give another one that does. */
  readonly slowDown?: () => ModelEndpoint;
}

/** Run all promises of the interface against an endpoint. Call it at the top of the driver's test file. */
export function modelConformance(name: string, start: () => Promise<EndpointUnderTest>): void {
  describe(`${name} keeps the promises of a model endpoint`, () => {
    let under: EndpointUnderTest;
    const never = new AbortController().signal;

    beforeAll(async () => {
      under = await start();
    }, 900_000);

    it('has an id, and a start of concurrency that is no more than its ceiling', () => {
      const { id, concurrency } = under.endpoint;
      expect(id).not.toBe('');
      expect(concurrency.start).toBeGreaterThanOrEqual(1);
      expect(concurrency.max).toBeGreaterThanOrEqual(concurrency.start);
    });

    it('answers a conversation, with what it used', async () => {
      const answer = await under.endpoint.complete(chat(under.question), never);
      expect(answer.text).not.toBe('');
      expect(['stop', 'length']).toContain(answer.finish);
      const { inputTokens, cachedInputTokens, outputTokens } = answer.usage;
      expect(inputTokens).toBeGreaterThan(0);
      expect(cachedInputTokens).toBeGreaterThanOrEqual(0);
      expect(cachedInputTokens).toBeLessThanOrEqual(inputTokens);
      expect(outputTokens).toBeGreaterThan(0);
    });

    it('answers raw text, or refuses it as it declares', async () => {
      const call = under.endpoint.complete(completion(under.opening ?? under.question), never);
      if (under.endpoint.capabilities.completion) {
        expect((await call).text).not.toBe('');
      } else {
        await expect(call).rejects.toMatchObject({ name: 'CallFailure', callCause: 'bad-request' });
      }
    });

    it('says the same again at temperature 0', async () => {
      const request = chat(`${under.question} `);
      const first = await under.endpoint.complete(request, never);
      const second = await under.endpoint.complete(request, never);
      expect(second.text).toBe(first.text);
    });

    it('stops at maxTokens and says so', async () => {
      const answer = await under.endpoint.complete(chat(under.question, { maxTokens: 2 }), never);
      expect(answer.finish).toBe('length');
      expect(answer.usage.outputTokens).toBeLessThanOrEqual(2);
    });

    it('stops at a stop word and does not give it out', async () => {
      const whole = await under.endpoint.complete(chat(under.question), never);
      const word = whole.text.trim().slice(1, 4);
      const answer = await under.endpoint.complete(chat(under.question, { stop: [word] }), never);
      expect(answer.text).not.toContain(word);
      expect(answer.text.length).toBeLessThan(whole.text.length);
      expect(answer.finish).toBe('stop');
    });

    it('brings several answers to one prompt in one call, the prompt counted once, or refuses as it declares', async () => {
      const sampled = { temperature: 1, maxTokens: 6 };
      const call = under.endpoint.complete({ ...chat(under.question, sampled), answers: 2 }, never);
      if (!under.endpoint.capabilities.n) {
        await expect(call).rejects.toMatchObject({ callCause: 'bad-request' });
        return;
      }
      const one = await under.endpoint.complete(chat(under.question, sampled), never);
      const two = await call;
      expect(one.others).toBeUndefined();
      expect(two.others).toHaveLength(1);
      expect(two.usage.inputTokens).toBe(one.usage.inputTokens);
      expect(two.usage.outputTokens).toBeGreaterThan(1);
      expect(two.usage.outputTokens).toBeLessThanOrEqual(12);
    });

    it('works on several calls at once', async () => {
      const questions = Array.from({ length: 4 }, (_, index) => `${under.question} (${String(index)})`);
      const answers = await Promise.all(
        questions.map((question) => under.endpoint.complete(chat(question, { maxTokens: 6 }), never)),
      );
      for (const answer of answers) {
        expect(answer.text).not.toBe('');
        expect(answer.usage.outputTokens).toBeLessThanOrEqual(6);
      }
    });

    it('ends at once when it is told to, with the reason it was given', async () => {
      const slow = under.slowDown?.() ?? under.endpoint;
      const abort = new AbortController();
      const call = slow.complete(chat(under.question, { maxTokens: 400 }), abort.signal);
      const ended = call.then(
        () => 'answered',
        (error: unknown) => error,
      );
      await new Promise((resolve) => setTimeout(resolve, 100));
      const reason = new Error('told to end');
      const before = Date.now();
      abort.abort(reason);
      const outcome = await ended;
      // At once, on a machine whose processors others have: 1.7 s were seen there.
      expect(Date.now() - before).toBeLessThan(5_000);
      expect(outcome === reason || outcome === 'answered').toBe(true);
      if (under.slowDown !== undefined) {
        expect(outcome).toBe(reason);
      }
      // And does not begin when it was told to end before.
      await expect(slow.complete(chat(under.question), abort.signal)).rejects.toBe(reason);
    });

    it('constrains the output by a JSON schema, or refuses as it declares', async () => {
      const jsonSchema = {
        type: 'object',
        properties: { answer: { type: 'string', enum: ['True', 'False'] } },
        required: ['answer'],
        additionalProperties: false,
      };
      const prompts = [
        chat(under.question, { maxTokens: 40 }),
        completion(under.opening ?? under.question, { maxTokens: 40 }),
      ];
      for (const request of prompts) {
        const call = under.endpoint.complete({ ...request, jsonSchema }, never);
        const { structured, completion: raw } = under.endpoint.capabilities;
        if (!structured || (request.prompt.kind === 'completion' && !raw)) {
          await expect(call).rejects.toMatchObject({ callCause: 'bad-request' });
        } else {
          expect(['True', 'False']).toContain((JSON.parse((await call).text) as { answer: string }).answer);
        }
      }
    });
  });
}
