/**
 * What every endpoint that declares prompt_logprobs does, real, remote or scripted. Goal: the promises about a given text
 * (schemas/rows.ts, ModelRequest.given), seen from outside. Method: the chain rule and repetition hold for any model; no number is known.
 */
import type { ModelEndpoint } from '../../drivers/model/model';
import type { ModelRequest, ScoredToken } from '../../schemas/rows';
import { chat, completion } from './model.conformance';

export interface ScoringEndpointUnderTest {
  readonly endpoint: ModelEndpoint;
  /** False where tokens have a probability of their own each, so that what comes before does not change them. */
  readonly looksBack: boolean;
}

const opening = 'Question: Which number is larger, 12 or 47?\nAnswer: We look at the tens first.';

function given(prompt: ModelRequest, text: string, lead = ''): ModelRequest {
  return { ...prompt, given: { lead, text } };
}

export function givenTextConformance(name: string, start: () => Promise<ScoringEndpointUnderTest>): void {
  describe(`${name} says how probable a given text is`, () => {
    let under: ScoringEndpointUnderTest;
    const never = new AbortController().signal;
    const score = async (request: ModelRequest): Promise<readonly ScoredToken[]> => {
      const { tokens, text, usage } = await under.endpoint.complete(request, never);
      expect(text).toBe('');
      expect(usage.inputTokens).toBeGreaterThan(tokens?.length ?? 0);
      return tokens ?? [];
    };

    beforeAll(async () => {
      under = await start();
      expect(under.endpoint.capabilities.promptLogprobs).toBe(true);
    }, 300_000);

    it.each([
      ['raw text', completion(opening), ' 47 is larger.'],
      ['a conversation', chat(opening), '47 is larger.'],
    ])('after %s: a log-probability and a rank for every token', async (_kind, prompt, text) => {
      const tokens = await score(given(prompt, text));
      expect(tokens.length).toBeGreaterThan(2);
      for (const { logprob, rank } of tokens) {
        expect(logprob).toBeLessThanOrEqual(0);
        expect(Number.isFinite(logprob)).toBe(true);
        expect(Number.isInteger(rank)).toBe(true);
        expect(rank).toBeGreaterThanOrEqual(1);
        // The first choice has the largest share; so many before it leave it less than 1 / rank.
        expect(logprob).toBeLessThanOrEqual(-Math.log(rank) + 0.7);
      }
      const again = await score(given(prompt, text));
      expect(again).toHaveLength(tokens.length);
      again.forEach(({ logprob, rank }, at) => {
        expect(Math.abs(logprob - (tokens[at] as ScoredToken).logprob)).toBeLessThan(1e-4);
        expect(rank).toBe((tokens[at] as ScoredToken).rank);
      });
    });

    it('a lead comes before the text and is not scored', async () => {
      const whole = await score(given(completion(opening), ' So the answer is 47 .'));
      const rest = await score(given(completion(opening), ' is 47 .', ' So the answer'));
      const lead = await score(given(completion(opening), ' So the answer'));
      expect(lead.length + rest.length).toBe(whole.length);
      if (!under.looksBack) return;
      [...lead, ...rest].forEach(({ logprob, rank }, at) => {
        expect(Math.abs(logprob - (whole[at] as ScoredToken).logprob)).toBeLessThan(1e-4);
        expect(rank).toBe((whole[at] as ScoredToken).rank);
      });
    });

    it('rows asked at once are as probable as alone', async () => {
      const rows = Array.from({ length: 12 }, (_, at) =>
        given(completion(opening), ` ${at} is ${'more or less '.repeat(at % 4)}the answer.`),
      );
      const together = await Promise.all(rows.map((row) => score(row)));
      for (const [at, row] of rows.entries()) {
        const alone = await score(row);
        expect(together[at]).toHaveLength(alone.length);
        alone.forEach(({ logprob }, token) =>
          expect(Math.abs(logprob - (together[at]?.[token] as ScoredToken).logprob)).toBeLessThan(1e-4),
        );
      }
    });
  });
}
