/**
 * Goal: whatever calls do, every row ends in its right outcome, the bytes depend on the answers alone, usage is what was paid, and the
 * shard stops with the right error when going on makes no sense.
 * Method: the real engine with real files, a scripted endpoint with faults, a store in memory; waits are milliseconds.
 */
import { existsSync, readdirSync } from 'node:fs';
import fc from 'fast-check';
import { runShard } from '../../../activities/row-engine/engine';
import { resultLine } from '../../../activities/row-engine/result-line';
import type { OpenedEndpoint, RowSource } from '../../../activities/row-engine/types';
import { CallFailure, type CallFailureCause } from '../../../drivers/model/model';
import { canonicalJson, seededRandom } from '../../../method/keys';
import { promptTokensMax } from '../../../method/ledger';
import { ArteError } from '../../../schemas/errors';
import type { JsonValue } from '../../../schemas/json';
import { rowResultSchema, type RowReading, type RowResult } from '../../../schemas/rows';
import {
  quickLimits,
  indexOf,
  rightAnswer,
  rightBytes,
  rowsOf,
  scriptedEndpoint,
  sleep,
  Workplace,
  type Script,
} from './shards';

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

async function results(ref: { uri: string }): Promise<RowResult[]> {
  const rows: RowResult[] = [];
  for await (const line of place.store.getLines(ref)) rows.push(JSON.parse(line) as RowResult);
  return rows;
}

async function refusal(run: Promise<unknown>): Promise<ArteError> {
  const error: unknown = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ArteError);
  return error as ArteError;
}

describe('a shard that goes well', () => {
  it('leaves all rows in row order as canonical JSON, its record, and nothing else', async () => {
    const rows = rowsOf(300);
    const random = seededRandom(1);
    const endpoint = scriptedEndpoint(async (request, _call, signal) => {
      await sleep(random() * 4, signal);
      return rightAnswer(request);
    });
    const run = place.shard(rows, endpoint);
    const output = await runShard(run);
    expect((await place.store.getBlob(output.results)).toString()).toBe(rightBytes(rows));
    expect(output.results.rows).toBe(300);
    expect(output.counts).toEqual({ ok: 300, malformed: 0, refused: 0, truncated: 0, failed: 0 });
    expect(output.usage.calls).toBe(300);
    expect(endpoint.total).toMatchObject({ calls: 300, mostInFlight: 8 });
    expect(place.store.keys('parts/')).toEqual([]);
    expect(place.store.keys('shards/')).toHaveLength(1);
    expect(existsSync(place.journalDir) ? readdirSync(place.journalDir) : []).toEqual([]);
    expect(run.progress.at(-1)).toMatchObject({ done: 300, total: 300, inFlight: 0 });
  });

  it('has its tokens estimated, and says so, where the server tells none', async () => {
    const endpoint = scriptedEndpoint(() => ({
      ...{ text: 'y'.repeat(30), finish: 'stop', usageUntold: ['input', 'output'] },
      ...{ others: [{ text: 'z'.repeat(60), finish: 'stop' }] },
      usage: { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 },
    }));
    const rows = rowsOf(3);
    const run = place.shard(rows, endpoint);
    const { usage } = await runShard(run);
    const prompts = [0, 1, 2].map((row) => promptTokensMax(rows.row(row).request));
    // 30 bytes in threes and the end; 60 would be 21, and max_tokens is 16.
    expect(usage).toMatchObject({
      calls: 3,
      estimatedCalls: 3,
      outputTokens: 3 * (11 + 16),
      inputTokens: prompts.reduce((a, b) => a + b),
    });
    expect(run.progress.at(-1)?.note).toContain('3 of 3 answers came without usable token counts');
  });

  it('is returned at once when its record and results are there', async () => {
    const rows = rowsOf(20);
    const first = await runShard(place.shard(rows, scriptedEndpoint(rightAnswer)));
    const idle = scriptedEndpoint(rightAnswer);
    expect(await runShard(place.shard(rows, idle))).toEqual(first);
    expect(idle.total.calls).toBe(0);
  });

  it('is made again when the results behind its record have gone', async () => {
    const rows = rowsOf(20);
    const first = await runShard(place.shard(rows, scriptedEndpoint(rightAnswer)));
    await place.store.remove(first.results.uri);
    const again = scriptedEndpoint(rightAnswer);
    expect(await runShard(place.shard(rows, again))).toEqual(first);
    expect(again.total.calls).toBe(20);
    expect(await place.store.hasBlob(first.results)).toBe(true);
  });

  it('may be empty', async () => {
    const output = await runShard(place.shard(rowsOf(0), scriptedEndpoint(rightAnswer)));
    expect(output).toMatchObject({ results: { rows: 0, bytes: 0 }, usage: { calls: 0 } });
  });

  it('does not depend on the number of calls at a time', async () => {
    const rows = rowsOf(150);
    for (const max of [1, 3, 64]) {
      const fresh = new Workplace();
      const output = await runShard(fresh.shard(rows, scriptedEndpoint(rightAnswer, { start: max, max })));
      expect((await fresh.store.getBlob(output.results)).toString()).toBe(rightBytes(rows));
      fresh.remove();
    }
  });
});

