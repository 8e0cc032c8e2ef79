/** Identity of a shard and where its record stands. Written by engine.ts, read by row-stage.ts. */
import { sha256Hex } from '../../method/keys';
import type { WaveInput } from '../../schemas/messages';

/**
 * sha256 of stage key, earlier waves and slice: the same shard on every worker and in every attempt. The earlier waves' content belongs to
 * it, because a later wave's rows follow from it.
 */
export function shardKeyOf(wave: Pick<WaveInput, 'key' | 'waves'>, offset: number, length: number): string {
  return sha256Hex(`${wave.key}/${wave.waves.map(({ sha256 }) => sha256).join(',')}/${offset}/${length}`);
}

/** The finished shard's record: a ShardOutput. */
export function shardRecordKey(shardKey: string): string {
  return `shards/${shardKey}.json`;
}
