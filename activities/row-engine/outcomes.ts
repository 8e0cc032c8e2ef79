/**
 * The outcome state machine: from the cause of a failed call, or the reading of an answer, to what is done next.
 * Pure. Owns every decision about one row and the judgement of a shard's shares; asking.ts carries them out, limiter.ts hears
 * only whether a cause speaks of overload.
 *
 * A row moves: due -> in flight -> recorded, with detours
 *   rate-limited, overloaded            -> wait without a slot, as told or with jitter; never counts as a try
 *   server-error, timeout, reset, garbage -> try again with jitter, rowAttemptsMax tries in all, then failed(cause)
 *   context-too-long, bad-request, too-large -> failed(cause) at once: asking again would say the same
 *   unauthorized, unknown-model, not-compatible, unsupported-parameter, out-of-money -> the shard asks no more, takes what is on its way, and stops
 *   malformed                           -> asked again with another seed, `repairs` times, then malformed with its text
 */
import type { CallFailureCause } from '../../drivers/model/model';
import { ArteError, type ErrorCode } from '../../schemas/errors';
import {
  retryAfterMaxMs,
  retryBackoffBaseMs,
  retryBackoffMaxMs,
  shardRowsMax,
  thresholdRowsMin,
} from '../../schemas/limits';
import type { OutcomeCounts, RowReading } from '../../schemas/rows';
import type { RowThresholds } from './types';

/** Codes of rows that failed: the causes, and `unexpected` for an exception that is no CallFailure. */
export type FailedCode = CallFailureCause | 'unexpected';

export type RowAction =
  /** Come back after `ms`, holding no slot meanwhile. */
  | { readonly kind: 'wait'; readonly ms: number }
  /** The same, and it was one of the row's tries. */
  | { readonly kind: 'retry'; readonly ms: number }
  | { readonly kind: 'record'; readonly code: FailedCode }
  | { readonly kind: 'park'; readonly code: ErrorCode };

export interface RowTrouble {
  /** Calls of this row that failed for reasons of network or server, this one included. */
  readonly tries: number;
  /** Times this row was turned away for load, this one included. */
  readonly turnedAway: number;
  readonly retryAfterMs?: number | undefined;
}

/** What happens to a row whose call failed. `random` gives floats in [0, 1); jitter keeps waiting rows from returning as one. */
export function actionFor(
  cause: FailedCode,
  trouble: RowTrouble,
  settings: { readonly rowAttemptsMax: number; readonly retryBackoffBaseMs?: number },
  random: () => number,
): RowAction {
  const base = settings.retryBackoffBaseMs ?? retryBackoffBaseMs;
  switch (cause) {
    case 'rate-limited':
      // Up to a tenth later than told: rows that were told the same time shall not all knock at once.
      return { kind: 'wait', ms: toldWait(trouble.retryAfterMs ?? base, base) * (1 + 0.1 * random()) };
    case 'overloaded': {
      const { retryAfterMs: told } = trouble;
      return {
        kind: 'wait',
        ms: told === undefined ? jittered(base, trouble.turnedAway, random) : toldWait(told, base),
      };
    }
    case 'server-error':
    case 'timeout':
    case 'reset':
    case 'garbage':
    case 'unexpected':
      if (trouble.tries >= settings.rowAttemptsMax) return { kind: 'record', code: cause };
      return { kind: 'retry', ms: Math.max(trouble.retryAfterMs ?? 0, jittered(base, trouble.tries, random)) };
    case 'context-too-long':
    case 'bad-request':
    case 'too-large':
      return { kind: 'record', code: cause };
    case 'unauthorized':
      return { kind: 'park', code: 'EndpointUnauthorized' };
    case 'unknown-model':
      return { kind: 'park', code: 'EndpointUnknownModel' };
    case 'not-compatible':
      return { kind: 'park', code: 'EndpointNotCompatible' };
    case 'unsupported-parameter':
      return { kind: 'park', code: 'EndpointRefusesParameter' };
    case 'out-of-money':
      return { kind: 'park', code: 'EndpointOutOfMoney' };
  }
}

