/**
 * The row engine: ask a model all rows of a shard, keep every answer, and leave one artifact whose bytes depend on nothing but the answers.
 * Owns the flow of a shard: resume, ask, flush, judge, commit, stop. What a failure means is outcomes.ts, how many calls at a time
 * limiter.ts, what is on disk journal.ts, in the store parts.ts, and what counts of both resume.ts.
 *
 * Invariants:
 *  1. An answer is in the journal before the row counts as done; every call has its intent there before it is made.
 *  2. Memory holds calls in flight and rows that wait for a retry, about twenty bytes for every other row, and no result.
 *  3. However a shard ends, what is done is kept: in the journal, and as far as the store can be reached in a part.
 *  4. The shard's record decides between attempts: whoever writes it first has made the shard, and everybody returns that.
 */
import { setMaxListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import type { ModelAnswer, ModelRequest, RowOutcome, RowRequest, RowResult, Usage } from '../../schemas/rows';
import { CallFailure } from '../../drivers/model/model';
import { ArteError, errorCodes, type ErrorCode } from '../../schemas/errors';
import type { JsonValue } from '../../schemas/json';
import * as limits from '../../schemas/limits';
import type { ShardOutput } from '../../schemas/messages';
import type { StallFacts } from '../../schemas/stall-dump';
import { StallError } from '../../schemas/stall-error';
import { seedFrom } from '../../method/keys';
import { usageOfCallMax, usageOfUntold } from '../../method/ledger';
import { reused } from '../reuse';
import { finishRow, noUsage } from './finish-row';
import { journalFolder, removeJournals } from './journal';
import { processLimiters, systemClock, Ticket, type CallEnd, type Limiter, type LimiterClient } from './limiter';
import {
  actionFor,
  brokenThreshold,
  clipped,
  mayBeAway,
  parkError,
  readingStep,
  signalOf,
  toldWait,
  type FailedCode,
  type ThresholdName,
} from './outcomes';
import { removeParts } from './parts';
import { addSpent, addUsage, resumeShard, takeLostAtMost, type AskedBefore, type Resumed } from './resume';
import { KeyPrefixes } from './key-prefixes';
import { resultLine } from './result-line';
import { RowOrder } from './row-order';
import type { RowTable } from './row-table';
import { shardRecordKey, shardRecordSchema } from './shard-record';
import { takeEarlier } from './take-earlier';
import type { EngineLimits, RunShard, ShardProgress, ShardRun } from './types';
import { WaitingRows } from './waiting-rows';
import { waitsOf, type Waits } from './waiting-words';

const defaultLimits: EngineLimits = {
  journalCommitIntervalMs: limits.journalCommitIntervalMs,
  partFlushIntervalMs: limits.partFlushIntervalMs,
  progressIntervalMs: limits.heartbeatIntervalMs,
  rowAttemptsMax: limits.rowAttemptsMax,
  retryBackoffBaseMs: limits.retryBackoffBaseMs,
  waitsSaidMs: limits.waitsSaidMs,
  waitingRowsMax: limits.waitingRowsMax,
  endpointDownMs: limits.endpointDownMs,
  rowsStallFloorMs: limits.rowsStallFloorMs,
  rowsStallFirstMs: limits.rowsStallFirstMs,
  rowsStallFactor: limits.rowsStallFactor,
  refusalDrainMs: limits.refusalDrainMs,
  abortFlushMs: limits.abortFlushMs,
};

/** Where a result's row key stands in its line. */
const keyAt = '{"key":"'.length;
/** Results read back before the event loop gets its turn: answers that wait in sockets meanwhile are lost to a kill, and a server's slots are idle. */
const rowsPerTurn = 64;
const noAnswer = { text: '' };

/**
 * Ask all rows of a shard and return its output; a shard that is finished is returned at once.
 * Errors: EndpointUnauthorized, EndpointUnknownModel, EndpointNotCompatible, EndpointOutOfMoney, EndpointUnreachable, OutcomeThreshold,
 * RowsStalled, DiskFull, Unexpected, and the store's. An abort rejects with the signal's reason. Whatever the error, a further call with
 * the same shard key goes on where this one stood.
 */
export const runShard: RunShard = async (run) => {
  run.signal.throwIfAborted();
  const beganMs = run.worksSinceMs ?? Date.now();
  const settings = { ...defaultLimits, ...run.limits };
  const finished = await finishedShard(run);
  if (finished) return finished;
  const disk: { early?: Error; fail: (error: Error) => void } = {
    fail: (error) => {
      disk.early = error;
    },
  };
  const resumed = await resumeShard(run, {
    journalCommitIntervalMs: settings.journalCommitIntervalMs,
    onJournalError: (error) => disk.fail(error),
  });
  try {
    const { usage, others } = resumed;
    const taken = await takeEarlier(run, resumed);
    let most = noUsage;
    if (run.admit !== undefined || usage.lostCalls > 0) {
      const surveyed = survey(run, resumed.table);
      ({ most } = surveyed);
      const { openMax } = surveyed;
      for (const lossy of [usage, ...Object.values(others)]) takeLostAtMost(lossy, most);
      await run.admit?.({ paid: paidOf(resumed), openMax });
    }
    const asking = new Asking(run, settings, resumed, taken);
    disk.fail = (error) => asking.stop(error);
    if (disk.early) asking.stop(disk.early);
    await asking.untilDone();
    return await commit(run, resumed, most, beganMs);
  } finally {
    resumed.parts.stop();
    resumed.journal.close();
    resumed.table.close();
  }
};

/** The record of a shard, when its results are there too. A damaged record is none: the rows are made again. */
export async function finishedShard(
  run: Pick<ShardRun, 'store' | 'shardKey' | 'journalDir'>,
): Promise<ShardOutput | undefined> {
  const document = await reused(run.store, shardRecordKey(run.shardKey));
  if (document === undefined) return undefined;
  const output = shardRecordSchema.parse(document);
  if (!(await run.store.hasBlob(output.results))) return undefined;
  await removeTraces(run);
  return output;
}

/** Write the results in row order, then the record that makes them the shard's. `most`: tokens for which a lost call was taken. */
async function commit(run: ShardRun, resumed: Resumed, most: Usage, beganMs: number): Promise<ShardOutput> {
  const { table, journal, usage, others } = resumed;
  journal.write();
  const keys = new KeyPrefixes(table.length);
  const results = await run.store.putLines(resultLines(table, keys, run.signal));
  await resumed.countLate(most);
  const paidBy = { ...others, [run.madeBy]: paidOf(resumed) };
  const askedMs = [beganMs, Date.now()] as const;
  const output: ShardOutput = { results, counts: table.counts, usage, madeBy: run.madeBy, paidBy, askedMs };
  const key = shardRecordKey(run.shardKey);
  const put = async (): Promise<ShardOutput> => {
    const { document } = await run.store.putOnce(key, output as unknown as JsonValue);
    return shardRecordSchema.parse(document);
  };
  let standing = await put();
  if (standing.results.sha256 !== results.sha256 && !(await run.store.hasBlob(standing.results))) {
    // The record of results that have gone: a key whose artifact is gone is not a hit.
    await run.store.remove(key);
    standing = await put();
  }
  if (standing.results.sha256 === results.sha256) await run.earlier?.remember(results, keys.whole());
  await removeTraces(run);
  return standing;
}

/** The shard's rows, listed once: what one of them may take at most, and what the open ones may together. Both estimated high. */
function survey({ rows }: ShardRun, table: RowTable): { readonly most: Usage; readonly openMax: Usage } {
  const ofOne = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 };
  const openMax = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 };
  for (let row = 0; row < rows.length; row += 1) {
    const { request } = rows.row(row);
    const most = usageOfCallMax(request);
    ofOne.inputTokens = Math.max(ofOne.inputTokens, most.inputTokens);
    ofOne.outputTokens = Math.max(ofOne.outputTokens, most.outputTokens);
    if (table.isDone(row)) continue;
    openMax.inputTokens += most.inputTokens;
    openMax.outputTokens += most.outputTokens;
  }
  return { most: ofOne, openMax };
}

