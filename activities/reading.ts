/**
 * What a model's answer says, for the stages that read alike: a student's answer to a question (scoring, evaluation), and a teacher's
 * rationale (drafts, tailored examples). Extraction rules are method/answers.ts; here is which outcome they mean.
 */
import { extractAnswer, isCorrect } from '../method/answers';
import { finishRationale } from '../method/finish-rationale';
import type { ModelAnswer, RowReading } from '../schemas/rows';
import type { RunConfig } from '../schemas/run-config';
import type { TaskRecord } from '../schemas/task';

/**
 * The rules of reading, among the settings of the stages that read answers. One more when method/answers.ts, method/parse-questions.ts or
 * method/finish-rationale.ts read some answer otherwise: such stages are then made again, from the texts that the store has (row keys do not hold it), and
 * what was read by other rules is not reused.
 */
export const readingVersion = 3;

export const refusedReading: RowReading = { outcome: 'refused', why: 'the provider refused to answer' };

/** What a student's answer is worth. */
export interface StudentAnswer {
  /** Null where none could be read. */
  readonly answer: string | null;
  readonly correct: boolean;
  /** Whether the answer stood in its tag. */
  readonly tagged: boolean;
}

/** What stands for a row without an answer: it counts as wrong. */
export const noStudentAnswer: StudentAnswer = { answer: null, correct: false, tagged: false };

/** Reads a student's answer; one without an answer is `truncated` where it was cut off before it gave one, else `malformed`. */
export function readStudentAnswer(
  answer: ModelAnswer,
  task: TaskRecord,
  item: { readonly question: string; readonly target: string },
  config: RunConfig,
): RowReading {
  if (answer.finish === 'refused') return refusedReading;
  const { answer_open: open, answer_close: close } = config.prompts;
  const { question, target } = item;
  const found = extractAnswer(answer.text, task.answer, {
    open,
    close,
    mode: config.evaluate.extraction,
    question,
    finish: answer.finish,
  });
  if (found.kind === 'none') return { outcome: 'malformed', why: 'no answer found', value: { ...noStudentAnswer } };
  if (found.kind === 'malformed' || found.kind === 'truncated')
    return { outcome: found.kind, why: found.why, value: { ...noStudentAnswer } };
  const tagged = found.kind === 'tagged';
  const correct = isCorrect(found.value, target, task.answer, question);
  return { outcome: 'ok', value: { answer: found.value, correct, tagged } };
}

/**
 * Reads a rationale that the teacher wrote after `assistantPrefix`. Value: a FinishedRationale. One whose answer is given is `ok` even where it was cut off: it
 * is counted (`cut`), and the report says how many there are.
 * @param answerFrom Whose answer the rationale ends in: its own (`free`) or the target (`given`).
 */
export function readRationale(
  answer: ModelAnswer,
  assistantPrefix: string,
  task: TaskRecord,
  config: RunConfig,
  answerFrom: RunConfig['rationales']['answer'],
  item: { readonly question: string; readonly target: string },
): RowReading {
  if (answer.finish === 'refused') return refusedReading;
  const finished = finishRationale(assistantPrefix + answer.text, task, config, answerFrom, item, answer.finish);
  if (finished.rationale.trim() === '') return { outcome: 'malformed', why: 'empty rationale' };
  if (finished.answer === null && answer.finish === 'length')
    return { outcome: 'truncated', why: 'no answer within max_tokens', value: { ...finished } };
  return { outcome: 'ok', value: { ...finished } };
}
