/** Models of a run: where their weights are, who serves them, what they cost. */
import { z } from 'zod';
import { quantizations } from '../model-ref';
import { count, rate, secret, size } from './values';

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

/** Names that the limit on written tokens has on the wire. */
const tokenLimitFields = ['max_tokens', 'max_completion_tokens'] as const;
export type TokenLimitField = (typeof tokenLimitFields)[number];

/** Fields of a call that some models refuse, by their name on the wire. `seed` and others that an endpoint declares are capabilities. */
const omittableFields = ['temperature', 'top_p', 'stop'] as const;
export type OmittableField = (typeof omittableFields)[number];

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
    token_limit_field: z
      .enum(tokenLimitFields)
      .default('max_tokens')
      .describe(
        "Name under which max_tokens is sent in chat; raw completions have no other. OpenAI's reasoning models take max_completion_tokens alone, and what they think counts: leave room for it.",
      ),
    omit: z
      .array(z.enum(omittableFields))
      .default([])
      .describe(
        "Fields that are not sent, for models that refuse them. Without temperature or top_p the endpoint's own hold, whatever the sections say; without stop the answer is cut here. Part of the identity of every answer.",
      ),
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