/** What this run has paid for: all but what other runs' attempts left. */
function paidOf({ usage, others }: Resumed): ShardOutput['usage'] {
  const paid = { ...usage };
  for (const other of Object.values(others))
    for (const name of Object.keys(paid) as (keyof typeof paid)[]) paid[name] -= other[name];
  return paid;
}

/** In row order; `keys` are told of each. */
async function* resultLines(table: RowTable, keys: KeyPrefixes, signal: AbortSignal): AsyncGenerator<string> {
  for (let row = 0; row < table.length; row += 1) {
    if (row % rowsPerTurn === rowsPerTurn - 1) {
      // Heartbeats and other shards get their turn.
      await setImmediate();
      signal.throwIfAborted();
    }
    const line = table.line(row);
    // Canonical JSON sorts its members: `key` comes first (resume.ts).
    keys.add(line.slice(keyAt, keyAt + 64));
    yield line;
  }
}

/** Journals and parts are of no use once the record stands. Best effort: an attempt that is still running may leave some behind. */
async function removeTraces(run: Parameters<typeof finishedShard>[0]): Promise<void> {
  await Promise.allSettled([
    removeParts(run.store, run.shardKey),
    removeJournals(journalFolder(run.journalDir, run.shardKey)),
  ]);
}

/** A call that has ended, for whoever asks why nothing more comes. */
interface EndedCall {
  readonly call: Call;
  readonly outcome: string;
  readonly status: number | undefined;
  readonly at: number;
}

