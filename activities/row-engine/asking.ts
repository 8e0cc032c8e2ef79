/**
 * Asks the open rows of a shard until every one is done, or the shard has to stop.
 * Owns the flow: which row is next, what becomes of each call, when the shard ends and that it leaves in order. What a failure means is outcomes.ts, how
 * many calls at a time limiter.ts, the order of rows row-order.ts and waiting-rows.ts, whether anything still comes liveness.ts, what is told
 * report-progress.ts and refusal.ts, what outlives the machine keeping.ts.
 */
import { setMaxListeners } from 'node:events';
import { CallFailure, type ModelEndpoint } from '../../drivers/model/model';
import { usageOfUntold } from '../../method/ledger';
import { ArteError, type ErrorCode } from '../../schemas/errors';
import type { ModelAnswer, RowOutcome, Usage } from '../../schemas/rows';
import { Call, requestOf, unreadable } from './call';
import { CallList } from './call-list';
import { systemClock } from './clock';
import { finishRow } from './finish-row';
import { atMost, Keeping } from './keeping';
import type { CallEnd, Limiter, LimiterClient, Ticket } from './limiter';
import { processLimiters } from './limiters';
import { Liveness, type UnderWay } from './liveness';
import { countLost, noteFailure, noteMalformed } from './note-call';
import {
  actionFor,
  brokenThreshold,
  parkError,
  readingStep,
  signalOf,
  toldWait,
  type FailedCode,
  type ThresholdName,
} from './outcomes';
import { refusalOf } from './refusal';
import { ProgressReport } from './report-progress';
import { resultLine } from './result-line';
import type { AskedBefore } from './found-records';
import type { Resumed } from './resume';
import { RowOrder } from './row-order';
import type { RowTable } from './row-table';
import { addSpent, addUsage, noUsage, wholeUsage } from './shard-usage';
import type { EngineLimits, ShardRun } from './types';
import { WaitingRows } from './waiting-rows';

const noAnswer = { text: '' };

/** What is remembered of a row that did not go well the first time. */
interface Trouble {
  tries: number;
  turnedAway: number;
  before: AskedBefore | undefined;
}

/** Asks the open rows of a shard. */
export class Asking implements LimiterClient {
  private readonly table: RowTable;
  private readonly limiter: Limiter;
  private readonly calls = new AbortController();
  /** What stopped the shard. */
  private reason: unknown;
  private readonly troubles = new Map<number, Trouble>();
  private readonly waiting: WaitingRows;
  private readonly order: RowOrder;
  private staged: Call[] = [];
  private readonly onTheWay = new CallList();
  private state: 'asking' | 'draining' | 'ended' = 'asking';
  private finish: { readonly resolve: () => void; readonly reject: (reason: unknown) => void } | undefined;
  private idle: (() => void) | undefined;
  private timers: NodeJS.Timeout[] = [];
  private readonly liveness: Liveness;
  private readonly keeping: Keeping;
  private readonly progress: ProgressReport;

  constructor(
    private readonly run: ShardRun,
    private readonly settings: EngineLimits,
    private readonly resumed: Resumed,
    private readonly endpoint: ModelEndpoint,
    /** Rows whose answers were had under another stage. */
    taken: number,
  ) {
    // One listener per call in flight is no leak.
    setMaxListeners(0, this.calls.signal);
    this.table = resumed.table;
    this.limiter = (run.limiters ?? processLimiters).of(endpoint);
    this.waiting = new WaitingRows(systemClock, () => this.limiter.wake());
    this.order = new RowOrder(
      this.table.length,
      (index) => !this.table.isDone(index) && !this.troubles.has(index),
      run.rows.runEnd,
    );
    this.liveness = new Liveness(endpoint.id, this.table, this.limiter, settings);
    this.keeping = new Keeping(resumed, (error) => this.stop(error));
    const { limiter, waiting, liveness, keeping } = this;
    this.progress = new ProgressReport(run, settings, resumed, taken, { limiter, waiting, liveness, keeping });
    for (const [row, before] of resumed.askedBefore) {
      this.troubles.set(row, { tries: 0, turnedAway: 0, before });
      this.waiting.addDue(row);
    }
  }

  /** Resolves when every row is done; rejects with what stopped the shard, after keeping what was done. */
  async untilDone(): Promise<void> {
    const { run, settings } = this;
    const onAbort = (): void => void this.leave(run.signal.reason, run.drainMs?.() ?? 0);
    try {
      await new Promise<void>((resolve, reject) => {
        this.finish = { resolve, reject };
        if (run.signal.aborted) onAbort();
        if (this.isEnded()) {
          this.finish.reject(this.reason);
          return;
        }
        run.signal.addEventListener('abort', onAbort, { once: true });
        this.timers.push(setInterval(() => this.tick(), settings.progressIntervalMs));
        this.timers.push(setInterval(() => this.keeping.flush(), settings.partFlushIntervalMs));
        this.report();
        this.judge();
        this.finishIfDone();
        // What earlier attempts on this machine left only in their journals.
        this.keeping.flush();
        if (this.state === 'asking') this.limiter.join(this);
      });
      await this.keeping.arrived();
    } catch (reason) {
      await this.keepAll();
      throw reason;
    } finally {
      run.signal.removeEventListener('abort', onAbort);
      this.end();
      this.report();
    }
  }

