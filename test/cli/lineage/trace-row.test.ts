/**
 * Goal: a row of any kind is followed back to the call that was really made, and to the rows behind it; what cannot be followed is said.
 * Method: a run of two rounds on the real S3 server (support/made-run.ts); what the endpoint was asked is known from its answers.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { openLineage, shardsOf, traceModel } from '../../../activities/lineage';
import { readRows } from '../../../activities/read-rows';
import { traceRow, type RowTrace } from '../../../cli/lineage/trace-row';
import { printTrace } from '../../../cli/lineage/trace-view';
import { createScriptedEndpoint } from '../../../drivers/model/scripted';
import type { ArtifactStore } from '../../../drivers/store/store';
import type { JsonValue } from '../../../schemas/json';
import { rowResultSchema } from '../../../schemas/rows';
import { makeRun, type MadeRun } from '../../support/made-run';
import { startTestS3, type TestS3 } from '../../support/s3';

jest.setTimeout(10 * 60_000);

let s3: TestS3;
let store: ArtifactStore;
let folder: string;
let run: MadeRun;

beforeAll(async () => {
  s3 = await startTestS3();
  store = s3.fresh();
  folder = mkdtempSync(join(tmpdir(), 'arte-trace-'));
  // A teacher that is often unreadable: sampling its questions takes more than one wave.
  run = await makeRun(store, folder, { runId: 'traced', rounds: 2, teacher: { p_malformed: 0.4, p_right: 0.8 } });
});
afterAll(async () => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
  await s3.stop();
});

const trace = async (row: string, round?: number): Promise<RowTrace> =>
  traceRow(store, await openLineage(store, run.runId), row, round);

/** Ask the script again: the request of a trace is the one that was sent when it brings the same answer. */
async function answerTo({ call }: RowTrace): Promise<string> {
  const script = call?.served as { script: string; options: Record<string, string> };
  const endpoint = createScriptedEndpoint(script.script, script.options);
  return (await endpoint.complete(call!.request!, new AbortController().signal)).text;
}

it('follows a prediction to its prompt, answer and model', async () => {
  const found = await trace('untuned-0shot:3');
  expect(found).toMatchObject({ kind: 'prediction', address: 'evaluate/untuned-0shot:3', round: 1, row: { shots: 0 } });
  expect(found.call?.rowKey).toBe(found.row['from']);
  expect(found.call?.request?.sampling.temperature).toBe(0);
  expect(await answerTo(found)).toBe(found.call?.result.text);
  expect(found.call?.model.layers).toEqual([]);
  const tuned = await trace('arte-0shot:3', 2);
  expect(tuned.call?.model.layers.map(({ madeBy }) => madeBy.stage)).toEqual(['train-sft']);
});

it('finds the same row by its key, by a beginning of it, and by its index', async () => {
  const byIndex = await trace('arte-0shot:0', 1);
  const key = byIndex.call!.rowKey;
  expect(await trace(key)).toEqual(byIndex);
  expect(await trace(key.slice(0, 12))).toEqual(byIndex);
  expect(await trace('evaluate/arte-0shot:0', 1)).toEqual(byIndex);
});

it('without a round means the best one, where several have a row of that name', async () => {
  const { rounds } = await openLineage(store, run.runId);
  const best = rounds.at(-1)?.decision['bestRound'] as number;
  for (const name of ['arte-0shot:0', 'arte:0', 'build-pairs:0']) {
    const found = await trace(name);
    expect([name, found.round]).toEqual([name, best]);
    expect(found).toEqual(await trace(name, best));
  }
  // In the first round alone.
  expect((await trace('original_teacher:0')).round).toBe(1);
});

it('follows a tailored example to its question, each with its own call, and to a teacher with a layer a round', async () => {
  const found = await trace('arte:2', 2);
  expect(found).toMatchObject({ kind: 'tailored', from: [{ role: 'question', trace: { kind: 'question' } }] });
  const question = found.from[0]!.trace;
  expect(question.row['question']).toBe(found.row['question']);
  expect(found.call?.request?.prompt).toMatchObject({ text: expect.stringContaining(found.row['question'] as string) });
  expect(await answerTo(found)).toBe(found.call?.result.text);
  expect(question.call?.result.outcome).toBe('ok');
  expect(found.call?.model.layers.map(({ madeBy }) => `${madeBy.stage} ${madeBy.round}`)).toEqual([
    'train-dpo 1',
    'train-dpo 2',
  ]);
});