/** A call in flight. */
class Call extends Ticket {
  constructor(
    readonly index: number,
    readonly row: RowRequest,
    readonly ask: number,
    readonly request: ModelRequest,
  ) {
    super();
  }
}

/** What is remembered of a row that did not go well the first time. */
interface Trouble {
  tries: number;
  turnedAway: number;
  before: AskedBefore | undefined;
}

/** Asks the open rows of a shard. */
class Asking implements LimiterClient {
  private readonly table: RowTable;
  private readonly limiter: Limiter;
  private readonly calls = new AbortController();
  /** What stopped the shard. */
  private reason: unknown;
  private readonly troubles = new Map<number, Trouble>();
  private readonly waiting: WaitingRows;
  private readonly order: RowOrder;
  private staged: Call[] = [];
  private inFlight = 0;
  private readonly onTheWay = new Set<Call>();
  /** A ring of the last ones. */
  private readonly lastCalls: EndedCall[] = [];
  private callsEnded = 0;
  private state: 'asking' | 'draining' | 'ended' = 'asking';
  private finish: { readonly resolve: () => void; readonly reject: (reason: unknown) => void } | undefined;
  private idle: (() => void) | undefined;
  private flushing: Promise<void> | undefined;
  private timers: NodeJS.Timeout[] = [];
  private readonly startedAt = systemClock.now();
  /** Last row of this shard that was finished or asked again. */
  private lastProgressAt = this.startedAt;
  /** Latest time that a row was told to come back at. */
  private toldUntil = 0;
  /** Rows that failed since the endpoint's last sign of life, and since when. */
  private readonly failing = new Set<number>();
  private failingSince = 0;
  private failingHard = true;
  private lastFailure:
    { readonly code: FailedCode; readonly message: string; readonly toldMs: number | undefined } | undefined;
  private storeTrouble: string | undefined;

  /** Rows that were there when this attempt began. */
  private readonly found: number;

