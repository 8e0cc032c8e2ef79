/**
 * Rows that come back later: due ones first come first served, the others in a heap by time with one timer for the first of them.
 * A waiting row holds no slot. Twelve bytes or so a row; asking.ts bounds how many wait.
 */
import type { Clock } from './clock';

interface Waiting {
  readonly row: number;
  readonly at: number;
}

export class WaitingRows {
  private due: number[] = [];
  private taken = 0;
  private readonly heap: Waiting[] = [];
  private cancelTimer: (() => void) | undefined;
  private timerAt = Infinity;

  constructor(
    private readonly clock: Clock,
    /** Called when rows have become due by time. */
    private readonly onDue: () => void,
  ) {}

  /** Waiting and due. */
  get size(): number {
    return this.heap.length + this.due.length - this.taken;
  }

  /** Those that are not due. */
  get resting(): number {
    return this.heap.length;
  }

  /** Milliseconds until the first of them is. */
  firstForMs(): number {
    return Math.max(0, this.at(0) - this.clock.now());
  }

  addDue(row: number): void {
    this.due.push(row);
  }

  add(row: number, at: number): void {
    const { heap } = this;
    heap.push({ row, at });
    for (let child = heap.length - 1; child > 0;) {
      const parent = (child - 1) >> 1;
      if (this.at(parent) <= this.at(child)) break;
      this.swap(parent, child);
      child = parent;
    }
    this.arm();
  }

  /** The next row that is due, if one is. */
  takeDue(): number | undefined {
    if (this.taken === this.due.length) return undefined;
    const row = this.due[this.taken];
    this.taken += 1;
    if (this.taken === this.due.length) {
      this.due = [];
      this.taken = 0;
    } else if (this.taken >= 1024 && this.taken * 2 > this.due.length) {
      this.due = this.due.slice(this.taken);
      this.taken = 0;
    }
    return row;
  }

  /** No more timers. */
  close(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    this.timerAt = -Infinity;
  }

  private arm(): void {
    const first = this.heap[0];
    if (!first || first.at >= this.timerAt) return;
    this.cancelTimer?.();
    this.timerAt = first.at;
    this.cancelTimer = this.clock.after(Math.max(0, first.at - this.clock.now()), () => {
      this.timerAt = Infinity;
      this.cancelTimer = undefined;
      const now = this.clock.now();
      for (let next = this.heap[0]; next && next.at <= now; next = this.heap[0]) {
        this.removeFirst();
        this.due.push(next.row);
      }
      this.arm();
      this.onDue();
    });
  }

  private removeFirst(): void {
    const { heap } = this;
    const last = heap.pop();
    if (heap.length === 0 || !last) return;
    heap[0] = last;
    for (let parent = 0; ;) {
      let least = parent;
      for (const child of [2 * parent + 1, 2 * parent + 2])
        if (child < heap.length && this.at(child) < this.at(least)) least = child;
      if (least === parent) return;
      this.swap(parent, least);
      parent = least;
    }
  }

  private at(index: number): number {
    return this.heap[index]?.at ?? Infinity;
  }

  private swap(one: number, other: number): void {
    const { heap } = this;
    const [a, b] = [heap[one], heap[other]];
    if (a && b) [heap[one], heap[other]] = [b, a];
  }
}
