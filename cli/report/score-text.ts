/** A draft's score for people: accuracies and shares of ranks in points, the other signals, which lie below 0, as they are. */

/** Whether scores are shares: log-probabilities and negated ratios are below 0. */
export function areShares(scores: readonly number[]): boolean {
  return scores.every((score) => score >= 0);
}

/** "37.5" of a share, "-1.2034" of another signal. */
export function scoreText(score: number, share: boolean): string {
  return share ? (100 * score).toFixed(1) : score.toFixed(4);
}
