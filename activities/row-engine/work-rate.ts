/**
 * Whether more calls at a time bring more work per second, or only wait in the server's queue. Owns that judgement; the limit itself, and what
 * calls that are turned away do to it, is limiter.ts.
 */

/** Answers of an epoch below which its rate says nothing. */
const answersMin = 8;
/** Quiet epochs before growth that did not pay is tried again. */
const unpaidHoldEpochs = 12;
/** Quiet epochs before growth goes on after a server has become slower. */
const slowerHoldEpochs = 2;
/** Growth is judged when the limit is this many times the last judged one. */
const judgedGrowth = 1.25;
/** Growth has paid when the work rate rose by at least this share of the growth of slots. */
const paidShare = 0.15;
/** Then fewer slots are tried, step by step, as long as this share of the work rate is kept. */
const descentStep = 0.8;
const keptShare = 0.95;
/** Time per work against the last judged one that counts as a slower server; two epochs in a row take slots away. */
const slowerFactor = 2;

/** The answers of an epoch: sums over them of work, milliseconds, and level at their start. */
export interface EpochAnswers {
  readonly answers: number;
  readonly work: number;
  readonly ms: number;
  readonly levels: number;
  /** A row was kept waiting by the limit: only then more slots would have been used. */
  readonly bound: boolean;
}

/** What an epoch's work rate says. */
export interface Advice {
  /** More slots may be tried. */
  readonly mayGrow: boolean;
  /** The limit to go to (within 1 and the ceiling); absent: as it is. */
  readonly limit?: number;
  /** Growth is steady from now on, after so many quiet epochs. */
  readonly steadyFor?: number;
}

interface Judged {
  readonly limit: number;
  /** Work per second, and milliseconds per work. */
  readonly rate: number;
  readonly msPerWork: number;
}

const mayGrow: Advice = { mayGrow: true };
const stay: Advice = { mayGrow: false };

export class WorkRateJudge {
  private judged: Judged | undefined;
  private slowEpochs = 0;
  private doubted = false;
  private descending = false;

  /** Growth did not pay in the last epoch; one more is looked at without growing, because a busy machine's moment says little. */
  get isDoubted(): boolean {
    return this.doubted;
  }

  /** After an outage: another server may be there. */
  forget(): void {
    this.judged = undefined;
    this.doubted = false;
    this.descending = false;
  }

  /** Compare a quiet epoch's work rate with the last judged one. `limit` is the present one. */
  judge(epoch: EpochAnswers, limit: number): Advice {
    if (epoch.answers < answersMin || epoch.work <= 0 || !epoch.bound) return mayGrow;
    const level = epoch.levels / epoch.answers;
    const now: Judged = {
      limit: level,
      rate: (level * epoch.work * 1000) / epoch.ms,
      msPerWork: epoch.ms / epoch.work,
    };
    const before = this.judged;
    if (!before) {
      this.judged = now;
      return mayGrow;
    }
    if (this.descending) return this.descend(level, limit, now, before);
    const growth = level / before.limit;
    if (growth >= judgedGrowth) return this.judgeGrowth(growth, now, before);
    this.doubted = false;
    if (now.msPerWork > slowerFactor * before.msPerWork) return this.judgeSlower(limit);
    this.slowEpochs = 0;
    if (growth < 1 / judgedGrowth) this.judged = now;
    else if (growth < 1.1) {
      // A slowly moving memory: rows of a stage are not all alike.
      const rate = before.rate + (now.rate / growth - before.rate) * 0.2;
      this.judged = {
        limit: before.limit,
        rate,
        msPerWork: before.msPerWork + (now.msPerWork - before.msPerWork) * 0.2,
      };
    }
    return mayGrow;
  }

  private judgeGrowth(growth: number, now: Judged, before: Judged): Advice {
    const paid = now.rate >= before.rate * (1 + paidShare * (growth - 1));
    if (!paid && !this.doubted) {
      this.doubted = true;
      return stay;
    }
    this.doubted = false;
    if (!paid) {
      this.descending = true;
      return { mayGrow: false, limit: before.limit, steadyFor: unpaidHoldEpochs };
    }
    this.judged = now;
    return mayGrow;
  }

  private judgeSlower(limit: number): Advice {
    this.slowEpochs += 1;
    if (this.slowEpochs < 2) return mayGrow;
    this.slowEpochs = 0;
    this.judged = undefined;
    return { mayGrow: false, limit: 0.7 * limit, steadyFor: slowerHoldEpochs };
  }

  /** The server only queued: look for the fewest slots that keep it as busy. */
  private descend(level: number, limit: number, now: Judged, before: Judged): Advice {
    // Answers of calls from before the last step say nothing about it.
    if (level > 1.1 * limit) return stay;
    if (now.rate >= keptShare * before.rate && limit > 1) {
      this.judged = { ...now, rate: Math.max(now.rate, before.rate) };
      return { mayGrow: false, limit: descentStep * limit };
    }
    this.descending = false;
    return { mayGrow: false, limit: before.limit, steadyFor: unpaidHoldEpochs };
  }
}
