/** The student's training set, and how clean what teachers write must be. */
import { z } from 'zod';
import { samplingSettings, thresholdsSchema } from './sampling';
import { count, fraction } from './values';

export const hygieneSchema = z
  .strictObject({
    contamination: z
      .strictObject({
        action: z
          .enum(['drop', 'keep', 'park'])
          .default('drop')
          .describe(
            'What to do with a written question, or an example, that repeats a test or validation item. drop: leave it out (questions are written anew until there are enough). keep: only count it. park: stop the run. Paper: not stated.',
          ),
        ngram: count
          .default(8)
          .describe(
            'Words of a run. PaLM: 8. Items with fewer runs of their own than that (with 8: shorter than 15 words) are compared as a whole.',
          ),
        overlap: z
          .number()
          .gt(0)
          .max(1)
          .default(0.7)
          .describe(
            "An item is repeated by a text that holds this share of its runs of words, and all of its numbers; runs that many items of the task share do not count. PaLM: 0.7. A question equal to an item's is always a repetition.",
          ),
      })
      .prefault({})
      .describe('Test and validation items in what the teacher writes. Paper: not stated.'),
    near_duplicates: z
      .strictObject({
        action: z
          .enum(['keep', 'drop', 'park'])
          .default('keep')
          .describe(
            'What to do with a question that is nearly an earlier one of its task. keep: only count it; questions.dedupe goes first.',
          ),
        shingle: count.default(3).describe('Words of a run.'),
        jaccard: z
          .number()
          .gt(0)
          .max(1)
          .default(0.8)
          .describe('Near duplicates share at least this much of their distinct runs (Jaccard similarity).'),
      })
      .prefault({})
      .describe(
        'Nearly the same questions, told exactly and at any number of rows (questions.dedupe: rouge-l is quadratic).',
      ),
  })
  .prefault({})
  .describe(
    'Cleanness of what the teacher writes, drafts and tailored sets. What is dropped is kept beside: `arte export dropped`.',
  );

export const tailorSchema = z
  .strictObject({
    per_task: count.default(250).describe('Training examples per task. Paper: 250.'),
    spare: fraction
      .default(0)
      .describe(
        'Questions beyond per_task, as a share of it, that take the place of those whose rationale cannot be used. Without, a set has as many fewer examples, and arms may be of other sizes, which the report says. Paper: not stated.',
      ),
    questions: z
      .strictObject({ ...samplingSettings({ temperature: 1, max_tokens: 1024 }) })
      .prefault({})
      .describe('Sampling of the questions. Paper: temperature 1 (one place says 0).'),
    rationales: z
      .strictObject({ ...samplingSettings({ temperature: 0, max_tokens: 512 }) })
      .prefault({})
      .describe('Sampling of the one rationale per question, with the naive prompt. Paper: temperature 0.'),
    answer: z.enum(['free', 'given']).default('free').describe('As rationales.answer, for the tailored set.'),
    require_tag: z.boolean().default(false).describe('Keep only examples that end in the answer tag.'),
    filter: z
      .enum(['off', 'target', 'majority', 'verifier'])
      .default('off')
      .describe(
        "Drop an example whose answer disagrees with the question's target as its writer gave it; with the majority of several further answers (of a draft: of its question's drafts); or with the task's verifier, which keeps what it cannot tell. Every arm's set goes through it. Paper: off.",
      ),
    majority: z
      .strictObject({
        samples: count.default(5).describe('Further answers to each question; each is a call.'),
        temperature: z.number().gt(0).max(2).default(0.7).describe('Theirs. Self-consistency (arXiv 2203.11171): 0.7.'),
      })
      .prefault({})
      .describe('filter: majority. Samples that lead to no single most frequent answer drop the example.'),
    thresholds: thresholdsSchema,
  })
  .prefault({})
  .describe("The student's training set, written by the aligned teacher (and, for comparison, by the unaligned one).");
