/**
 * A task and its items, as prepare-tasks leaves them in the store. How a user names a task in the config: run-config.ts.
 */
import { z } from 'zod';

export const answerTypes = ['boolean', 'choice', 'yes-no', 'number', 'text', 'exact'] as const;
export type AnswerType = (typeof answerTypes)[number];

export const answerSpecSchema = z.object({
  type: z.enum(answerTypes),
  /** The closed set of answers, where there is one: True/False, Yes/No, (A)…(E). Empty means open. */
  labels: z.array(z.string()),
});
export type AnswerSpec = z.infer<typeof answerSpecSchema>;

export const taskItemSchema = z.object({
  /** Stable within the task: `<split>-<n>` of the source order, or the sha of the content. */
  id: z.string().min(1),
  question: z.string().min(1),
  target: z.string().min(1),
  /** A worked answer for a demonstration, where the source has one (GSM8K). Never used as training data. */
  rationale: z.string().optional(),
});
export type TaskItem = z.infer<typeof taskItemSchema>;

export const techniqueSchema = z.strictObject({
  name: z.string().min(1).describe('Name of the technique in drafts and reports.'),
  instruction: z.string().min(1).describe('The instruction put before the question.'),
  demonstration: z
    .strictObject({
      question: z.string().describe('Its question.'),
      rationale: z.string().describe('Its reasoning; the answer tag is added where it has none.'),
      answer: z.string().describe('Its answer.'),
    })
    .optional()
    .describe("One worked example in the technique's own style; very small models need it."),
});
export type Technique = z.infer<typeof techniqueSchema>;

export const verifierSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('arithmetic') }),
  z.strictObject({ kind: z.literal('boolean') }),
  z.strictObject({ kind: z.literal('counting') }),
  z.strictObject({ kind: z.literal('comparison') }),
]);
export type Verifier = z.infer<typeof verifierSchema>;

/** A worked example that the teacher learns from before the first round; of no split. */
export const goldExampleSchema = z.object({
  task: z.string().min(1),
  question: z.string().min(1),
  target: z.string().min(1),
  rationale: z.string().min(1),
  /** The technique prompt that the rationale answers; the naive prompt where there is none. */
  technique: z.string().optional(),
});
export type GoldExample = z.infer<typeof goldExampleSchema>;

export const taskRecordSchema = z.object({
  name: z.string().min(1),
  category: z.string(),
  description: z.string().min(1),
  answer: answerSpecSchema,
  seeds: z.array(taskItemSchema).min(1),
  validation: z.array(taskItemSchema),
  test: z.array(taskItemSchema),
  techniques: z.array(techniqueSchema).min(1),
  verifier: verifierSchema.optional(),
});
export type TaskRecord = z.infer<typeof taskRecordSchema>;
