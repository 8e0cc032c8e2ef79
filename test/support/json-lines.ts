/** Records as the lines of a JSONL file. */
export const jsonLines = (...records: readonly unknown[]): string =>
  records.map((record) => JSON.stringify(record)).join('\n');
