/** The history of a workflow as text that can be searched. Owns only the decoding: as JSON its payloads would be base64, in which no word is found. */

/** Every name, text and payload of a history (`fetchHistory`), a line each. */
export function historyText(history: object): string {
  return linesOf(history).join('\n');
}

function linesOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (value instanceof Uint8Array) return [Buffer.from(value).toString()];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, held]) => [name, ...linesOf(held)]);
}
