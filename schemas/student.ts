/**
 * The registry of students, and what became of each: documents under `students/<name>/`. Owns their shape.
 * What is written when is activities/students.ts; whether an alignment may become current is method/promotion.ts.
 */
import { z } from 'zod';
import { artifactRefSchema, sha256Schema } from './artifact-ref';
import { registryNameLengthMax } from './limits';
import { modelRefSchema } from './model-ref';
import { modelConfigSchema } from './config/models';

/** Names of students and schedules are parts of run ids. */
export const registryNameSchema = z
  .string()
  .max(registryNameLengthMax)
  .regex(/^[a-z0-9][a-z0-9-]*$/, 'lower-case letters, digits and -');

/** Who did something, when, and why: a person, or a schedule. */
const recordedSchema = { at: z.string(), by: z.string(), why: z.string() };

/** `students/<name>/student.json`: a model that is to be aligned. Secrets stay `${env:NAME}`; its content is looked at by a worker, each time. */
export const studentSchema = z.object({
  schemaVersion: z.literal(1),
  name: registryNameSchema,
  model: modelConfigSchema,
  ...recordedSchema,
});
export type Student = z.infer<typeof studentSchema>;

/** A finished alignment of a student: the model, and its answers on the test items. Everything that comparing and going back need. */
export const studentAlignmentSchema = z.object({
  runId: z.string(),
  schedule: z.string(),
  /** Of the student itself, before it was trained. */
  studentSha256: sha256Schema,
  teacherSha256: sha256Schema,
  /** The trained student of the run's best round. */
  model: modelRefSchema,
  round: z.number().int().positive(),
  /** Over questions and answers of the test items: accuracies of two alignments are compared only where it is the same. */
  testItemsSha256: sha256Schema,
  evaluations: z.array(
    z.object({
      shots: z.number().int().nonnegative(),
      accuracy: z.number(),
      n: z.number().int().nonnegative(),
      predictions: artifactRefSchema,
      stageKey: sha256Schema,
    }),
  ),
});
export type StudentAlignment = z.infer<typeof studentAlignmentSchema>;

/** One paired test, at one shot count. */
const pairedCheckSchema = z.object({
  shots: z.number().int().nonnegative(),
  n: z.number().int().nonnegative(),
  accuracy: z.number(),
  before: z.number(),
  difference: z.number(),
  /** Lower 95 % bound of the difference, one-sided. */
  low: z.number(),
  onlyMine: z.number().int().nonnegative(),
  onlyTheirs: z.number().int().nonnegative(),
  passed: z.boolean(),
});
export type PairedCheck = z.infer<typeof pairedCheckSchema>;

/** A task below its floor. */
const fallenTaskSchema = z.object({
  task: z.string(),
  shots: z.number().int().nonnegative(),
  accuracy: z.number(),
  floor: z.number(),
  /** floor: promotion.floor of the task. drop: what it had before, less promotion.drop. */
  by: z.enum(['floor', 'drop']),
});
export type FallenTask = z.infer<typeof fallenTaskSchema>;

export const studentEventSchema = z.object({
  /** promoted and kept-back: by a test. rolled-back and set: by a person. */
  action: z.enum(['promoted', 'kept-back', 'rolled-back', 'set']),
  runId: z.string(),
  /** What was current before, and so what it was compared with; null: the untuned student. */
  before: z.string().nullable(),
  ...recordedSchema,
  checks: z.array(pairedCheckSchema).default([]),
  fallen: z.array(fallenTaskSchema).default([]),
});
export type StudentEvent = z.infer<typeof studentEventSchema>;

/** `students/<name>/current.json`. It stays when the student is taken off the registry. */
export const studentStandingSchema = z.object({
  schemaVersion: z.literal(1),
  name: registryNameSchema,
  /** Run whose student is current. */
  current: z.string().nullable(),
  /** Every finished alignment that was judged, by its run. */
  alignments: z.record(z.string(), studentAlignmentSchema),
  history: z.array(studentEventSchema),
});
export type StudentStanding = z.infer<typeof studentStandingSchema>;
