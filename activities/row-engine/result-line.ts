/** A RowResult as a line of canonical JSON, as shards keep it. */
import { canonicalJson } from '../../method/keys';
import type { ModelAnswer, RowReading, RowRequest, Usage } from '../../schemas/rows';

/**
 * A RowResult as canonical JSON (method/keys.ts), its members put together by hand: this is done for every row, and most of it is text.
 * That the bytes are the same is tested.
 */
export function resultLine(
  row: Pick<RowRequest, 'key' | 'meta'>,
  reading: RowReading | { readonly outcome: 'failed'; readonly why: string },
  { text, finish, others }: Pick<ModelAnswer, 'text' | 'others'> & Partial<Pick<ModelAnswer, 'finish'>>,
  usage: Usage,
): string {
  const more = others === undefined ? '' : `"others":${JSON.stringify(others.map((other) => other.text))},`;
  const ends = [finish ?? 'stop', ...(others ?? []).map((other) => other.finish)];
  const stops = ends.every((end) => end === 'stop') ? '' : `"stops":${JSON.stringify(ends)},`;
  const value = 'value' in reading ? `,"value":${canonicalJson(reading.value)}` : '';
  const why = 'why' in reading ? `,"why":${JSON.stringify(reading.why)}` : '';
  return `{"key":${JSON.stringify(row.key)},"meta":${canonicalJson(row.meta)},${more}"outcome":"${reading.outcome}",${stops}"text":${JSON.stringify(text)},"usage":{"cachedInputTokens":${usage.cachedInputTokens},"inputTokens":${usage.inputTokens},"outputTokens":${usage.outputTokens}}${value}${why}}`;
}
