/**
 * Whether anything still comes of a shard's calls: an endpoint that is away, and rows that stand still.
 * Owns what is remembered for that (the last failure, the last calls, the rows that failed without a sign of life) and the two errors, with what was
 * found; that a shard stops for them is asking.ts, why rows wait waiting-words.ts.
 */
import { ArteError } from '../../schemas/errors';
import { stallCallsMax } from '../../schemas/limits';
import type { StallFacts } from '../../schemas/stall-dump';
import { StallError } from '../../schemas/stall-error';
import type { Call } from './call';
import { systemClock } from './clock';
import type { Limiter } from './limiter';
import { clipped, mayBeAway, type FailedCode } from './outcomes';
import type { RowTable } from './row-table';
import type { EngineLimits } from './types';

export interface LastFailure {
  readonly code: FailedCode;
  readonly message: string;
  /** The wait that the server asked for. */
  readonly toldMs: number | undefined;
}

/** A call that has ended, for whoever asks why nothing more comes. */
interface EndedCall {
  readonly call: Call;
  readonly outcome: string;
  readonly status: number | undefined;
  readonly at: number;
}

/** Where the rows are that are not done. */
export interface UnderWay {
  readonly onTheWay: readonly Call[];
  readonly waitingForRetry: number;
  readonly callsAllowed: number;
  readonly closedForMs: number;
}

export class Liveness {
  lastFailure: LastFailure | undefined;
  /** Last row of this shard that was finished or asked again. */
  private progressAt = systemClock.now();
  /** Latest time that a row was told to come back at. */
  private toldUntil = 0;
  /** Rows that failed since the endpoint's last sign of life, and since when. */
  private readonly failing = new Set<number>();
  private failingSince = 0;
  private failingHard = true;
  /** A ring of the last ones. */
  private readonly lastCalls: EndedCall[] = [];
  private callsEnded = 0;

  constructor(
    private readonly endpointId: string,
    private readonly table: RowTable,
    private readonly limiter: Limiter,
    private readonly settings: EngineLimits,
  ) {}

  /** Since a row was finished or asked again, in milliseconds. */
  get sinceProgressMs(): number {
    return systemClock.now() - this.progressAt;
  }

  /** For how long nothing but failures has come; undefined where the last call got an answer. */
  get failingForMs(): number | undefined {
    return this.failing.size > 0 ? systemClock.now() - this.failingSince : undefined;
  }

  /** A row was finished or asked again. */
  progressed(): void {
    this.progressAt = systemClock.now();
  }

  /** The endpoint has answered. */
  answered(): void {
    this.failing.clear();
  }

  /** A row was told to come back then. */
  told(dueAt: number): void {
    this.toldUntil = Math.max(this.toldUntil, dueAt);
  }

  remember(call: Call, outcome: string, status: number | undefined): void {
    this.lastCalls[this.callsEnded % stallCallsMax] = { call, outcome, status, at: systemClock.now() };
    this.callsEnded += 1;
  }

  failed(index: number, failure: LastFailure): void {
    this.lastFailure = failure;
    if (!mayBeAway(failure.code)) {
      this.failing.clear();
      return;
    }
    if (this.failing.size === 0) {
      this.failingSince = systemClock.now();
      this.failingHard = true;
    }
    this.failing.add(index);
    if (failure.code === 'server-error') this.failingHard = false;
  }

  /** Nothing but resets, timeouts and 5xx for long, and from more than a row or two that a server may choke on. */
  unreachable(): ArteError | undefined {
    const rows = this.failing.size;
    const open = this.table.length - this.table.done;
    const since = systemClock.now() - this.failingSince;
    if (since < this.settings.endpointDownMs || rows < (this.failingHard ? Math.min(3, open) : 3) || rows === 0)
      return undefined;
    return new ArteError('EndpointUnreachable', {
      what: `The endpoint ${this.endpointId} has answered nothing for ${Math.round(since / 1000)} s; ${this.table.done} of ${this.table.length} rows are done and kept.`,
      why: `Its last failure: ${this.lastFailure?.code ?? 'none'}: ${clipped(this.lastFailure?.message ?? '', 500)}`,
      next: 'It is tried again by itself; check that the server is up and that base_url reaches it from the worker.',
    });
  }

  /** No row finished or asked again for far longer than calls take here. `underWay` is asked for when that is so. */
  stalled(underWay: () => UnderWay): ArteError | undefined {
    const { settings, limiter } = this;
    const now = systemClock.now();
    // Another shard may have the endpoint; then its progress is what this one waits for.
    const last = Math.max(this.progressAt, limiter.lastAnswerAt ?? 0, Math.min(this.toldUntil, now));
    const p99 = limiter.latencyP99Ms();
    const patience =
      p99 === undefined
        ? settings.rowsStallFirstMs
        : Math.max(settings.rowsStallFloorMs, settings.rowsStallFactor * p99);
    if (now - last < patience) return undefined;
    const at = underWay();
    const text = {
      what: `No row was finished for ${Math.round((now - last) / 1000)} s; ${this.table.done} of ${this.table.length} rows are done and kept.`,
      why: `Waiting for ${at.onTheWay.length} calls in flight at ${this.endpointId}, ${at.waitingForRetry} rows wait for a retry${
        this.lastFailure ? `; last failure: ${this.lastFailure.code}: ${clipped(this.lastFailure.message, 300)}` : ''
      }.`,
      next: 'It is tried again by itself; if it repeats, look at the model server and its log.',
    };
    const rows = this.standing(now, at);
    return new StallError('RowsStalled', text, { phase: 'rows', silentMs: now - last, limitMs: patience, rows });
  }

  /** Where the rows are, by their keys: what a shard that stands still waits for. */
  private standing(
    now: number,
    { onTheWay, waitingForRetry, callsAllowed, closedForMs }: UnderWay,
  ): StallFacts['rows'] {
    const oldest = [...onTheWay].sort((one, other) => one.startedAt - other.startedAt);
    const newest = [...this.lastCalls].sort((one, other) => other.at - one.at);
    const whole = (ms: number): number => Math.max(0, Math.round(ms));
    return {
      ...{ endpoint: this.endpointId, done: this.table.done, total: this.table.length },
      ...{ inFlight: onTheWay.length, waitingForRetry },
      ...{ callsAllowed, closedForMs: whole(closedForMs) },
      calls: oldest.slice(0, stallCallsMax).map(({ index, row, ask, startedAt }) => ({
        ...{ row: index, key: row.key, ask, ageMs: whole(now - startedAt) },
      })),
      lastCalls: newest.map(({ call, outcome, status, at }) => ({
        ...{ row: call.index, key: call.row.key, outcome, ...(status === undefined ? {} : { status }) },
        ...{ tookMs: whole(at - call.startedAt), agoMs: whole(now - at) },
      })),
    };
  }
}
