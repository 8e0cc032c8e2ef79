/**
 * One row = one thing asked of a model, and what came of it. The engine's language, and the rows
 * that stages leave in their artifacts.
 */
import { z } from 'zod';
import type { JsonValue } from './json';

/** How an answer is drawn. Every field that the endpoint takes is sent with every request: a server's own defaults must never leak in. */
export const samplingSchema = z.object({
  temperature: z.number().min(0),
  topP: z.number().gt(0).lte(1),
  /** 0 = off. */
  topK: z.number().int().nonnegative(),
  /** 0 = off. */
  minP: z.number().min(0).lt(1),
  maxTokens: z.number().int().positive(),
  stop: z.array(z.string()),
  seed: z.number().int().nonnegative(),
});
export type Sampling = z.infer<typeof samplingSchema>;

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** A prompt is either a conversation (chat template applied by the server) or raw text. */
export type Prompt =
  | { readonly kind: 'chat'; readonly messages: readonly ChatMessage[] }
  | { readonly kind: 'completion'; readonly text: string };

/** A text put into the model's mouth: how probable is it there? */
export interface GivenText {
  /** Words right after the prompt that are not scored themselves. '' = none. */
  readonly lead: string;
  /** The text whose tokens are scored. */
  readonly text: string;
}

/** One model call in canonical form: all that may influence the answer, nothing that may not. */
export interface ModelRequest {
  readonly prompt: Prompt;
  readonly sampling: Sampling;
  /** Constrain the output to this JSON Schema, where the endpoint declares `structured`. */
  readonly jsonSchema?: JsonValue;
  /** So many answers to the one prompt, where the endpoint declares `n`: the prompt is read, and paid, once. Left out: one. */
  readonly answers?: number;
  /** Ask for the log-probabilities of this text instead of an answer, where the endpoint declares `promptLogprobs`. */
  readonly given?: GivenText;
}

export const usageSchema = z.object({
  inputTokens: z.number().int().nonnegative(),
  cachedInputTokens: z.number().int().nonnegative(),
  outputTokens: z.number().int().nonnegative(),
});
export type Usage = z.infer<typeof usageSchema>;

/** cached: the server's count was senseless, and what stands in its place is no count of its own. One that is left out is 0. */
export type UntoldCount = 'input' | 'cached' | 'output';

/** How a text ended. `length`: stopped by maxTokens. `refused`: the provider's content filter. */
const finishSchema = z.enum(['stop', 'length', 'refused']);

/** One of the texts that a call brought. */
export interface AnswerChoice {
  readonly text: string;
  readonly finish: z.infer<typeof finishSchema>;
}

/** A token of a given text under the model. */
export interface ScoredToken {
  /** Natural logarithm of its probability. */
  readonly logprob: number;
  /** 1 + how many tokens of the vocabulary are more probable at its place. */
  readonly rank: number;
}

export interface ModelAnswer extends AnswerChoice {
  /** The further answers, where several were asked for; a server may bring fewer than that. */
  readonly others?: readonly AnswerChoice[];
  /** The tokens of the request's given text, in order. */
  readonly tokens?: readonly ScoredToken[];
  /** Of the whole call. */
  readonly usage: Usage;
  /** Counts that the server did not give, or that cannot be: they have to be estimated. */
  readonly usageUntold?: readonly UntoldCount[];
}

/** What a stage hands to the engine: identity, request, and the few facts needed to use the answer. */
export interface RowRequest {
  /** sha256 of {stage kind, version, model content, canonical request, sample index}. */
  readonly key: string;
  readonly request: ModelRequest;
  /** Carried through to the result unchanged (task, draft, probe ids). Small. */
  readonly meta: JsonValue;
}

export const rowOutcomes = ['ok', 'malformed', 'refused', 'truncated', 'failed'] as const;
export type RowOutcome = (typeof rowOutcomes)[number];

/** A stage's reading of an answer. `malformed` is re-asked (bounded) with another seed before it is recorded. */
export type RowReading =
  | { readonly outcome: 'ok'; readonly value: JsonValue }
  | { readonly outcome: 'malformed' | 'refused' | 'truncated'; readonly why: string; readonly value?: JsonValue };

/** Every row ends as exactly one of these: never a null, never a crash. */
export const rowResultSchema = z.object({
  key: z.string(),
  meta: z.json(),
  outcome: z.enum(rowOutcomes),
  /** Set when outcome is not ok: a stable code (failed) or the reader's reason. */
  why: z.string().optional(),
  text: z.string(),
  /** Texts of the further answers, where a call brought several. */
  others: z.array(z.string()).optional(),
  /** How the text and the further ones ended, in that order; left out where each ended by itself. */
  stops: z.array(finishSchema).optional(),
  value: z.json().optional(),
  usage: usageSchema,
});
export type RowResult = z.infer<typeof rowResultSchema>;

export const outcomeCountsSchema = z.object({
  ok: z.number().int(),
  malformed: z.number().int(),
  refused: z.number().int(),
  truncated: z.number().int(),
  failed: z.number().int(),
});
export type OutcomeCounts = z.infer<typeof outcomeCountsSchema>;

