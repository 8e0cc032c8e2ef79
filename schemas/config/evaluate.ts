/** What is evaluated: the students of which arms, and how far the alignment carries. */
import { z } from 'zod';
import { armNames, standingArms } from '../arms';
import { modelConfigSchema } from './models';
import { thresholdsOf } from './sampling';
import { taskConfigSchema } from './tasks';
import { count, size } from './values';

export const evaluateSchema = z
  .strictObject({
    shots: z.array(size).min(1).default([0, 3]).describe("Paper: 0 and 3. Demonstrations are the task's seeds."),
    extraction: z
      .enum(['strict', 'flexible'])
      .default('flexible')
      .describe(
        'strict: only between the answer tags. flexible: else the last thing that looks like an answer, in a text that was not cut off (docs/evaluation.md).',
      ),
    max_tokens: count
      .default(256)
      .describe(
        'Of an answer. Greedy. One that is cut off here before its tag is closed counts as wrong. Paper: not stated.',
      ),
    stop: z.array(z.string()).default([]).describe('Strings that end an answer, besides the closing answer tag.'),
    // An untuned student that never ends in an answer (the paper's had 1 % right) is a finding, and nothing is trained on it.
    thresholds: thresholdsOf(1),
  })
  .prefault({})
  .describe('Accuracy of the students on the held-out items.');

export const armsSchema = z
  .array(z.enum(armNames))
  .default([...standingArms])
  .describe(
    [
      "Lines of the report's table. untuned, original_teacher and arte always stand there, named or not. Every arm that is trained has the same student, number of examples, steps and seed; those besides arte belong to the first round.",
      'teacher: the teacher itself on the test items, the ceiling.',
      'untuned: the student as it came.',
      'original_teacher: a set by the unaligned teacher.',
      "self_instruct: the same, but bootstrapped (after arXiv 2212.10560): a quarter of the questions that the teacher is shown, at least one, are earlier ones of its own, so later questions follow from earlier ones. Duplicates are dropped as questions.dedupe says for all arms: that paper's ROUGE-L of 0.7 is for instructions of many tasks, and would leave little of one.",
      'random_rationale, most_preferred, task_consistent (the ablation of the paper): no DPO; the set is draft questions drawn by seed, each with a draft rationale of any technique, with its highest s_r, or under the technique of the highest mean s_r on the task. They need questions.per_task of at least tailor.per_task.',
      'question_only, rationale_only: as arte, with the teacher trained on one kind of pairs.',
      'arte: a set by the aligned teacher.',
    ].join('\n'),
  );

export const transferSchema = z
  .strictObject({
    students: z
      .array(modelConfigSchema)
      .default([])
      .describe(
        "Other students. Each is trained on the final set of arte and on that of original_teacher, as the run's own student was, and evaluated on the run's tasks; untuned it stands beside. Paper: other students learn from the data made for one.",
      ),
    tasks: z
      .array(taskConfigSchema)
      .default([])
      .describe(
        "Unseen tasks: no probe, draft or pair comes from them. Both teachers, the aligned and the unaligned one, write tailor.per_task examples for each; the run's student is trained on either set and evaluated on them. Paper: the aligned teacher writes for tasks that it was not aligned on.",
      ),
  })
  .prefault({})
  .describe(
    'How far the alignment carries: to students and tasks that the teacher was not aligned for. Made after the last round, with the teacher and the set of the best one, in as many students, examples and steps as the arms.',
  );
