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
  /** Of them, those whose server gave no token counts that can be used: theirs are estimated from the texts, high. */
  estimatedCalls: z.number().int().nonnegative().default(0),
  /** Calls that may have been worked on and brought no answer (a kill, a broken connection, a timeout): asked again, paid for perhaps. Not among `calls`. */
  lostCalls: z.number().int().nonnegative().default(0),
  /** At most so many tokens had they: their prompts estimated high, and all of max_tokens. */
  lostInputTokens: z.number().int().nonnegative().default(0),
  lostOutputTokens: z.number().int().nonnegative().default(0),
});
export type StageUsage = z.infer<typeof stageUsageSchema>;

/** Of a stage that asked nothing. */
export const noUsage: StageUsage = {
  calls: 0,
  inputTokens: 0,
  cachedInputTokens: 0,
  outputTokens: 0,
  estimatedCalls: 0,
  lostCalls: 0,
  lostInputTokens: 0,
  lostOutputTokens: 0,
};

/** What one run has paid of what a manifest or a shard's output lists by run. Not what every object has: a run may be called `constructor`. */
export function paidByRun(paidBy: Readonly<Record<string, StageUsage>>, runId: string): StageUsage | undefined {
  return Object.hasOwn(paidBy, runId) ? paidBy[runId] : undefined;
}

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
  /** The same usage by the run that paid for it; a run that asked for the stage first and paid for nothing in it stands here too. */
  paidBy: z.record(z.string(), stageUsageSchema).default({}),
  /** Small facts the stage wants in the report (pairs made, dropped by reason, reward margin). Under 4 KB. */
  facts: z.record(z.string(), z.json()),
  /** Wall seconds of the attempt that finished it. */
  seconds: z.number().nonnegative(),
  finishedAt: z.string(),
});
export type StageManifest = z.infer<typeof stageManifestSchema>;
