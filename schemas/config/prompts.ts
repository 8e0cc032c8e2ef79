/** The wording of every prompt. */
import { z } from 'zod';
import { answerTypes, techniqueSchema } from '../task';

export const promptsSchema = z
  .strictObject({
    answer_open: z.string().min(1).default('<ans>').describe('What opens the final answer. Paper: an <ans> tag.'),
    answer_close: z.string().min(1).default('</ans>').describe('What closes it.'),
    answer_reminder: z
      .partialRecord(z.enum(answerTypes), z.string())
      .optional()
      .describe('Replaces the built-in reminder of the answer types named. Slots {open} {close} {labels}.'),
    question: z
      .string()
      .optional()
      .describe(
        'Slots {task} {description} {targets} {seeds} {count}. Left out: the built-in wording for questions.format.',
      ),
    naive: z.string().optional().describe('Slots {description} {reminder} {question}. The plain step-by-step prompt.'),
    rationale: z.string().optional().describe('Slots {technique} {description} {reminder} {demonstration} {question}.'),
    student_one_shot: z
      .string()
      .optional()
      .describe(
        'Slots {description} {reminder} {demonstrations} {question}. Without demonstrations it is also the prompt that the student is trained on. Paper: not stated.',
      ),
    techniques: z
      .array(techniqueSchema)
      .min(1)
      .optional()
      .describe(
        'Technique prompts of draft rationales. Left out: expert role, recall rules, plain, eliminate options.',
      ),
  })
  .prefault({})
  .describe('Wording of every prompt. What is left out is built in; `arte preview` shows the whole.');