  /** Stop the shard with this reason: calls in flight are given up, what is done is kept. */
  stop(reason: unknown): void {
    if (this.state === 'ended') return;
    this.end();
    this.reason = reason;
    this.calls.abort(reason);
    this.finish?.reject(reason);
  }

  // ---- the limiter's side ----------------------------------------------------------------------------------------

  get callsMax(): number {
    return this.endpoint.concurrency.max;
  }

  next(): Ticket | undefined {
    if (this.state !== 'asking') return undefined;
    if (this.run.ceiling && !this.run.ceiling.take()) return undefined;
    const index = this.waiting.takeDue() ?? this.nextFresh();
    if (index === undefined) {
      this.run.ceiling?.give();
      return undefined;
    }
    try {
      const row = this.run.rows.row(index);
      const ask = this.troubles.get(index)?.before?.asks ?? 0;
      this.resumed.journal.records.intent(index, ask);
      const call = new Call(index, row, ask, requestOf(row, ask));
      this.staged.push(call);
      return call;
    } catch (error) {
      this.run.ceiling?.give();
      this.stop(error);
      return undefined;
    }
  }

  send(): void {
    const { staged } = this;
    this.staged = [];
    let written = true;
    try {
      this.resumed.journal.write();
    } catch (error) {
      written = false;
      this.stop(error);
    }
    for (const call of staged) {
      this.onTheWay.add(call);
      if (!written || this.calls.signal.aborted) this.ended(call, { kind: 'aborted' });
      else this.ask(call);
    }
  }

  private ask(call: Call): void {
    let answer: Promise<ModelAnswer>;
    try {
      answer = this.endpoint.complete(call.request, this.calls.signal);
    } catch (error) {
      this.failed(call, error);
      return;
    }
    answer.then(
      (given) => this.answered(call, given),
      (error: unknown) => this.failed(call, error),
    );
  }

  private nextFresh(): number | undefined {
    return this.waiting.size >= this.settings.waitingRowsMax ? undefined : this.order.take();
  }

  // ---- what becomes of a call --------------------------------------------------------------------------------------

  private answered(call: Call, answer: ModelAnswer): void {
    const estimated = answer.usageUntold !== undefined;
    const usage = wholeUsage(estimated ? usageOfUntold(call.request, answer) : answer.usage);
    this.ended(call, {
      kind: 'answered',
      work: 16 + usage.outputTokens + Math.max(0, usage.inputTokens - usage.cachedInputTokens) / 16,
    });
    if (this.state === 'ended') {
      countLost(this.resumed, call);
      return;
    }
    this.liveness.answered();
    addSpent(this.resumed.usage, usage);
    if (estimated) this.resumed.usage.estimatedCalls += 1;
    try {
      const reading = this.run.read(call.row, answer);
      this.liveness.remember(call, reading.outcome, undefined);
      const before = this.troubles.get(call.index)?.before;
      const total = before ? addUsage(before.usage, usage) : usage;
      const line = resultLine(call.row, reading, answer, total);
      if (readingStep(reading, call.ask + 1, this.run.repairs) === 'ask-again')
        this.askAgain(call, { asks: call.ask + 1, usage: total, line }, usage, estimated);
      else this.record(call.index, call.ask, reading.outcome, line, usage, estimated);
    } catch (error) {
      this.stop(unreadable(call, error));
    }
  }

  private askAgain(call: Call, before: AskedBefore, usage: Usage, estimated: boolean): void {
    noteMalformed(this.resumed, call, before, usage, estimated);
    this.troubleOf(call.index).before = before;
    this.liveness.progressed();
    this.waiting.addDue(call.index);
    this.limiter.wake();
  }

  private failed(call: Call, error: unknown): void {
    const failure = error instanceof CallFailure ? error : undefined;
    // Of a call that was given up, and of one that failed in a way nobody foresaw, it is not known that it was not answered.
    const spent = failure ? failure.spent : 'untold';
    if (this.state === 'ended') {
      this.ended(call, { kind: 'aborted' });
      if (spent !== undefined) countLost(this.resumed, call);
      return;
    }
    const code: FailedCode = failure?.callCause ?? 'unexpected';
    const message = error instanceof Error ? error.message : String(error);
    const signal = signalOf(code);
    const told = failure?.retryAfterMs;
    const retryAfterMs = told === undefined ? undefined : toldWait(told, this.settings.retryBackoffBaseMs);
    this.ended(
      call,
      signal === 'limited'
        ? { kind: signal, retryAfterMs: retryAfterMs ?? this.settings.retryBackoffBaseMs }
        : { kind: signal },
    );
    if (error instanceof ArteError) {
      this.stop(error);
      return;
    }
    this.liveness.remember(call, code, failure?.status);
    noteFailure(this.resumed, call, spent);
    this.liveness.failed(call.index, { code, message, toldMs: told });
    const trouble = this.troubleOf(call.index);
    if (signal === 'limited' || signal === 'overload') trouble.turnedAway += 1;
    else trouble.tries += 1;
    const action = actionFor(code, { ...trouble, retryAfterMs }, this.settings, Math.random);
    switch (action.kind) {
      case 'wait':
      case 'retry': {
        const dueAt = systemClock.now() + action.ms;
        if (code === 'rate-limited') this.liveness.told(dueAt);
        this.waiting.add(call.index, dueAt);
        return;
      }
      case 'record': {
        // A malformed answer is more than none: it stands when asking again has failed.
        const line =
          trouble.before?.line ?? resultLine(call.row, { outcome: 'failed', why: action.code }, noAnswer, noUsage);
        this.record(call.index, call.ask, trouble.before ? 'malformed' : 'failed', line, undefined);
        return;
      }
      case 'park':
        void this.park(action.code, message);
    }
  }

