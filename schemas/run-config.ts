/**
 * What a user writes: every setting of a run, with its default and the reason for it. One YAML file is the run.
 *
 * Owns the shape, the defaults and their explanations (`describe` becomes the editor's tooltip and the comments of `arte init`).
 * Leaves to method/config/check-config.ts what needs more than one field or a file to judge, and to cli/ how problems are printed.
 *
 * Names are snake_case because people type them. "Paper" means arXiv 2406.19227; where the paper is silent the description says so.
 */
import { z } from 'zod';
import { pairsSchema, probeSchema, questionsSchema, rationalesSchema, scoreSchema } from './config/drafts';
import { armsSchema, evaluateSchema, transferSchema } from './config/evaluate';
import { modelConfigSchema } from './config/models';
import { notifySchema } from './config/notify';
import { budgetSchema, platformSchema, publishSchema } from './config/platform';
import { promptsSchema } from './config/prompts';
import { promotionSchema, roundsSchema } from './config/rounds';
import { hygieneSchema, tailorSchema } from './config/tailor';
import { taskConfigSchema } from './config/tasks';
import { alignSchema, sftSchema, warmUpSchema } from './config/training';

export const runConfigSchema = z
  .strictObject({
    version: z.literal(1).describe('Of this file format.'),
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]*$/, 'lower-case letters, digits and -')
      .describe('Default id of the run.'),
    seed: z
      .number()
      .int()
      .nonnegative()
      .default(0)
      .describe(
        'Every sampling and training seed follows from it. Splits have their own (split_seed of a task), so that seeds are compared on the same items.',
      ),
    tasks: z
      .array(taskConfigSchema)
      .min(1)
      .describe('What the student is to learn. `source` says where the items come from.'),
    models: z
      .strictObject({
        teacher: modelConfigSchema.describe('Writes the training data, and is aligned.'),
        student: modelConfigSchema.describe('Judges the drafts, and is trained on the tailored set.'),
      })
      .describe('The two models of the run.'),
    prompts: promptsSchema,
    probe: probeSchema,
    questions: questionsSchema,
    rationales: rationalesSchema,
    score: scoreSchema,
    pairs: pairsSchema,
    align: alignSchema,
    tailor: tailorSchema,
    hygiene: hygieneSchema,
    sft: sftSchema,
    warm_up: warmUpSchema,
    evaluate: evaluateSchema,
    arms: armsSchema,
    transfer: transferSchema,
    rounds: roundsSchema,
    budget: budgetSchema,
    publish: publishSchema,
    promotion: promotionSchema,
    notify: notifySchema,
    platform: platformSchema,
  })
  .describe('An arte run.');

export type RunConfig = z.infer<typeof runConfigSchema>;

export type RunConfigInput = z.input<typeof runConfigSchema>;
