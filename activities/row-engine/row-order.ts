/**
 * Which row is asked next. Rows that begin with the same long prompt stand in runs (a draft's probe items); each run is asked one row after
 * another by whoever is free, so that the server still has the prompt's beginning from the row before. Without runs: the rows as they stand.
 *
 * Why one after another: a server with slots (llama.cpp) caches per slot, and sixteen rows of one run begun at once are sixteen prefills of
 * the same text. With as many runs side by side as there are calls in flight, all but the first row of each find their beginning in the cache.
 *
 * Invariants: every open row is given out once; nobody is left idle while a row is open (the longest run is split); memory is that of the
 * runs being asked, at most one per call in flight.
 */

/** Rows of one run that are still to be given out: next to end - 1. */
interface Lane {
  next: number;
  end: number;
}

export class RowOrder {
  private cursor = 0;
  private readonly idle: Lane[] = [];
  /** By the row in flight. */
  private readonly busy = new Map<number, Lane>();

  constructor(
    private readonly length: number,
    private readonly isOpen: (row: number) => boolean,
    /** End (exclusive) of the run that a row stands in. */
    private readonly runEnd: ((row: number) => number) | undefined,
  ) {}

  /** The next row, if one is left. */
  take(): number | undefined {
    if (!this.runEnd) return this.nextAtCursor();
    for (;;) {
      const lane = this.idle.pop() ?? this.nextRun(this.runEnd) ?? this.half();
      if (!lane) return undefined;
      const row = this.nextOf(lane);
      if (row !== undefined) {
        this.busy.set(row, lane);
        return row;
      }
    }
  }

  /** The call of a row has ended, however it did: its run can go on. */
  release(row: number): void {
    const lane = this.busy.get(row);
    if (!lane) return;
    this.busy.delete(row);
    if (lane.next < lane.end) this.idle.push(lane);
  }

  private nextAtCursor(): number | undefined {
    while (this.cursor < this.length) {
      const row = this.cursor;
      this.cursor += 1;
      if (this.isOpen(row)) return row;
    }
    return undefined;
  }

  private nextRun(runEnd: (row: number) => number): Lane | undefined {
    const first = this.nextAtCursor();
    if (first === undefined) return undefined;
    const end = Math.min(this.length, Math.max(first + 1, runEnd(first)));
    this.cursor = end;
    return { next: first, end };
  }

  private nextOf(lane: Lane): number | undefined {
    while (lane.next < lane.end) {
      const row = lane.next;
      lane.next += 1;
      if (this.isOpen(row)) return row;
    }
    return undefined;
  }

  /** The second half of what the longest run still has: only when no other run is left to begin. */
  private half(): Lane | undefined {
    let longest: Lane | undefined;
    for (const lane of this.busy.values())
      if (lane.end - lane.next > (longest ? longest.end - longest.next : 0)) longest = lane;
    if (!longest) return undefined;
    const middle = longest.next + ((longest.end - longest.next) >> 1);
    const lane = { next: middle, end: longest.end };
    longest.end = middle;
    return lane;
  }
}