  private ended(call: Call, end: CallEnd): void {
    this.onTheWay.remove(call);
    this.run.ceiling?.give();
    this.order.release(call.index);
    this.limiter.finish(call, end);
    if (this.onTheWay.length === 0) this.idle?.();
  }

  /** A row is finished. `usage` is that of the answer that finished it, undefined when there was none. */
  private record(
    index: number,
    ask: number,
    outcome: RowOutcome,
    line: string,
    usage?: Usage,
    estimated = false,
  ): void {
    finishRow(this.resumed, { index, ask, outcome, usage, estimated }, line);
    this.troubles.delete(index);
    this.liveness.progressed();
    if (outcome !== 'ok') this.judge();
    this.finishIfDone();
  }

  private troubleOf(index: number): Trouble {
    let trouble = this.troubles.get(index);
    if (!trouble) this.troubles.set(index, (trouble = { tries: 0, turnedAway: 0, before: undefined }));
    return trouble;
  }

  private finishIfDone(): void {
    if (this.table.done < this.table.length) return;
    this.judge();
    if (this.state !== 'asking') return;
    this.end();
    this.finish?.resolve();
  }

  // ---- judging the shard as a whole --------------------------------------------------------------------------------

  private judge(): void {
    if (this.state !== 'asking') return;
    const broken = brokenThreshold(this.table.counts, this.table.length, this.run.thresholds);
    if (broken) void this.refuse(broken);
  }

  /** Park the shard for a person; answers on their way are waited for, because they are paid for. */
  private async refuse(broken: ThresholdName): Promise<void> {
    await this.drain(this.settings.refusalDrainMs);
    if (this.isEnded()) return;
    try {
      this.stop(refusalOf(this.run, this.resumed, broken, this.liveness.lastFailure));
    } catch (error) {
      this.stop(error);
    }
  }

  /**
   * Park the shard because of what the endpoint said, `message`. Answers on their way are waited for as above; other calls that hear the same
   * meanwhile change nothing.
   */
  private async park(code: ErrorCode, message: string): Promise<void> {
    if (this.state !== 'asking') return;
    await this.drain(this.settings.refusalDrainMs);
    this.stop(parkError(code, this.endpoint.id, message, this.table.done, this.table.length));
  }

  /** Stop the shard with this reason, after waiting for answers on their way. */
  private async leave(reason: unknown, ms: number): Promise<void> {
    if (this.state === 'asking' && ms > 0) await this.drain(ms);
    // Its last rows may have been answered meanwhile: then it is kept as it is, and whoever asks for it next finds nothing left to ask.
    this.stop(reason);
  }

  /** Begin no further call, and wait for those in flight. */
  private async drain(ms: number): Promise<void> {
    this.state = 'draining';
    if (this.onTheWay.length === 0) return;
    await new Promise<void>((resolve) => {
      this.idle = resolve;
      this.timers.push(setTimeout(resolve, ms));
    });
  }

  /** Once a second: tell how it goes, and notice when it does not. */
  private tick(): void {
    this.report();
    // A ceiling that was raised, or a place given back by a shard at another endpoint, tells nobody.
    if (this.run.ceiling) this.limiter.wake();
    const error = this.liveness.unreachable() ?? this.liveness.stalled(() => this.underWay());
    if (error) this.stop(error);
  }

  private underWay(): UnderWay {
    const onTheWay = this.onTheWay.all();
    const { limit: callsAllowed, closedForMs } = this.progress.allowed();
    return { onTheWay, waitingForRetry: this.waiting.size, callsAllowed, closedForMs };
  }

  private report(): void {
    this.progress.tell(this.onTheWay.length, this.state === 'asking');
  }

  private async keepAll(): Promise<void> {
    const { abortFlushMs } = this.settings;
    if (this.onTheWay.length > 0) {
      await atMost(abortFlushMs, new Promise<void>((resolve) => (this.idle = resolve)));
    }
    await this.keeping.keepAll(abortFlushMs);
  }

  private isEnded(): boolean {
    return this.state === 'ended';
  }

  private end(): void {
    this.state = 'ended';
    this.limiter.leave(this);
    this.waiting.close();
    for (const timer of this.timers) clearTimeout(timer);
    this.timers = [];
  }
}
