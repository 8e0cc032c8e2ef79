/**
 * What was found when work had stood still for too long: written down before it is ended and tried again, so that somebody who comes later can say
 * what it waited for. Owns the shape; who writes it and where is activities/stall-dump.ts.
 *
 * Holds no text that a model was asked or has said: rows are named by their keys, calls by what became of them.
 */
import { z } from 'zod';

const milliseconds = z.number().nonnegative();

export const stallDumpSchema = z.object({
  schemaVersion: z.literal(1),
  runId: z.string(),
  stage: z.string(),
  /** Of the stage or shard. */
  key: z.string(),
  /** Of the activity. */
  attempt: z.string(),
  /** ISO 8601. */
  at: z.string(),
  /** The machine, and the file on it that says the same. */
  host: z.string(),
  file: z.string(),
  /** The error as which the stall was declared. */
  code: z.string(),
  what: z.string(),
  why: z.string(),
  /** What it was at: rows, start (of a model server), load, step, checkpoint, save. */
  phase: z.string(),
  /** How long nothing had come of it, and how long that may be. */
  silentMs: milliseconds,
  limitMs: milliseconds,
  /** Of rows. */
  rows: z
    .object({
      endpoint: z.string(),
      done: z.number().int(),
      total: z.number().int(),
      inFlight: z.number().int(),
      waitingForRetry: z.number().int(),
      /** Calls that the endpoint takes at a time now, and how long it is left alone. */
      callsAllowed: z.number().int(),
      closedForMs: milliseconds,
      /** The oldest calls in flight, oldest first. `ask`: how often the row was asked before. */
      calls: z.array(z.object({ row: z.number().int(), key: z.string(), ask: z.number().int(), ageMs: milliseconds })),
      /** The calls that ended last, newest first. `outcome`: how the row ended, or why the call gave no answer; `status` of HTTP. */
      lastCalls: z.array(
        z.object({
          ...{ row: z.number().int(), key: z.string(), outcome: z.string(), status: z.number().int().optional() },
          ...{ tookMs: milliseconds, agoMs: milliseconds },
        }),
      ),
    })
    .optional(),
  /** Of a training. */
  training: z.object({ step: z.number().int(), maxSteps: z.number().int() }).optional(),
  /** The end of what the model server or the trainer has logged. */
  log: z.object({ path: z.string(), lines: z.array(z.string()) }).optional(),
});
export type StallDump = z.infer<typeof stallDumpSchema>;

/** What whoever declares a stall knows of it; the rest is where and for whom. */
export type StallFacts = Pick<StallDump, 'phase' | 'silentMs' | 'limitMs' | 'rows' | 'training' | 'log'>;
export type LogTail = NonNullable<StallDump['log']>;
