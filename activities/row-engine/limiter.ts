/**
 * How many calls an endpoint gets at a time: one limiter per endpoint id, shared by all shards of this process.
 * Owns admission and its adaptation; whether more calls pay is work-rate.ts, what becomes of a row outcomes.ts, when it is due asking.ts.
 *
 * The rules, in the order of what they prevent:
 *  - A call that was turned away or got no answer (429, 503, timeout, reset) takes one slot away at once, if calls that were started
 *    with as many in flight fare badly. So an overshoot is corrected by as much as it was, no slot is refilled into a full server,
 *    and a server that turns away 5 % of calls at any load is not taken for a full one: there, most calls at that level were answered.
 *  - Where many are turned away at any load, that is found out by experiment: fewer calls at a time for as long as eight signals would
 *    take. If they go on as before, load is not their cause; they are the `baseline` from then on and the limit is restored.
 *  - Slow start: one more slot per answer, until a limit is met. Then steady growth: after `holdEpochs` quiet epochs 1, 2, 4, …
 *    slots more per quiet epoch, so that a limit is touched rarely and a limit that has moved away is found again quickly.
 *  - More calls at a time that bring no more work per second only wait in the server's queue: growth is taken back when the work
 *    rate (answers weighted by tokens) does not grow with it, and a lasting rise of the time per work takes slots away.
 *  - An endpoint that answers nothing at all is asked by single probes with growing pauses, then slow start begins again. One that
 *    turns everything away and says for how long (a used-up rate) is left alone for that long.
 * An epoch is as many finished calls as there are slots, all of them started within it: about one and a half round trips.
 *
 * Slots go to the shard that came first as long as it has rows due, so that a server's prefix cache sees one shard's rows back to back.
 */
import { systemClock, type Clock } from './clock';
import { LatencySample } from './latency-sample';
import { LevelCounts } from './level-counts';
import { WorkRateJudge } from './work-rate';

/** A call in flight as the limiter knows it. The fields are the limiter's. */
export class Ticket {
  epoch = 0;
  /** Calls in flight when it started, itself included. */
  level = 0;
  startedAt = 0;
}

/** One shard. */
export interface LimiterClient {
  /** Most calls at a time that its config allows; the smallest one of those who take part holds for all. */
  readonly callsMax?: number;
  /** Prepare the next call that is due and return its ticket; undefined when none is due. Must not throw. */
  next(): Ticket | undefined;
  /** Make the calls prepared since the last time. Must not throw. */
  send(): void;
}

/** How a call ended. `work` is its size in any unit that is roughly proportional to the time a server needs for it. */
export type CallEnd =
  | { readonly kind: 'answered'; readonly work: number }
  /** Turned away, with the time after which to come back. */
  | { readonly kind: 'limited'; readonly retryAfterMs: number }
  | { readonly kind: 'overload' }
  /** Timeout or reset: overload, or nobody there. */
  | { readonly kind: 'down' }
  /** Failed in a way that says nothing about load (`alive`: it was the server that said so). */
  | { readonly kind: 'alive' }
  | { readonly kind: 'aborted' };

export interface LimiterState {
  readonly limit: number;
  readonly inFlight: number;
  readonly ceiling: number;
  /** Milliseconds until the endpoint is asked again, 0 when it may be asked now. */
  readonly closedForMs: number;
  /** Share of calls turned away that is taken as given. */
  readonly baseline: number;
}

/** Quiet epochs between two touches of a limit: at 32 slots one call in 150 is turned away by probing. */
const holdEpochs = 2;
/** Share of calls turned away at a level that is borne without shrinking, above the baseline; and the standard deviations granted. */
const borneShare = 0.06;
const borneDeviations = 1.5;
/** A larger share of calls turned away is never taken as given. */
const baselineMax = 0.3;
/** Experiments: slots left, expected signals, and bounds of their length in calls. */
const experimentShare = 0.75;
const experimentSignals = 8;
const experimentCallsMin = 24;
const experimentCallsMax = 800;
/** Epochs are at least this many calls, or shares of small numbers would say too much. */
const epochCallsMin = 16;
/** This many calls without a sign of life, and none in flight: probe singly. */
const silentCallsMin = 4;
const probePauseFirstMs = 100;
const probePauseMaxMs = 5_000;

