/**
 * Which written answers are believed (tailor.filter): a rationale whose conclusion disagrees with a judge is not taught.
 *
 * Owns the judges that need no model: the question's own target, the majority of several answers, a built-in verifier. Sampling the several
 * answers is for the stages.
 * Invariant: every row is kept or has one reason; a judge that cannot tell keeps the row, and the caller counts that.
 */
import type { AnswerSpec, TaskRecord } from '../schemas/task';
import { isCorrect } from './answers';
import { verify } from './verify';

export type AnswerFilter = 'off' | 'target' | 'majority' | 'verifier';

export interface JudgedAnswer {
  readonly question: string;
  readonly target: string;
  /** What the rationale concludes; null where it concludes nothing. */
  readonly answer: string | null;
  /** Whether that equals the target. */
  readonly agrees: boolean;
  /** majority: the conclusions of the samples. */
  readonly votes?: readonly (string | null)[];
}

export type FilterVerdict =
  | { readonly keep: true; /** The judge could not tell. */ readonly unjudged?: true }
  | { readonly keep: false; readonly reason: string };

const kept: FilterVerdict = { keep: true };
const unjudged: FilterVerdict = { keep: true, unjudged: true };

/** Judge one rationale by its conclusion. */
export function judgeAnswer(
  row: JudgedAnswer,
  task: Pick<TaskRecord, 'answer' | 'verifier'>,
  filter: AnswerFilter,
): FilterVerdict {
  if (filter === 'off') return kept;
  if (row.answer === null) return { keep: false, reason: 'no answer to judge' };
  switch (filter) {
    case 'target':
      return row.agrees ? kept : { keep: false, reason: 'disagrees with the target' };
    case 'majority': {
      const majority = majorityAnswer(row.votes ?? [], task.answer, row.question);
      // Nothing that most samples say: the teacher does not know.
      if (majority === null) return { keep: false, reason: 'no majority' };
      const agrees = isCorrect(row.answer, majority, task.answer, row.question);
      return agrees ? kept : { keep: false, reason: 'disagrees with the majority' };
    }
    case 'verifier': {
      const verdict = task.verifier ? verify(task.verifier, row.question, row.answer) : 'unknown';
      if (verdict === 'unknown') return unjudged;
      return verdict === 'right' ? kept : { keep: false, reason: 'wrong by the verifier' };
    }
  }
}

/**
 * The conclusion that more samples share than any other (self-consistency, Wang et al. 2023); null where two lead, or none has a conclusion.
 * Samples without a conclusion do not vote.
 */
export function majorityAnswer(
  votes: readonly (string | null)[],
  answer: AnswerSpec,
  question?: string,
): string | null {
  const counts: { value: string; count: number }[] = [];
  for (const value of votes) {
    if (value === null) continue;
    const same = counts.find((one) => isCorrect(value, one.value, answer, question));
    if (same) same.count += 1;
    else counts.push({ value, count: 1 });
  }
  const most = Math.max(0, ...counts.map(({ count }) => count));
  const leading = counts.filter(({ count }) => count === most);
  return leading.length === 1 ? (leading[0]?.value ?? null) : null;
}
