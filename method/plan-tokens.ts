/** How long prompts and answers are, estimated from the lengths of the tasks' texts. */
import type { RunConfig } from '../schemas/run-config';
import type { PlannedTask } from './plan-counts';

/** English text under the tokenizers of today's models: about four characters a token. */
export const charactersPerToken = 4;
/** A question whose text is not known, in tokens: between a line of arithmetic (20) and a logic puzzle (200). */
const questionTokensAssumed = 90;
/** Description, reminder and the words around them, in tokens, where the description is not known. */
const descriptionTokensAssumed = 60;
/** Reminder, "Question:", "Answer:" and the chat template, in tokens. */
const frameTokens = 60;
/** A rationale that is shown as a demonstration, in tokens, where max_tokens does not bound it lower. */
export const rationaleTokensAssumed = 120;

/** A right answer and its tags, in tokens. */
export const answerTokensAssumed = 10;

export interface PromptTokens {
  /** A prompt that asks for questions: description and seeds. */
  readonly questionPrompt: number;
  /** A prompt that asks a question after so many demonstrations. */
  asked(demonstrations: number): number;
  readonly rationale: number;
}

/** Mean prompt lengths over the tasks. The scripts' own lengths are not rebuilt: a plan wants the size of the bill, not its cents. */
export function tokensOf(config: RunConfig, tasks: readonly PlannedTask[]): PromptTokens {
  const mean = (of: (task: PlannedTask) => number): number =>
    tasks.length === 0 ? 0 : tasks.reduce((total, task) => total + of(task), 0) / tasks.length;
  const question = mean(({ questionCharacters: characters }) =>
    characters === undefined ? questionTokensAssumed : characters / charactersPerToken,
  );
  const description = mean(({ descriptionCharacters: characters }) =>
    characters === undefined ? descriptionTokensAssumed : characters / charactersPerToken,
  );
  const rationale = Math.min(rationaleTokensAssumed, config.rationales.max_tokens);
  const seeds = Math.max(
    0,
    ...config.tasks.map((task) => (task.source === 'declared' ? task.seed_items : task.split.seeds)),
  );
  return {
    questionPrompt: description + frameTokens + seeds * (question + frameTokens / 3),
    rationale,
    asked: (demonstrations) => description + frameTokens + question + demonstrations * (question + rationale),
  };
}