interface Epoch {
  readonly id: number;
  readonly startLimit: number;
  /** Started within it and finished. */
  own: number;
  /** Finished within it, whenever they started: signals come sooner than answers, so only a flow gives a fair share. */
  calls: number;
  signals: number;
  /** Slots taken away. */
  taken: number;
  answers: number;
  /** Sum over answers of work, milliseconds, and level at their start. */
  work: number;
  ms: number;
  levels: number;
  /** A row was kept waiting by the limit: only then more slots would have been used. */
  bound: boolean;
}

interface Experiment {
  readonly top: number;
  /** Share of signals before it. */
  readonly share: number;
  readonly epoch: number;
  readonly calls: number;
  seen: number;
  signals: number;
}

export class Limiter {
  private limit: number;
  private ceiling: number;
  private inFlight = 0;
  private readonly clients: LimiterClient[] = [];
  private pumping = false;
  private growing: 'slow-start' | 'steady' = 'slow-start';
  private step = 1;
  private hold = 0;
  private baseline = 0;
  /** Signals that took no slot away, the past fading by half per epoch. */
  private borneSignals = 0;
  private epoch: Epoch;
  private readonly workRate = new WorkRateJudge();
  private loudEpochs = 0;
  private quietEpochs = 0;
  /** Since the first slot that was taken away and for which no reason was found yet. */
  private unexplained: { readonly top: number; calls: number; signals: number } | undefined;
  /** Calls by the number in flight at their start, the past fading by half per epoch. */
  private readonly startedAtLevel: LevelCounts;
  private readonly turnedAwayAtLevel: LevelCounts;
  private experiment: Experiment | undefined;
  /** Calls without a sign of life since the last one. */
  private silent = 0;
  private limitedInARow = 0;
  private limitBeforeSilence: number | undefined;
  private probePauseMs = probePauseFirstMs;
  private closedUntil = 0;
  private cancelOpening: (() => void) | undefined;
  private readonly latencies = new LatencySample();
  /** When a call was last answered; undefined before the first. */
  lastAnswerAt: number | undefined;

  constructor(
    concurrency: { readonly start: number; readonly max: number },
    private readonly clock: Clock = systemClock,
    private readonly random: () => number = Math.random,
  ) {
    this.ceiling = Math.max(1, concurrency.max);
    this.limit = Math.min(this.ceiling, Math.max(1, concurrency.start));
    this.startedAtLevel = new LevelCounts(this.ceiling);
    this.turnedAwayAtLevel = new LevelCounts(this.ceiling);
    this.epoch = this.newEpoch(1);
  }

  /** Take part. Slots are offered from the next turn of the event loop on. */
  join(client: LimiterClient): void {
    this.clients.push(client);
    this.fitCeiling();
    this.wake();
  }

  /** No further slots; calls in flight are still to be finished. */
  leave(client: LimiterClient): void {
    const at = this.clients.indexOf(client);
    if (at >= 0) this.clients.splice(at, 1);
    this.fitCeiling();
  }

  get isIdle(): boolean {
    return this.clients.length === 0;
  }

  /** Two configs may name one endpoint and other ceilings: whoever comes last must not lift that of the one who is there. */
  private fitCeiling(): void {
    const asked = this.clients.flatMap(({ callsMax }) => callsMax ?? []);
    if (asked.length > 0) this.setCeiling(Math.min(...asked));
  }

  /** A client has become due. */
  wake(): void {
    if (this.pumping) return;
    this.pumping = true;
    this.clock.soon(() => {
      this.pumping = false;
      this.pump();
    });
  }

  /** The ceiling may be changed while running. */
  setCeiling(max: number): void {
    const ceiling = Math.max(1, max);
    if (ceiling === this.ceiling) return;
    this.ceiling = ceiling;
    this.limit = Math.min(this.limit, ceiling);
    this.startedAtLevel.resize(ceiling);
    this.turnedAwayAtLevel.resize(ceiling);
    this.wake();
  }

  state(): LimiterState {
    return {
      limit: Math.floor(this.limit),
      inFlight: this.inFlight,
      ceiling: this.ceiling,
      closedForMs: Math.max(0, this.closedUntil - this.clock.now()),
      baseline: this.baseline,
    };
  }

  /** 99th percentile of the last answers' milliseconds; undefined before the first. */
  latencyP99Ms(): number | undefined {
    return this.latencies.p99();
  }

