/**
 * What a person did to a run: who, when, why. `runs/<runId>/actions/` in the store holds one document each, written once and never changed.
 * Owns the shapes; what may be done in which state is workflows/steering.ts.
 */
import { z } from 'zod';

export const runActionKinds = [
  'start',
  'restart',
  'pause',
  'resume',
  'approve',
  'reject',
  'retry',
  'cancel',
  'budget',
  'concurrency',
] as const;
export type RunActionKind = (typeof runActionKinds)[number];

export const runActionSchema = z.object({
  schemaVersion: z.literal(1),
  runId: z.string(),
  action: z.enum(runActionKinds),
  /** USER@HOST, or what ARTE_ACTOR says. A name that was given, not one that was proved. */
  by: z.string(),
  /** ISO 8601. */
  at: z.string(),
  reason: z.string().optional(),
  /** Of approve and reject: which round, and the key of the decision that was judged. Another decision is to be judged anew. */
  round: z.number().int().positive().optional(),
  key: z.string().optional(),
  /** What was set: settings of a retry, a cap, a ceiling. */
  set: z.array(z.string()).optional(),
});
export type RunAction = z.infer<typeof runActionSchema>;

/** What every order of a person says besides the order itself. */
export interface Order {
  readonly by: string;
  readonly reason?: string;
}

/** The decision that a word is about: another one that waits by then is not judged by it. Left out: the one that waits, whichever it is. */
export interface JudgedDecision {
  readonly round?: number;
  readonly key?: string;
}

/** approve and reject. */
export interface VerdictOrder extends Order, JudgedDecision {}
