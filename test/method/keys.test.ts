/**
 * Goal: a key names content and nothing else. Equal content has equal keys whatever the order it is written in, any difference gives
 * another key, and no release changes a key by accident: that would pay for everything again.
 * Method: properties over random values, and keys written down here.
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { canonicalJson, rowKey, seedFrom, shuffled, stageKey, type RowIdentity } from '../../method/keys';
import type { JsonValue } from '../../schemas/json';

const json = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<JsonValue>;
const request = { prompt: { kind: 'completion', text: 'Which is larger, 3 or 8?' }, sampling: sampling(1) } as const;
const row: RowIdentity = {
  stage: 'score-drafts',
  version: 1,
  modelSha256: 'ab',
  served: { quantization: 'q8_0' },
  request,
  sample: 0,
};

function sampling(seed: number) {
  return { temperature: 1, topP: 1, topK: 40, minP: 0.1, maxTokens: 80, stop: ['\n'], seed };
}

/** The same value with the members of every object in another order. */
function reordered(value: JsonValue, seed: number): JsonValue {
  if (Array.isArray(value)) return value.map((item: JsonValue) => reordered(item, seed));
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value as Record<string, JsonValue>);
  return Object.fromEntries(shuffled(members, seed).map(([name, member]) => [name, reordered(member, seed)]));
}

describe('canonical JSON', () => {
  it('is JSON of the same value', () => {
    fc.assert(
      // JSON has no -0, and a member called __proto__ is no member to an object literal.
      fc.property(json, (value) => {
        const plain = JSON.parse(JSON.stringify(value)) as JsonValue;
        expect(JSON.parse(canonicalJson(value))).toEqual(plain);
      }),
      { seed: 1 },
    );
  });

  it('has its members in the order of their UTF-16 code units, few or many', () => {
    const plain = (value: JsonValue): string => {
      if (Array.isArray(value)) return `[${value.map((item: JsonValue) => plain(item)).join(',')}]`;
      if (typeof value !== 'object' || value === null) return JSON.stringify(value);
      const members = Object.entries(value as Record<string, JsonValue>);
      members.sort(([one], [other]) => (one < other ? -1 : 1));
      return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${plain(member)}`).join(',')}}`;
    };
    const names = fc.oneof(fc.string({ unit: 'binary', maxLength: 3 }), fc.nat({ max: 200 }).map(String));
    const wide = fc.dictionary(names, json, { maxKeys: 60, size: 'max' });
    fc.assert(
      fc.property(fc.oneof(json, wide), (value) => {
        expect(canonicalJson(value)).toBe(plain(value));
      }),
      { seed: 4 },
    );
  });

  it('does not know the order in which members were written, and knows that of lists', () => {
    fc.assert(
      fc.property(json, fc.nat(), (value, seed) => {
        expect(canonicalJson(reordered(value, seed))).toBe(canonicalJson(value));
      }),
      { seed: 2 },
    );
    expect(canonicalJson([1, 2])).not.toBe(canonicalJson([2, 1]));
  });

  it('gives equal values equal bytes and different values different ones', () => {
    const small = fc.jsonValue({ maxDepth: 2, stringUnit: fc.constantFrom('a', 'b') }) as fc.Arbitrary<JsonValue>;
    const plain = (value: JsonValue): unknown => JSON.parse(JSON.stringify(value));
    fc.assert(
      fc.property(small, small, (one, other) => {
        expect(canonicalJson(one) === canonicalJson(other)).toBe(isDeepStrictEqual(plain(one), plain(other)));
      }),
      { seed: 3, numRuns: 2_000 },
    );
  });

  it('leaves out what is undefined, and refuses what JSON cannot say', () => {
    expect(canonicalJson({ b: 1, a: undefined } as unknown as JsonValue)).toBe('{"b":1}');
    for (const number of [NaN, Infinity, -Infinity]) expect(() => canonicalJson({ number })).toThrow(RangeError);
  });
});

describe('the key of a row', () => {
  it.each([
    ['stage', { stage: 'evaluate' }],
    ['version', { version: 2 }],
    ['model', { modelSha256: 'ac' }],
    ['quantization', { served: { quantization: 'f16' } }],
    ['sample', { sample: 1 }],
    ['prompt', { request: { ...request, prompt: { kind: 'completion', text: 'Which is larger, 8 or 3?' } } }],
    ['kind of prompt', { request: { ...request, prompt: { kind: 'chat', messages: [] } } }],
    ['seed', { request: { ...request, sampling: sampling(2) } }],
    ['temperature', { request: { ...request, sampling: { ...sampling(1), temperature: 0 } } }],
    ['stop words', { request: { ...request, sampling: { ...sampling(1), stop: [] } } }],
    ['schema', { request: { ...request, jsonSchema: { type: 'object' } } }],
    ['answers in one call', { request: { ...request, answers: 2 } }],
  ] as const)('changes with its %s', (_, change) => {
    expect(rowKey({ ...row, ...change } as RowIdentity)).not.toBe(rowKey(row));
  });

  it('is the same as ever', () => {
    expect(rowKey(row)).toBe('1ee3a14dbc3e8a46fb61e830ca0d43061a470c78f77f1675db13022566053953');
  });
});

describe('the key of a stage', () => {
  const stage = {
    stage: 'build-pairs',
    version: 3,
    inputs: { scores: 'aa', drafts: 'bb' },
    settings: { ties: 'drop' },
  };

  it('changes with every input by its name, with its version and its settings', () => {
    const keys = [
      stage,
      { ...stage, version: 4 },
      { ...stage, stage: 'decide' },
      { ...stage, inputs: { scores: 'bb', drafts: 'aa' } },
      { ...stage, inputs: { scores: 'aa' } },
      { ...stage, settings: { ties: 'keep' } },
    ].map(stageKey);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('is the same as ever, and the sha256 of its canonical JSON', () => {
    const text =
      '{"inputs":{"drafts":"bb","scores":"aa"},"settings":{"ties":"drop"},"stage":"build-pairs","version":3}';
    expect(stageKey(stage)).toBe(createHash('sha256').update(text).digest('hex'));
  });
});

describe('seeds', () => {
  it('are 31 bits, follow from their parts, and part what parts are', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.integer()), { maxLength: 4 }), (parts) => {
        const seed = seedFrom(...parts);
        expect(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 31).toBe(true);
        expect(seedFrom(...parts)).toBe(seed);
      }),
      { seed: 4 },
    );
    expect(seedFrom('a', 'bc')).not.toBe(seedFrom('ab', 'c'));
    expect(seedFrom(7, 'sample-questions', 'navigate', 3)).toBe(155148475);
  });

  it('shuffle every item into the copy once', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.nat(), (items, seed) => {
        const copy = shuffled(items, seed);
        expect(copy).toHaveLength(items.length);
        expect([...copy].sort((a, b) => a - b)).toEqual([...items].sort((a, b) => a - b));
        expect(shuffled(items, seed)).toEqual(copy);
      }),
      { seed: 5 },
    );
  });
});
