/** Identity of a shard, where its record stands and what is in it. Written by finished-shard.ts, read by row-stage-wave.ts. */
import { z } from 'zod';
import { sha256Hex } from '../../method/keys';
import { artifactRefSchema } from '../../schemas/artifact-ref';
import { stageUsageSchema } from '../../schemas/manifest';
import { outcomeCountsSchema } from '../../schemas/rows';
import type { WaveInput } from '../../schemas/messages';

/**
 * sha256 of stage key, earlier waves and slice: the same shard on every worker and in every attempt. The earlier waves' content belongs to
 * it, because a later wave's rows follow from it.
 */
export function shardKeyOf(wave: Pick<WaveInput, 'key' | 'waves'>, offset: number, length: number): string {
  return sha256Hex(`${wave.key}/${wave.waves.map(({ sha256 }) => sha256).join(',')}/${offset}/${length}`);
}

/** The finished shard's record is a ShardOutput; one of an older version lacks what is 0 by default. */
export const shardRecordSchema = z
  .object({
    results: artifactRefSchema,
    counts: outcomeCountsSchema,
    usage: stageUsageSchema,
    madeBy: z.string(),
    paidBy: z.record(z.string(), stageUsageSchema).optional(),
    askedMs: z.tuple([z.number(), z.number()]).optional(),
  })
  .transform(({ paidBy, askedMs, ...output }) => ({
    ...output,
    paidBy: paidBy ?? { [output.madeBy]: output.usage },
    ...(askedMs && { askedMs }),
  }));

/** Where it stands. */
export function shardRecordKey(shardKey: string): string {
  return `shards/${shardKey}.json`;
}
