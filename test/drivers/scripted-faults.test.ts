/** The bad network by rule. Goal: every fault can be had, by seeded chance. Method: rates of one, then shares over many calls that are tried again. */
import { CallFailure } from '../../drivers/model/model';
import { createScriptedEndpoint } from '../../drivers/model/scripted';
import { chat } from './model.conformance';

const never = new AbortController().signal;

describe('faults', () => {
  it.each([
    [{ rate_429: 1 }, 'overloaded', undefined],
    [{ rate_429: 1, retry_after_ms: 70 }, 'rate-limited', 70],
    [{ rate_500: 1 }, 'server-error', undefined],
    [{ rate_reset: 1 }, 'reset', undefined],
    [{ rate_timeout: 1 }, 'timeout', undefined],
    [{ rate_garbage: 1 }, 'garbage', undefined],
    [{ fail_with: 'unauthorized' }, 'unauthorized', undefined],
  ])('%p fails as %s', async (options, cause, retryAfterMs) => {
    const call = createScriptedEndpoint('faulty', options).complete(chat('x'), never);
    await expect(call).rejects.toBeInstanceOf(CallFailure);
    await expect(call).rejects.toMatchObject({ callCause: cause, retryAfterMs });
  });

  it('come at their rates, the same ones for the same seed, and a second try has a new chance', async () => {
    const run = async (fault_seed: number): Promise<{ failed: number[]; tries: number }> => {
      const options = { script: 'prefers-short', p_with: 1, rate_500: 0.1, rate_429: 0.05, fault_seed };
      const endpoint = createScriptedEndpoint('faulty', options);
      const failed: number[] = [];
      let tries = 0;
      for (let index = 0; index < 1_000; index += 1) {
        for (let answered = false; !answered;) {
          tries += 1;
          answered = await endpoint.complete(chat(`Question: ${index} or 5?`), never).then(
            () => true,
            () => (failed.push(index), false),
          );
        }
      }
      return { failed, tries };
    };
    const first = await run(1);
    expect(await run(1)).toEqual(first);
    expect((await run(2)).failed).not.toEqual(first.failed);
    expect(first.tries).toBeGreaterThan(1_120);
    expect(first.tries).toBeLessThan(1_240);
  });

  it('can be answers too', async () => {
    const at = (options: Record<string, number>) =>
      createScriptedEndpoint('faulty', options).complete(chat('x'), never);
    expect(await at({ rate_refused: 1 })).toMatchObject({ text: '', finish: 'refused' });
    expect((await at({ rate_malformed: 1 })).text).toBe('mumble mumble');
  });
});