it('follows a pair to both drafts with their scores and cells', async () => {
  const lineage = await openLineage(store, run.runId);
  const pairs = lineage.stages.find(({ record }) => record.stage === 'build-pairs')!.manifest!.outputs['pairs']!;
  let rationalePairs = 0;
  for (let index = 0; index < pairs.rows; index += 1) {
    const found = await traceRow(store, lineage, `build-pairs:${index}`, 1);
    if (found.row['kind'] !== 'rationale') continue;
    rationalePairs += 1;
    const [chosen, rejected] = found.from.map((each) => each.trace);
    expect(found.from.map(({ role }) => role)).toEqual(['chosen', 'rejected']);
    expect(chosen!.scores![0]!.score).toBe(found.row['chosenScore']);
    expect(rejected!.scores![0]!.score).toBe(found.row['rejectedScore']);
    for (const draft of [chosen!, rejected!]) {
      expect(draft.cells).toHaveLength(6);
      const right = draft.cells!.filter(({ correct }) => correct).length;
      expect(right / 6).toBeCloseTo(draft.scores![0]!.score);
      expect(draft.from[0]!.trace.row['id']).toBe(draft.row['questionId']);
    }
    if (rationalePairs === 3) break;
  }
  expect(rationalePairs).toBe(3);
});

it('lists every request of every stage again as it was sent, waves and all', async () => {
  const lineage = await openLineage(store, run.runId);
  let waves = 0;
  let rows = 0;
  for (const { manifest } of lineage.stages) {
    let previous = -1;
    for await (const shard of shardsOf(store, lineage, manifest!)) {
      if (shard.first > 0 && shard.offset === 0) waves += 1;
      expect(shard.first).toBeGreaterThan(previous);
      previous = shard.first;
      const results = await readRows(store, shard.output!.results, rowResultSchema);
      expect(results).toHaveLength(shard.length);
      const last = await traceRow(store, lineage, results.at(-1)!.key).catch(() => undefined);
      if (last?.call) {
        expect(last.call.request).toBeDefined();
        rows += 1;
      }
    }
  }
  expect(waves).toBeGreaterThan(0);
  expect(rows).toBeGreaterThan(5);
});

it('follows a call of the matrix that only its row key names', async () => {
  const cell = await trace('score-drafts:11', 1);
  expect(cell).toMatchObject({ kind: 'cell', from: [{ role: 'demonstration', trace: { kind: 'draft' } }] });
  expect(await trace(cell.call!.rowKey)).toEqual(cell);
});

it('says that an answer has gone, and shows what is left', async () => {
  const other = s3.fresh();
  try {
    await makeRun(other, folder, { runId: 'pruned' });
    for await (const { key } of other.list('shards/')) await other.remove(key);
    const found = await traceRow(other, await openLineage(other, 'pruned'), 'arte:0');
    expect(found.row['rationale']).toEqual(expect.any(String));
    expect(found).not.toHaveProperty('call');
    expect(found.note).toContain('no longer in the store');
  } finally {
    other.close();
  }
});

it.each([
  ['nosuch', 'RowNotFound', 'has no row nosuch'],
  ['arte:9999', 'RowNotFound', 'has no row 9999'],
  ['f'.repeat(64), 'RowNotFound', 'has no row ffff'],
])('does not find %s, and says so', async (row, code, what) => {
  await expect(trace(row)).rejects.toMatchObject({ data: { code, what: expect.stringContaining(what) } });
});

it('names the addresses of the rows that share an id', async () => {
  const { row } = await trace('untuned-0shot:0');
  const asked = trace(row['itemId'] as string);
  await expect(asked).rejects.toMatchObject({
    data: { code: 'InvalidInput', next: expect.stringContaining('evaluate/untuned-0shot:0 (round 1)') },
  });
});

it('follows the rows of every wave of a race, whose shard records a clean-up keeps', async () => {
  const raced = await makeRun(store, folder, {
    runId: 'raced',
    change: (config) => {
      config['probe'] = { method: 'full' };
      config['score'] = { ...(config['score'] as object), mode: 'racing', first_block: 2, block: 1 };
    },
  });
  const lineage = await openLineage(store, raced.runId);
  const { manifest } = lineage.stages.find(({ record }) => record.stage === 'score-drafts')!;
  const firsts: number[] = [];
  let rows = 0;
  for await (const shard of shardsOf(store, lineage, manifest!)) {
    expect(shard.output).toBeDefined();
    firsts.push(shard.first);
    rows += shard.length;
  }
  expect(firsts.length).toBeGreaterThan(6);
  expect(rows).toBe(Object.values(manifest!.counts).reduce((sum, count) => sum + count, 0));
});

