/** Drafts and what the student thinks of them: preference set, questions, rationales, scores, pairs. */
import { z } from 'zod';
import { signalNames } from '../signals';
import { modelConfigSchema } from './models';
import { samplingSettings, thresholdsSchema } from './sampling';
import { count, fraction, rate, size } from './values';

export const probeSchema = z
  .strictObject({
    method: z
      .enum(['irt', 'random', 'full'])
      .default('irt')
      .describe('How preference-set items are chosen. Paper: 2PL IRT, most discriminating.'),
    size: count.default(40).describe('Items per task. Paper: 40. One step of a score is 1/size.'),
    estimator: z.enum(['map', 'mle']).default('map').describe('IRT fit. Paper: not stated.'),
    balance: z
      .boolean()
      .default(true)
      .describe(
        'irt: each right answer gets its share of the items, as it has among all validation items. Without it a few respondents may choose items that nearly all want the same answer, and the draft that makes the student give it wins. Paper: not stated; false is by discrimination alone.',
      ),
    respondents: z
      .array(modelConfigSchema)
      .default([])
      .describe('Models that answer the validation items. Paper: 5 small models. Empty: the student.'),
    respondent_shots: z
      .array(size)
      .min(1)
      .default([0, 1, 2, 3])
      .describe('Each respondent answers with each of these shot counts. Paper: 0-3.'),
    agreement_questions: size
      .default(0)
      .describe(
        'Draft questions per task, drawn by seed, whose drafts are also asked on the validation items outside of the preference set: the report then says how often best and worst draft are those of all validation items. Paper: 93 % and 87 %. 0 = not measured; each costs one call per draft and item.',
      ),
    max_tokens: count.default(256).describe("Of a respondent's answer."),
    stop: z.array(z.string()).default([]).describe('Strings that end an answer, besides the closing answer tag.'),
  })
  .prefault({})
  .describe('The preference set: the validation items every draft is scored on.');

export const questionsSchema = z
  .strictObject({
    per_task: count.default(250).describe('m. Paper: 250.'),
    per_call: count.default(5).describe('Questions asked for in one answer. Paper: 5.'),
    answers_per_call: count
      .default(1)
      .describe(
        'Answers that one call brings, where the endpoint declares n: the prompt is read and paid once for all of them. Also of tailor.questions.',
      ),
    format: z
      .enum(['tagged', 'json'])
      .default('tagged')
      .describe('json constrains the output by a schema; small models need it.'),
    dedupe: z.enum(['none', 'exact', 'rouge-l']).default('exact').describe('Paper: not stated.'),
    rouge_l_max: fraction.default(0.9).describe('rouge-l: drop a question this similar to an earlier one.'),
    malformed: z
      .enum(['drop', 'reask'])
      .default('reask')
      .describe('What to do with an answer that holds no question. Paper: not stated.'),
    ...samplingSettings({ temperature: 1, max_tokens: 1024 }),
    thresholds: thresholdsSchema,
  })
  .prefault({})
  .describe('Draft questions, written by the teacher.');

export const rationalesSchema = z
  .strictObject({
    answer: z
      .enum(['free', 'given'])
      .default('free')
      .describe(
        "given: cut at the answer tag and append the draft's own target, also to what max_tokens cut off before an answer (the report says how many); for teachers that cannot answer yet. Recorded.",
      ),
    ...samplingSettings({ temperature: 0, max_tokens: 512 }),
    thresholds: thresholdsSchema,
  })
  .prefault({})
  .describe('Draft rationales: every question answered once under each technique prompt.');

