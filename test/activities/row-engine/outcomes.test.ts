/**
 * Goal: every cause has exactly the action that the design gives it, waits stay within their bounds, and thresholds are judged neither
 * too early nor too late. Method: a table for the causes, properties for waits and shares.
 */
import fc from 'fast-check';
import {
  actionFor,
  brokenInAll,
  brokenThreshold,
  mayBeAway,
  parkError,
  readingStep,
  signalOf,
  thresholdNames,
  thresholdsOfPart,
  type FailedCode,
} from '../../../activities/row-engine/outcomes';
import { ArteError } from '../../../schemas/errors';
import { retryAfterMaxMs, retryBackoffBaseMs, retryBackoffMaxMs, rowAttemptsMax } from '../../../schemas/limits';
import type { OutcomeCounts } from '../../../schemas/rows';

const table: readonly [FailedCode, first: string, last: string, signal: string, away: boolean][] = [
  ['rate-limited', 'wait', 'wait', 'limited', false],
  ['overloaded', 'wait', 'wait', 'overload', false],
  ['server-error', 'retry', 'record', 'alive', true],
  ['timeout', 'retry', 'record', 'down', true],
  ['reset', 'retry', 'record', 'down', true],
  ['garbage', 'retry', 'record', 'alive', false],
  ['unexpected', 'retry', 'record', 'alive', false],
  ['context-too-long', 'record', 'record', 'alive', false],
  ['bad-request', 'record', 'record', 'alive', false],
  ['too-large', 'record', 'record', 'alive', false],
  ['unauthorized', 'park', 'park', 'alive', false],
  ['unknown-model', 'park', 'park', 'alive', false],
  ['not-compatible', 'park', 'park', 'alive', false],
  ['unsupported-parameter', 'park', 'park', 'alive', false],
  ['out-of-money', 'park', 'park', 'alive', false],
];

it.each(table)('%s: %s at first, %s at last, %s to the limiter', (cause, first, last, signal, away) => {
  const act = (tries: number): string =>
    actionFor(cause, { tries, turnedAway: tries }, { rowAttemptsMax }, () => 0.5).kind;
  expect(act(1)).toBe(first);
  expect(act(rowAttemptsMax - 1)).toBe(first === 'record' ? 'record' : first);
  expect(act(rowAttemptsMax)).toBe(last);
  expect(signalOf(cause)).toBe(signal);
  expect(mayBeAway(cause)).toBe(away);
});

it('waits as told, a little later at most, and never for ever', () => {
  fc.assert(
    fc.property(
      fc.nat({ max: 10_000_000 }),
      fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      (retryAfterMs, chance) => {
        const action = actionFor(
          'rate-limited',
          { tries: 0, turnedAway: 1, retryAfterMs },
          { rowAttemptsMax },
          () => chance,
        );
        const told = Math.min(Math.max(retryAfterMs, retryBackoffBaseMs), retryAfterMaxMs);
        expect(action.kind === 'wait' && action.ms >= told && action.ms <= 1.1 * told).toBe(true);
      },
    ),
    { seed: 1 },
  );
});

it('tries again after waits that grow, with jitter, up to a bound', () => {
  fc.assert(
    fc.property(
      fc.constantFrom<FailedCode>('server-error', 'timeout', 'reset', 'garbage', 'overloaded'),
      fc.integer({ min: 1, max: 200 }),
      fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      (cause, times, chance) => {
        const action = actionFor(
          cause,
          { tries: times, turnedAway: times },
          { rowAttemptsMax: 1000, retryBackoffBaseMs: 100 },
          () => chance,
        );
        const full = Math.min(retryBackoffMaxMs, 100 * 2 ** (times - 1));
        expect((action.kind === 'wait' || action.kind === 'retry') && action.ms >= full / 2 && action.ms <= full).toBe(
          true,
        );
      },
    ),
    { seed: 2 },
  );
});

it('asks a malformed answer again as often as allowed, and no other', () => {
  for (const repairs of [0, 1, 2]) {
    for (let asks = 1; asks <= 4; asks += 1) {
      expect(readingStep({ outcome: 'malformed', why: 'x' }, asks, repairs)).toBe(
        asks <= repairs ? 'ask-again' : 'record',
      );
      expect(readingStep({ outcome: 'ok', value: 1 }, asks, repairs)).toBe('record');
      expect(readingStep({ outcome: 'refused', why: 'x' }, asks, repairs)).toBe('record');
      expect(readingStep({ outcome: 'truncated', why: 'x' }, asks, repairs)).toBe('record');
    }
  }
});

it('names what to do for every code a shard is parked with', () => {
  for (const code of [
    'EndpointUnauthorized',
    'EndpointUnknownModel',
    'EndpointNotCompatible',
    'EndpointRefusesParameter',
    'EndpointOutOfMoney',
  ] as const) {
    const error = parkError(code, 'teacher@host', 'HTTP 4xx: no', 3, 10);
    expect(error).toBeInstanceOf(ArteError);
    expect(error.data).toMatchObject({ code, retryable: false, why: 'HTTP 4xx: no' });
    expect(error.data.what).toMatch(/teacher@host .*3 of 10 rows/);
    expect(error.data.next).toContain('arte retry');
  }
});

