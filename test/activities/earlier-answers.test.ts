/**
 * Goal: a row that any stage has had answered is not asked again under another one, and its answer is read by the rules of whoever takes it; what is
 * damaged, gone, failed or malformed is asked, and the bytes are those of a shard that asked everything.
 * Method: shards of two stages on the real engine, one after the other, over a store in memory; the calls are counted by a scripted endpoint.
 */
import { KeyPrefixes } from '../../activities/row-engine/key-prefixes';
import { openEarlierAnswers } from '../../activities/earlier-answers';
import { runShard } from '../../activities/row-engine/engine';
import type { RowSource } from '../../activities/row-engine/types';
import { CallFailure } from '../../drivers/model/model';
import { ArteError } from '../../schemas/errors';
import type { ShardOutput } from '../../schemas/messages';
import { rightAnswer, rightBytes, rowsOf, scriptedEndpoint, Workplace, type Script } from './row-engine/shards';

const kind = { stage: 'evaluate', version: 1, modelSha256: 'a'.repeat(64), served: { quantization: 'q8_0' } };

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

interface Made {
  readonly output: ShardOutput;
  readonly calls: number;
  readonly note: string | undefined;
}

/** A stage of one shard. */
async function made(
  stageKey: string,
  rows: RowSource,
  script: Script = rightAnswer,
  more: { readonly of?: typeof kind; readonly repairs?: number; readonly shardKey?: string } = {},
): Promise<Made> {
  const endpoint = scriptedEndpoint(script);
  const { of = kind, repairs = 0, shardKey = stageKey.repeat(64) } = more;
  const earlier = openEarlierAnswers(place.store, of, { stageKey, shardKey });
  const run = { ...place.shard(rows, endpoint), shardKey, earlier, repairs };
  const output = await runShard(run);
  return { output, calls: endpoint.total.calls, note: run.progress.at(-1)?.note };
}

const bytesOf = async ({ output }: Made): Promise<string> => (await place.store.getBlob(output.results)).toString();

it('asks what was never asked, and leaves the bytes of a stage that asked everything', async () => {
  await made('1', rowsOf(60));
  const second = await made('2', rowsOf(100));
  expect(second.calls).toBe(40);
  expect(second.output.usage.calls).toBe(40);
  expect(second.note).toContain('60 answers were had before');
  expect(await bytesOf(second)).toBe(rightBytes(rowsOf(100)));
  // All of it is known by now, from two stages.
  const third = await made('3', rowsOf(100));
  expect(third).toMatchObject({ calls: 0, output: { usage: { calls: 0, inputTokens: 0, outputTokens: 0 } } });
  expect(third.output.results.sha256).toBe(second.output.results.sha256);
});

it('finds nothing under another model, another way of serving, another version, nor in the stage itself', async () => {
  await made('1', rowsOf(10));
  for (const of of [
    { ...kind, modelSha256: 'b'.repeat(64) },
    { ...kind, served: { quantization: 'q4_0' } },
    { ...kind, version: 2 },
  ])
    expect((await made('2', rowsOf(10), rightAnswer, { of, shardKey: `${of.version}${of.modelSha256}` })).calls).toBe(
      10,
    );
  expect((await made('1', rowsOf(10), rightAnswer, { shardKey: 'other' })).calls).toBe(10);
});

it('reads an answer anew: how it ended is known, and what it is worth is for the rules of now', async () => {
  const cut: Script = (request) => ({ ...rightAnswer(request), finish: 'length' });
  const first = await made('1', rowsOf(5), cut);
  expect(await bytesOf(first)).toContain('"stops":["length"]');
  const endpoint = scriptedEndpoint(rightAnswer);
  const shardKey = '2'.repeat(64);
  const run = {
    ...place.shard(rowsOf(5), endpoint),
    shardKey,
    earlier: openEarlierAnswers(place.store, kind, { stageKey: '2', shardKey }),
    read: (_: unknown, { finish, text }: { finish: string; text: string }) =>
      finish === 'length'
        ? ({ outcome: 'truncated', why: 'length' } as const)
        : ({ outcome: 'ok', value: text } as const),
  };
  const { counts } = await runShard(run);
  expect(endpoint.total.calls).toBe(0);
  expect(counts).toMatchObject({ ok: 0, truncated: 5 });
});

it('asks again what failed or was malformed', async () => {
  const poor: Script = (request, call) => {
    const { seed } = request.sampling;
    if (seed === 1) return new CallFailure('bad-request', 'no');
    if (seed === 2) return { ...rightAnswer(request), text: `malformed ${call}` };
    return rightAnswer(request);
  };
  const first = await made('1', rowsOf(6), poor);
  expect(first.output.counts).toMatchObject({ ok: 4, malformed: 1, failed: 1 });
  const second = await made('2', rowsOf(6));
  expect(second.calls).toBe(2);
  expect(await bytesOf(second)).toBe(rightBytes(rowsOf(6)));
});

it('passes over an index that is damaged, and results that are gone', async () => {
  const first = await made('1', rowsOf(8));
  const [index = ''] = place.store.keys('answers/');
  await place.store.remove(first.output.results.uri);
  expect((await made('2', rowsOf(8))).calls).toBe(8);
  for (const key of place.store.keys('answers/')) if (key !== index) await place.store.remove(key);
  await place.store.putDocument(index, { schemaVersion: 1, results: 'no', keys: 'no' });
  const fresh = new Workplace();
  const endpoint = scriptedEndpoint(rightAnswer);
  await fresh.store.putDocument(index, { schemaVersion: 1, results: 'no', keys: 'no' });
  const earlier = openEarlierAnswers(fresh.store, kind, { stageKey: '3', shardKey: '3' });
  await runShard({ ...fresh.shard(rowsOf(8), endpoint), shardKey: '3'.repeat(64), earlier });
  expect(endpoint.total.calls).toBe(8);
  fresh.remove();
});

it('takes nothing of results whose damage shows at their end', async () => {
  const first = await made('1', rowsOf(8));
  const whole = place.store.getLines.bind(place.store);
  place.store.getLines = async function* (ref) {
    yield* whole(ref);
    if (ref.uri === first.output.results.uri) throw new ArteError('BlobCorrupt', { what: 'a', why: 'b', next: 'c' });
  };
  const second = await made('2', rowsOf(8));
  expect(second.calls).toBe(8);
  expect(await bytesOf(second)).toBe(rightBytes(rowsOf(8)));
});

it('takes no result for a row whose key only begins alike', async () => {
  const first = await made('1', rowsOf(1));
  const prefixes = new KeyPrefixes(1);
  const like = `${rowsOf(1).row(0).key.slice(0, 16)}${'0'.repeat(48)}`;
  prefixes.add(like);
  await openEarlierAnswers(place.store, kind, { stageKey: '4', shardKey: '4' }).remember(
    first.output.results,
    prefixes.whole(),
  );
  const row = { ...rowsOf(1).row(0), key: like };
  expect((await made('2', { length: 1, row: () => row })).calls).toBe(1);
});