export const scoreSchema = z
  .strictObject({
    signal: z
      .enum([...signalNames, 'combined'])
      .default('icl_accuracy')
      .describe(
        'What "teaches well" means (docs/signals.md). icl_accuracy (paper): accuracy of the student with the draft as its one demonstration. icl_loglik: how probable the right answers become by it. student_prob: how probable the rationale itself is to the student. rank_surprisal: how informative and yet familiar it is. combined: by the mean rank of several.',
      ),
    combine: z
      .partialRecord(z.enum(signalNames), rate)
      .default({ icl_accuracy: 1, icl_loglik: 1 })
      .describe('combined: the signals, two or more, and the weight of the rank that each gives a draft.'),
    gold: z
      .enum(['answer', 'tagged'])
      .default('answer')
      .describe(
        'icl_loglik: what is scored of "<ans>True</ans>". answer: what stands between the tags, and the closing one, once the opening one is there. tagged: all of it, so that demonstrations after which the student answers at once score higher.',
      ),
    loglik: z
      .enum(['mean', 'sum'])
      .default('mean')
      .describe(
        'icl_loglik: of the log-probabilities of the tokens. sum is that of the whole answer; long answers weigh more.',
      ),
    rank_ceiling: count
      .default(100)
      .describe(
        'rank_surprisal: a token that is less probable than so many others counts as the one at this rank. Its paper: 100.',
      ),
    scorer: z
      .strictObject({
        dtype: z
          .enum(['float32', 'bfloat16', 'float16'])
          .default('float32')
          .describe(
            'Precision of the forward passes; part of the identity of every score. bfloat16 halves the memory and costs the third decimal.',
          ),
        batch_rows: count.default(32).describe('Rows of one forward pass; fewer need less memory.'),
      })
      .prefault({})
      .describe(
        "All signals but icl_accuracy: the project's scorer, which reads the student's weights where its endpoint gives no log-probabilities of given text.",
      ),
    mode: z
      .enum(['exhaustive', 'racing'])
      .default('exhaustive')
      .describe(
        'exhaustive (paper): every draft on every probe item. racing: in waves, only what may still change a pair; at most calls_max of the calls.',
      ),
    confidence: z
      .number()
      .min(0.5)
      .max(1)
      .default(0.98)
      .describe(
        'racing: share of the best-worst gap beyond luck that the pairs are expected to keep, where calls_max lasts. 1 asks everything.',
      ),
    first_block: count.default(8).describe('racing: probe items that every draft gets in the first wave.'),
    block: count
      .default(4)
      .describe(
        'racing: probe items more for a draft that is still in a race, each wave. Larger: fewer waves, more calls.',
      ),
    calls_max: z
      .number()
      .min(0.1)
      .max(1)
      .default(0.55)
      .describe(
        'racing: share of the exhaustive calls of a task that it may make; they go where most is at stake. confidence: 1 asks everything all the same.',
      ),
    reliability_min: fraction
      .nullable()
      .default(null)
      .describe(
        'The run parks before DPO when the split-half reliability of the scores is lower, and says how many probe items would reach it. null: never; what is usual where single decisions hang on a score is 0.7. Paper: not stated.',
      ),
    ...samplingSettings({ temperature: 0, max_tokens: 256 }),
    thresholds: thresholdsSchema,
  })
  .prefault({})
  .describe('What the student thinks of the drafts: each is the one demonstration for every probe item.');

export const pairsSchema = z
  .strictObject({
    question: z
      .strictObject({
        per_task: size.default(50).describe('Question pairs per task. Paper: 50. 0 = none.'),
        method: z
          .enum(['quartiles', 'extremes'])
          .default('quartiles')
          .describe(
            'Chosen from the top quarter and rejected from the bottom quarter of s_q (paper), or best against worst.',
          ),
        response: z
          .enum(['one', 'list'])
          .default('one')
          .describe(
            'The preferred response is one question, or a list of questions.per_call of them. Paper: not stated.',
          ),
      })
      .prefault({})
      .describe('Pairs of questions; the prompt is the question prompt.'),
    rationale: z
      .strictObject({
        per_task: size
          .default(250)
          .describe('At most so many rationale pairs per task. Paper: 250, one per question. 0 = none.'),
        wrong_chosen: z
          .boolean()
          .default(true)
          .describe('Whether a rationale with a wrong or no conclusion may be the chosen one. Paper: not stated.'),
      })
      .prefault({})
      .describe('Pairs of rationales of one question, best against worst; the prompt is the naive one.'),
    ties: z
      .enum(['drop', 'keep-first'])
      .default('drop')
      .describe(
        'What to do when best and worst score the same. keep-first: they make a pair all the same, by the order of their ids; none where minimum_gap is above 0, which wins. Paper: not stated.',
      ),
    accumulate: z
      .union([z.enum(['off', 'all']), count])
      .default('off')
      .describe(
        'Whether DPO of a round also sees the pairs of earlier rounds: off, all, or those of so many rounds before. Paper: one round only.',
      ),
    minimum_gap: z
      .number()
      .min(0)
      .default(0)
      .describe(
        'Pairs whose scores are closer than this are dropped, ties too; in the unit of score.signal (accuracy: 0.05 is five points). Paper: not stated.',
      ),
    minimum: count.default(4).describe('Fewer pairs than this in all: the run parks, there is nothing to align with.'),
  })
  .prefault({})
  .describe('Preference pairs made of the scores.');