  /** Every ticket that `next` returned is finished exactly once. */
  finish(ticket: Ticket, end: CallEnd): void {
    this.inFlight -= 1;
    const now = this.clock.now();
    this.noteLife(end, now);
    if (end.kind !== 'aborted') {
      const signal = end.kind === 'limited' || end.kind === 'overload' || end.kind === 'down';
      if (signal) this.onSignal(ticket);
      else if (end.kind === 'answered') this.onAnswer(ticket, now);
      this.countIn(ticket, end, signal, now);
    }
    this.wake();
  }

  private pump(): void {
    const now = this.clock.now();
    if (now < this.closedUntil) return;
    for (const client of [...this.clients]) {
      let taken = 0;
      while (this.inFlight < Math.floor(this.limit)) {
        const ticket = client.next();
        if (!ticket) break;
        this.inFlight += 1;
        taken += 1;
        ticket.epoch = this.epoch.id;
        ticket.level = this.inFlight;
        ticket.startedAt = now;
        this.startedAtLevel.add(ticket.level);
      }
      if (taken > 0) client.send();
      if (this.inFlight >= Math.floor(this.limit)) {
        this.epoch.bound = true;
        return;
      }
    }
  }

  /** Outages and used-up rates: whether, and when, the endpoint is asked again. */
  private noteLife(end: CallEnd, now: number): void {
    if (end.kind === 'aborted') return;
    if (end.kind === 'answered') {
      this.silent = 0;
      this.limitedInARow = 0;
      this.probePauseMs = probePauseFirstMs;
      this.lastAnswerAt = now;
      if (this.limitBeforeSilence !== undefined) this.recover();
      return;
    }
    this.silent += 1;
    this.limitedInARow = end.kind === 'limited' ? this.limitedInARow + 1 : 0;
    if (this.silent < silentCallsMin || this.inFlight > 0) return;
    this.limitBeforeSilence ??= Math.max(this.limit, this.epoch.startLimit, this.unexplained?.top ?? 1);
    this.limit = 1;
    this.experiment = undefined;
    this.unexplained = undefined;
    if (end.kind === 'limited' && this.limitedInARow >= silentCallsMin) {
      this.close(now, end.retryAfterMs);
    } else {
      this.close(now, this.probePauseMs * (0.5 + 0.5 * this.random()));
      this.probePauseMs = Math.min(probePauseMaxMs, this.probePauseMs * 2);
    }
  }

  /** First answer after silence: the limit of before is worth trying, in slow start and from half of it. */
  private recover(): void {
    this.limit = Math.max(1, Math.min(this.ceiling, (this.limitBeforeSilence ?? 1) / 2));
    this.limitBeforeSilence = undefined;
    this.growing = 'slow-start';
    this.workRate.forget();
    this.loudEpochs = 0;
    this.epoch = this.newEpoch(this.epoch.id + 1);
  }

  private close(now: number, ms: number): void {
    this.closedUntil = now + ms;
    this.cancelOpening?.();
    this.cancelOpening = this.clock.after(ms, () => {
      this.cancelOpening = undefined;
      // Timers may fire a little early by this clock.
      this.closedUntil = 0;
      this.wake();
    });
  }

  private onAnswer(ticket: Ticket, now: number): void {
    this.latencies.add(now - ticket.startedAt);
    if (this.growing === 'slow-start' && !this.experiment && !this.workRate.isDoubted && this.epoch.bound) {
      this.limit = Math.min(this.ceiling, this.limit + 1);
      if (this.limit === this.ceiling) this.steady(0);
    }
  }

  private onSignal(ticket: Ticket): void {
    this.turnedAwayAtLevel.add(ticket.level);
    if (this.experiment) return;
    const turnedAway = this.turnedAwayAtLevel.sumFrom(ticket.level);
    // Started, not answered: answers take long, and would make every new level look bad at first.
    const calls = Math.max(turnedAway, this.startedAtLevel.sumFrom(ticket.level));
    const borne = (borneShare + 1.2 * this.baseline) * calls;
    // Where signals came at proven levels too, one at a new level says little.
    const grace = this.borneSignals >= 1.5 ? 1 : 0;
    if (turnedAway <= grace + borne + borneDeviations * Math.sqrt(borne)) {
      this.borneSignals += 1;
      return;
    }
    this.unexplained ??= { top: this.limit, calls: 0, signals: 0 };
    this.limit = Math.max(1, this.limit - 1);
    this.epoch.taken += 1;
    if (this.growing === 'slow-start' && turnedAway >= 1.5 && turnedAway > calls / 2) this.steady(holdEpochs);
  }

  private steady(hold: number): void {
    this.growing = 'steady';
    this.step = 1;
    this.hold = hold;
  }

