/**
 * From preferences and tailored examples to the rows that TRL reads: strings where the model is prompted with raw text, message
 * lists where it is prompted through its chat template.
 *
 * Owns what x, chosen and rejected are (the paper's pairs and SFT). Leaves choosing the pairs to pairs.ts, and the tokens
 * that begin and end a sequence to the trainer (TRL puts the end token after a completion; the template does it in a conversation).
 *
 * Invariants
 * 1. x of a rationale pair is the naive prompt, never the technique prompt that the rationale was written under.
 * 2. A row's prompt is made by what makes the prompts at inference, byte for byte as its question would be asked there, and its completion begins as an
 *    answer there does (after raw text that ends in a word: with a space), so that tokens line up in training and inference. The exception: a question
 *    row whose response is one question (pairs.question.response: one) asks for one, while the loop asks for per_call at a time.
 */
import { ArteError } from '../schemas/errors';
import type { ChatMessage, DraftRow, PairRow, Prompt, QuestionRow, TailoredRow } from '../schemas/rows';
import type { RunConfig } from '../schemas/run-config';
import type { TaskRecord } from '../schemas/task';
import { sha256Hex } from './keys';
import { naivePrompt, questionPrompt, questionResponse, studentPrompt } from './prompts';

/** One row of TRL's preference format, explicit prompt. */
export type DpoRow =
  | { readonly prompt: string; readonly chosen: string; readonly rejected: string }
  | {
      readonly prompt: readonly ChatMessage[];
      readonly chosen: readonly ChatMessage[];
      readonly rejected: readonly ChatMessage[];
    };

/** One row of TRL's prompt-completion format. */
export type SftRow =
  | { readonly prompt: string; readonly completion: string }
  | { readonly prompt: readonly ChatMessage[]; readonly completion: readonly ChatMessage[] };

/** A preference by ids: of two questions, or of two drafts of one question. */
export interface Preference {
  readonly chosenId: string;
  readonly rejectedId: string;
  readonly chosenScore: number;
  readonly rejectedScore: number;
  /** For pairs.question.response `list`: all questions of either side, the first one being chosenId or rejectedId. */
  readonly chosenIds?: readonly string[];
  readonly rejectedIds?: readonly string[];
}

export interface PairSources {
  readonly tasks: ReadonlyMap<string, TaskRecord>;
  readonly questions: ReadonlyMap<string, QuestionRow>;
  readonly drafts: ReadonlyMap<string, DraftRow>;
}

/** A preference with its texts: x, chosen and rejected as the teacher would have been asked and have answered. */
export function pairRow(kind: PairRow['kind'], pair: Preference, sources: PairSources, config: RunConfig): PairRow {
  const { chosenId, rejectedId, chosenScore, rejectedScore } = pair;
  const texts = kind === 'question' ? questionTexts(pair, sources, config) : rationaleTexts(pair, sources, config);
  const id = sha256Hex([kind, ...sideIds(pair, 'chosen'), '', ...sideIds(pair, 'rejected')].join('\u0000')).slice(
    0,
    16,
  );
  return { id, kind, chosenId, rejectedId, chosenScore, rejectedScore, ...texts };
}

type PairTexts = Pick<PairRow, 'task' | 'prompt' | 'chosen' | 'rejected'>;

function rationaleTexts(
  { chosenId, rejectedId }: Preference,
  { tasks, drafts }: PairSources,
  config: RunConfig,
): PairTexts {
  const chosen = need(drafts, chosenId, 'draft');
  const rejected = need(drafts, rejectedId, 'draft');
  const task = need(tasks, chosen.task, 'task');
  const { prompt } = naivePrompt(task, chosen.question, config, config.models.teacher.prompt_style);
  return {
    task: task.name,
    prompt: prompt as unknown as PairRow['prompt'],
    chosen: chosen.rationale,
    rejected: rejected.rationale,
  };
}

