/** The one form in which lists and lines give a time of the records: `2026-03-01 12:34`, UTC. */
export function minute(at: string): string {
  return at.slice(0, 16).replace('T', ' ');
}