describe('a shard whose rows stand in runs', () => {
  it('asks a run row by row, several runs side by side, through faults and repeats, and leaves the same bytes', async () => {
    const rows = { ...rowsOf(200), runEnd: (index: number) => (Math.floor(index / 10) + 1) * 10 };
    const random = seededRandom(2);
    const asked: number[] = [];
    const answered = new Set<number>();
    let following = 0;
    const endpoint = scriptedEndpoint(
      async (request, call, signal) => {
        const row = indexOf(request);
        if (call === 1) {
          asked.push(row);
          if (row % 10 === 0 || answered.has(row - 1)) following += 1;
        }
        await sleep(random() * 3, signal);
        if (call === 1 && row % 17 === 5) throw new CallFailure('reset', 'scripted');
        answered.add(row);
        return rightAnswer(request);
      },
      { start: 4, max: 4 },
    );
    const output = await runShard(place.shard(rows, endpoint));
    expect((await place.store.getBlob(output.results)).toString()).toBe(rightBytes(rows));
    expect(new Set(asked).size).toBe(200);
    // All but what was split off the last runs and what follows a row that failed.
    expect(following).toBeGreaterThan(160);
    expect(asked.slice(0, 4)).toEqual([0, 10, 20, 30]);
  });
});

describe('a row that does not go well', () => {
  it.each<CallFailureCause>(['rate-limited', 'overloaded', 'server-error', 'timeout', 'reset', 'garbage'])(
    'is asked again after %s',
    async (cause) => {
      const rows = rowsOf(60);
      const endpoint = scriptedEndpoint((request, call) =>
        call <= indexOf(request) % 3 ? new CallFailure(cause, 'scripted', 2) : rightAnswer(request),
      );
      const output = await runShard(place.shard(rows, endpoint));
      expect((await place.store.getBlob(output.results)).toString()).toBe(rightBytes(rows));
      expect(output.usage.calls).toBe(60);
      expect(endpoint.total.calls).toBe(60 + 20 + 40);
    },
  );

  it.each<CallFailureCause>(['server-error', 'timeout', 'reset', 'garbage'])(
    'is recorded as failed when it never stops: %s',
    async (cause) => {
      const endpoint = scriptedEndpoint((request) =>
        indexOf(request) === 7 ? new CallFailure(cause, 'scripted') : rightAnswer(request),
      );
      const output = await runShard(place.shard(rowsOf(40), endpoint));
      const row = (await results(output.results))[7];
      expect(row).toMatchObject({
        outcome: 'failed',
        why: cause,
        text: '',
        usage: { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 },
      });
      expect(row).not.toHaveProperty('value');
      expect(output.counts).toMatchObject({ ok: 39, failed: 1 });
      expect(output.usage.calls).toBe(39);
      expect(endpoint.asked.get(7)).toBe(quickLimits.rowAttemptsMax);
    },
  );

  it.each<CallFailureCause>(['context-too-long', 'bad-request', 'too-large'])(
    'is recorded without another try: %s',
    async (cause) => {
      const endpoint = scriptedEndpoint((request) =>
        indexOf(request) === 0 ? new CallFailure(cause, 'scripted') : rightAnswer(request),
      );
      const output = await runShard(place.shard(rowsOf(10), endpoint));
      expect((await results(output.results))[0]).toMatchObject({ outcome: 'failed', why: cause });
      expect(endpoint.asked.get(0)).toBe(1);
    },
  );

  it('is never failed by being told to wait, however often', async () => {
    const endpoint = scriptedEndpoint((request, call) =>
      indexOf(request) === 3 && call <= 3 * quickLimits.rowAttemptsMax
        ? new CallFailure('rate-limited', 'scripted', 1)
        : rightAnswer(request),
    );
    const output = await runShard(place.shard(rowsOf(10), endpoint));
    expect(output.counts.ok).toBe(10);
  });

  it.each([
    [
      'told to come back in years',
      'rate-limited',
      1e12,
      /2 rows wait \d+ s more to be asked again: HTTP 429 \(it says to come back in 31 years/,
    ],
    ['turned away without a time', 'overloaded', undefined, /2 rows wait \d+ s more to be asked again: HTTP 429$/],
  ] as const)('says why nothing comes where rows are %s', async (_, cause, retryAfterMs, words) => {
    const endpoint = scriptedEndpoint((request) =>
      indexOf(request) === 0 ? rightAnswer(request) : new CallFailure(cause, 'HTTP 429', retryAfterMs),
    );
    const run = place.shard(rowsOf(3), endpoint, {
      limits: { ...quickLimits, retryBackoffBaseMs: 10_000, waitsSaidMs: 50 },
      signal: AbortSignal.timeout(200),
    });
    await expect(runShard(run)).rejects.toBeDefined();
    const said = run.progress.flatMap(({ waits }) => waits ?? []);
    expect(said.at(-1)).toMatchObject({ held: true, words: expect.stringMatching(words) as string });
    // Not while rows are finished, and not when the shard has ended.
    expect(run.progress[0]?.waits).toBeUndefined();
    expect(run.progress.at(-1)?.waits).toBeUndefined();
  });

  it('pauses between calls that it is told to make again at once', async () => {
    const endpoint = scriptedEndpoint(() => new CallFailure('rate-limited', 'scripted', 0), { start: 4, max: 4 });
    const run = place.shard(rowsOf(4), endpoint, {
      limits: { ...quickLimits, retryBackoffBaseMs: 50 },
      signal: AbortSignal.timeout(300),
    });
    await expect(runShard(run)).rejects.toBeDefined();
    // Four rows each 50 ms, and the pauses of an endpoint that turns everything away: not thousands of calls.
    expect(endpoint.total.calls).toBeLessThanOrEqual(4 * 7);
  });

  it('holds no slot while it waits', async () => {
    const turnedAway = (index: number): boolean => index % 20 < 3 && index < 80;
    const endpoint = scriptedEndpoint(
      (request, call) =>
        call === 1 && turnedAway(indexOf(request))
          ? new CallFailure('rate-limited', 'scripted', 2_000)
          : rightAnswer(request),
      { start: 4, max: 4 },
    );
    const started = Date.now();
    let doneWhileTheyWaited = 0;
    const onProgress = ({ done }: { done: number }): void => {
      if (Date.now() - started < 1_990) doneWhileTheyWaited = done;
    };
    const output = await runShard(place.shard(rowsOf(200), endpoint, { onProgress }));
    expect(doneWhileTheyWaited).toBe(200 - 12);
    expect(output.counts.ok).toBe(200);
  });

  it('is asked again with another seed when it is malformed, and every answer is paid', async () => {
    const seeds = new Map<number, number[]>();
    const script: Script = (request, call) => {
      const index = indexOf(request);
      seeds.set(index, [...(seeds.get(index) ?? []), request.sampling.seed]);
      return call <= index % 5 ? { ...rightAnswer(request), text: `malformed ${call}` } : rightAnswer(request);
    };
    const output = await runShard(place.shard(rowsOf(25), scriptedEndpoint(script), { repairs: 2 }));
    const rows = await results(output.results);
    for (const [index, row] of rows.entries()) {
      const malformed = index % 5 > 2;
      const asks = Math.min(3, (index % 5) + 1);
      expect(row.outcome).toBe(malformed ? 'malformed' : 'ok');
      if (malformed) expect(row).toMatchObject({ text: 'malformed 3', why: 'no tag' });
      expect(new Set(seeds.get(index)).size).toBe(asks);
      expect(row.usage.inputTokens).toBe(asks * (10 + (index % 7)));
    }
    expect(output.usage.calls).toBe(5 * (1 + 2 + 3 + 3 + 3));
    expect(output.usage.inputTokens).toBe(rows.reduce((sum, { usage }) => sum + usage.inputTokens, 0));
  });

  it('keeps its malformed answer when asking again fails', async () => {
    const output = await runShard(
      place.shard(
        rowsOf(3),
        scriptedEndpoint((request, call) =>
          call === 1 ? { ...rightAnswer(request), text: 'malformed once' } : new CallFailure('bad-request', 'no'),
        ),
        { repairs: 1 },
      ),
    );
    expect((await results(output.results)).map(({ outcome, text }) => [outcome, text])).toEqual(
      Array(3).fill(['malformed', 'malformed once']),
    );
    expect(output.usage.calls).toBe(3);
  });

  it('is recorded as refused or truncated with what there is', async () => {
    const output = await runShard(
      place.shard(
        rowsOf(2),
        scriptedEndpoint((request) => ({
          ...rightAnswer(request),
          text: indexOf(request) === 0 ? 'refused!' : 'truncated…',
        })),
      ),
    );
    expect(await results(output.results)).toMatchObject([
      { outcome: 'refused', why: 'filter', text: 'refused!' },
      { outcome: 'truncated', why: 'length', text: 'truncated…', value: 'half' },
    ]);
  });
});

describe('a shard that cannot go on', () => {
  it.each<[CallFailureCause, string]>([
    ['unauthorized', 'EndpointUnauthorized'],
    ['unknown-model', 'EndpointUnknownModel'],
    ['not-compatible', 'EndpointNotCompatible'],
    ['unsupported-parameter', 'EndpointRefusesParameter'],
    ['out-of-money', 'EndpointOutOfMoney'],
  ])('stops at once on %s, and goes on later where it was', async (cause, code) => {
    const rows = rowsOf(100);
    let broken = true;
    const endpoint = scriptedEndpoint((request) =>
      broken && indexOf(request) === 50 ? new CallFailure(cause, 'the words of the server') : rightAnswer(request),
    );
    const error = await refusal(runShard(place.shard(rows, endpoint)));
    expect(error.data).toMatchObject({ code, retryable: false, why: 'the words of the server' });
    expect(endpoint.total.calls).toBeLessThan(70);
    const answered = endpoint.total.answered;
    broken = false;
    const again = scriptedEndpoint(rightAnswer);
    const output = await runShard(place.shard(rows, again));
    expect((await place.store.getBlob(output.results)).toString()).toBe(rightBytes(rows));
    expect(again.total.calls).toBe(100 - answered);
    expect(output.usage.calls).toBe(100);
  });

  it('waits for answers on their way, which are paid for, though more calls are refused meanwhile', async () => {
    const endpoint = scriptedEndpoint(async (request, _call, signal) => {
      const index = indexOf(request);
      if (index === 50) throw new CallFailure('out-of-money', 'spent');
      if (index > 46) await sleep(index === 49 ? 40 : 120, signal);
      if (index === 49) throw new CallFailure('unauthorized', 'and no key');
      return rightAnswer(request);
    });
    const run = place.shard(rowsOf(100), endpoint);
    const error = await refusal(runShard(run));
    expect(error.data).toMatchObject({ code: 'EndpointOutOfMoney', why: 'spent' });
    // Two of the calls in flight brought nothing but a refusal.
    expect(endpoint.total.answered).toBe(endpoint.total.calls - 2);
    expect(run.progress.at(-1)?.usage.calls).toBe(endpoint.total.answered);
    expect(error.data.what).toContain(`${endpoint.total.answered} of 100`);
  });

  it('gives up on an endpoint that is away, as something to try again', async () => {
    const endpoint = scriptedEndpoint((request) =>
      indexOf(request) < 20 ? rightAnswer(request) : new CallFailure('reset', 'connect ECONNREFUSED'),
    );
    const run = place.shard(rowsOf(100), endpoint, {
      limits: { ...quickLimits, endpointDownMs: 100, rowAttemptsMax: 1000 },
    });
    const error = await refusal(runShard(run));
    expect(error.data).toMatchObject({ code: 'EndpointUnreachable', retryable: true });
    expect(error.message).toContain('ECONNREFUSED');
    expect(error.message).toContain('20 of 100');
    // Asked by single probes with growing pauses, not by a storm.
    expect(endpoint.total.calls).toBeLessThan(20 + 30);
    expect(run.progress.at(-1)?.note).toContain('ECONNREFUSED');
  });

  it('does not take one row that a server chokes on for an endpoint that is away', async () => {
    const endpoint = scriptedEndpoint((request) =>
      indexOf(request) === 5 ? new CallFailure('server-error', '500') : rightAnswer(request),
    );
    const output = await runShard(
      place.shard(rowsOf(10), endpoint, {
        limits: { ...quickLimits, endpointDownMs: 1, rowAttemptsMax: 6, retryBackoffBaseMs: 5 },
      }),
    );
    expect(output.counts).toMatchObject({ ok: 9, failed: 1 });
  });

  it('says that it is stalled when no row finishes', async () => {
    const endpoint = scriptedEndpoint(async (request, _call, signal) => {
      if (indexOf(request) >= 10) await sleep(60_000, signal);
      return rightAnswer(request);
    });
    const run = place.shard(rowsOf(40), endpoint, { limits: { ...quickLimits, rowsStallFloorMs: 100 } });
    const error = await refusal(runShard(run));
    expect(error.data).toMatchObject({ code: 'RowsStalled', retryable: true });
    expect(error.data.why).toContain('8 calls in flight');
    expect(error.data.what).toContain('10 of 40');
  });

  it('is not stalled while it waits as told', async () => {
    const endpoint = scriptedEndpoint((request, call) =>
      call === 1 && indexOf(request) > 4 ? new CallFailure('rate-limited', 'wait', 200) : rightAnswer(request),
    );
    const output = await runShard(
      place.shard(rowsOf(10), endpoint, { limits: { ...quickLimits, rowsStallFloorMs: 50, rowsStallFirstMs: 50 } }),
    );
    expect(output.counts.ok).toBe(10);
  });

  it('passes on what the store says, with everything kept', async () => {
    place.store.failure = new ArteError('StoreUnauthorized', {
      what: 'The store refuses the key.',
      why: '403',
      next: 'Correct the key.',
    });
    const endpoint = scriptedEndpoint(rightAnswer);
    expect((await refusal(runShard(place.shard(rowsOf(30), endpoint)))).data.code).toBe('StoreUnauthorized');
    place.store.failure = undefined;
    const output = await runShard(place.shard(rowsOf(30), endpoint));
    expect(endpoint.total.calls).toBe(30);
    expect(output.usage.calls).toBe(30);
  });

  it('goes on while only the parts cannot be stored for a while, and says so', async () => {
    place.store.failure = new ArteError('StoreUnreachable', {
      what: 'The store is away.',
      why: 'ECONNREFUSED',
      next: 'Wait.',
    });
    const endpoint = scriptedEndpoint(async (request, _call, signal) => {
      await sleep(5, signal);
      if (indexOf(request) === 70) place.store.failure = undefined;
      return rightAnswer(request);
    });
    const run = place.shard(rowsOf(100), endpoint);
    expect((await runShard(run)).counts.ok).toBe(100);
    expect(run.progress.some(({ note }) => note?.includes('rows are safe in the journal'))).toBe(true);
  });

  it('reports a reader that throws as the fault it is', async () => {
    const error = await refusal(
      runShard(
        place.shard(rowsOf(5), scriptedEndpoint(rightAnswer), {
          read: () => {
            throw new TypeError('no such property');
          },
        }),
      ),
    );
    expect(error.data).toMatchObject({ code: 'Unexpected', why: 'no such property' });
  });

  it('ends calls in flight when aborted, keeps what is done, and rejects with the reason', async () => {
    const rows = rowsOf(200);
    const controller = new AbortController();
    let aborted = 0;
    const endpoint = scriptedEndpoint(async (request, _call, signal) => {
      signal.addEventListener('abort', () => (aborted += 1));
      if (indexOf(request) === 100) controller.abort(new Error('worker shutdown'));
      await sleep(1, signal);
      return rightAnswer(request);
    });
    await expect(runShard(place.shard(rows, endpoint, { signal: controller.signal }))).rejects.toThrow(
      'worker shutdown',
    );
    expect(aborted).toBeGreaterThan(0);
    // Elsewhere: the last part has what the journal has.
    place.remove();
    const again = scriptedEndpoint(rightAnswer);
    const output = await runShard(place.shard(rows, again));
    expect((await place.store.getBlob(output.results)).toString()).toBe(rightBytes(rows));
    expect(again.total.calls).toBe(200 - endpoint.total.answered);
  });

  it('waits for answers on their way when it is called off, begins no other call, and loses none', async () => {
    const controller = new AbortController();
    const rows = rowsOf(200);
    const endpoint = scriptedEndpoint(async (request, _call, signal) => {
      if (indexOf(request) === 100) controller.abort(new Error('paused'));
      await sleep(20, signal);
      return rightAnswer(request);
    });
    const shard = place.shard(rows, endpoint, { signal: controller.signal, drainMs: () => 5_000 });
    await expect(runShard(shard)).rejects.toThrow('paused');
    expect(endpoint.total.calls).toBeLessThan(200);
    expect(endpoint.total.answered).toBe(endpoint.total.calls);
    const again = scriptedEndpoint(rightAnswer);
    const output = await runShard(place.shard(rows, again));
    expect(again.total.calls).toBe(200 - endpoint.total.calls);
    expect(output.usage).toMatchObject({ calls: 200, lostCalls: 0 });
  });

  it('counts its calls in flight as lost when it is called off, and estimates as estimates when it goes on', async () => {
    const controller = new AbortController();
    const rows = rowsOf(10);
    const endpoint = scriptedEndpoint(
      async (request, _call, signal) => {
        if (indexOf(request) < 6) return { ...rightAnswer(request), usageUntold: ['output'] };
        if (indexOf(request) === 7) setTimeout(() => controller.abort(new Error('killed')), 20);
        return sleep(60_000, signal).then(() => rightAnswer(request));
      },
      { start: 2, max: 2 },
    );
    const run = place.shard(rows, endpoint, { signal: controller.signal });
    await expect(runShard(run)).rejects.toThrow('killed');
    const prompt = promptTokensMax(rows.row(0).request);
    const lost = { lostCalls: 2, lostInputTokens: 2 * prompt, lostOutputTokens: 2 * 16 };
    expect(run.progress.at(-1)?.paid).toMatchObject({ calls: 6, estimatedCalls: 6, ...lost });
    const { usage } = await runShard(place.shard(rows, scriptedEndpoint(rightAnswer)));
    expect(usage).toMatchObject({ calls: 10, estimatedCalls: 6, ...lost });
  });

  it('refuses to start when it is aborted already', async () => {
    const signal = AbortSignal.abort(new Error('too late'));
    await expect(runShard(place.shard(rowsOf(1), scriptedEndpoint(rightAnswer), { signal }))).rejects.toThrow(
      'too late',
    );
  });
});

describe('thresholds', () => {
  const strict = { malformed: 0.3, truncated: 0.3, refused: 0.3, failed: 0.1 };

  it.each(['malformed', 'truncated', 'refused'] as const)(
    'park a shard with examples when too many rows are %s',
    async (outcome) => {
      const endpoint = scriptedEndpoint((request) => ({
        ...rightAnswer(request),
        text: `${outcome} nonsense ${indexOf(request)}`,
      }));
      const error = await refusal(runShard(place.shard(rowsOf(1000), endpoint, { thresholds: strict })));
      expect(error.data).toMatchObject({ code: 'OutcomeThreshold', retryable: false });
      expect(error.data.what).toContain(
        `are ${outcome} (100.0 %); of the shard's 1000 rows no more than 300 may be (thresholds.${outcome}).`,
      );
      expect(error.data.next).toContain(`thresholds.${outcome}`);
      expect(error.data.details).toHaveLength(5);
      expect(error.data.details?.[0]).toMatch(/row 0 .*question 0.*answer: \w+ nonsense 0/s);
      // Early: a tenth of the rows and those in flight, not all of them.
      expect(endpoint.total.calls).toBeLessThan(150);
    },
  );

  it('wait for answers on their way, which are paid for', async () => {
    const endpoint = scriptedEndpoint(async (request, _call, signal) => {
      if (indexOf(request) === 40) await sleep(100, signal);
      return { ...rightAnswer(request), text: 'malformed' };
    });
    const run = place.shard(rowsOf(200), endpoint, { thresholds: strict });
    expect((await refusal(runShard(run))).data.code).toBe('OutcomeThreshold');
    expect(run.progress.at(-1)?.usage.calls).toBe(endpoint.total.calls);
  });

  it('let a bad start pass that the rest makes up for', async () => {
    const endpoint = scriptedEndpoint((request) =>
      indexOf(request) < 15 ? { ...rightAnswer(request), text: 'malformed' } : rightAnswer(request),
    );
    const output = await runShard(place.shard(rowsOf(100), endpoint, { thresholds: strict }));
    expect(output.counts).toMatchObject({ ok: 85, malformed: 15 });
  });

  it('hold at the end for small shards too', async () => {
    const endpoint = scriptedEndpoint((request) =>
      indexOf(request) < 2 ? { ...rightAnswer(request), text: 'malformed' } : rightAnswer(request),
    );
    expect((await refusal(runShard(place.shard(rowsOf(5), endpoint, { thresholds: strict })))).data.code).toBe(
      'OutcomeThreshold',
    );
  });

  it('cost nothing when they are loosened: answered rows stay', async () => {
    const rows = rowsOf(50);
    const endpoint = scriptedEndpoint((request) => ({ ...rightAnswer(request), text: 'malformed' }));
    await refusal(runShard(place.shard(rows, endpoint, { thresholds: strict })));
    const output = await runShard(place.shard(rows, endpoint));
    expect(endpoint.total.calls).toBe(50);
    expect(output.usage.calls).toBe(50);
  });

  it.each(['here', 'elsewhere'])('have failed rows asked again by a retry, %s', async (where) => {
    const rows = rowsOf(60);
    let broken = true;
    const endpoint = scriptedEndpoint((request) =>
      broken && indexOf(request) % 2 === 0 ? new CallFailure('context-too-long', 'n_ctx is 512') : rightAnswer(request),
    );
    const error = await refusal(runShard(place.shard(rows, endpoint, { thresholds: strict })));
    expect(error.data.next).toContain('failed rows are asked again');
    expect(error.data.why).toMatch(/ \| the last failure: context-too-long: n_ctx is 512$/);
    broken = false;
    if (where === 'elsewhere') place.remove();
    const output = await runShard(place.shard(rows, endpoint, { thresholds: strict }));
    expect((await place.store.getBlob(output.results)).toString()).toBe(rightBytes(rows));
    expect(output.usage.calls).toBe(60);
    for (const [index, calls] of endpoint.asked) expect(calls).toBeLessThanOrEqual(index % 2 === 0 ? 2 : 1);
  });
});

describe('a shard of which no row is left to ask', () => {
  const openEndpoint = (): Promise<never> => Promise.reject(new Error('its model was opened'));

  /** All of it answered here, and the store away when the results are to be put. */
  async function answered(rows: RowSource, script: Script = rightAnswer): Promise<void> {
    place.store.failure = new ArteError('StoreUnreachable', { what: 'Away.', why: 'ECONNREFUSED', next: 'Wait.' });
    const error = await refusal(runShard(place.shard(rows, scriptedEndpoint(script))));
    expect(error.data.code).toBe('StoreUnreachable');
    place.store.failure = undefined;
  }

  it('is made without its model, and leaves the same bytes', async () => {
    const rows = rowsOf(40);
    await answered(rows);
    const run = place.shard(rows, scriptedEndpoint(rightAnswer), { openEndpoint });
    const output = await runShard(run);
    expect((await place.store.getBlob(output.results)).toString()).toBe(rightBytes(rows));
    expect(output.usage.calls).toBe(40);
    expect(run.progress).toMatchObject([{ done: 40, found: 40, total: 40, inFlight: 0 }]);
  });

  it('is judged all the same; what failed in it is asked by the next attempt, which opens its model', async () => {
    const rows = rowsOf(10);
    const thresholds = { malformed: 0, truncated: 0, refused: 0, failed: 0.1 };
    await answered(rows, (request) =>
      indexOf(request) < 5 ? new CallFailure('context-too-long', 'n_ctx is 512') : rightAnswer(request),
    );
    const endpoint = scriptedEndpoint(rightAnswer);
    const error = await refusal(runShard(place.shard(rows, endpoint, { openEndpoint, thresholds })));
    expect(error.data.code).toBe('OutcomeThreshold');
    // The parts hold it: another machine goes on from there.
    place.remove();
    const output = await runShard(place.shard(rows, endpoint, { thresholds }));
    expect(endpoint.total.calls).toBe(5);
    expect((await place.store.getBlob(output.results)).toString()).toBe(rightBytes(rows));
  });

  it('stops like any other when it is called off', async () => {
    await answered(rowsOf(5));
    const controller = new AbortController();
    const onProgress = (): void => controller.abort(new Error('paused'));
    const run = place.shard(rowsOf(5), scriptedEndpoint(rightAnswer), {
      ...{ openEndpoint, onProgress, signal: controller.signal },
    });
    await expect(runShard(run)).rejects.toThrow('paused');
  });
});

it('a shard counts what it waited for others with its model as time in which nothing was asked', async () => {
  const endpoint = scriptedEndpoint(rightAnswer);
  const startedAt = Date.now();
  const openEndpoint = (): Promise<OpenedEndpoint> => Promise.resolve({ endpoint, waitedMs: 5_000 });
  const { askedMs } = await runShard(place.shard(rowsOf(1), endpoint, { openEndpoint }));
  expect((askedMs?.[0] ?? 0) - startedAt).toBeGreaterThanOrEqual(5_000);
});

describe('several shards on one endpoint', () => {
  it('share its calls in flight, the first shard first', async () => {
    const endpoint = scriptedEndpoint(
      async (request, _call, signal) => {
        await sleep(1, signal);
        return rightAnswer(request);
      },
      { start: 6, max: 6 },
    );
    const first = place.shard(rowsOf(60), endpoint);
    const second = { ...place.shard(rowsOf(60, 'b'), endpoint), shardKey: 'b'.repeat(64), limiters: first.limiters! };
    const order: string[] = [];
    const one = runShard(first).then(() => order.push('first'));
    while (endpoint.total.calls === 0) await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([one, runShard(second).then(() => order.push('second'))]);
    expect(order).toEqual(['first', 'second']);
    expect(endpoint.total.mostInFlight).toBe(6);
  });
});

it('writes results as canonical JSON, whatever is in them', () => {
  const json = fc.jsonValue() as fc.Arbitrary<JsonValue>;
  const text = fc.string({ unit: 'binary' });
  const count = fc.nat();
  const reading = fc.oneof(
    fc.record({ outcome: fc.constant('ok' as const), value: json }),
    fc.record({ outcome: fc.constantFrom('malformed' as const, 'refused' as const, 'truncated' as const), why: text }),
    fc.record({ outcome: fc.constant('truncated' as const), why: text, value: json }),
  ) as fc.Arbitrary<RowReading>;
  const usage = fc.record({ inputTokens: count, cachedInputTokens: count, outputTokens: count });
  fc.assert(
    fc.property(text, json, reading, text, fc.option(fc.array(text)), usage, (key, meta, read, first, more, used) => {
      const others = more?.map((other) => ({ text: other, finish: 'stop' as const }));
      const line = resultLine({ key, meta }, read, { text: first, ...(others && { others }) }, used);
      expect(line).toBe(canonicalJson({ key, meta, text: first, ...(more && { others: more }), usage: used, ...read }));
      rowResultSchema.parse(JSON.parse(line));
    }),
    { seed: 1 },
  );
});
