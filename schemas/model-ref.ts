/**
 * What a model *is*: its content, never the path it was read from or the name it is served under (design promise 3).
 * A ModelRef is a base plus the layers that training put on it; contentSha256 covers all of it.
 */
import { z } from 'zod';
import { artifactRefSchema, sha256Schema } from './artifact-ref';

/** Models whose weights come with the Python environment: what `embedded:NAME` may name. Their files: drivers/model/resolve.ts. */
export const embeddedModels = ['SmolLM2-135M-Instruct'] as const;

/** The same models on the hub, in full precision: what ships is made from them, with 4 bits a weight. */
export const hubIdOfEmbedded: Readonly<Record<string, string>> = {
  'SmolLM2-135M-Instruct': 'HuggingFaceTB/SmolLM2-135M-Instruct',
};

/** Forms in which a managed server has a model's weights; `as-is`: the GGUF that the source is. */
export const quantizations = ['q8_0', 'q5_0', 'q4_0', 'f16', 'f32', 'as-is'] as const;
export type Quantization = (typeof quantizations)[number];

/** Where the base weights come from. The source is *how to get the bytes*; contentSha256 says which bytes they must be. */
export const modelSourceSchema = z.discriminatedUnion('kind', [
  /** Weights that the Python environment ships (SmolLM2-135M-Instruct). */
  z.object({ kind: z.literal('embedded'), name: z.string() }),
  /** A Hugging Face hub id, with the revision it is pinned to. */
  z.object({ kind: z.literal('huggingface'), id: z.string(), revision: z.string() }),
  /** A folder with config.json, tokenizer and safetensors on this machine. */
  z.object({ kind: z.literal('folder'), path: z.string() }),
  /** A GGUF file on this machine. */
  z.object({ kind: z.literal('gguf'), path: z.string() }),
  /** A folder under an S3 prefix. */
  z.object({ kind: z.literal('s3'), bucket: z.string(), prefix: z.string() }),
  /** Not ours to read: someone else's endpoint. Identity is declared: provider, id and revision. */
  z.object({ kind: z.literal('hosted'), provider: z.string(), id: z.string(), revision: z.string() }),
]);
export type ModelSource = z.infer<typeof modelSourceSchema>;

/** What one training put on top: an adapter to merge, or whole new weights that replace everything below. */
export const modelLayerSchema = z.object({
  kind: z.enum(['adapter', 'full']),
  /** Directory manifest in the store. */
  files: artifactRefSchema,
});
export type ModelLayer = z.infer<typeof modelLayerSchema>;

export const modelRefSchema = z.object({
  name: z.string().min(1),
  source: modelSourceSchema,
  /** sha256 of the base: weights, tokenizer, chat template, generation config (or the declared identity of a hosted one). */
  baseSha256: sha256Schema,
  layers: z.array(modelLayerSchema),
  /** sha256 over baseSha256 and the layers' content. Equal content, equal model, whatever its name. */
  contentSha256: sha256Schema,
});
export type ModelRef = z.infer<typeof modelRefSchema>;
