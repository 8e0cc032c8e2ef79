/**
 * What a user writes: every setting of a run, with its default and the reason for it. One YAML file is the run.
 *
 * Owns the shape, the defaults and their explanations (`describe` becomes the editor's tooltip and the comments of `arte init`).
 * Leaves to method/config/check-config.ts what needs more than one field or a file to judge, and to cli/ how problems are printed.
 *
 * Names are snake_case because people type them. "Paper" means arXiv 2406.19227; where the paper is silent the description says so.
 */
import { z } from 'zod';
import { armNames, standingArms } from './arms';
import { notifyTargetsMax, roundsMax } from './limits';
import { quantizations } from './model-ref';
import { notifyEvents, notifyEventsStanding } from './notification';
import { headerReferencePattern, secretReferencePattern } from './secrets';
import { signalNames } from './signals';
import { answerTypes, techniqueSchema, verifierSchema } from './task';

const rate = z.number().gt(0);
const fraction = z.number().min(0).max(1);
const count = z.number().int().positive();
const size = z.number().int().nonnegative();

const secret = z
  .string()
  .regex(secretReferencePattern, 'a secret is written ${env:NAME} and read from the environment, never written out');

// ---- tasks -------------------------------------------------------------------------------------------------------

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

// ---- models ------------------------------------------------------------------------------------------------------

const capabilitiesSchema = z
  .strictObject({
    n: z.boolean().default(false).describe('Several answers for one prompt in one call.'),
    prompt_logprobs: z.boolean().default(false).describe('Log-probabilities of given text (echo).'),
    structured: z.boolean().default(false).describe('response_format json_schema is honoured.'),
    seed: z.boolean().default(false).describe('A seed is honoured per request.'),
    per_request_sampling: z.boolean().default(true).describe('temperature and the like are honoured per request.'),
    completion: z.boolean().default(false).describe('/v1/completions takes raw text.'),
    extended_sampling: z.boolean().default(false).describe('top_k and min_p are honoured.'),
  })
  .prefault({})
  .describe('Declared. What the settings need and is not declared here is refused before anything starts.');

export const endpointSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('managed'),
    server: z.enum(['llama.cpp']).default('llama.cpp').describe('Server that the worker starts for the model.'),
    quantization: z
      .enum(quantizations)
      .default('q8_0')
      .describe(
        'Form of the weights as served; part of the identity of every answer. q8_0 was the fastest on CPUs. q5_0 and q4_0 are the small forms of `arte edge`, with the embeddings in q8_0.',
      ),
    slots: count.default(16).describe('Requests the server works on at once.'),
    context_tokens: count.default(2048).describe('Tokens of context of one slot: prompt and answer together.'),
    threads: size.default(0).describe('0 = as many as the machine has cores.'),
  }),
  z.strictObject({
    kind: z.literal('static'),
    base_url: z.url({ protocol: /^https?$/ }).describe('An OpenAI-compatible endpoint, up to and including /v1.'),
    model: z.string().describe('Name under which the endpoint serves it.'),
    api_key: secret.optional().describe('Sent as a bearer token, if given.'),
    dialect: z
      .enum(['openai', 'llama.cpp', 'vllm', 'sglang'])
      .default('openai')
      .describe('How extra fields are named.'),
    max_in_flight: count.default(256).describe('Ceiling of the adaptive concurrency.'),
    timeout_seconds: rate.default(300).describe('One call may take this long.'),
    capabilities: capabilitiesSchema,
  }),
  z.strictObject({
    kind: z.literal('scripted'),
    script: z.string().describe('Answers by rule, without a model; for trying faults and for tests.'),
    options: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
      .default({})
      .describe('Settings of the script.'),
  }),
]);
export type EndpointConfig = z.infer<typeof endpointSchema>;

const priceSchema = z
  .strictObject({
    input: z.number().min(0).default(0).describe('Per million input tokens.'),
    cached_input: z.number().min(0).default(0).describe('Per million input tokens that came from a prefix cache.'),
    output: z.number().min(0).default(0).describe('Per million output tokens.'),
    training_hour: z.number().min(0).default(0).describe('Per hour of training this model.'),
  })
  .prefault({})
  .describe("In platform.currency. 0 for one's own machine.");

const throughputSchema = z
  .strictObject({
    calls_per_second: rate.optional().describe('Calls answered in a second, as many at once as the endpoint takes.'),
    output_tokens_per_second: rate.optional().describe('Tokens written in a second, of all calls together.'),
    training_steps_per_second: rate.optional().describe('Optimizer steps in a second, with the settings of this run.'),
  })
  .describe(
    'How fast the model is, for the time that a plan tells. What finished runs in the store measured of the same model goes first. Changes nothing that is made.',
  );

