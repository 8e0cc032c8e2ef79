/**
 * What a shard tells of itself about once a second: counts, usage, its endpoint's calls at a time, and what a person should know.
 * Owns the words of the note and when they are said; why rows wait is worded in waiting-words.ts, who hears it is the run's.
 */
import { clipped } from './outcomes';
import type { Keeping } from './keeping';
import type { Limiter } from './limiter';
import type { Liveness } from './liveness';
import type { Resumed } from './resume';
import { paidOf } from './shard-usage';
import type { EndpointConcurrency, EngineLimits, ShardProgress, ShardRun } from './types';
import type { WaitingRows } from './waiting-rows';
import { waitsOf, type Waits } from './waiting-words';

/** A heartbeat carries it, and a line of a screen. */
const noteCharactersMax = 600;

/** What it looks at. */
interface Sources {
  readonly limiter: Limiter;
  readonly waiting: WaitingRows;
  readonly liveness: Liveness;
  readonly keeping: Keeping;
}

export class ProgressReport {
  /** Rows that were there when this attempt began. */
  private readonly found: number;

  constructor(
    private readonly run: ShardRun,
    private readonly settings: EngineLimits,
    private readonly resumed: Resumed,
    /** Rows whose answers were had under another stage. */
    private readonly taken: number,
    private readonly from: Sources,
  ) {
    this.found = resumed.table.done;
  }

  /** Tell how it goes. */
  tell(inFlight: number, isAsking: boolean): void {
    const { table, usage } = this.resumed;
    const waits = this.waits(inFlight, isAsking);
    const note = this.note(waits !== undefined);
    const progress: ShardProgress = {
      done: table.done,
      found: this.found,
      total: table.length,
      inFlight,
      concurrency: this.allowed(),
      counts: table.counts,
      usage: { ...usage },
      paid: paidOf(this.resumed),
      ...(note === undefined ? {} : { note }),
      ...(waits && { waits }),
    };
    this.run.onProgress(progress);
  }

  /** The limiter's state under the run's own ceiling. */
  allowed(): EndpointConcurrency {
    const { limit, ceiling, inFlight, closedForMs } = this.from.limiter.state();
    const max = this.run.ceiling?.max ?? Infinity;
    return { limit: Math.min(limit, max), ceiling: Math.min(ceiling, max), inFlight, closedForMs };
  }

  /** Why rows wait; nothing while rows are finished beside those. */
  private waits(inFlight: number, isAsking: boolean): Waits | undefined {
    const { settings } = this;
    const { table } = this.resumed;
    const { limiter, waiting, liveness } = this.from;
    if (!isAsking || liveness.sinceProgressMs < settings.waitsSaidMs) return undefined;
    const { resting } = waiting;
    return waitsOf({
      ...{ open: table.length - table.done, inFlight, resting, firstForMs: waiting.firstForMs() },
      ...{ isFull: waiting.size >= settings.waitingRowsMax, closedForMs: limiter.state().closedForMs },
      last: liveness.lastFailure,
    });
  }

  /** `isTold`: why rows wait is said beside it. */
  private note(isTold: boolean): string | undefined {
    const { limiter, liveness, keeping } = this.from;
    const notes: string[] = [];
    const { limit, ceiling, closedForMs } = this.allowed();
    if (ceiling < limiter.state().ceiling) notes.push(`at most ${ceiling} calls at a time, as was ordered`);
    const { failingForMs, lastFailure } = liveness;
    if (failingForMs !== undefined && !isTold) {
      notes.push(
        `no answer for ${Math.round(failingForMs / 1000)} s: ${clipped(`${lastFailure?.code}: ${lastFailure?.message}`, 160)}`,
      );
    } else if (closedForMs > 1000 && !isTold)
      notes.push(`the endpoint asked to wait ${Math.ceil(closedForMs / 1000)} s`);
    else if (limit < ceiling) notes.push(`${limit} of ${ceiling} calls at a time`);
    if (keeping.trouble)
      notes.push(`parts cannot be stored (rows are safe in the journal): ${clipped(keeping.trouble, 160)}`);
    return noteOf([...notes, ...foundNotes(this.resumed, this.taken)]);
  }
}

/** Tell how a shard stands of which nothing is asked. */
export function tellAnswered(run: ShardRun, resumed: Resumed, taken: number): void {
  const { table, usage } = resumed;
  const note = noteOf(foundNotes(resumed, taken));
  run.onProgress({
    ...{ done: table.done, found: table.done, total: table.length, inFlight: 0 },
    concurrency: { limit: 0, ceiling: 0, inFlight: 0, closedForMs: 0 },
    ...{ counts: table.counts, usage: { ...usage }, paid: paidOf(resumed) },
    ...(note === undefined ? {} : { note }),
  });
}

/** What is worth telling of the answers that are there. */
function foundNotes({ usage, notes }: Resumed, taken: number): string[] {
  const { calls, estimatedCalls } = usage;
  const found: string[] = [];
  if (estimatedCalls > 0)
    found.push(`${estimatedCalls} of ${calls} answers came without usable token counts: theirs are estimated, high`);
  if (taken > 0) found.push(`${taken} answers were had before, under another stage`);
  return [...found, ...notes];
}

function noteOf(notes: readonly string[]): string | undefined {
  return notes.length === 0 ? undefined : clipped(notes.join('; '), noteCharactersMax);
}