// ---- rows of the stages' artifacts -------------------------------------------------------------------------------

export const questionRowSchema = z.object({
  id: z.string(),
  task: z.string(),
  question: z.string(),
  target: z.string(),
  /** Row key of the call that wrote it: lineage. */
  from: z.string(),
});
export type QuestionRow = z.infer<typeof questionRowSchema>;

export const draftRowSchema = z.object({
  id: z.string(),
  task: z.string(),
  questionId: z.string(),
  question: z.string(),
  target: z.string(),
  technique: z.string(),
  /** The rationale as a demonstration shows it, closing answer tag included. */
  rationale: z.string(),
  /** What the rationale itself concluded, null when it concluded nothing. */
  answer: z.string().nullable(),
  /** Whether that conclusion equals the question's target. */
  agrees: z.boolean(),
  from: z.string(),
});
export type DraftRow = z.infer<typeof draftRowSchema>;

export const probeRowSchema = z.object({
  id: z.string(),
  task: z.string(),
  question: z.string(),
  target: z.string(),
  /** 2PL discrimination where IRT chose it, else null. */
  discrimination: z.number().nullable(),
});
export type ProbeRow = z.infer<typeof probeRowSchema>;

/** One cell of the draft x probe matrix. */
export const cellRowSchema = z.object({
  draftId: z.string(),
  /** Null where the signal looks at the draft alone: one cell a draft. */
  probeId: z.string().nullable(),
  /** icl_accuracy: whether the student's answer was right, and stood in its tag. */
  correct: z.boolean().optional(),
  tagged: z.boolean().optional(),
  /** The other signals: what the cell is worth, higher is better. Left out where it has none: the call failed. */
  value: z.number().optional(),
  /** Standard error of the value over the text's tokens, and how many these are. */
  stderr: z.number().optional(),
  tokens: z.number().int().optional(),
  outcome: z.enum(rowOutcomes),
});
export type CellRow = z.infer<typeof cellRowSchema>;

/** Racing: what the next wave asks about a draft, as places in its task's probe items. */
export const raceAskRowSchema = z.object({ draftId: z.string(), probes: z.array(z.number().int().nonnegative()) });
export type RaceAskRow = z.infer<typeof raceAskRowSchema>;

/** Racing: what is known of a draft after some waves, a digit a probe item of its task: 1 right, 0 wrong, - not asked. */
export const raceAnswersRowSchema = z.object({ draftId: z.string(), answers: z.string().regex(/^[01-]*$/) });
export type RaceAnswersRow = z.infer<typeof raceAnswersRowSchema>;

export const scoreRowSchema = z.object({
  draftId: z.string(),
  task: z.string(),
  questionId: z.string(),
  /**
   * Mean signal over the probe set; accuracy for icl_accuracy. Racing: the share expected on items like these. A signal of the draft alone: its
   * value. Combined: the mean of the signals' ranks, from 0 to 1.
   */
  score: z.number(),
  /** Standard error of that mean over probe items; of a signal of the draft alone, over its tokens. */
  stderr: z.number(),
  /** Probe items asked; of a signal of the draft alone, tokens; combined, signals. */
  n: z.number().int(),
});
export type ScoreRow = z.infer<typeof scoreRowSchema>;

/** A preference pair with its evidence. The trainer reads the TRL columns of a sibling artifact. */
export const pairRowSchema = z.object({
  id: z.string(),
  kind: z.enum(['question', 'rationale']),
  task: z.string(),
  chosenId: z.string(),
  rejectedId: z.string(),
  chosenScore: z.number(),
  rejectedScore: z.number(),
  prompt: z.json(),
  chosen: z.string(),
  rejected: z.string(),
});
export type PairRow = z.infer<typeof pairRowSchema>;

export const tailoredRowSchema = z.object({
  id: z.string(),
  task: z.string(),
  question: z.string(),
  target: z.string(),
  rationale: z.string(),
  answer: z.string().nullable(),
  agrees: z.boolean(),
  from: z.string(),
});
export type TailoredRow = z.infer<typeof tailoredRowSchema>;

/** A question or an example that a stage left out, kept to be looked at. */
export const droppedRowSchema = z.object({
  task: z.string(),
  question: z.string(),
  target: z.string(),
  /** Of an example. */
  rationale: z.string().optional(),
  answer: z.string().nullable().optional(),
  reason: z.string(),
  /** The labelled item that it repeats. */
  itemId: z.string().optional(),
  from: z.string(),
});
export type DroppedRow = z.infer<typeof droppedRowSchema>;

export const predictionRowSchema = z.object({
  task: z.string(),
  itemId: z.string(),
  shots: z.number().int(),
  /** Extracted answer, null when none was found. */
  answer: z.string().nullable(),
  target: z.string(),
  correct: z.boolean(),
  /** The answer stood between the answer tags. */
  tagged: z.boolean(),
  outcome: z.enum(rowOutcomes),
  from: z.string(),
});
export type PredictionRow = z.infer<typeof predictionRowSchema>;