  constructor(
    private readonly run: ShardRun,
    private readonly settings: EngineLimits,
    private readonly resumed: Resumed,
    /** Rows whose answers were had under another stage. */
    private readonly taken: number,
  ) {
    // One listener per call in flight is no leak.
    setMaxListeners(0, this.calls.signal);
    this.table = resumed.table;
    this.found = resumed.table.done;
    this.limiter = (run.limiters ?? processLimiters).of(run.endpoint);
    this.waiting = new WaitingRows(systemClock, () => this.limiter.wake());
    this.order = new RowOrder(
      this.table.length,
      (index) => !this.table.isDone(index) && !this.troubles.has(index),
      run.rows.runEnd,
    );
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
        this.timers.push(setInterval(() => this.flush(), settings.partFlushIntervalMs));
        this.report();
        this.judge();
        this.finishIfDone();
        // What earlier attempts on this machine left only in their journals.
        this.flush();
        if (this.state === 'asking') this.limiter.join(this);
      });
      // A part that arrives after the shard's record would be left over.
      await this.flushing;
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
    return this.run.endpoint.concurrency.max;
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
      this.inFlight += 1;
      this.onTheWay.add(call);
      if (!written || this.calls.signal.aborted) this.ended(call, { kind: 'aborted' });
      else this.ask(call);
    }
  }

  private ask(call: Call): void {
    let answer: Promise<ModelAnswer>;
    try {
      answer = this.run.endpoint.complete(call.request, this.calls.signal);
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
      this.countLost(call);
      return;
    }
    this.failing.clear();
    addSpent(this.resumed.usage, usage);
    if (estimated) this.resumed.usage.estimatedCalls += 1;
    try {
      const reading = this.run.read(call.row, answer);
      this.remember(call, reading.outcome, undefined);
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
    const { journal } = this.resumed;
    const how = { answered: true, ...(estimated && { estimated }) };
    journal.records.answer(
      { final: false, row: call.index, ask: call.ask, outcome: 'malformed', ...how, usage },
      before.line,
    );
    journal.touch();
    this.troubleOf(call.index).before = before;
    this.lastProgressAt = systemClock.now();
    this.waiting.addDue(call.index);
    this.limiter.wake();
  }

  private failed(call: Call, error: unknown): void {
    const failure = error instanceof CallFailure ? error : undefined;
    // Of a call that was given up, and of one that failed in a way nobody foresaw, it is not known that it was not answered.
    const spent = failure ? failure.spent : 'untold';
    if (this.state === 'ended') {
      this.ended(call, { kind: 'aborted' });
      if (spent !== undefined) this.countLost(call);
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
    this.remember(call, code, failure?.status);
    this.noteFailure(call, spent);
    this.lastFailure = { code, message, toldMs: told };
    this.noteFailing(call.index, code);
    const trouble = this.troubleOf(call.index);
    if (signal === 'limited' || signal === 'overload') trouble.turnedAway += 1;
    else trouble.tries += 1;
    const action = actionFor(code, { ...trouble, retryAfterMs }, this.settings, Math.random);
    switch (action.kind) {
      case 'wait':
      case 'retry': {
        const dueAt = systemClock.now() + action.ms;
        if (code === 'rate-limited') this.toldUntil = Math.max(this.toldUntil, dueAt);
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

  /** Into the journal, and where the server has worked on the call, into the account. */
  private noteFailure(call: Call, spent: CallFailure['spent']): void {
    const { journal, usage } = this.resumed;
    if (spent === undefined) journal.records.failure(call.index, call.ask);
    else {
      const told = spent === 'untold' ? undefined : wholeUsage(spent);
      journal.records.spent(call.index, call.ask, told);
      if (told) addSpent(usage, told);
      else this.countLost(call);
    }
    journal.touch();
  }

  /** At its most. Of one that was given up the next attempt finds the intent, and counts it in the same way. */
  private countLost(call: Call): void {
    const { usage } = this.resumed;
    const most = usageOfCallMax(call.request);
    usage.lostCalls += 1;
    usage.lostInputTokens += most.inputTokens;
    usage.lostOutputTokens += most.outputTokens;
  }

  private ended(call: Call, end: CallEnd): void {
    this.inFlight -= 1;
    this.onTheWay.delete(call);
    this.run.ceiling?.give();
    this.order.release(call.index);
    this.limiter.finish(call, end);
    if (this.inFlight === 0) this.idle?.();
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
    this.lastProgressAt = systemClock.now();
    if (outcome !== 'ok') this.judge();
    this.finishIfDone();
  }

  private remember(call: Call, outcome: string, status: number | undefined): void {
    this.lastCalls[this.callsEnded % limits.stallCallsMax] = { call, outcome, status, at: systemClock.now() };
    this.callsEnded += 1;
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
      const error = this.thresholdError(broken);
      // Failed rows are asked again when a person says to go on; answers stay.
      if (this.table.count('failed') > 0) this.resumed.journal.records.reopen();
      this.stop(error);
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
    this.stop(parkError(code, this.run.endpoint.id, message, this.table.done, this.table.length));
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
    if (this.inFlight === 0) return;
    await new Promise<void>((resolve) => {
      this.idle = resolve;
      this.timers.push(setTimeout(resolve, ms));
    });
  }

  private thresholdError(broken: ThresholdName): ArteError {
    const { table, run } = this;
    this.resumed.journal.write();
    const bad = table.count(broken);
    const share = (part: number, of: number): string => `${((100 * part) / of).toFixed(1)} %`;
    const details: string[] = [];
    for (let row = 0; row < table.length && details.length < 5; row += 1) {
      if (table.outcome(row) !== broken) continue;
      const result = JSON.parse(table.line(row)) as RowResult;
      const answer = result.text === '' ? 'no answer' : `answer: ${clipped(result.text, 400)}`;
      details.push(
        `row ${row} (${result.why ?? broken}): prompt: …${promptTail(run.rows.row(row).request, 400)} | ${answer}`,
      );
    }
    const threshold = run.thresholds[broken];
    const advice =
      broken === 'failed'
        ? 'Look at the endpoint and its log, then arte retry RUN: failed rows are asked again, answered ones are kept.'
        : `Look at the examples. If the endpoint was at fault, mend it and arte retry RUN. Else change the prompt, the model or thresholds.${broken} with arte retry RUN --set SETTING=VALUE: answers that still count are reused.`;
    return new ArteError('OutcomeThreshold', {
      what: `${bad} of ${table.done} rows done are ${broken} (${share(bad, table.done)}); the threshold is ${share(threshold, 1)} of the shard's ${table.length} rows.`,
      why: `${details[0] === undefined ? 'No example is left.' : `For example ${clipped(details[0], 300)}`}${this.failureWords(broken)}`,
      next: advice,
      details,
    });
  }

  /** What a row that failed has for an answer is the failure's message. After a restart nobody remembers one. */
  private failureWords(broken: ThresholdName): string {
    const { lastFailure: last } = this;
    return broken === 'failed' && last ? ` | the last failure: ${last.code}: ${clipped(last.message, 300)}` : '';
  }

  /** Once a second: tell how it goes, and notice when it does not. */
  private tick(): void {
    this.report();
    // A ceiling that was raised, or a place given back by a shard at another endpoint, tells nobody.
    if (this.run.ceiling) this.limiter.wake();
    const error = this.unreachable() ?? this.stalled();
    if (error) this.stop(error);
  }

  private noteFailing(index: number, code: FailedCode): void {
    if (!mayBeAway(code)) {
      this.failing.clear();
      return;
    }
    if (this.failing.size === 0) {
      this.failingSince = systemClock.now();
      this.failingHard = true;
    }
    this.failing.add(index);
    if (code === 'server-error') this.failingHard = false;
  }

  /** Nothing but resets, timeouts and 5xx for long, and from more than a row or two that a server may choke on. */
  private unreachable(): ArteError | undefined {
    const rows = this.failing.size;
    const open = this.table.length - this.table.done;
    const since = systemClock.now() - this.failingSince;
    if (since < this.settings.endpointDownMs || rows < (this.failingHard ? Math.min(3, open) : 3) || rows === 0)
      return undefined;
    return new ArteError('EndpointUnreachable', {
      what: `The endpoint ${this.run.endpoint.id} has answered nothing for ${Math.round(since / 1000)} s; ${this.table.done} of ${this.table.length} rows are done and kept.`,
      why: `Its last failure: ${this.lastFailure?.code ?? 'none'}: ${clipped(this.lastFailure?.message ?? '', 500)}`,
      next: 'It is tried again by itself; check that the server is up and that base_url reaches it from the worker.',
    });
  }

  private stalled(): ArteError | undefined {
    const { settings, limiter } = this;
    const now = systemClock.now();
    // Another shard may have the endpoint; then its progress is what this one waits for.
    const last = Math.max(this.lastProgressAt, limiter.lastAnswerAt ?? 0, Math.min(this.toldUntil, now));
    const p99 = limiter.latencyP99Ms();
    const patience =
      p99 === undefined
        ? settings.rowsStallFirstMs
        : Math.max(settings.rowsStallFloorMs, settings.rowsStallFactor * p99);
    if (now - last < patience) return undefined;
    const text = {
      what: `No row was finished for ${Math.round((now - last) / 1000)} s; ${this.table.done} of ${this.table.length} rows are done and kept.`,
      why: `Waiting for ${this.inFlight} calls in flight at ${this.run.endpoint.id}, ${this.waiting.size} rows wait for a retry${
        this.lastFailure ? `; last failure: ${this.lastFailure.code}: ${clipped(this.lastFailure.message, 300)}` : ''
      }.`,
      next: 'It is tried again by itself; if it repeats, look at the model server and its log.',
    };
    const rows = this.standing(now);
    return new StallError('RowsStalled', text, { phase: 'rows', silentMs: now - last, limitMs: patience, rows });
  }

  /** Where the rows are, by their keys: what a shard that stands still waits for. */
  private standing(now: number): StallFacts['rows'] {
    const { limit, closedForMs } = this.allowed();
    const oldest = [...this.onTheWay].sort((one, other) => one.startedAt - other.startedAt);
    const newest = [...this.lastCalls].sort((one, other) => other.at - one.at);
    const whole = (ms: number): number => Math.max(0, Math.round(ms));
    return {
      ...{ endpoint: this.run.endpoint.id, done: this.table.done, total: this.table.length },
      ...{ inFlight: this.inFlight, waitingForRetry: this.waiting.size },
      ...{ callsAllowed: limit, closedForMs: whole(closedForMs) },
      calls: oldest.slice(0, limits.stallCallsMax).map(({ index, row, ask, startedAt }) => ({
        ...{ row: index, key: row.key, ask, ageMs: whole(now - startedAt) },
      })),
      lastCalls: newest.map(({ call, outcome, status, at }) => ({
        ...{ row: call.index, key: call.row.key, outcome, ...(status === undefined ? {} : { status }) },
        ...{ tookMs: whole(at - call.startedAt), agoMs: whole(now - at) },
      })),
    };
  }

  private report(): void {
    const waits = this.waits();
    const note = this.note(waits !== undefined);
    const { limit, ceiling, closedForMs } = this.allowed();
    const progress: ShardProgress = {
      done: this.table.done,
      found: this.found,
      total: this.table.length,
      inFlight: this.inFlight,
      concurrency: { limit, ceiling, closedForMs },
      counts: this.table.counts,
      usage: { ...this.resumed.usage },
      paid: paidOf(this.resumed),
      ...(note === undefined ? {} : { note }),
      ...(waits && { waits }),
    };
    this.run.onProgress(progress);
  }

  /** The limiter's state under the run's own ceiling. */
  private allowed(): { limit: number; ceiling: number; closedForMs: number } {
    const { limit, ceiling, closedForMs } = this.limiter.state();
    const max = this.run.ceiling?.max ?? Infinity;
    return { limit: Math.min(limit, max), ceiling: Math.min(ceiling, max), closedForMs };
  }

  /** Why rows wait; nothing while rows are finished beside those. */
  private waits(): Waits | undefined {
    const { settings, table, waiting, inFlight } = this;
    if (this.state !== 'asking' || systemClock.now() - this.lastProgressAt < settings.waitsSaidMs) return undefined;
    const { resting } = waiting;
    return waitsOf({
      ...{ open: table.length - table.done, inFlight, resting, firstForMs: waiting.firstForMs() },
      ...{ isFull: waiting.size >= settings.waitingRowsMax, closedForMs: this.limiter.state().closedForMs },
      last: this.lastFailure,
    });
  }

  /** `isTold`: why rows wait is said beside it. */
  private note(isTold: boolean): string | undefined {
    const notes: string[] = [];
    const { limit, ceiling, closedForMs } = this.allowed();
    if (ceiling < this.limiter.state().ceiling) notes.push(`at most ${ceiling} calls at a time, as was ordered`);
    const now = systemClock.now();
    if (this.failing.size > 0 && !isTold) {
      notes.push(
        `no answer for ${Math.round((now - this.failingSince) / 1000)} s: ${clipped(`${this.lastFailure?.code}: ${this.lastFailure?.message}`, 160)}`,
      );
    } else if (closedForMs > 1000 && !isTold)
      notes.push(`the endpoint asked to wait ${Math.ceil(closedForMs / 1000)} s`);
    else if (limit < ceiling) notes.push(`${limit} of ${ceiling} calls at a time`);
    if (this.storeTrouble)
      notes.push(`parts cannot be stored (rows are safe in the journal): ${clipped(this.storeTrouble, 160)}`);
    const { calls, estimatedCalls } = this.resumed.usage;
    if (estimatedCalls > 0)
      notes.push(`${estimatedCalls} of ${calls} answers came without usable token counts: theirs are estimated, high`);
    if (this.taken > 0) notes.push(`${this.taken} answers were had before, under another stage`);
    notes.push(...this.resumed.notes);
    return notes.length === 0 ? undefined : clipped(notes.join('; '), 600);
  }

  // ---- keeping -----------------------------------------------------------------------------------------------------

  /** Put what was finished since the last time into the store; one flush at a time. */
  private flush(): void {
    if (this.flushing || !this.resumed.parts.hasMore()) return;
    this.flushing = this.resumed.parts
      .flush()
      .then(
        () => {
          this.storeTrouble = undefined;
        },
        (error: unknown) => {
          this.storeTrouble = error instanceof Error ? error.message : String(error);
          if (error instanceof ArteError && !errorCodes[error.data.code].retryable) this.stop(error);
        },
      )
      .finally(() => {
        this.flushing = undefined;
      });
  }

  private async keepAll(): Promise<void> {
    const { abortFlushMs } = this.settings;
    if (this.inFlight > 0) {
      await atMost(abortFlushMs, new Promise<void>((resolve) => (this.idle = resolve)));
    }
    try {
      await this.resumed.journal.sync();
    } catch {
      // A disk that fails has stopped the shard already, or matters less than what did.
    }
    const flushed = (async () => {
      await this.flushing;
      if (this.resumed.parts.hasMore()) await this.resumed.parts.flush();
    })().catch(() => undefined);
    await atMost(abortFlushMs, flushed);
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

/** Another seed for every time that a row is asked again; not a neighbour's, which may be that of another sample. */
function requestOf(row: RowRequest, ask: number): ModelRequest {
  if (ask === 0) return row.request;
  const { sampling } = row.request;
  return { ...row.request, sampling: { ...sampling, seed: seedFrom(sampling.seed, 'repair', ask) } };
}

/** An endpoint's token counts as the journal can hold them. */
function wholeUsage(usage: Usage): Usage {
  return {
    inputTokens: wholeCount(usage.inputTokens),
    cachedInputTokens: wholeCount(usage.cachedInputTokens),
    outputTokens: wholeCount(usage.outputTokens),
  };
}

function wholeCount(count: number): number {
  return Number.isFinite(count) ? Math.min(0xffff_ffff, Math.max(0, Math.round(count))) : 0;
}

function unreadable(call: Call, error: unknown): ArteError {
  return new ArteError(
    'Unexpected',
    {
      what: `The answer of row ${call.index} (${call.row.key.slice(0, 12)}) could not be read by its stage.`,
      why: error instanceof Error ? error.message : String(error),
      next: 'This is a fault of the stage, not of the answer: please report it with the row.',
    },
    { cause: error },
  );
}

function promptTail(request: ModelRequest, length: number): string {
  const { prompt } = request;
  const text = prompt.kind === 'completion' ? prompt.text : (prompt.messages.at(-1)?.content ?? '');
  return text.slice(-length);
}

async function atMost(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([work, new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}