export const modelConfigSchema = z.strictObject({
  source: z
    .string()
    .describe(
      "embedded:NAME, hf:ORG/NAME, a folder, a .gguf file, s3://BUCKET/PREFIX (read with AWS's own settings in the workers' environment, not those of platform.store), or hosted:PROVIDER/ID (not ours to read or train).",
    ),
  revision: z.string().optional().describe('Hub revision, or the declared revision of a hosted model.'),
  trust_remote_code: z
    .literal(false)
    .default(false)
    .describe('Only false is accepted: weights are data, not programs.'),
  endpoint: endpointSchema
    .prefault({ kind: 'managed' })
    .describe(
      'Where the model is asked. managed: the worker starts a server for it; needed for every model that the run trains (the student, and the teacher unless align.method is none and no task has gold). static: a URL that is already there, for models that keep their weights. scripted: rules.',
    ),
  prompt_style: z
    .enum(['chat', 'completion'])
    .default('chat')
    .describe(
      "chat: messages through the model's chat template. completion: raw text, for base models and very small ones. Paper: not stated.",
    ),
  add_bos: z
    .boolean()
    .default(true)
    .describe(
      'Begin conversations that are trained on with BOS where the chat template does not (Gemma collapses without it). Raw text is left as the tokenizer makes it, in training as in serving.',
    ),
  license: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Licence of the weights as the Hugging Face hub names it (apache-2.0, llama3.2, …), for the cards of what is exported. Left out: the embedded model's own, else unknown.",
    ),
  price: priceSchema,
  throughput: throughputSchema.optional(),
});
export type ModelConfig = z.infer<typeof modelConfigSchema>;

// ---- prompts -----------------------------------------------------------------------------------------------------

const promptsSchema = z
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

// ---- stages ------------------------------------------------------------------------------------------------------

/** Sampling settings are all sent with every call, so a server's own defaults never leak in. */
function samplingSettings(defaults: { temperature: number; max_tokens: number }) {
  return {
    temperature: z.number().min(0).max(2).default(defaults.temperature).describe('0 = greedy.'),
    top_p: z.number().gt(0).max(1).default(1).describe('Paper: not stated; 1 = off.'),
    top_k: size.default(0).describe('0 = off. Small models need about 40 at temperature 1.'),
    min_p: z.number().min(0).lt(1).default(0).describe('0 = off. Small models need about 0.1 at temperature 1.'),
    max_tokens: count.default(defaults.max_tokens).describe('Paper: not stated.'),
    stop: z.array(z.string()).default([]).describe('Strings that end an answer, besides the closing answer tag.'),
  };
}

const thresholdsOf = (unanswered: number) =>
  z
    .strictObject({
      malformed: fraction.default(unanswered).describe('Park the run when a larger share of the rows stays malformed.'),
      truncated: fraction.default(unanswered).describe('The same for answers cut off by max_tokens.'),
      refused: fraction.default(0.5).describe('The same for answers the provider refused.'),
      failed: fraction.default(0.02).describe('The same for rows whose calls failed for good.'),
    })
    .prefault({})
    .describe(
      'Rows that end badly are kept and counted; above these shares the run parks instead of training on rubbish.',
    );
const thresholdsSchema = thresholdsOf(0.6);

const probeSchema = z
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

const questionsSchema = z
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

const rationalesSchema = z
  .strictObject({
    answer: z
      .enum(['free', 'given'])
      .default('free')
      .describe(
        "given: cut at the answer tag and append the draft's own target; for teachers that cannot answer yet. Recorded.",
      ),
    ...samplingSettings({ temperature: 0, max_tokens: 512 }),
    thresholds: thresholdsSchema,
  })
  .prefault({})
  .describe('Draft rationales: every question answered once under each technique prompt.');

const scoreSchema = z
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

const pairsSchema = z
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
      .describe('What to do when best and worst score the same. Paper: not stated.'),
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
        'Pairs whose scores are closer than this are dropped; in the unit of score.signal (accuracy: 0.05 is five points). Paper: not stated.',
      ),
    minimum: count.default(4).describe('Fewer pairs than this in all: the run parks, there is nothing to align with.'),
  })
  .prefault({})
  .describe('Preference pairs made of the scores.');

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

const alignSchema = z
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

const hygieneSchema = z
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
          .describe('Words of a run. PaLM: 8. Items with fewer than twice as many words are compared as a whole.'),
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

const tailorSchema = z
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

const sftSchema = z
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

const warmUpSchema = z
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

const evaluateSchema = z
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

const armsSchema = z
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

const roundsSchema = z
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

const budgetSchema = z
  .strictObject({
    cap: z
      .number()
      .min(0)
      .nullable()
      .default(null)
      .describe(
        'The run parks before a shard or training that could pass this amount, in platform.currency, by the prices of the models. `arte budget set` raises it. null: no cap.',
      ),
    ask_above: z
      .number()
      .min(0)
      .nullable()
      .default(null)
      .describe(
        'When the plan may cost more than this, in platform.currency, `arte run` asks before it starts; without a terminal it wants --yes. null: never.',
      ),
  })
  .prefault({})
  .describe('What the run may spend. No setting of it changes what is made, or what is reused.');

const publishSchema = z
  .strictObject({
    language: z
      .array(z.string().min(2))
      .min(1)
      .default(['en'])
      .describe('ISO 639-1 codes of the languages written in.'),
    data_license: z
      .string()
      .min(1)
      .optional()
      .describe(
        "Licence of exported data sets, as the Hugging Face hub names it. Left out: unknown. The teacher's terms may decide it.",
      ),
  })
  .prefault({})
  .describe('What the cards of exported models and data sets say (`arte export`). Changes nothing that is made.');
