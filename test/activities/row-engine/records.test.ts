/**
 * Goal: a reader yields exactly the records that no damage hit, in their order, wherever the bytes are cut or garbled, in linear time.
 * Method: random records, every cut, a flipped bit in every byte, many flipped bytes, garbage in between and behind, any size of chunks;
 * garbage that is made to be expensive.
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
  fc.record({
    kind: fc.constant('spent' as const),
    row: u32,
    ask: fc.integer({ min: 0, max: 255 }),
    usage: fc.option(fc.record({ inputTokens: u32, cachedInputTokens: u32, outputTokens: u32 }), { nil: undefined }),
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
    else if (item.kind === 'spent') buffer.spent(item.row, item.ask, item.usage);
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
): { entries: Entry[]; end: RecordsEnd; damaged: number } {
  const entries: Entry[] = [];
  let missing = 0;
  const visitor: RecordVisitor = {
    header: (header) => header.shardKey === wanted,
    attempt: (identity) => entries.push({ kind: 'attempt', ...identity }),
    intent: (row, ask) => entries.push({ kind: 'intent', row, ask }),
    failure: (row, ask) => entries.push({ kind: 'failure', row, ask }),
    spent: (row, ask, usage) => entries.push({ kind: 'spent', row, ask, usage }),
    answer: (record, place, frame) => {
      const atPlace = bytes.subarray(place.offset, place.offset + place.bytes + 8);
      if (!atPlace.equals(frame)) throw new Error(`the frame does not stand at byte ${place.offset}`);
      entries.push({ kind: 'answer', record, line: lineOf(frame) ?? 'damaged' });
    },
    reopen: () => entries.push({ kind: 'reopen' }),
    damage: () => {
      missing += 1;
    },
  };
  const parser = new RecordParser(visitor);
  for (let at = 0; at < bytes.length; at += Math.max(1, chunkBytes))
    parser.push(bytes.subarray(at, at + Math.max(1, chunkBytes)));
  const end = parser.end();
  expect(missing).toBe(parser.damaged);
  return { entries, end, damaged: parser.damaged };
}

/** As JSON would bring it back: a lone surrogate is no text. */
function asStored(entries: readonly Entry[]): Entry[] {
  return entries.map((item) => (item.kind === 'answer' ? { ...item, line: Buffer.from(item.line).toString() } : item));
}

it('brings back what was written, in chunks of any size', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 12 }), fc.integer({ min: 1, max: 97 }), (entries, chunkBytes) => {
      const { bytes } = written(entries);
      expect(read(bytes, chunkBytes)).toEqual({ entries: asStored(entries), end: 'whole', damaged: 0 });
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
        // What a kill leaves behind is not damage.
        expect(found.damaged).toBe(0);
      }
    }),
    { seed: 2, numRuns: 12 },
  );
});

/** What is to be found when these bytes were garbled: all records but those hit. */
function expected(entries: readonly Entry[], ends: readonly number[], garbled: readonly number[]): unknown {
  const hit = ends.map((end, index) => garbled.some((at) => at >= (ends[index - 1] ?? 0) && at < end));
  return {
    entries: asStored(entries).filter((_, index) => hit[index + 1] !== true),
    end: hit.at(-1) === true ? 'torn' : 'whole',
    damaged: hit.filter((bad, index) => bad && hit[index + 1] === false).length,
  };
}

it('one bit garbled anywhere, yields all records but that one', () => {
  fc.assert(
    fc.property(
      fc.array(entry, { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 0, max: 7 }),
      fc.integer({ min: 1, max: 97 }),
      (entries, bit, chunkBytes) => {
        const { bytes, ends } = written(entries);
        for (let at = 0; at < bytes.length; at += 1) {
          const garbled = Buffer.from(bytes);
          garbled[at] = (garbled[at] ?? 0) ^ (1 << bit);
          expect(read(garbled, chunkBytes)).toEqual(expected(entries, ends, [at]));
        }
      },
    ),
    { seed: 3, numRuns: 12 },
  );
});

it('many bytes garbled, yields all records that were not hit', () => {
  const flips = fc.array(fc.record({ at: fc.nat(), mask: fc.integer({ min: 1, max: 255 }) }), { maxLength: 12 });
  fc.assert(
    fc.property(
      fc.array(entry, { maxLength: 12 }),
      flips,
      fc.integer({ min: 1, max: 97 }),
      (entries, of, chunkBytes) => {
        const { bytes, ends } = written(entries);
        const garbled = Buffer.from(bytes);
        const masks = new Map(of.map(({ at, mask }) => [at % bytes.length, mask]));
        for (const [at, mask] of masks) garbled[at] = (garbled[at] ?? 0) ^ mask;
        expect(read(garbled, chunkBytes)).toEqual(expected(entries, ends, [...masks.keys()]));
      },
    ),
    { seed: 6, numRuns: 300 },
  );
});

it('rubbish between the records and behind them costs none', () => {
  const rubbish = fc.uint8Array({ minLength: 1, maxLength: 64 });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(entry, fc.option(rubbish)), { maxLength: 8 }),
      fc.option(rubbish),
      (records, tail) => {
        const entries = records.map(([item]) => item);
        const { bytes, ends } = written(entries);
        const pieces: Uint8Array[] = [bytes.subarray(0, ends[0])];
        for (const [index, [, before]] of records.entries())
          pieces.push(before ?? Buffer.alloc(0), bytes.subarray(ends[index], ends[index + 1]));
        if (tail) pieces.push(tail);
        expect(read(Buffer.concat(pieces), 31)).toEqual({
          entries: asStored(entries),
          end: tail ? 'torn' : 'whole',
          damaged: records.filter(([, before]) => before).length,
        });
      },
    ),
    { seed: 7, numRuns: 200 },
  );
});

it('reads garbage that looks like frames in linear time, and finds the record behind it', () => {
  // Every ninth byte begins what could be an answer of one megabyte: 4 MB of it would be 460 GB to check.
  const bait = Buffer.alloc(9);
  bait.writeUInt32LE(1024 * 1024, 0);
  bait[8] = 5;
  const { bytes, ends } = written([{ kind: 'intent', row: 7, ask: 1 }]);
  const garbage = Buffer.alloc(4 * 1024 * 1024, bait);
  const started = process.cpuUsage();
  const found = read(Buffer.concat([bytes.subarray(0, ends[0]), garbage, bytes.subarray(ends[0])]), 1024 * 1024);
  expect(found).toEqual({ entries: [{ kind: 'intent', row: 7, ask: 1 }], end: 'whole', damaged: 1 });
  expect(process.cpuUsage(started).user / 1e6).toBeLessThan(10);
});

it('takes a tail of zeros, as a power cut leaves it, for torn', () => {
  const { bytes } = written([{ kind: 'intent', row: 1, ask: 0 }]);
  expect(read(Buffer.concat([bytes, Buffer.alloc(512)]))).toMatchObject({
    entries: [{ kind: 'intent' }],
    end: 'torn',
    damaged: 0,
  });
});

it('refuses the records of another shard and of another format', () => {
  const { bytes } = written([{ kind: 'intent', row: 1, ask: 0 }]);
  expect(read(bytes, bytes.length, 'b'.repeat(64))).toEqual({ entries: [], end: 'foreign', damaged: 0 });
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
