/**
 * Goal: a reader yields exactly the records before the first damaged byte, wherever it is cut or garbled.
 * Method: random records, every cut, a flipped bit in every byte, any size of chunks.
 */
import fc from 'fast-check';
import {
  lineOf,
  RecordBuffer,
  RecordParser,
  type RecordsEnd,
  type RecordVisitor,
} from '../../../activities/row-engine/records';
import { rowOutcomes } from '../../../schemas/rows';

const shardKey = 'a'.repeat(64);
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const line = fc.string({ unit: 'binary', maxLength: 16 });

const entry = fc.oneof(
  fc.record({
    kind: fc.constant('attempt' as const),
    ordinal: fc.nat(),
    id: fc.string({ unit: 'binary', maxLength: 12 }),
  }),
  fc.record({
    kind: fc.constantFrom('intent' as const, 'failure' as const),
    row: u32,
    ask: fc.integer({ min: 0, max: 255 }),
  }),
  fc.record({
    kind: fc.constant('answer' as const),
    line,
    record: fc.record({
      final: fc.boolean(),
      row: u32,
      ask: fc.integer({ min: 0, max: 255 }),
      outcome: fc.constantFrom(...rowOutcomes),
      answered: fc.boolean(),
      usage: fc.record({ inputTokens: u32, cachedInputTokens: u32, outputTokens: u32 }),
    }),
  }),
  fc.record({ kind: fc.constant('reopen' as const) }),
);
type Entry = typeof entry extends fc.Arbitrary<infer T> ? T : never;

/** Bytes of a header and the entries, and where each record ends. */
function written(entries: readonly Entry[]): { bytes: Buffer; ends: number[] } {
  const buffer = new RecordBuffer(64);
  const ends: number[] = [];
  buffer.header({ format: 1, shardKey, rows: 10 });
  ends.push(buffer.length);
  for (const item of entries) {
    if (item.kind === 'attempt') buffer.attempt(item);
    else if (item.kind === 'intent') buffer.intent(item.row, item.ask);
    else if (item.kind === 'failure') buffer.failure(item.row, item.ask);
    else if (item.kind === 'answer') buffer.answer(item.record, item.line);
    else buffer.reopen();
    ends.push(buffer.length);
  }
  return { bytes: Buffer.from(buffer.view()), ends };
}

function read(
  bytes: Buffer,
  chunkBytes = bytes.length,
  wanted = shardKey,
): { entries: Entry[]; end: RecordsEnd; consumed: number } {
  const entries: Entry[] = [];
  const visitor: RecordVisitor = {
    header: (header) => header.shardKey === wanted,
    attempt: (identity) => entries.push({ kind: 'attempt', ...identity }),
    intent: (row, ask) => entries.push({ kind: 'intent', row, ask }),
    failure: (row, ask) => entries.push({ kind: 'failure', row, ask }),
    answer: (record, place, frame) => {
      const atPlace = bytes.subarray(place.offset, place.offset + place.bytes + 8);
      if (!atPlace.equals(frame)) throw new Error(`the frame does not stand at byte ${place.offset}`);
      entries.push({ kind: 'answer', record, line: lineOf(frame) ?? 'damaged' });
    },
    reopen: () => entries.push({ kind: 'reopen' }),
  };
  const parser = new RecordParser(visitor);
  for (let at = 0; at < bytes.length; at += Math.max(1, chunkBytes))
    parser.push(bytes.subarray(at, at + Math.max(1, chunkBytes)));
  return { entries, end: parser.end(), consumed: parser.consumed };
}

/** As JSON would bring it back: a lone surrogate is no text. */
function asStored(entries: readonly Entry[]): Entry[] {
  return entries.map((item) => (item.kind === 'answer' ? { ...item, line: Buffer.from(item.line).toString() } : item));
}

it('brings back what was written, in chunks of any size', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 12 }), fc.integer({ min: 1, max: 97 }), (entries, chunkBytes) => {
      const { bytes } = written(entries);
      expect(read(bytes, chunkBytes)).toEqual({ entries: asStored(entries), end: 'whole', consumed: bytes.length });
    }),
    { seed: 1 },
  );
});

it('cut anywhere, yields the records before the cut and calls the rest torn', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 6 }), fc.integer({ min: 1, max: 97 }), (entries, chunkBytes) => {
      const { bytes, ends } = written(entries);
      for (let cut = 0; cut < bytes.length; cut += 1) {
        const whole = ends.filter((end) => end <= cut).length;
        const found = read(bytes.subarray(0, cut), chunkBytes);
        expect(found.entries).toEqual(asStored(entries).slice(0, Math.max(0, whole - 1)));
        expect(found.end).toBe(whole > 0 && ends[whole - 1] === cut ? 'whole' : 'torn');
      }
    }),
    { seed: 2, numRuns: 12 },
  );
});

it('garbled anywhere, yields the records before the garbled one', () => {
  fc.assert(
    fc.property(fc.array(entry, { minLength: 1, maxLength: 5 }), fc.integer({ min: 0, max: 7 }), (entries, bit) => {
      const { bytes, ends } = written(entries);
      for (let at = 0; at < bytes.length; at += 1) {
        const garbled = Buffer.from(bytes);
        garbled[at] = (garbled[at] ?? 0) ^ (1 << bit);
        const good = ends.filter((end) => end <= at).length;
        const found = read(garbled);
        expect(found.entries).toEqual(asStored(entries).slice(0, Math.max(0, good - 1)));
        expect(found.end).toBe('torn');
      }
    }),
    { seed: 3, numRuns: 12 },
  );
});

it('takes a tail of zeros, as a power cut leaves it, for torn', () => {
  const { bytes } = written([{ kind: 'intent', row: 1, ask: 0 }]);
  expect(read(Buffer.concat([bytes, Buffer.alloc(512)]))).toMatchObject({ end: 'torn', consumed: bytes.length });
});

it('refuses the records of another shard and of another format', () => {
  const { bytes } = written([{ kind: 'intent', row: 1, ask: 0 }]);
  expect(read(bytes, bytes.length, 'b'.repeat(64))).toEqual({ entries: [], end: 'foreign', consumed: 0 });
  const newer = new RecordBuffer();
  newer.header({ format: 2, shardKey, rows: 10 });
  expect(read(Buffer.from(newer.view())).end).toBe('foreign');
});

it('knows a damaged result by its frame', () => {
  const buffer = new RecordBuffer();
  const usage = { inputTokens: 1, cachedInputTokens: 0, outputTokens: 1 };
  const { offset } = buffer.answer({ final: true, row: 0, ask: 0, outcome: 'ok', answered: true, usage }, '{"a":1}');
  const frame = Buffer.from(buffer.view().subarray(offset));
  expect(lineOf(frame)).toBe('{"a":1}');
  for (let at = 0; at < frame.length; at += 1) {
    const damaged = Buffer.from(frame);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    expect(lineOf(damaged)).toBeUndefined();
    expect(lineOf(frame.subarray(0, at))).toBeUndefined();
  }
});
