/**
 * Identity: stage keys, row keys and seeds are pure functions of content.
 * Owns canonical JSON and the hashes over it. No run id, host, path, served name or count of workers may ever enter a key.
 */
import { createHash, hash } from 'node:crypto';
import type { JsonValue } from '../schemas/json';
import type { ModelRequest } from '../schemas/rows';

/** An object with more members has them sorted by the engine, which takes memory of its own for it. */
const membersSortedHere = 24;

/**
 * JSON with sorted keys, no spaces, undefined members left out. Equal values, equal bytes. Made for every row, twice: so a text is put together once at the
 * end and not at every level (half the time, and less than half the memory).
 */
export function canonicalJson(value: JsonValue): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (Array.isArray(value)) {
    let items = '[';
    for (const item of value as readonly JsonValue[]) items += (items.length === 1 ? '' : ',') + canonicalJson(item);
    return `${items}]`;
  }
  if (typeof value === 'object' && value !== null) {
    const object = value as { readonly [key: string]: JsonValue | undefined };
    let members = '{';
    for (const key of sortedKeys(object)) {
      const member = object[key];
      if (member === undefined) continue;
      members += `${members.length === 1 ? '' : ','}${JSON.stringify(key)}:${canonicalJson(member)}`;
    }
    return `${members}}`;
  }
  if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError(`not a JSON number: ${String(value)}`);
  return JSON.stringify(value);
}

/** By UTF-16 code units, as Array.sort has them. */
function sortedKeys(object: object): string[] {
  const keys = Object.keys(object);
  if (keys.length > membersSortedHere) return keys.sort();
  for (let at = 1; at < keys.length; at += 1) {
    const key = keys[at] as string;
    let to = at;
    for (; to > 0 && (keys[to - 1] as string) > key; to -= 1) keys[to] = keys[to - 1] as string;
    keys[to] = key;
  }
  return keys;
}

/** Lower-case hex sha256 of bytes or UTF-8 text. */
export function sha256Hex(data: string | Uint8Array): string {
  return hash('sha256', data, 'hex');
}

export interface StageIdentity {
  readonly stage: string;
  readonly version: number;
  /** Content hashes of the inputs by name, model content included. */
  readonly inputs: { readonly [name: string]: string };
  /** The settings that matter to the stage, and no others. */
  readonly settings: JsonValue;
}

export function stageKey(identity: StageIdentity): string {
  return sha256Hex(canonicalJson({ ...identity }));
}

export interface RowIdentity {
  readonly stage: string;
  readonly version: number;
  readonly modelSha256: string;
  /** How the model is served, where that changes answers (quantization). */
  readonly served: JsonValue;
  readonly request: ModelRequest;
  /** Which of several samples of the same request. */
  readonly sample: number;
}

export function rowKey(identity: RowIdentity): string {
  return sha256Hex(canonicalJson(identity as unknown as JsonValue));
}

/** A 31-bit seed that follows from its parts: the same parts give the same seed on every machine. */
export function seedFrom(...parts: readonly (string | number)[]): number {
  return createHash('sha256').update(parts.join('\u0000')).digest().readUInt32BE(0) >>> 1;
}

/** A seeded generator of floats in [0, 1): mulberry32, enough for shuffles and bootstraps, equal on every machine. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A shuffled copy (Fisher-Yates) under a seed. */
export function shuffled<T>(items: readonly T[], seed: number): T[] {
  const random = seededRandom(seed);
  const copy = [...items];
  for (let last = copy.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    const held = copy[last] as T;
    copy[last] = copy[other] as T;
    copy[other] = held;
  }
  return copy;
}