it('refuses a run that is not there', async () => {
  await expect(openLineage(store, 'nobody')).rejects.toMatchObject({ data: { code: 'RunNotFound' } });
});

it('a model that no training made is its own base', async () => {
  const lineage = await openLineage(store, run.runId);
  expect(traceModel(lineage, 'a'.repeat(64))).toEqual({
    contentSha256: 'a'.repeat(64),
    baseSha256: 'a'.repeat(64),
    layers: [],
  });
});

function printed(found: RowTrace, full: boolean): string {
  const lines: string[] = [];
  const spy = jest.spyOn(process.stdout, 'write').mockImplementation((chunk) => lines.push(String(chunk)) > 0);
  try {
    printTrace(found, { full });
  } finally {
    spy.mockRestore();
  }
  // jest passes its own terminal's colours on to its workers.
  return stripVTControlCharacters(lines.join(''));
}

it.each([true, false])('prints the whole way back (full: %s)', async (full) => {
  const text = printed(await trace('arte:2', 2), full);
  expect(text).toMatch(
    /━━ tailored tailor-rationales\/arte:2, round 2[\s\S]*━━ question: question tailor-questions\/arte/,
  );
  for (const name of ['row key', 'model', 'sampling', 'prompt', 'answer', 'outcome'])
    expect(text).toMatch(new RegExp(`^${name} `, 'm'));
});

it('shows a prompt whole up to a screen or two, with what was asked at its end', async () => {
  const found = await trace('arte:2', 2);
  const asking = (lines: number): RowTrace => {
    const prompt = {
      kind: 'completion',
      text: Array.from({ length: lines }, (_, at) => `asked ${at}`).join('\n'),
    } as const;
    return { ...found, call: { ...found.call!, request: { ...found.call!.request!, prompt } } };
  };
  expect(printed(asking(60), false)).toContain('asked 59');
  const cut = printed(asking(70), false);
  expect(cut).toMatch(/asked 59\n +… 10 more lines\n/);
  expect(cut).toContain('--full shows all of them');
});

it('says of an answer that was given that nothing was measured, and scores in one form', async () => {
  const found = await trace('arte:2', 2);
  expect(found).not.toHaveProperty('given');
  const lineage = await openLineage(store, run.runId);
  const stages = lineage.stages.map(({ manifest, ...stage }) => {
    const { settings, ...extra } = manifest!.settings as { settings: Record<string, JsonValue> };
    return { ...stage, manifest: { ...manifest!, settings: { ...extra, settings: { ...settings, answer: 'given' } } } };
  });
  expect(await traceRow(store, { ...lineage, stages }, 'arte:2', 2)).toMatchObject({ given: true });
  expect(printed(found, false)).toMatch(/^agrees +(true|false)$/m);
  expect(printed({ ...found, given: true }, false)).toMatch(
    /^agrees +given: the target was put in place of the writer's own answer/m,
  );
  const pair = { ...found, kind: 'pair' as const, row: { id: 'p', chosenScore: 0.6, rejectedScore: 0.2 } };
  expect(printed(pair, false)).toMatch(/^chosenScore 60\.0\nrejectedScore 20\.0$/m);
  const logs = { ...pair, row: { ...pair.row, rejectedScore: -1.25 } };
  expect(printed(logs, false)).toMatch(/^chosenScore 0\.6000\nrejectedScore -1\.2500$/m);
});

it('cuts long texts unless all of them are asked for, and says so', async () => {
  const found = await trace('arte:2', 2);
  const rationale = Array.from({ length: 40 }, (_, line) => `line ${line}`).join('\n');
  const long = { ...found, row: { ...found.row, rationale } };
  const [full, folded] = [printed(long, true), printed(long, false)];
  expect(folded).toMatch(/line 5\n +… 34 more lines\n/);
  expect(full).toContain('line 39');
  expect(folded).toContain('--full shows all of them');
  expect(full).not.toMatch(/more lines|--full/);
});