/**
 * How long a wait that a server asked for is. Told "0", or a time gone by, rows that were turned away would knock without a pause, and a wait is
 * none of their tries: nothing would end it.
 */
export function toldWait(retryAfterMs: number, baseMs: number = retryBackoffBaseMs): number {
  return Math.min(Math.max(retryAfterMs, baseMs), retryAfterMaxMs);
}

/** Between half and the whole of base x 2^(times-1), capped. */
function jittered(baseMs: number, times: number, random: () => number): number {
  return Math.min(retryBackoffMaxMs, baseMs * 2 ** Math.min(times - 1, 20)) * (0.5 + 0.5 * random());
}

/** How the limiter should take a failure: `overload` may shrink, `down` is no answer at all, `alive` says nothing about load. */
export function signalOf(cause: FailedCode): 'limited' | 'overload' | 'down' | 'alive' {
  switch (cause) {
    case 'rate-limited':
      return 'limited';
    case 'overloaded':
      return 'overload';
    case 'timeout':
    case 'reset':
      return 'down';
    default:
      return 'alive';
  }
}

/** Causes that leave open whether the server lives: many rows failing so, and nothing else, is an endpoint that is away. */
export function mayBeAway(cause: FailedCode): boolean {
  return cause === 'reset' || cause === 'timeout' || cause === 'server-error';
}

/** What to do with a reading: asks = answers this row has had, this one included. */
export function readingStep(reading: RowReading, asks: number, repairs: number): 'record' | 'ask-again' {
  return reading.outcome === 'malformed' && asks <= repairs ? 'ask-again' : 'record';
}

const parkTexts: { readonly [code in ErrorCode]?: { readonly what: string; readonly next: string } } = {
  EndpointUnauthorized: {
    what: 'refused our credentials',
    next: 'Set the environment variable that the config names as api_key to a valid key, then arte retry RUN --restart-workers. Where the same key is good again, or the workers were restarted with the new one: arte retry RUN.',
  },
  EndpointUnknownModel: {
    what: 'does not serve the model of the config',
    next: 'Load the model on the server, then arte retry RUN; or correct the name, as in arte retry RUN --set models.teacher.endpoint.model=NAME.',
  },
  EndpointNotCompatible: {
    what: 'does not speak the OpenAI protocol',
    next: 'base_url should end in /v1 and point at an OpenAI-compatible server. Mend the server, then arte retry RUN; or correct the address, as in arte retry RUN --set models.teacher.endpoint.base_url=URL.',
  },
  EndpointRefusesParameter: {
    what: 'does not take a field that every call sends',
    next: "Set in the model's endpoint what is named there, as in arte retry RUN --set 'models.teacher.endpoint.omit=[temperature]'.",
  },
  EndpointOutOfMoney: {
    what: 'says that the account has run out of money or quota',
    next: 'Top up the account, then arte retry RUN; or name another endpoint with --set. Nothing answered is paid for twice.',
  },
};

/** The error a shard is parked with. `message` is the endpoint's own. */
export function parkError(
  code: ErrorCode,
  endpointId: string,
  message: string,
  done: number,
  total: number,
): ArteError {
  const text = parkTexts[code];
  return new ArteError(code, {
    what: `The endpoint ${endpointId} ${text?.what ?? 'cannot be used'}; ${done} of ${total} rows of the shard are done and kept.`,
    why: clipped(message, 500),
    next: text?.next ?? 'arte retry RUN.',
  });
}

/** Outcomes that have a threshold. */
export const thresholdNames = ['malformed', 'truncated', 'refused', 'failed'] as const;
export type ThresholdName = (typeof thresholdNames)[number];

