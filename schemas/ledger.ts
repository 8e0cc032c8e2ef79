/**
 * A run's account of money: `runs/<runId>/ledger.json`, in platform.currency. The arithmetic is method/ledger.ts.
 * It is as small as the work in progress: what is finished is a sum by stage.
 */
import { z } from 'zod';

const amount = z.number().nonnegative();

/** Work that was begun and is not finished: a shard or a training, under its key. */
export const ledgerEntrySchema = z.object({
  stage: z.string(),
  /** The attempt whose reservation it is. */
  attempt: z.string(),
  /** What stood in the work when this run first came to it: paid by another run. */
  found: amount,
  /** What this run has paid for it since. */
  spent: amount,
  reserved: amount,
});
export type LedgerEntry = z.infer<typeof ledgerEntrySchema>;

export const ledgerSchema = z.object({
  schemaVersion: z.literal(1),
  /** At first the config's; `arte budget set` changes it. */
  cap: amount.nullable(),
  /** What finished work has cost, by stage. */
  settled: z.record(z.string(), amount),
  open: z.record(z.string(), ledgerEntrySchema),
  /** What the cap had to be for the piece of work that was last refused. */
  needs: amount.optional(),
});
export type Ledger = z.infer<typeof ledgerSchema>;
