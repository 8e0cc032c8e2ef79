/** Rounds, the gates between them, and when a student becomes the current one. */
import { z } from 'zod';
import { roundsMax } from '../limits';
import { count, fraction, rate, size } from './values';

const gatesSchema = z
  .strictObject({
    action: z
      .enum(['park', 'roll-back', 'record'])
      .default('park')
      .describe(
        'When a gate fails. park: the run waits for a person, before the student is trained. roll-back: the round is made to its end, cannot become the best, and the next one starts from the teacher of the best. record: only the report says so.',
      ),
    contaminated_max: fraction
      .nullable()
      .default(0)
      .describe('Share of examples in which a test or validation item stands. null = off.'),
    duplicates_max: fraction
      .nullable()
      .default(0.5)
      .describe('Share of questions that repeat an earlier one. null = off.'),
    bare_rise_max: fraction
      .nullable()
      .default(0.3)
      .describe(
        "Share of examples that are an answer with no reasoning, less that of the unaligned teacher's set: what a collapsed teacher writes. null = off.",
      ),
    tag_drop_max: fraction
      .nullable()
      .default(0.3)
      .describe("Share of the unaligned teacher's set that end in an answer, less that of the examples. null = off."),
    length_ratio_min: rate
      .nullable()
      .default(0.33)
      .describe("Median length of the examples' rationales, over that of the unaligned teacher's set. null = off."),
    length_ratio_max: rate
      .nullable()
      .default(3)
      .describe('The same, upwards: a teacher rewarded for length alone. null = off.'),
    diversity_ratio_min: fraction
      .nullable()
      .default(0.5)
      .describe(
        "Distinct pairs of words in the examples' rationales, over those in as many words of the unaligned teacher's set. null = off.",
      ),
    reward_margin_min: z
      .number()
      .nullable()
      .default(-0.1)
      .describe(
        'Mean reward margin of DPO in the last quarter of its steps: below 0 it prefers the rejected answers. null = off.',
      ),
    reward_accuracy_min: fraction
      .nullable()
      .default(null)
      .describe('Share of pairs whose chosen answer has the higher reward, in the same steps. null = off.'),
    icl_examples: size
      .default(0)
      .describe(
        "Examples per task, and as many of the round's drafts, drawn by seed and shown to the untuned student as its one demonstration on held-out validation items: the gain of the alignment in context. 0 = not measured.",
      ),
    icl_items: count
      .default(20)
      .describe('Held-out validation items per task for that: at most so many, none of the preference set.'),
    icl_gain_min: z
      .number()
      .nullable()
      .default(0)
      .describe('The gain fails when its whole 95 % interval lies below this. null = off.'),
  })
  .prefault({})
  .describe(
    'Limits on what the aligned teacher wrote, before the student is trained on it. What cannot be measured is not judged. Paper: not stated.',
  );

export const roundsSchema = z
  .strictObject({
    count: count.max(roundsMax).default(1).describe('Rounds of the loop. Paper: 1.'),
    accept_margin: z
      .number()
      .default(0)
      .describe(
        'A round replaces the best one so far when its accuracy, on the items that both answered, is higher by more than this.',
      ),
    accept: z
      .enum(['higher', 'gain'])
      .default('higher')
      .describe(
        'higher: by the difference itself, which may be noise. gain: only where the paired comparison finds it beyond noise as well.',
      ),
    on_worse: z
      .enum(['roll-back', 'go-on'])
      .default('roll-back')
      .describe(
        'After a round that did not become the best. roll-back: the next one starts from the teacher of the best round, with drafts drawn anew. go-on: from the teacher that this one made.',
      ),
    patience: size
      .default(0)
      .describe('The run stops after so many rounds in a row that did not become the best. 0 = all rounds are made.'),
    gates: gatesSchema,
    approval: z
      .enum(['off', 'every'])
      .default('off')
      .describe(
        'every: after each round the run waits for `arte approve` or `arte reject`. Changes nothing about what is made or reused.',
      ),
  })
  .prefault({})
  .describe('How often the loop is gone through.');

export const promotionSchema = z
  .strictObject({
    margin: z
      .number()
      .gt(0)
      .max(0.5)
      .default(0.05)
      .describe(
        "How much accuracy may be lost at most: a student becomes current when a paired one-sided 95 % test (Tango's score test) shows that it is not worse by more. 0.05 takes at least 52 test items, 0.02 at least 133.",
      ),
    floor: z
      .record(z.string(), fraction)
      .default({})
      .describe('Accuracy below which a task may not be, by the name of the task.'),
    drop: fraction
      .nullable()
      .default(0.1)
      .describe('How much lower than before the accuracy of a single task may be, as measured. null: no limit.'),
  })
  .prefault({})
  .describe(
    'When an alignment that a schedule made replaces the one before it as the current one of its student (the first: the untuned student). Changes nothing of what is made.',
  );