/**
 * The outcome whose share is too large, if one is. Before the end only when that is beyond doubt: the rest cannot make up for it, or
 * enough rows are done (thresholdRowsMin and a tenth of the shard: rows come demonstration by demonstration, and the first may be an
 * unlucky one) and the share's lower confidence bound (Wilson, 99.9 %) is above the threshold.
 */
export function brokenThreshold(
  counts: OutcomeCounts,
  total: number,
  thresholds: RowThresholds,
): ThresholdName | undefined {
  const done = rowsIn(counts);
  if (done === 0) return undefined;
  for (const name of thresholdNames) {
    const bad = counts[name];
    const threshold = thresholds[name];
    if (done === total ? bad > threshold * total : surelyBroken(bad, done, total, threshold)) return name;
  }
  return undefined;
}

function surelyBroken(bad: number, done: number, total: number, threshold: number): boolean {
  // No bad row breaks nothing, not even a threshold of 0: the bound below is a rounding error above it.
  if (bad === 0 || done < Math.min(thresholdRowsMin, total)) return false;
  if (bad > threshold * total) return true;
  return done >= total / 10 && wilsonLower(bad, done) > threshold;
}

/** What happens by chance less often than this happens for a reason: as sure as the interval below. */
const chanceMin = 0.001;

/**
 * Thresholds for a part of a stage. A stage's last shard, and its later waves, may have a few rows only, of which one is a large share: such a part is
 * refused where a stage whose bad rows are just within the threshold would have so many in it less than once in a thousand times. One that is the
 * whole stage, or has rows enough for its share to say something, is judged by the threshold itself.
 */
export function thresholdsOfPart(thresholds: RowThresholds, rows: number, stageRows: number): RowThresholds {
  if (rows >= stageRows || rows >= shardRowsMax) return thresholds;
  // Half a row more, so that rounding breaks nothing.
  const ofPart = (threshold: number): number =>
    Math.max(threshold, Math.min(1, (byChanceMost(rows, threshold) + 0.5) / rows));
  return {
    malformed: ofPart(thresholds.malformed),
    truncated: ofPart(thresholds.truncated),
    refused: ofPart(thresholds.refused),
    failed: ofPart(thresholds.failed),
  };
}

/**
 * The outcome whose share in a stage as a whole is too large: more than chance makes of the threshold, so that what was let through part by part is not
 * refused afterwards.
 */
export function brokenInAll(counts: OutcomeCounts, thresholds: RowThresholds): ThresholdName | undefined {
  const rows = rowsIn(counts);
  return thresholdNames.find(
    (name) => counts[name] > Math.max(thresholds[name] * rows, byChanceMost(rows, thresholds[name])),
  );
}

function rowsIn({ ok, malformed, refused, truncated, failed }: OutcomeCounts): number {
  return ok + malformed + refused + truncated + failed;
}

/** The most bad rows of so many that chance makes of a share: the largest count that is reached or passed in chanceMin of all cases (binomial). */
function byChanceMost(rows: number, share: number): number {
  if (share <= 0) return 0;
  if (share >= 1) return rows;
  // From the top down, in logarithms: the power of a share by thousands of rows is no number.
  let log = rows * Math.log(share);
  let tail = 0;
  for (let bad = rows; bad > 0; bad -= 1) {
    tail += Math.exp(log);
    if (tail >= chanceMin) return bad;
    log += Math.log((bad * (1 - share)) / ((rows - bad + 1) * share));
  }
  return 0;
}

/** Lower bound of a share's 99.9 % confidence interval. */
function wilsonLower(hits: number, of: number): number {
  const z2 = 3.29 ** 2;
  const share = hits / of;
  const centre = share + z2 / (2 * of);
  return (centre - Math.sqrt(z2 * ((share * (1 - share)) / of + z2 / (4 * of * of)))) / (1 + z2 / of);
}

/** At most `length` characters from the head. */
export function clipped(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length)}…`;
}