  private countIn(ticket: Ticket, end: CallEnd, signal: boolean, now: number): void {
    const { epoch, experiment } = this;
    if (experiment) {
      // Signals of calls from before do not count, their answers stand for the answers still on their way.
      if (signal && ticket.epoch < experiment.epoch) return;
      experiment.seen += 1;
      if (signal) experiment.signals += 1;
      if (experiment.seen >= experiment.calls) this.concludeExperiment(experiment);
      return;
    }
    if (ticket.epoch === epoch.id) epoch.own += 1;
    epoch.calls += 1;
    if (signal) epoch.signals += 1;
    if (this.unexplained) {
      this.unexplained.calls += 1;
      if (signal) this.unexplained.signals += 1;
    }
    if (end.kind === 'answered') {
      epoch.answers += 1;
      epoch.work += end.work;
      epoch.ms += now - ticket.startedAt;
      epoch.levels += ticket.level;
    }
    if (epoch.own >= Math.max(epochCallsMin, Math.floor(Math.min(this.limit, epoch.startLimit))))
      this.closeEpoch(epoch);
  }

  private closeEpoch(epoch: Epoch): void {
    const share = epoch.signals / epoch.calls;
    if (share < this.baseline) this.baseline += ((share - this.baseline) * epoch.calls) / (epoch.calls + 500);
    if (epoch.taken === 0) {
      this.loudEpochs = 0;
      this.quietEpochs += 1;
      // An overshoot was the explanation: with fewer slots it is quiet.
      if (this.quietEpochs > holdEpochs) this.unexplained = undefined;
      this.quietEpoch(epoch);
    } else {
      this.loudEpochs += 1;
      this.quietEpochs = 0;
      this.step = 1;
      this.hold = holdEpochs;
      if (this.unexplained && share < 0.5) this.considerExperiment(this.unexplained);
    }
    this.borneSignals *= 0.5;
    this.startedAtLevel.fade();
    this.turnedAwayAtLevel.fade();
    this.epoch = this.newEpoch(epoch.id + 1);
  }

  /** Signals go on although the limit fell. */
  private considerExperiment({
    top,
    calls,
    signals,
  }: {
    readonly top: number;
    readonly calls: number;
    readonly signals: number;
  }): void {
    if (this.limit > 0.9 * top || this.loudEpochs < 2 || signals < 2) return;
    const share = signals / calls;
    const length = Math.min(experimentCallsMax, Math.max(experimentCallsMin, Math.ceil(experimentSignals / share)));
    this.experiment = { top, share, epoch: this.epoch.id + 1, calls: length, seen: 0, signals: 0 };
    this.limit = Math.max(1, Math.min(this.limit, experimentShare * top));
  }

  private concludeExperiment({ top, share, signals, seen }: Experiment): void {
    const seenShare = signals / seen;
    this.experiment = undefined;
    this.unexplained = undefined;
    this.loudEpochs = 0;
    if (signals >= 2 && seenShare >= 0.5 * share && seenShare <= baselineMax) {
      this.baseline = Math.min(baselineMax, Math.max(this.baseline, (share + seenShare) / 2));
      this.limit = Math.min(this.ceiling, top);
      this.growing = this.limit < this.ceiling ? 'slow-start' : 'steady';
    } else {
      // More than load can explain away: halve, and look again.
      if (seenShare > baselineMax) this.limit = Math.max(1, this.limit / 2);
      this.steady(holdEpochs);
    }
    this.epoch = this.newEpoch(this.epoch.id + 1);
  }

  private quietEpoch(epoch: Epoch): void {
    const advice = this.workRate.judge(epoch, this.limit);
    if (advice.limit !== undefined) this.limit = Math.min(this.ceiling, Math.max(1, advice.limit));
    if (advice.steadyFor !== undefined) this.steady(advice.steadyFor);
    if (!advice.mayGrow || !epoch.bound || this.growing === 'slow-start') return;
    if (this.hold > 0) {
      this.hold -= 1;
      return;
    }
    this.limit = Math.min(this.ceiling, this.limit + this.step);
    this.step = Math.min(this.step * 2, Math.ceil(this.limit / 2));
  }

  private newEpoch(id: number): Epoch {
    return {
      id,
      startLimit: this.limit,
      own: 0,
      calls: 0,
      signals: 0,
      taken: 0,
      answers: 0,
      work: 0,
      ms: 0,
      levels: 0,
      bound: false,
    };
  }
}