const promotionSchema = z
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

const transferSchema = z
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

// ---- messages ----------------------------------------------------------------------------------------------------

const notifyCommon = {
  on: z
    .array(z.enum(notifyEvents))
    .min(1)
    .default([...notifyEventsStanding])
    .describe(
      'What is told. parked: the run waits because something failed or a gate did. budget: it waits at its cap (parked has that, too). needs_approval: a round waits for a word. failed: the run has broken off. finished, cancelled: its end.',
    ),
  timeout_seconds: z.number().gt(0).max(60).default(10).describe('One attempt may take this long.'),
};

export const notifyTargetSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('webhook'),
    url: z
      .string()
      .min(1)
      .describe('Where the message is posted, as JSON. ${env:NAME} where the address itself is a secret.'),
    headers: z
      .record(
        z.string().regex(/^[A-Za-z0-9-]+$/, 'letters, digits and -'),
        z
          .string()
          .regex(
            headerReferencePattern,
            'a header is written ${env:NAME}, or a scheme and that, as in "Bearer ${env:NAME}"',
          ),
      )
      .default({})
      .describe('Further headers. Their values are secrets: ${env:NAME}, or a scheme and that: "Bearer ${env:NAME}".'),
    allow_http: z
      .boolean()
      .default(false)
      .describe('Post in plain text to another machine; without it http is for addresses of this machine.'),
    ...notifyCommon,
  }),
  z.strictObject({
    kind: z.literal('command'),
    command: z
      .array(z.string().min(1))
      .min(1)
      .describe(
        'Program and arguments, without a shell; the message is its stdin, as JSON. It runs where the io worker runs, with the environment of that.',
      ),
    ...notifyCommon,
  }),
]);
export type NotifyTargetConfig = z.infer<typeof notifyTargetSchema>;

const notifySchema = z
  .array(notifyTargetSchema)
  .max(notifyTargetsMax)
  .default([])
  .describe(
    'Who is told when the run needs a person or has ended (docs/notify.md); `arte notify test CONFIG` tries it. A message that cannot be delivered holds up nothing. Changes nothing that is made or reused.',
  );

// ---- platform ----------------------------------------------------------------------------------------------------

const platformSchema = z
  .strictObject({
    temporal: z
      .strictObject({
        address: z.string().optional().describe('host:port. Left out: the embedded dev server, or TEMPORAL_ADDRESS.'),
        namespace: z.string().default('default').describe('Temporal namespace.'),
        api_key: secret.optional().describe('API key of Temporal Cloud.'),
        tls: z.boolean().default(false).describe('Whether the address speaks TLS.'),
      })
      .prefault({})
      .describe('The workflow engine.'),
    store: z
      .strictObject({
        endpoint: z
          .url({ protocol: /^https?$/ })
          .optional()
          .describe('S3 endpoint. Left out with no bucket: the embedded server.'),
        bucket: z.string().optional().describe('Bucket that holds everything of arte.'),
        prefix: z.string().default('').describe('Everything of arte lies under this prefix of the bucket.'),
        region: z
          .string()
          .optional()
          .describe('Region the requests are signed for. Left out: AWS_REGION, else us-east-1.'),
        force_path_style: z
          .boolean()
          .default(true)
          .describe('The bucket in the path, not in the host name; most S3 servers need it.'),
        access_key_id: secret.optional().describe("Left out: AWS's own default provider chain."),
        secret_access_key: secret.optional().describe("Left out: AWS's own default provider chain."),
      })
      .prefault({})
      .describe('The artifact store.'),
    currency: z.string().default('USD').describe('Of the prices; only printed.'),
  })
  .prefault({})
  .describe(
    'Where it runs. Nothing given: everything embedded, on this machine. Commands that name a run and no config (status, report, …) find a platform of your own by TEMPORAL_ADDRESS, ARTE_S3_BUCKET, AWS_ENDPOINT_URL_S3 and credentials in the environment (docs/environment.md).',
  );

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

/** A node of a JSON Schema as zod emits it: what editors and the explanations of method/config/check-config.ts read. */
export interface JsonSchemaNode {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: { readonly [name: string]: JsonSchemaNode };
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchemaNode;
  readonly propertyNames?: JsonSchemaNode;
  readonly items?: JsonSchemaNode;
  readonly oneOf?: readonly JsonSchemaNode[];
  readonly anyOf?: readonly JsonSchemaNode[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly minItems?: number;
  readonly minLength?: number;
  readonly pattern?: string;
  readonly format?: string;
}

let emitted: JsonSchemaNode | undefined;

/** JSON Schema (draft 2020-12) of what a user writes: settings with a default are optional. */
export function runConfigJsonSchema(): JsonSchemaNode {
  emitted ??= z.toJSONSchema(runConfigSchema, {
    io: 'input',
    override: ({ jsonSchema }) => {
      // The bounds of a double's integers are zod's, not the user's business.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
    },
  }) as JsonSchemaNode;
  return emitted;
}