/** x asks for as many questions as the response holds: an answer of one to a request for five would teach to stop early. */
function questionTexts(pair: Preference, { tasks, questions }: PairSources, config: RunConfig): PairTexts {
  const side = (name: 'chosen' | 'rejected') => sideIds(pair, name).map((id) => need(questions, id, 'question'));
  const chosen = side('chosen');
  const rejected = side('rejected');
  const task = need(tasks, chosen[0]?.task ?? '', 'task');
  const count = config.pairs.question.response === 'list' ? config.questions.per_call : 1;
  const built = questionPrompt(task, config, config.models.teacher.prompt_style, count, 0);
  const response = (rows: readonly QuestionRow[]) => {
    const text = questionResponse(rows, config.questions.format, count);
    return text.startsWith(built.assistantPrefix) ? text.slice(built.assistantPrefix.length) : text;
  };
  return {
    task: task.name,
    prompt: built.prompt as unknown as PairRow['prompt'],
    chosen: response(chosen),
    rejected: response(rejected),
  };
}

function sideIds(pair: Preference, side: 'chosen' | 'rejected'): readonly string[] {
  return side === 'chosen' ? (pair.chosenIds ?? [pair.chosenId]) : (pair.rejectedIds ?? [pair.rejectedId]);
}

function need<Row>(rows: ReadonlyMap<string, Row>, id: string, kind: string): Row {
  const row = rows.get(id);
  if (row !== undefined) return row;
  throw new ArteError('InvalidInput', {
    what: `A preference pair names the ${kind} "${id}", and there is no such ${kind}.`,
    why: 'Pairs, drafts and questions do not come from the same stage outputs.',
    next: 'Run the round again from its questions; if it happens again, report it with the run id.',
  });
}

/** The pair as TRL's DPOTrainer reads it; strings or messages as its prompt was built for the teacher. */
export function dpoRow(pair: Pick<PairRow, 'kind' | 'prompt' | 'chosen' | 'rejected'>): DpoRow {
  const prompt = pair.prompt as unknown as Prompt;
  if (prompt.kind === 'chat') {
    return { prompt: prompt.messages, chosen: said(pair.chosen), rejected: said(pair.rejected) };
  }
  // A question's response continues a line break or the opening of its format; a rationale continues a sentence.
  const lead = pair.kind === 'rationale' ? ' ' : '';
  return { prompt: prompt.text, chosen: lead + pair.chosen, rejected: lead + pair.rejected };
}

/** A tailored example as TRL's SFTTrainer reads it: the student's own prompt without demonstrations, then the rationale. */
export function sftRow(row: Pick<TailoredRow, 'question' | 'rationale'>, task: TaskRecord, config: RunConfig): SftRow {
  const { prompt } = studentPrompt(task, [], row.question, config, config.models.student.prompt_style);
  return completionRow(prompt, row.rationale, ' ');
}

/** A prompt and its answer as TRL's SFTTrainer reads them. `lead` stands before the answer where the prompt is raw text. */
export function completionRow(prompt: Prompt, text: string, lead: '' | ' '): SftRow {
  if (prompt.kind === 'chat') return { prompt: prompt.messages, completion: said(text) };
  return { prompt: prompt.text, completion: lead + text };
}

function said(content: string): readonly ChatMessage[] {
  return [{ role: 'assistant', content }];
}

/** A training row as it stands in an artifact: TRL's preference or prompt-completion format, strings or messages. */
export type ConversationSource = DpoRow | SftRow;

/**
 * A training row in conversational form, as TRL, LLaMA-Factory and axolotl read it: {messages} of an example, {prompt, chosen, rejected} of a pair.
 * Raw text of the completion style becomes a user's and an assistant's message, trimmed: the split is the same, the template is the reader's.
 */
export function conversation(row: ConversationSource): { readonly [column: string]: readonly ChatMessage[] } {
  const prompt = asMessages(row.prompt, 'user');
  if ('completion' in row) return { messages: [...prompt, ...asMessages(row.completion, 'assistant')] };
  return { prompt, chosen: asMessages(row.chosen, 'assistant'), rejected: asMessages(row.rejected, 'assistant') };
}

function asMessages(text: string | readonly ChatMessage[], role: ChatMessage['role']): readonly ChatMessage[] {
  return typeof text === 'string' ? [{ role, content: text.trim() }] : text;
}
