/** How long the last answers took. */

/** Answers that are remembered: enough that five of them lie above the 99th percentile. */
const size = 512;

/** The milliseconds of the last answers. */
export class LatencySample {
  private readonly latencies = new Float64Array(size);
  private count = 0;

  add(ms: number): void {
    this.latencies[this.count % size] = ms;
    this.count += 1;
  }

  /** 99th percentile; undefined before the first answer. */
  p99(): number | undefined {
    const known = Math.min(this.count, size);
    if (known === 0) return undefined;
    const sorted = this.latencies.slice(0, known).sort();
    return sorted[Math.min(known - 1, Math.floor(known * 0.99))];
  }
}
