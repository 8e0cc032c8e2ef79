/**
 * Answers by row: what any finished shard of a kind of stage has had from a model, found by row key, whatever stage it was asked for. A label, a
 * larger probe set or another rule of reading makes a stage of another key; of its rows only those that were never asked are asked.
 *
 * Owns `answers/<kind>/<stage key>/<shard key>.json`, an index of a finished shard's rows, and the looking up. `kind` is what all row keys of a shard
 * have in common: stage kind and version, model content, how it is served. What is made of an answer is the engine's (row-engine/take-earlier.ts).
 *
 * Invariants
 * 1. An index is an offer and no promise: one that is damaged, or whose results have gone or are damaged, is passed over. Nothing of results is
 *    given out before all of them were seen to be right.
 * 2. A stage never finds itself: rows that two of its shards share would depend on which was faster.
 * 3. Memory is bounded by `earlierRowsMax`, twelve bytes a row, for all shards of a process.
 */
import { z } from 'zod';
import type { ArtifactStore, StoredObject } from '../drivers/store/store';
import { canonicalJson, sha256Hex } from '../method/keys';
import { artifactRefSchema, type ArtifactRef } from '../schemas/artifact-ref';
import type { JsonValue } from '../schemas/json';
import { earlierRowsMax } from '../schemas/limits';
import { rowResultSchema, type RowResult } from '../schemas/rows';
import { asIfGone, isGoneOrDamaged } from './damaged';
import { prefixBytes, prefixOf } from './row-engine/key-prefixes';
import type { EarlierAnswers } from './row-engine/types';

/** What all row keys of a shard have in common. */
export interface RowKind {
  readonly stage: string;
  readonly version: number;
  readonly modelSha256: string;
  readonly served: JsonValue;
}

const indexSchema = z.object({
  schemaVersion: z.literal(1),
  /** RowResults in row order. */
  results: artifactRefSchema,
  /** The beginning of each row's key, in row order, as base64 (row-engine/key-prefixes.ts). */
  keys: z.base64(),
});

/** Indexes that are read side by side: each is some 20 KB. */
const readAtOnce = 8;

interface Index {
  readonly results: ArtifactRef;
  /** Beginnings of row keys, the lowest first, and the rows they belong to. */
  readonly prefixes: Float64Array;
  readonly places: Uint32Array;
}

/** Of this process, by their key in the store; they are written once. A store has its own: tests have several. */
const read = new WeakMap<ArtifactStore, Map<string, Index>>();

/** The answers that shards of other stages have had. `stageKey`, `shardKey`: for whom. */
export function openEarlierAnswers(
  store: ArtifactStore,
  kind: RowKind,
  { stageKey, shardKey }: { readonly stageKey: string; readonly shardKey: string },
): EarlierAnswers {
  const folder = `answers/${sha256Hex(canonicalJson({ ...kind }))}/`;
  const own = `${folder}${stageKey}/`;
  return {
    async offer() {
      const objects: StoredObject[] = [];
      for await (const object of store.list(folder)) if (!object.key.startsWith(own)) objects.push(object);
      if (objects.length === 0) return undefined;
      objects.sort((one, other) => other.modifiedAt.getTime() - one.modifiedAt.getTime());
      const indexes = await readIndexes(store, objects);
      return (keys) => find(store, indexes, keys);
    },
    async remember(results, keys) {
      const document = { schemaVersion: 1, results, keys: keys.toString('base64') };
      await store.putOnce(`${own}${shardKey}.json`, document);
    },
  };
}

async function readIndexes(store: ArtifactStore, objects: readonly StoredObject[]): Promise<Index[]> {
  const known = read.get(store) ?? new Map<string, Index>();
  read.set(store, known);
  const indexes: Index[] = [];
  let rows = 0;
  for (let at = 0; at < objects.length && rows < earlierRowsMax; at += readAtOnce) {
    const some = await Promise.all(
      objects.slice(at, at + readAtOnce).map(async ({ key }) => known.get(key) ?? (await readIndex(store, key))),
    );
    some.forEach((index, offset) => {
      if (!index || rows >= earlierRowsMax) return;
      rows += index.places.length;
      indexes.push(index);
      // The one that was used last goes last.
      const { key } = objects[at + offset] as StoredObject;
      known.delete(key);
      known.set(key, index);
    });
  }
  let held = 0;
  for (const index of known.values()) held += index.places.length;
  for (const [key, index] of known) {
    if (held <= earlierRowsMax) break;
    known.delete(key);
    held -= index.places.length;
  }
  return indexes;
}

async function readIndex(store: ArtifactStore, key: string): Promise<Index | undefined> {
  const parsed = indexSchema.safeParse(await asIfGone(store, key));
  if (!parsed.success) return undefined;
  const { results, keys } = parsed.data;
  const bytes = Buffer.from(keys, 'base64');
  const inOrder = Float64Array.from({ length: Math.floor(bytes.length / prefixBytes) }, (_, row) =>
    bytes.readUIntBE(row * prefixBytes, prefixBytes),
  );
  const places = Uint32Array.from(inOrder.keys()).sort((one, other) => (inOrder[one] ?? 0) - (inOrder[other] ?? 0));
  return { results, prefixes: Float64Array.from(places, (row) => inOrder[row] ?? 0), places };
}

/** The row whose key begins so; undefined where there is none. */
function placeOf({ prefixes, places }: Index, prefix: number): number | undefined {
  let [low, high] = [0, prefixes.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((prefixes[middle] ?? 0) < prefix) low = middle + 1;
    else high = middle;
  }
  return prefixes[low] === prefix ? places[low] : undefined;
}

async function* find(
  store: ArtifactStore,
  indexes: readonly Index[],
  keys: ReadonlySet<string>,
): AsyncGenerator<RowResult> {
  const wanted = new Set(keys);
  for (const index of indexes) {
    const places = new Set<number>();
    for (const key of wanted) {
      const place = placeOf(index, prefixOf(key));
      if (place !== undefined) places.add(place);
    }
    if (places.size === 0) continue;
    for (const found of await readPlaces(store, index.results, places)) if (wanted.delete(found.key)) yield found;
  }
}

/** The results at those places; none where the blob has gone or is damaged. A shard's, so that they can be held. */
async function readPlaces(
  store: ArtifactStore,
  results: ArtifactRef,
  places: ReadonlySet<number>,
): Promise<RowResult[]> {
  const lines: string[] = [];
  let place = 0;
  try {
    for await (const line of store.getLines(results)) {
      if (places.has(place)) lines.push(line);
      place += 1;
    }
  } catch (error) {
    if (isGoneOrDamaged(error)) return [];
    throw error;
  }
  return lines.flatMap((line) => {
    const parsed = rowResultSchema.safeParse(JSON.parse(line));
    return parsed.success ? [parsed.data] : [];
  });
}
