/** Trainings: of the teacher before the loop (warm_up) and by preference (align), of the student (sft). */
import { z } from 'zod';
import { count, fraction, rate, size } from './values';

const trainingCommon = {
  adapter: z.enum(['lora', 'full']).default('lora').describe('Paper: not stated.'),
  lora_rank: count.default(16).describe('Rank of the adapter, where adapter is lora.'),
  lora_alpha: count.default(32).describe('Scale of the adapter: alpha / rank.'),
  lora_dropout: fraction.default(0).describe("Dropout on the adapter's input."),
  batch_size: count.default(16).describe('Rows of one optimizer step, on one device, before accumulation.'),
  gradient_accumulation: count.default(1).describe('Batches that share one optimizer step.'),
  epochs: rate.default(1).describe('Paper: 1.'),
  max_steps: size.default(0).describe('0 = as epochs say.'),
  optimizer: z.string().default('adamw_torch').describe('As transformers names it. Paper: not stated.'),
  weight_decay: z.number().min(0).default(0).describe('As the optimizer takes it. Paper: not stated.'),
  max_length: count
    .default(1024)
    .describe(
      'Tokens of prompt and answer. A longer row is cut, one whose prompt alone is as long is left out; the report says how many. Paper: not stated.',
    ),
  dtype: z
    .enum(['auto', 'float32', 'bfloat16', 'float16'])
    .default('auto')
    .describe('auto: bfloat16 where the device has it in hardware, else float32. Paper: not stated.'),
  checkpoint_steps: count.default(50).describe('A killed training repeats at most so many steps.'),
};

export const alignSchema = z
  .strictObject({
    method: z
      .enum(['dpo', 'none'])
      .default('dpo')
      .describe(
        "Paper: DPO. none: the teacher keeps its weights (a hosted one must), and the student's preferences only choose among its drafts: of each task the questions with the highest s_q, under the technique with the highest mean s_r.",
      ),
    reference: z
      .enum(['previous', 'initial'])
      .default('previous')
      .describe('Reference policy from the second round on. Paper: one round only.'),
    beta: rate.default(0.1).describe("Paper: not stated; 0.1 is TRL's default."),
    loss: z
      .array(z.enum(['sigmoid', 'ipo', 'hinge', 'robust', 'sft']))
      .min(1)
      .default(['sigmoid'])
      .describe('As TRL names them; several are added up. sft is the negative log-likelihood of the chosen answer.'),
    loss_weights: z
      .array(rate)
      .default([])
      .describe('A weight for each loss, in the same order. Empty: 1 each, as TRL has it.'),
    label_smoothing: z
      .number()
      .min(0)
      .lt(0.5)
      .default(0)
      .describe('loss robust: the share of preferences taken to be wrong. At 0 robust is sigmoid; its paper: 0.1.'),
    learning_rate: rate.default(1e-7).describe('Paper: 1e-7 (full training of a 70B model).'),
    warmup_ratio: fraction.default(0.1).describe('Paper: 10 %.'),
    schedule: z.enum(['cosine', 'linear', 'constant']).default('cosine').describe('Paper: cosine.'),
    ...trainingCommon,
  })
  .prefault({})
  .describe('Training of the teacher on the pairs.');

export const sftSchema = z
  .strictObject({
    learning_rate: rate.default(2e-5).describe('Paper: 2e-5.'),
    warmup_ratio: fraction.default(0.03).describe('Paper: 3 %.'),
    schedule: z.enum(['cosine', 'linear', 'constant']).default('linear').describe('Paper: linear.'),
    loss_on: z.enum(['completion', 'all']).default('completion').describe('Paper: not stated.'),
    seeds: count
      .default(1)
      .describe(
        "Students trained on every arm's set, each from a seed of its own (the first: seed). The report has the mean of their accuracies and its spread; the first is the run's student. Paper: not stated.",
      ),
    ...trainingCommon,
  })
  .prefault({})
  .describe('Training of the student on the tailored set.');

export const warmUpSchema = z
  .strictObject({
    questions: z
      .boolean()
      .default(true)
      .describe('Whether every example also teaches to write such a question with its target.'),
    learning_rate: rate.default(2e-5).describe('As sft.learning_rate.'),
    warmup_ratio: fraction.default(0.03).describe('As sft.warmup_ratio.'),
    schedule: z.enum(['cosine', 'linear', 'constant']).default('linear').describe('As sft.schedule.'),
    loss_on: z.enum(['completion', 'all']).default('completion').describe('As sft.loss_on.'),
    ...trainingCommon,
    epochs: trainingCommon.epochs.describe('As sft.epochs.'),
  })
  .prefault({})
  .describe(
    'Training of the teacher on the gold examples of the tasks, before the first round; not done where no task has any. For teachers too small to do the tasks. What comes out is the teacher of every arm. Paper: none.',
  );
