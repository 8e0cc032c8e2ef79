/**
 * A finished stage. `stages/<key>.json` is written once, when the stage is whole; its existence is what "done" means.
 * Owns: the names of the stages and what they leave behind. The key's rules are method/keys.ts.
 */
import { z } from 'zod';
import { artifactRefSchema, sha256Schema } from './artifact-ref';
import { outcomeCountsSchema, usageSchema } from './rows';
import { stageNames } from './stage-names';

export { stageNames, rowStageNames, type StageName, type RowStageName } from './stage-names';

export const stageUsageSchema = usageSchema.extend({
  /** Model calls that were answered, repeats and repairs included: what was paid for. */
  calls: z.number().int().nonnegative(),
  /** Calls that were in flight when a worker was killed: answered to nobody and asked again, paid for perhaps. Not among `calls`. */
  lostCalls: z.number().int().nonnegative().default(0),
  /** At most so many input tokens had they. How much of an answer was written for them nobody knows. */
  lostInputTokens: z.number().int().nonnegative().default(0),
});
export type StageUsage = z.infer<typeof stageUsageSchema>;

/** Of a stage that asked nothing. */
export const noUsage: StageUsage = {
  calls: 0,
  inputTokens: 0,
  cachedInputTokens: 0,
  outputTokens: 0,
  lostCalls: 0,
  lostInputTokens: 0,
};

export const stageManifestSchema = z.object({
  schemaVersion: z.literal(1),
  stage: z.enum(stageNames),
  version: z.number().int().positive(),
  key: sha256Schema,
  /** The inputs and settings that the key was made of: what a reader needs to follow a number back. */
  inputs: z.record(z.string(), z.string()),
  settings: z.json(),
  outputs: z.record(z.string(), artifactRefSchema),
  counts: outcomeCountsSchema,
  usage: stageUsageSchema,
  /** The run that committed it, and what of `usage` that run paid for. Says nothing about what was made, and is in no key. */
  madeBy: z.object({ runId: z.string(), usage: stageUsageSchema }).optional(),
  /** Small facts the stage wants in the report (pairs made, dropped by reason, reward margin). Under 4 KB. */
  facts: z.record(z.string(), z.json()),
  /** Wall seconds of the attempt that finished it. */
  seconds: z.number().nonnegative(),
  finishedAt: z.string(),
});
export type StageManifest = z.infer<typeof stageManifestSchema>;
