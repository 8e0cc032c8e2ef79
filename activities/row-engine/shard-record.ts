/** Identity of a shard and where its record stands. Written by engine.ts, read by row-stage.ts. */
import { sha256Hex } from '../../method/keys';

/** sha256 of stage key, wave and slice: the same shard on every worker and in every attempt. */
export function shardKeyOf(stageKey: string, wave: number, offset: number, length: number): string {
  return sha256Hex(`${stageKey}/${wave}/${offset}/${length}`);
}

/** The finished shard's record: a ShardOutput. */
export function shardRecordKey(shardKey: string): string {
  return `shards/${shardKey}.json`;
}
