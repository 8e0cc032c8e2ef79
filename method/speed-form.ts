/**
 * Which measured speeds say something about a stage: what must be the same for a speed to be its own, and what for one under other settings. Owns
 * these two identities; what is made of the figures is price-plan.ts. Pure.
 */
import type { JsonValue } from '../schemas/json';
import type { RunConfig } from '../schemas/run-config';
import type { StageName } from '../schemas/stage-names';
import { fileStem, taskNameOf } from './config/named-parts';
import { canonicalJson } from './keys';
import { askedModelOf } from './ledger';
import { servedIdentity, type AskedModel } from './served';

/** A stage that a run has made and paid for, as far as it tells how fast things go. */
export interface Measurement {
  readonly runId: string;
  readonly stage: StageName;
  readonly arm: string;
  /** What was asked or trained, and how: `speedForm`. */
  readonly form: string;
  /** The same with other settings: `speedKin`. */
  readonly kin?: string | undefined;
  /** What it was asked about: `askForm`. Left out: the same as what is planned. */
  readonly asks?: string;
  /** Of a training: examples that one of its steps learns from. */
  readonly rowsPerStep?: number;
  readonly calls: number;
  readonly steps: number;
  readonly seconds: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Of a training: what it took beside its steps (the device freed, the trainer started, the result stored). */
  readonly startSeconds: number;
  /** Of its outputs in the store. */
  readonly bytes: number;
}

/** Content hashes of the models' weights as they came, by role; a model whose bytes are not here has none, and nothing measured counts for it. */
export type BaseHashes = Partial<Record<'teacher' | 'student', string>>;

export const trainings: readonly StageName[] = ['warm-up', 'train-dpo', 'train-sft'];

/**
 * What must be the same for a speed to count: model content and endpoint, or model content and the settings of the training. Undefined where
 * the content is not known or nothing is asked.
 */
export function speedForm(config: RunConfig, stage: StageName, arm: string, bases: BaseHashes): string | undefined {
  const asked = askedModelOf(config, stage, arm);
  if (!asked || asked.role === 'respondent' || asked.role === 'other') return undefined;
  const base = bases[asked.role];
  if (base === undefined) return undefined;
  const form: JsonValue = trainings.includes(stage)
    ? { base, training: stage, ...trainingForm(config, stage) }
    : { base, ...endpointForm(asked.model) };
  return canonicalJson(form);
}

/**
 * What must be the same for a speed to say anything under other settings: model content, and the server's kind (of somebody else's, its address) or
 * the kind of training. What a script pretends has no speed of its own.
 */
export function speedKin(config: RunConfig, stage: StageName, arm: string, bases: BaseHashes): string | undefined {
  const asked = askedModelOf(config, stage, arm);
  if (!asked || asked.role === 'respondent' || asked.role === 'other') return undefined;
  const base = bases[asked.role];
  const { endpoint } = asked.model;
  if (base === undefined) return undefined;
  if (trainings.includes(stage)) {
    const { adapter } = sectionOf(config, stage);
    return canonicalJson({ base, training: stage, adapter });
  }
  if (endpoint.kind === 'scripted') return undefined;
  const place = endpoint.kind === 'static' ? { base_url: endpoint.base_url, model: endpoint.model } : {};
  return canonicalJson({ base, kind: endpoint.kind, ...place });
}

/**
 * What must be the same for the length of prompts and answers to count: the tasks, the words of the prompts, and the room for an answer. How many are
 * asked is not in it, so that a small run measures for a large one.
 */
export function askForm(config: RunConfig, stage: StageName): string {
  const { prompts, questions, rationales, score, probe, evaluate, tailor } = config;
  const room: Partial<Record<StageName, readonly number[]>> = {
    'select-probes': [probe.max_tokens],
    'sample-questions': [questions.max_tokens, questions.answers_per_call],
    'sample-rationales': [rationales.max_tokens],
    'score-drafts': [score.max_tokens, rationales.max_tokens],
    evaluate: [evaluate.max_tokens],
    'tailor-questions': [tailor.questions.max_tokens, questions.answers_per_call],
    'tailor-rationales': [tailor.rationales.max_tokens],
  };
  // Without what is left out, which is no JSON.
  const words = JSON.parse(JSON.stringify(prompts)) as JsonValue;
  return canonicalJson({ tasks: config.tasks.map(taskOf), prompts: words, room: [...(room[stage] ?? [])] });
}

/** By the file's own name: the folders before it are of one machine. */
function taskOf(task: RunConfig['tasks'][number]): JsonValue {
  if (task.source === 'builtin') return task.family;
  return 'path' in task ? fileStem(task.path) : taskNameOf(task);
}

/** Examples that one optimizer step of a training learns from. */
export function rowsPerStep(config: RunConfig, stage: StageName): number {
  const { batch_size, gradient_accumulation } = sectionOf(config, stage);
  return batch_size * gradient_accumulation;
}

/**
 * What a step of a training works through, in rows of SFT: a row of SFT is one text forward and back (three forward passes' worth), one of DPO is two
 * texts forward and back through the policy and forward through the reference (eight). Measured on CPUs with the 135M model: 3.0 against this 2.7.
 */
export function workPerStep(config: RunConfig, stage: StageName): number {
  return rowsPerStep(config, stage) * (stage === 'train-dpo' ? 8 / 3 : 1);
}

/** Trainings with the same take as long for the same work, whatever they train for: one model, one kind of layer. */
export function trainingKin(config: RunConfig, stage: StageName, arm: string): string | undefined {
  const asked = askedModelOf(config, stage, arm);
  return asked && canonicalJson({ source: asked.model.source, adapter: sectionOf(config, stage).adapter });
}

/** The settings of a training. */
export function sectionOf(config: RunConfig, stage: StageName): RunConfig['align' | 'sft' | 'warm_up'] {
  return stage === 'train-dpo' ? config.align : stage === 'train-sft' ? config.sft : config.warm_up;
}

function trainingForm(config: RunConfig, stage: StageName): { readonly [name: string]: JsonValue } {
  const { adapter, lora_rank, batch_size, gradient_accumulation, max_length, dtype } = sectionOf(config, stage);
  return { adapter, lora_rank, batch_size, gradient_accumulation, max_length, dtype };
}

/** How it is served, and what of the rest decides how fast. */
function endpointForm({ endpoint }: AskedModel): { readonly [name: string]: JsonValue } {
  const served = servedIdentity(endpoint);
  switch (endpoint.kind) {
    case 'managed':
      return { served, slots: endpoint.slots, threads: endpoint.threads };
    case 'static':
      return { served, base_url: endpoint.base_url, model: endpoint.model, in_flight: endpoint.max_in_flight };
    default:
      return { served };
  }
}
