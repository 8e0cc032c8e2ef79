/** Calls counted by how many were in flight when they started. */

/** Counts by level, 0 to `levelMax`; a call above it counts at the highest. */
export class LevelCounts {
  private counts: Float64Array;

  constructor(levelMax: number) {
    this.counts = new Float64Array(levelMax + 1);
  }

  add(level: number): void {
    const at = this.at(level);
    this.counts[at] = (this.counts[at] ?? 0) + 1;
  }

  /** Calls at this level and above. */
  sumFrom(level: number): number {
    let sum = 0;
    for (let at = this.at(level); at < this.counts.length; at += 1) sum += this.counts[at] ?? 0;
    return sum;
  }

  /** The past counts half. */
  fade(): void {
    for (const [level, count] of this.counts.entries()) this.counts[level] = count / 2;
  }

  /** Another highest level; counts above it are forgotten. */
  resize(levelMax: number): void {
    const copy = new Float64Array(levelMax + 1);
    copy.set(this.counts.subarray(0, levelMax + 1));
    this.counts = copy;
  }

  private at(level: number): number {
    return Math.min(level, this.counts.length - 1);
  }
}
