/** Tasks of a run: where their items come from, how they are split, how answers look. */
import { z } from 'zod';
import { answerTypes, techniqueSchema, verifierSchema } from '../task';
import { count, size } from './values';

const splitSchema = z
  .strictObject({
    seeds: count.default(3).describe('Seed questions shown to the teacher. Paper: 3.'),
    validation: size.default(100).describe('Labelled items the preference set is chosen from. Paper: about 100.'),
    test: z
      .union([count, z.literal('rest')])
      .default('rest')
      .describe('Held-out items, never seen by any other stage.'),
  })
  .prefault({})
  .describe('How many items of the source go where. The three parts never share an item.');

const taskCommon = {
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]*$/, 'lower-case letters, digits, - and _')
    .describe('Name of the task in reports and prompts.'),
  category: z.string().default('general').describe('For weighting and tables by category.'),
  description: z
    .string()
    .optional()
    .describe('What the student is asked to do, in a sentence or two. Needed unless the source brings one.'),
  answer: z
    .strictObject({
      type: z.enum(answerTypes).describe('Decides the answer-tag reminder and how answers are read and compared.'),
      labels: z.array(z.string()).default([]).describe('The closed set of answers, if there is one.'),
    })
    .optional()
    .describe('How answers look. Left out: the built-in family or the file format decides.'),
  techniques: z.array(techniqueSchema).min(1).optional().describe('Replaces prompts.techniques for this task.'),
  verifier: verifierSchema
    .optional()
    .describe('Tells a right answer from a wrong one without a label; used by tailor.filter: verifier.'),
  gold: z
    .string()
    .optional()
    .describe(
      'Worked examples for warm_up: a JSONL file {"question", "target", "rationale"}, and "technique" where the rationale is written under a technique prompt of the task. None of its questions may stand in the split. Relative to the config file.',
    ),
  split: splitSchema,
  split_seed: z
    .number()
    .int()
    .default(0)
    .describe('Shuffles the source before it is split. The same seed gives the same split.'),
};

export const taskConfigSchema = z.discriminatedUnion('source', [
  z.strictObject({
    source: z.literal('builtin'),
    family: z.string().describe('A family the project generates: `arte families` lists them.'),
    ...taskCommon,
    name: taskCommon.name.optional().describe('Default: the family.'),
  }),
  z.strictObject({
    source: z.literal('jsonl'),
    path: z.string().describe('Lines {"question", "target"}; relative to the config file.'),
    question_field: z.string().default('question').describe('Field that holds the question.'),
    target_field: z.string().default('target').describe('Field that holds the right answer.'),
    choices_field: z
      .string()
      .optional()
      .describe(
        "Field that holds the texts of an item's options, a list (MMLU: choices). They are shown as (A), (B), …; the right answer is the number of one, from 0 on, or its letter or text.",
      ),
    ...taskCommon,
  }),
  z.strictObject({
    source: z.literal('bbh-json'),
    path: z.string().describe('A BIG-Bench-Hard file: {"examples": [{"input", "target"}]}.'),
    ...taskCommon,
    name: taskCommon.name.optional().describe('Default: the file name.'),
  }),
  z.strictObject({
    source: z.literal('gsm8k-jsonl'),
    path: z.string().describe('GSM8K lines {"question", "answer"} with the gold answer after "#### ".'),
    ...taskCommon,
    name: taskCommon.name.optional().describe('Default: gsm8k.'),
  }),
  z.strictObject({
    source: z.literal('arc-jsonl'),
    path: z
      .string()
      .describe(
        'ARC lines, {"question": {"stem", "choices"}, "answerKey"} as published or {"question", "choices", "answerKey"} as Hugging Face has them.',
      ),
    ...taskCommon,
    name: taskCommon.name.optional().describe('Default: the file name.'),
  }),
  z.strictObject({
    source: z.literal('commonsenseqa-jsonl'),
    path: z
      .string()
      .describe('CommonsenseQA lines, in either form of ARC. The test split has no answers: use the dev split.'),
    ...taskCommon,
    name: taskCommon.name.optional().describe('Default: commonsenseqa.'),
  }),
  z.strictObject({
    source: z.literal('piqa-jsonl'),
    path: z.string().describe('PIQA lines {"goal", "sol1", "sol2"}, with "label" or with a labels file beside them.'),
    labels: z.string().optional().describe('The labels file as published: 0 or 1, a line for each line of path.'),
    ...taskCommon,
    name: taskCommon.name.optional().describe('Default: piqa.'),
  }),
  z.strictObject({
    source: z.literal('files'),
    seeds: z.string().describe('Seed questions: a JSONL file {"question", "target"}, relative to the config file.'),
    validation: z.string().describe('Labelled items the preference set is chosen from; the same form.'),
    test: z.string().describe('Held-out items; the same form. No item may stand in two of the three files.'),
    ...taskCommon,
  }),
  z.strictObject({
    source: z.literal('declared'),
    seed_items: count.default(3).describe('How many seed questions the set has.'),
    validation_items: count.default(100).describe('How many labelled items it has.'),
    test_items: count.describe('How many held-out items it has. Counts are enough to plan, not to run.'),
    ...taskCommon,
  }),
]);

export type TaskConfig = z.infer<typeof taskConfigSchema>;