describe('thresholds', () => {
  const counts = fc.record({
    ok: fc.nat(500),
    malformed: fc.nat(500),
    refused: fc.nat(100),
    truncated: fc.nat(100),
    failed: fc.nat(50),
  });
  const shares = fc.record({ malformed: share(), truncated: share(), refused: share(), failed: share() });
  function share(): fc.Arbitrary<number> {
    return fc.double({ min: 0, max: 1, noNaN: true });
  }
  const sum = (all: OutcomeCounts): number =>
    Object.values(all).reduce((total: number, count: number) => total + count, 0);

  it('at the end are exactly the share', () => {
    fc.assert(
      fc.property(counts, shares, (done, thresholds) => {
        const total = sum(done);
        fc.pre(total > 0);
        const expected = thresholdNames.find((name) => done[name] > thresholds[name] * total);
        expect(brokenThreshold(done, total, thresholds)).toBe(expected);
      }),
      { seed: 3 },
    );
  });

  it('before the end are only broken when the share itself is above them', () => {
    fc.assert(
      fc.property(counts, fc.nat(5000), shares, (done, open, thresholds) => {
        const broken = brokenThreshold(done, sum(done) + open + 1, thresholds);
        if (broken) expect(done[broken] / sum(done)).toBeGreaterThan(thresholds[broken]);
      }),
      { seed: 4 },
    );
  });

  it('stop a hopeless shard early, but not before anything can be said', () => {
    const thresholds = { malformed: 0.6, truncated: 0.6, refused: 0.5, failed: 0.02 };
    const all = (malformed: number): OutcomeCounts => ({ ok: 0, malformed, refused: 0, truncated: 0, failed: 0 });
    expect(brokenThreshold(all(19), 100, thresholds)).toBeUndefined();
    expect(brokenThreshold(all(20), 100, thresholds)).toBe('malformed');
    // One demonstration's rows may all be bad: a tenth of the shard is waited for.
    expect(brokenThreshold(all(100), 2000, thresholds)).toBeUndefined();
    expect(brokenThreshold(all(200), 2000, thresholds)).toBe('malformed');
    // 41 failed rows are more than 2 % of 2,000, whatever follows.
    expect(brokenThreshold({ ...all(0), failed: 41, ok: 100 }, 2000, thresholds)).toBe('failed');
    expect(brokenThreshold({ ...all(0), failed: 4, ok: 100 }, 2000, thresholds)).toBeUndefined();
  });

  it('of nought are broken by a bad row, and by nothing else', () => {
    const strict = { malformed: 1, truncated: 1, refused: 1, failed: 0 };
    for (let malformed = 0; malformed < 160; malformed += 1) {
      const done = { ok: 0, malformed, refused: 0, truncated: 0, failed: 0 };
      expect(brokenThreshold(done, 160, strict)).toBeUndefined();
      if (malformed >= 20) expect(brokenThreshold({ ...done, failed: 1 }, 200, strict)).toBe('failed');
    }
  });

  it('of one are never broken', () => {
    expect(
      brokenThreshold({ ok: 0, malformed: 50, refused: 0, truncated: 0, failed: 0 }, 50, {
        malformed: 1,
        truncated: 1,
        refused: 1,
        failed: 1,
      }),
    ).toBeUndefined();
  });

  describe('of a part of a stage', () => {
    const thresholds = { malformed: 0.6, truncated: 0.6, refused: 0.5, failed: 0.02 };
    const brokenBy = (bad: Partial<OutcomeCounts>, rows: number, stageRows: number): string | undefined => {
      const none = { ok: 0, malformed: 0, refused: 0, truncated: 0, failed: 0 };
      const done = { ...none, ...bad, ok: rows - sum({ ...none, ...bad }) };
      return brokenThreshold(done, rows, thresholdsOfPart(thresholds, rows, stageRows));
    };

    it('are not broken by what chance makes of a few rows', () => {
      for (const rows of [1, 2, 3, 7, 49]) {
        expect(brokenBy({ failed: 1 }, rows, 6_000)).toBeUndefined();
        if (rows < 10) expect(brokenBy({ truncated: rows }, rows, 60)).toBeUndefined();
      }
      // The chance of 14 of 14 is 0.6^14, of 3 of 10 failed 0.0009.
      expect(brokenBy({ malformed: 14 }, 14, 6_000)).toBe('malformed');
      expect([brokenBy({ failed: 2 }, 10, 6_000), brokenBy({ failed: 3 }, 10, 6_000)]).toEqual([undefined, 'failed']);
    });

    it('are the threshold itself where the part is the whole, or a whole shard', () => {
      expect(brokenBy({ failed: 1 }, 10, 10)).toBe('failed');
      expect(thresholdsOfPart(thresholds, 2_000, 6_000)).toBe(thresholds);
    });

    it('that was let in stay so when the whole is looked at again', () => {
      const none = { ok: 0, malformed: 0, refused: 0, truncated: 0, failed: 0 };
      // Full shards at the threshold, and a last one of three rows that all failed.
      const counts = { ...none, ok: 3_920, failed: 80 + 2 };
      expect(brokenInAll(counts, thresholds)).toBeUndefined();
      expect(brokenInAll({ ...counts, failed: 120 }, thresholds)).toBe('failed');
      expect(brokenInAll(none, thresholds)).toBeUndefined();
    });

    it('of nought and of one stay so', () => {
      const ends = { malformed: 0, truncated: 1, refused: 0, failed: 1 };
      const part = thresholdsOfPart(ends, 5, 6_000);
      expect(brokenThreshold({ ok: 4, malformed: 1, refused: 0, truncated: 0, failed: 0 }, 5, part)).toBe('malformed');
      expect(brokenThreshold({ ok: 0, malformed: 0, refused: 0, truncated: 2, failed: 3 }, 5, part)).toBeUndefined();
    });
  });
});
