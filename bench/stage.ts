/**
 * The stage that benchmarks run: any number of synthetic rows, distinct prompts of about 300 tokens, read and collected as arte's own stages do
 * it. It stands where score-drafts stands, so that everything else (workflow, window, activities, engine, store) is what a run uses.
 * Settings come in the stage input's `extra` (BenchExtra); `name` tells apart runs that must not reuse each other, and is in no row's key.
 */
import { refusedReading } from '../activities/reading';
import type { RowStage } from '../activities/row-stage';
import type { ModelRequest, RowResult } from '../schemas/rows';
import { answerMark, rowMark } from './model-server';

export interface BenchExtra {
  readonly name: string;
  readonly rows: number;
}

const filler = 'lorem ipsum dolor sit amet '.repeat(48);

/** Row `index`: what the stage asks, and what the bare loop beside it asks too. */
export function requestOf(index: number): ModelRequest {
  return {
    prompt: { kind: 'completion', text: `${rowMark}${index}: ${filler}` },
    sampling: { temperature: 1, topP: 1, topK: 0, minP: 0, maxTokens: 256, stop: [], seed: index },
  };
}

export const benchStage: RowStage<BenchExtra> = {
  name: 'score-drafts',
  version: 1,
  settings: () => null,
  model: ({ config }) => config.models.student,
  load: ({ input }) => Promise.resolve(input.extra as unknown as BenchExtra),
  rows: ({ rows }) => ({
    length: rows,
    row: (index) => ({ request: requestOf(index), sample: 0, meta: { row: index } }),
  }),
  read(_, row, { text, finish }) {
    const { row: index } = row.meta as unknown as { row: number };
    if (finish === 'refused') return refusedReading;
    if (finish === 'length') return { outcome: 'truncated', why: 'cut off' };
    // Another row's answer would be found out here.
    const own = text.startsWith(answerMark) && Number(text.slice(answerMark.length, text.indexOf('.'))) === index;
    return own
      ? { outcome: 'ok', value: { characters: text.length } }
      : { outcome: 'malformed', why: 'no answer to this row' };
  },
  repairs: () => 2,
  thresholds: () => ({ malformed: 0.01, truncated: 0.01, refused: 0.01, failed: 0.01 }),
  async collect({ store }, _, results) {
    const lines = async function* (): AsyncGenerator<string> {
      for await (const result of results()) yield JSON.stringify(result satisfies RowResult);
    };
    return { more: false, outcome: { outputs: { results: await store.putLines(lines()) } } };
  },
};
