/**
 * A signal: what of the student's behaviour says how well a draft teaches. One file a signal beside this one; docs/signals.md has their
 * definitions and sources, index.ts the list.
 *
 * Owns the interface. Leaves the asking to the score-drafts stage, means over probe items and their quality to ../score.ts.
 *
 * Invariants
 * 1. Pure. Higher is better, whatever the direction of the measure in its source.
 * 2. A value comes with its standard error over the text's tokens, so that scores of one cell can be judged too.
 */
import type { JsonObject } from '../../schemas/json';
import type { DraftRow, GivenText, ProbeRow, Prompt, Sampling, ScoredToken } from '../../schemas/rows';
import type { RunConfig } from '../../schemas/run-config';
import type { SignalName } from '../../schemas/signals';
import type { TaskRecord } from '../../schemas/task';

/** What the student is asked about a cell: how probable is this text after this prompt? */
export interface TextQuestion {
  readonly prompt: Prompt;
  readonly given: GivenText;
}

export interface SignalValue {
  readonly value: number;
  /** NaN-free: 0 where the text has one token. */
  readonly stderr: number;
}

/** Scores by the student's own answers: the stage reads them as evaluation does. */
export interface AnswerSignal {
  readonly name: SignalName;
  readonly asks: 'answer';
  readonly per: 'cell';
  value(correct: boolean): number;
}

interface TextSignalCommon {
  readonly name: SignalName;
  readonly asks: 'text';
  /** Bumped by hand when the question or the formula changes: keys of the signal's stages hold it. */
  readonly version: number;
  /** The settings that matter to it and no others, beside wording, prompt style and answer tags. */
  settings(score: RunConfig['score']): JsonObject;
  /** Of the tokens of the given text; there is at least one. */
  value(tokens: readonly ScoredToken[], score: RunConfig['score']): SignalValue;
}

/** Scores by the probability of a text. `cell`: for every probe item; `draft`: once a draft. */
export type TextSignal = TextSignalCommon &
  (
    | {
        readonly per: 'cell';
        question(
          task: TaskRecord,
          draft: Pick<DraftRow, 'question' | 'rationale'>,
          probe: Pick<ProbeRow, 'question' | 'target'>,
          config: RunConfig,
        ): TextQuestion;
      }
    | {
        readonly per: 'draft';
        question(task: TaskRecord, draft: Pick<DraftRow, 'question' | 'rationale'>, config: RunConfig): TextQuestion;
      }
  );

export type Signal = AnswerSignal | TextSignal;

/** Nothing is drawn where a given text is scored; every field is set all the same, as in every request. */
export const nothingDrawn: Sampling = {
  temperature: 0,
  topP: 1,
  topK: 0,
  minP: 0,
  maxTokens: 1,
  stop: [],
  seed: 0,
};

/** What stands between a prompt and the answer it leads to: raw text ends in a word, and the answer's tokens bring their own space. */
export function answerLead({ models }: RunConfig): string {
  return models.student.prompt_style === 'completion' ? ' ' : '';
}
